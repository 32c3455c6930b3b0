package expr

import "strings"

// keywords are the words of SQL that name a column only in double quotes.
// Many more words mean something in one dialect or another; the parser (see
// client/sql) takes those as names.
var keywords = map[string]bool{}

func init() {
	for _, w := range strings.Fields(`
		all and as asc between binary by case collate cross current_date current_role current_time
		current_timestamp current_user delete desc distinct div dual else except exists false fetch
		for force from group having ignore ilike in inner insert intersect interval into is join
		lateral left like limit localtime localtimestamp lock match mod natural not null of on or
		order outer over partition recursive regexp right rlike row rows select tablesample then
		true union update use using utc_date utc_time utc_timestamp values when where window with
		xor`) {
		keywords[w] = true
	}
}

// IsKeyword reports whether word, in any case, names a column only in double
// quotes.
func IsKeyword(word string) bool { return keywords[strings.ToLower(word)] }
