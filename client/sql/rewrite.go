package sql

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
)

// The rewriting closes the gap between what people write and what the
// parser's grammar takes. Each rule is local: it looks at a few tokens.
//
//	12.50  'it''s'  X'00ff'          → ?             and the literal, by its place
//	DATE '…'  TIMESTAMP '…'          → ?             the same
//	CAST(x AS type)                  → CAST(x AS CHAR(k))  and the k-th type
//	x::type                          → CAST(x AS CHAR(k))
//	… NULLS FIRST, … NULLS LAST      → nothing       and the ORDER BY key's number
//	FROM t AS OF VERSION n           → FROM t AS OF TIMESTAMP ?
//	OFFSET m without LIMIT           → LIMIT ? OFFSET m
//	LIMIT ALL                        → LIMIT ?
//	FROM t AS OF VERSION n AS x      → FROM t x AS OF …
//	key, rank, change …              → "key", "rank", "change" …
//	SELECT left, dec, row …          → SELECT "left", "dec", "row" …
//
// Nothing the user typed reaches the parser but words, names, operators and
// brackets. The rewritten text is one line, so a column is a byte of it.
type rewritten struct {
	text  string           // what the user wrote
	out   []piece          // what the parser gets
	types []arrow.DataType // the k-th type of a cast, from 1
	nulls map[int]bool     // ORDER BY key → nulls first

	in       []token // not yet rewritten
	casts    []int   // depths of the CAST brackets that are open
	depth    int
	order    int // number of the ORDER BY key at hand; -1: none
	sawLimit bool
}

// piece is a token of the rewritten text.
type piece struct {
	token
	lit   *expr.Value // of a ?
	casts int         // how many "CAST (" stand before it
	from  int         // of the end of a cast by "::" the piece where its operand starts

	sqlStart, sqlEnd int // bytes of the rewritten text
}

