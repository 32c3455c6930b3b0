package fuse

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/schema"
	"github.com/zeebo/xxh3"
)

// maxName is the longest file name that Linux takes, in bytes.
const maxName = 255

// nullValue is the value that Hive, Spark, DuckDB and Arrow read as null.
const nullValue = "__HIVE_DEFAULT_PARTITION__"

// special holds the ASCII bytes that Hive escapes in partition names, and the
// other closing brace of a glob.
const special = "\"#%'*/:=?\\{}[]^\x7f"

// escape writes s as a file name: bytes that mean something to a shell, a
// glob, a path or a partition name become %XX, and so do bytes that are not
// UTF-8. Every hive reader undoes it.
func escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, r < ' ', r < utf8.RuneSelf && strings.ContainsRune(special, r):
			fmt.Fprintf(&b, "%%%02X", s[i])
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// escapeFirst is escape, with the first byte escaped whatever it is.
func escapeFirst(s string) string {
	return fmt.Sprintf("%%%02X", s[0]) + escape(s[1:])
}

// escapeVisible is escape, with no leading dot: neither hidden nor ".." nor
// the name of another tree.
func escapeVisible(s string) string {
	if strings.HasPrefix(s, ".") {
		return escapeFirst(s)
	}
	return escape(s)
}

// tableDir is the directory name of a table.
func tableDir(table string) string {
	name := escapeVisible(table)
	if len(name) > maxName {
		return cut(name)
	}
	return name
}

// cut shortens a name that is too long to a prefix and a hash of all of it.
func cut(name string) string {
	h := xxh3.HashString128(name)
	tail := fmt.Sprintf("-%016x%016x", h.Hi, h.Lo)
	end := maxName - len(tail)
	for !utf8.RuneStart(name[end]) {
		end--
	}
	if i := strings.LastIndexByte(name[:end], '%'); i >= 0 && end-i < 3 {
		end = i // not half of a %XX
	}
	return name[:end] + tail
}

// partitionKey is how one partition expression of a table spells its
// directories.
type partitionKey struct {
	name string // before the "="
	text bool   // the value is a string
}

// partitionKeys names the directories of a table so that a reader that takes
// hive partitions into account gets the same values as one that does not.
//
// DuckDB lets the directory's value replace a column of the same name, and
// guesses its type among DATE, TIMESTAMP, BIGINT and VARCHAR. So only columns
// whose values survive that (integers within BIGINT, dates, and strings, see
// dir) stand under their own name; another one becomes NAME_text, a column
// that the file does not have.
func partitionKeys(s *schema.Schema, by []schema.Transform) []partitionKey {
	keys := make([]partitionKey, len(by))
	taken := map[string]bool{}
	for i, t := range by {
		dt := columnType(s, t.FieldID)
		k := partitionKey{name: t.Name(s), text: dt != nil && dt.ID() == arrow.STRING && (t.Kind == schema.Identity || t.Kind == schema.Truncate)}
		standsForColumn := t.Kind == schema.Identity && survivesGuess(dt) && !taken[strings.ToLower(k.name)]
		if t.Kind == schema.Identity && !survivesGuess(dt) {
			k.name += "_text"
		}
		if !standsForColumn {
			for s.Index(k.name) >= 0 || taken[strings.ToLower(k.name)] {
				k.name += "_"
			}
		}
		taken[strings.ToLower(k.name)] = true
		keys[i] = k
	}
	return keys
}

func columnType(s *schema.Schema, id int32) arrow.DataType {
	if i := s.ByID(id); i >= 0 {
		return s.Fields[i].Type
	}
	return nil // dropped
}

func survivesGuess(dt arrow.DataType) bool {
	if dt == nil {
		return false
	}
	switch dt.ID() {
	case arrow.STRING, arrow.DATE32, arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32:
		return true
	}
	return false
}

// dir is the directory name of one value. A name that is too long takes
// another key, so that nobody takes the shortened value for the real one.
func (k partitionKey) dir(v schema.PartitionValue) string {
	value := escape(v.Text)
	switch {
	case v.Null:
		value = nullValue
	case k.text && looksTyped(v.Text):
		value = escapeFirst(v.Text)
	}
	key := escapeVisible(k.name)
	if name := key + "=" + value; len(name) <= maxName {
		return name
	}
	return cut(key + "_cut=" + value)
}

// looksTyped reports whether a reader that guesses types could take the
// string for a number, a date or a null. Readers guess before they undo %XX,
// so one escaped byte keeps the string a string.
func looksTyped(s string) bool {
	if s == "" {
		return false
	}
	switch strings.ToLower(s) {
	case "null", "inf", "infinity", "nan", "epoch", "true", "false", strings.ToLower(nullValue):
		return true
	}
	c := s[0]
	letter := 'a' <= c|0x20 && c|0x20 <= 'z'
	return !letter && c != '_' && c < utf8.RuneSelf
}
