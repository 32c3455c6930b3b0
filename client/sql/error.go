package sql

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
)

// errorAt makes an error that shows the line of text that holds byte start,
// with carets under the bytes start to end.
func errorAt(text string, start, end int, format string, args ...any) *wire.Error {
	return wire.Errorf(wire.InvalidArgument, "%s\n%s", fmt.Sprintf(format, args...), pointAt(text, start, end))
}

// lineWidth is how many characters of a long line are shown around an error.
const lineWidth = 72

// pointAt draws
//
//	line 2: SELECT a b c FROM t
//	             ^
//
// and leaves "line 2:" out where the text has one line.
func pointAt(text string, start, end int) string {
	lineStart := strings.LastIndexByte(text[:start], '\n') + 1
	line, _, _ := strings.Cut(text[lineStart:], "\n")
	before := []rune(text[lineStart:start])
	shown := []rune(strings.Map(flatten, line))
	from := max(0, len(before)-lineWidth/2)
	shown = shown[from:min(len(shown), from+lineWidth)]
	col := len(before) - from
	mark := utf8.RuneCountInString(text[start:max(start, end)])
	mark = max(1, min(mark, len(shown)-col))
	label := "  "
	if strings.Contains(strings.TrimRight(text, "\n"), "\n") {
		label = fmt.Sprintf("  line %d: ", 1+strings.Count(text[:start], "\n"))
	}
	indent := strings.Repeat(" ", len(label)+col)
	return label + string(shown) + "\n" + indent + strings.Repeat("^", mark)
}

// flatten keeps one character one column wide.
func flatten(r rune) rune {
	if r < ' ' {
		return ' '
	}
	return r
}

// syntaxError tells in our words where the parser stopped.
func (r *rewritten) syntaxError(err error) error {
	at := r.stoppedAt(err.Error())
	if name := r.lacking(at); name != "" {
		return refuse(name)
	}
	if at == len(r.out) {
		end := len(strings.TrimRight(r.text, " \t\r\n;"))
		return r.hinted(at, errorAt(r.text, end, end, "syntax error: the text ends too early"))
	}
	t := r.out[at]
	return r.hinted(at, errorAt(r.text, t.start, t.end, "syntax error at %q", r.text[t.start:t.end]))
}

// The parser says where it stopped by quoting the text from there on, at most
// nearBytes of it, and by the column that it had read up to.
var parserPosition = regexp.MustCompile(`(?s)^line \d+ column (\d+) near "(.*)`)

const nearBytes = 2048

// stoppedAt returns the piece at which the parser stopped; len(r.out) is the
// end of the text.
func (r *rewritten) stoppedAt(message string) int {
	m := parserPosition.FindStringSubmatch(message)
	if m == nil {
		return len(r.out)
	}
	column, _ := strconv.Atoi(m[1]) // digits of a position in our own text
	sql := r.sql()
	for i := len(r.out) - 1; i >= 0; i-- {
		near := sql[r.out[i].sqlStart:]
		near = near[:min(len(near), nearBytes)]
		if r.out[i].sqlStart <= column && strings.HasPrefix(m[2], near+`"`) {
			return i
		}
	}
	return len(r.out)
}

// hinted adds what is most likely wrong near the piece at.
func (r *rewritten) hinted(at int, e *wire.Error) error {
	if at > 0 && at < len(r.out) && r.out[at].is("=") && r.out[at-1].is("=") {
		return e.WithHint("to compare is a single =")
	}
	for i := at; i >= max(0, at-2); i-- {
		if i == len(r.out) || r.out[i].kind != word {
			continue
		}
		text := r.out[i].text
		if isStrayKeyword(r.out[i:]) {
			return e.WithHint("%s is a word of SQL; if it is a column's name, write \"%s\" in double quotes", text, text)
		}
		if clause := wire.Closest(text, clauses); clause != "" && !expr.IsKeyword(text) && len(text) > 3 {
			return e.WithHint("did you mean %s?", clause)
		}
	}
	return e
}

// clauses are the words that are at home where they stand, more or less.
var clauses = []string{"SELECT", "DISTINCT", "FROM", "WHERE", "GROUP BY", "HAVING", "ORDER BY", "LIMIT", "OFFSET", "BETWEEN"}

// isStrayKeyword reports whether pieces starts with a keyword that was most
// likely meant as a name.
func isStrayKeyword(pieces []piece) bool {
	t := pieces[0]
	switch upper(t.text) {
	case "SELECT", "DISTINCT", "FROM", "WHERE", "HAVING", "LIMIT", "BY", "AND", "OR", "NOT", "IN", "IS", "LIKE", "ILIKE", "BETWEEN", "AS", "NULL", "TRUE", "FALSE", "ASC", "DESC":
		return false
	case "GROUP", "ORDER":
		return len(pieces) > 1 && !pieces[1].is("BY")
	}
	return expr.IsKeyword(t.text)
}

// lacking names what a user most likely meant where the grammar stops at
// token at: things of other SQL dialects that it does not know at all.
func (r *rewritten) lacking(at int) string {
	for _, t := range r.out[max(0, at-2):min(len(r.out), at+2)] {
		if t.kind != word {
			continue
		}
		if name := foreign[upper(t.text)]; name != "" {
			return name
		}
	}
	return ""
}

// foreign are words of other dialects, by what they stand for.
var foreign = map[string]string{
	"FULL": "JOIN", "JOIN": "JOIN", "OUTER": "JOIN", "LATERAL": "a subquery",
	"FILTER": "FILTER", "QUALIFY": "QUALIFY", "PIVOT": "PIVOT", "UNPIVOT": "PIVOT",
	"GROUPING": "GROUPING SETS", "CUBE": "CUBE", "ROLLUP": "ROLLUP",
	"EXCEPT": "EXCEPT", "INTERSECT": "INTERSECT", "MERGE": "MERGE", "COPY": "COPY", "ARRAY": "ARRAY",
	"OVER": "a window function", "SIMILAR": "SIMILAR TO", "EXCLUDE": "EXCLUDE", "INTERVAL": "INTERVAL",
}

// reserved are the words that the grammar takes as a name only in quotes.
var reserved = reservedWords()

func reservedWords() map[string]bool {
	m := map[string]bool{}
	for _, k := range parser.Keywords {
		if k.Reserved {
			m[k.Word] = true
		}
	}
	return m
}

func unsupported(name string) *wire.Error {
	return wire.Errorf(wire.Unsupported, "%s is not supported", name)
}

// hintFor says what to do instead of something that Tarn does not do.
func hintFor(name string) string {
	if h, ok := instead[name]; ok {
		return h
	}
	return "one SELECT over one table with WHERE, GROUP BY, HAVING, ORDER BY and LIMIT; for more, point an engine such as DuckDB at the mount (tarn mount DIR)"
}

var instead = map[string]string{
	"FILTER": "put the condition into WHERE, in one query for each condition",
}