func rewrite(text string, in []token) (*rewritten, error) {
	r := &rewritten{text: text, in: in, nulls: map[int]bool{}, order: -1}
	for len(r.in) > 0 {
		if err := r.step(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// at returns the n-th token not yet rewritten; behind the end a semicolon.
func (r *rewritten) at(n int) token {
	if n < len(r.in) {
		return r.in[n]
	}
	return token{kind: punct, text: ";", start: len(r.text), end: len(r.text)}
}

// step rewrites the next tokens by the first rule that fits.
func (r *rewritten) step() error {
	t := r.at(0)
	switch {
	case r.afterDot():
		r.copy(1)
	case r.isNameInDisguise():
		r.in[0].kind = quoted
		r.copy(1)
	case t.kind == number:
		r.literal(1, t, expr.Number, t.text)
	case t.kind == str:
		r.literal(1, t, expr.String, t.text)
	case t.kind == hex:
		r.literal(1, t, expr.Bytes, strings.ToLower(t.text))
	case t.is("DATE") && r.at(1).kind == str:
		r.literal(2, r.at(1), expr.Date, r.at(1).text)
	case t.is("TIMESTAMP") && r.at(1).kind == str:
		r.literal(2, r.at(1), expr.Timestamp, r.at(1).text)
	case t.is("AS") && r.at(1).is("OF") && (r.at(2).is("TIMESTAMP") || r.at(2).is("VERSION")):
		r.asOf()
	case t.is("CAST") && r.at(1).is("("):
		r.casts = append(r.casts, r.depth+1)
		r.copy(1)
	case t.is("AS") && len(r.casts) > 0 && r.casts[len(r.casts)-1] == r.depth:
		return r.castType()
	case t.is("::"):
		return r.colonCast()
	case t.is("ESCAPE") && r.at(1).kind == str:
		return r.escape()
	case (t.is("TRY_CAST") || t.is("CONVERT")) && r.at(1).is("("):
		return unsupported(upper(t.text)).WithHint("CAST(x AS type)")
	case t.is("IS") && (r.at(1).is("DISTINCT") || r.at(1).is("NOT") && r.at(2).is("DISTINCT")):
		return unsupported("IS DISTINCT FROM").WithHint("x = y OR (x IS NULL AND y IS NULL) for NOT DISTINCT, NOT (…) for the other")
	case t.is("EXTRACT") && r.at(1).is("(") && r.at(2).kind == word && r.at(3).is("FROM") && !extracts[upper(r.at(2).text)]:
		return unsupported("EXTRACT of " + upper(r.at(2).text)).WithHint("year, month, day and hour can be extracted")
	case t.is("||"):
		return unsupported("||").WithHint("the operators are + - * / and %%")
	default:
		return r.clause()
	}
	return nil
}

// clause handles the words that matter only outside of brackets.
func (r *rewritten) clause() error {
	t := r.at(0)
	if r.depth == 0 {
		switch {
		case t.is("ORDER") && r.at(1).is("BY"):
			r.order = 0
		case t.is(",") && r.order >= 0:
			r.order++
		case t.is("NULLS") && r.order >= 0 && (r.at(1).is("FIRST") || r.at(1).is("LAST")):
			r.nulls[r.order] = r.at(1).is("FIRST")
			r.in = r.in[2:]
			return nil
		case t.is("LIMIT") && r.at(1).is("ALL"):
			r.limitAll(2)
			return nil
		case t.is("LIMIT") || t.is("FETCH"):
			r.sawLimit, r.order = true, -1
		case t.is("OFFSET") && !r.sawLimit && r.at(1).kind == number:
			r.limitAll(0)
		}
	}
	r.copy(1)
	return nil
}

// afterDot reports whether the next token is part of a qualified name.
func (r *rewritten) afterDot() bool { return len(r.out) > 0 && r.out[len(r.out)-1].is(".") }

// isNameInDisguise reports whether the next token is a word that the parser's
// dialect reserves and that nobody needs here but as a name.
func (r *rewritten) isNameInDisguise() bool {
	t := r.at(0)
	if t.kind != word || r.at(1).is("(") || len(r.out) == 0 || !r.out[0].is("SELECT") || r.sawLimit {
		return false
	}
	mysql := reserved[upper(t.text)] || strings.HasPrefix(upper(t.text), "SQL_")
	return mysql && !expr.IsKeyword(t.text) || r.standsAsName()
}

// standsAsName reports whether the next word, whatever it means elsewhere,
// stands where only a name makes sense: behind what an operand follows and
// before what follows an operand.
func (r *rewritten) standsAsName() bool {
	before, t, after := r.out[len(r.out)-1].token, r.at(0), r.at(1)
	if n := len(r.out); before.is("(") && n > 1 && r.out[n-2].is("EXTRACT") {
		return false
	}
	return !always[upper(t.text)] &&
		(before.kind == punct && !before.is(")") && !before.is("?") && !before.is("*") || before.kind == word && beforeOperand[upper(before.text)]) &&
		(after.kind == punct && !after.is("(") && !after.is(".") || after.kind == word && afterOperand[upper(after.text)])
}

// extracts are the parts of a time that EXTRACT gives.
var extracts = wordSet(`YEAR MONTH DAY HOUR`)

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[w] = true
	}
	return set
}

var (
	// always are the words that are never a name without quotes.
	always = wordSet(`SELECT DISTINCT ALL FROM WHERE GROUP HAVING ORDER LIMIT OFFSET BY AND OR NOT IN IS LIKE ILIKE BETWEEN AS ON
		NULL TRUE FALSE ASC DESC CASE WHEN THEN ELSE END UNION EXCEPT INTERSECT EXISTS JOIN
		CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER CURRENT_ROLE LOCALTIME LOCALTIMESTAMP UTC_DATE UTC_TIME UTC_TIMESTAMP`)
	beforeOperand = wordSet(`SELECT DISTINCT WHERE HAVING BY AND OR NOT BETWEEN`)
	afterOperand  = wordSet(`FROM AS AND OR NOT IS IN LIKE ILIKE BETWEEN ASC DESC NULLS GROUP HAVING ORDER LIMIT OFFSET`)
)

// copy takes n tokens over as they are.
func (r *rewritten) copy(n int) {
	for _, t := range r.in[:n] {
		switch {
		case t.is("("):
			r.depth++
		case t.is(")"):
			if n := len(r.casts); n > 0 && r.casts[n-1] == r.depth {
				r.casts = r.casts[:n-1]
			}
			r.depth--
		}
		r.out = append(r.out, piece{token: t})
	}
	r.in = r.in[n:]
}

// insert puts words of ours into the text, in the place of t.
func (r *rewritten) insert(t token, texts ...string) {
	for _, text := range texts {
		r.out = append(r.out, piece{token: token{punct, text, t.start, t.end}})
	}
}

// literal puts a ? in the place of n tokens.
func (r *rewritten) literal(n int, t token, kind expr.Kind, text string) {
	mark := token{punct, "?", r.at(0).start, t.end}
	r.out = append(r.out, piece{token: mark, lit: &expr.Value{Kind: kind, Text: text}})
	r.in = r.in[n:]
}

// noLimit stands in for the number of a LIMIT that is not there.
var noLimit = &expr.Value{Kind: expr.Null}

func (r *rewritten) limitAll(n int) {
	t := r.at(0)
	r.insert(t, "LIMIT", "?")
	r.out[len(r.out)-1].lit = noLimit
	r.in = r.in[n:]
	r.sawLimit, r.order = true, -1
}

func (r *rewritten) asOf() {
	version := r.at(2).is("VERSION")
	if n := 5; r.at(n-1).is("AS") && r.at(n).isName() || r.at(n-1).isName() && !afterTable[upper(r.at(n-1).text)] {
		r.aliasFirst()
	}
	r.copy(2)
	if version {
		r.insert(r.at(0), "TIMESTAMP")
		r.in = r.in[1:]
		return
	}
	r.copy(1) // or TIMESTAMP and the string behind it would become one literal
}

// afterTable are the words that may follow a table and are not its alias.
var afterTable = wordSet(`WHERE GROUP HAVING ORDER LIMIT OFFSET FETCH UNION EXCEPT INTERSECT JOIN LEFT RIGHT INNER CROSS NATURAL ON AS`)

// aliasFirst moves the alias behind AS OF VERSION n before it, where the
// grammar wants it.
func (r *rewritten) aliasFirst() {
	n := 4
	if r.at(n).is("AS") {
		n++
	}
	alias := r.at(n)
	alias.kind = quoted
	rest := append(slices.Clone(r.in[:4]), r.in[n+1:]...)
	r.out = append(r.out, piece{token: alias})
	r.in = rest
}

// castType reads the type between AS and the bracket that closes the CAST.
func (r *rewritten) castType() error {
	n, depth := 1, 0
	for ; n < len(r.in) && (depth > 0 || !r.at(n).is(")")); n++ {
		depth += nesting(r.at(n))
	}
	if n == 1 {
		r.copy(1) // CAST(x AS): the parser says what is wrong
		return nil
	}
	as := r.at(0)
	t, err := r.typeOf(r.in[1:n])
	if err != nil {
		return err
	}
	r.in = r.in[n:]
	r.types = append(r.types, t)
	r.insert(as, "AS", "CHAR", "(", strconv.Itoa(len(r.types)), ")")
	return nil
}

func nesting(t token) int {
	switch {
	case t.is("("):
		return 1
	case t.is(")"):
		return -1
	}
	return 0
}

// colonCast turns operand :: type into a CAST; the operand is the name,
// literal, call or bracket right before.
func (r *rewritten) colonCast() error {
	colons := r.at(0)
	start := r.operand()
	n := 1 + typeLength(r.in[1:])
	if start < 0 || n == 1 {
		return errorAt(r.text, colons.start, colons.end, `"::" wants a column, a value, a call or brackets before it and a type behind it`)
	}
	t, err := r.typeOf(r.in[1:n])
	if err != nil {
		return err
	}
	r.types = append(r.types, t)
	r.out[start].casts++
	r.insert(colons, "AS CHAR ( "+strconv.Itoa(len(r.types))+" ) )")
	r.out[len(r.out)-1].from = start
	r.in = r.in[n:]
	return nil
}

// operand returns where in out the operand that ends there starts, or -1.
func (r *rewritten) operand() int {
	i := len(r.out) - 1
	switch {
	case i < 0:
		return -1
	case r.out[i].from > 0: // x::a::b
		return r.out[i].from
	case r.out[i].is(")"):
		return r.bracketed(i)
	case r.out[i].is("?"):
		return i
	case !r.out[i].isName():
		return -1
	}
	for i >= 2 && r.out[i-1].is(".") && r.out[i-2].isName() {
		i -= 2
	}
	return i
}

// bracketed returns where the brackets that piece i closes start, with the
// name of the function before them.
func (r *rewritten) bracketed(i int) int {
	for depth := nesting(r.out[i].token); depth < 0; depth += nesting(r.out[i].token) {
		i--
	}
	if i > 0 && r.out[i-1].kind == word && !notAFunction[upper(r.out[i-1].text)] {
		i--
	}
	return i
}

// notAFunction are the words that may stand before a bracket and do not
// belong to it.
var notAFunction = map[string]bool{
	"AND": true, "OR": true, "NOT": true, "IN": true, "BETWEEN": true, "LIKE": true, "ILIKE": true, "SELECT": true, "DISTINCT": true,
	"WHERE": true, "BY": true, "HAVING": true, "AS": true, "ON": true, "WHEN": true, "THEN": true, "ELSE": true, "CASE": true,
}

// typeLength returns how many tokens the type at the head of in has: a word,
// then brackets if it is a word that takes them.
func typeLength(in []token) int {
	if len(in) == 0 || in[0].kind != word {
		return 0
	}
	n := 1
	if len(in) > 1 && in[0].is("DOUBLE") && in[1].is("PRECISION") {
		n = 2
	}
	if n == len(in) {
		return n
	}
	closing := map[string]string{"(": ")", "[": "]", "<": ">"}[in[n].text]
	nested := in[0].is("LIST") || in[0].is("MAP") || in[0].is("STRUCT")
	if closing == "" || in[n].text == "<" && !nested {
		return n
	}
	opening := in[n].text
	for depth := 0; n < len(in); n++ {
		switch {
		case in[n].is(opening):
			depth++
		case in[n].is(closing):
			depth--
		case in[n].is(">>") && closing == ">":
			depth -= 2
		}
		if depth <= 0 {
			return n + 1
		}
	}
	return n
}

// typeOf reads a type that stands in the query text.
func (r *rewritten) typeOf(tokens []token) (arrow.DataType, error) {
	start, end := tokens[0].start, tokens[len(tokens)-1].end
	t, err := schema.ParseType(typeText(r.text[start:end]))
	if err != nil {
		return nil, errorAt(r.text, start, end, "%v", err)
	}
	return t, nil
}

// typeText turns SQL spellings of types that schema.ParseType does not read
// into ones that it does.
func typeText(sql string) string {
	name, args, _ := strings.Cut(strings.Join(strings.Fields(sql), " "), "(")
	if as, ok := sqlTypes[upper(strings.TrimSpace(name))]; ok {
		return as
	}
	if args == "" {
		return name
	}
	return name + "(" + args
}

// sqlTypes are types by their SQL names, lengths left out: Tarn's strings
// have none.
var sqlTypes = map[string]string{
	"SIGNED": "int64", "SIGNED INTEGER": "int64", "UNSIGNED": "uint64", "UNSIGNED INTEGER": "uint64",
	"INT": "int32", "HUGEINT": "decimal(38,0)", "LONG": "int64",
	"CHAR": "string", "CHARACTER": "string", "CHARACTER VARYING": "string", "VARCHAR": "string", "TEXT": "string",
	"DOUBLE PRECISION": "float64", "BYTEA": "binary", "VARBINARY": "binary",
	"DATETIME": "timestamp[us]", "TIMESTAMP": "timestamp[us]", "TIMESTAMP WITHOUT TIME ZONE": "timestamp[us]",
	"TIMESTAMPTZ": "timestamp[us, UTC]", "TIMESTAMP WITH TIME ZONE": "timestamp[us, UTC]", "TIME": "time[us]",
}

// escape lets LIKE … ESCAPE '\' through, which is what LIKE does anyway.
func (r *rewritten) escape() error {
	if r.at(1).text != `\` {
		return unsupported("LIKE with another ESCAPE than the backslash").WithHint(`write \%% for a percent sign and \_ for an underscore`)
	}
	r.in = r.in[2:]
	return nil
}

// sql returns the text for the parser and notes where each piece stands.
func (r *rewritten) sql() string {
	var b strings.Builder
	for i := range r.out {
		p := &r.out[i]
		if i > 0 && !p.is(".") && !r.out[i-1].is(".") {
			b.WriteByte(' ')
		}
		for range p.casts {
			b.WriteString("CAST ( ")
		}
		p.sqlStart = b.Len()
		if p.kind == quoted {
			b.WriteString(quoteName(p.text))
		} else {
			b.WriteString(p.text)
		}
		p.sqlEnd = b.Len()
	}
	return b.String()
}

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literalAt returns the literal whose ? stands at that byte of the rewritten
// text.
func (r *rewritten) literalAt(offset int) *expr.Value {
	i, ok := slices.BinarySearchFunc(r.out, offset, func(p piece, at int) int { return cmp.Compare(p.sqlStart, at) })
	if !ok || r.out[i].lit == nil {
		panic(fmt.Sprintf("BUG: no literal at byte %d of %q", offset, r.sql()))
	}
	return r.out[i].lit
}
