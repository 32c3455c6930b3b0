package e2e

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// shapeAsker makes queries over a table of shapes: conditions that are decided
// on encoded data, aggregates that go by codes and tallies, top rows with ties.
type shapeAsker struct{ asker }

// Columns by what may be done with them.
const (
	shapeSums    = "hour code w8 u8 i16 u16 u32 rare gaps one wave dec wide" // sums do not overflow
	shapeNumbers = shapeSums + " id i64 spike even few fewu price p32 digits wild"
	shapeTexts   = "city kind invoice note hash url none"
	shapeBools   = "flag shift alarm"
	shapeRest    = "ts dt tz tm bin"
	shapeKeys    = "dt hour code w8 u8 u16 few fewu rare one flag shift alarm city kind none tz bin p32 spike gaps" // not too many values
	shapeAll     = shapeNumbers + " " + shapeTexts + " " + shapeBools + " " + shapeRest
)

// query makes a query. Tarn promises the order of the table where a query asks
// for none, and among equal keys; DuckDB is told to give it.
func (a *shapeAsker) query() *diffQuery {
	switch a.IntN(8) {
	case 0, 1:
		return a.total()
	case 2:
		return a.top()
	case 3:
		return a.first()
	case 4:
		return a.distinct()
	}
	return a.groups()
}

func (a *shapeAsker) from() string {
	if a.oneIn(8) {
		return " FROM " + a.table.name
	}
	return " FROM " + a.table.name + " WHERE " + a.condition([]int{0, 0, 1, 1, 2, 3}[a.IntN(6)])
}

func (a *shapeAsker) limit() string {
	n := []int{0, 1, 3, 10, 10, 100, 1000, 5000}[a.IntN(8)]
	if a.oneIn(5) {
		return fmt.Sprintf(" LIMIT %d OFFSET %d", n, a.IntN(100))
	}
	return fmt.Sprintf(" LIMIT %d", n)
}

// columns picks up to n of them, or now and then all.
func (a *shapeAsker) columns(n int, of string) []string {
	if a.oneIn(12) {
		return strings.Fields(of)
	}
	var out []string
	for range 1 + a.IntN(n) {
		out = append(out, a.column(of))
	}
	return out
}

func (a *shapeAsker) total() *diffQuery {
	q := &diffQuery{ordered: true}
	items := a.aggregates(q, 5)
	q.sql = "SELECT " + strings.Join(items, ", ") + a.from()
	return q
}

// first is the first rows, in the order of the table.
func (a *shapeAsker) first() *diffQuery {
	items := a.columns(4, shapeAll)
	q := &diffQuery{ordered: true, approx: make([]bool, len(items))}
	q.sql, q.duck = a.ending("SELECT "+strings.Join(items, ", ")+a.from(), nil, "id")
	return q
}

// top is rows by keys that many of them share.
func (a *shapeAsker) top() *diffQuery {
	items := a.columns(5, shapeAll)
	q := &diffQuery{ordered: true, approx: make([]bool, len(items))}
	var order []string
	for range 1 + a.IntN(2) {
		order = append(order, a.orderBy(a.column(a.pick(shapeAll, shapeKeys, "hour dt rare city gaps wild wide"))))
	}
	q.sql, q.duck = a.ending("SELECT "+strings.Join(items, ", ")+a.from(), order, "id")
	return q
}

func (a *shapeAsker) distinct() *diffQuery {
	items := a.columns(2, shapeKeys)[:1]
	if a.oneIn(3) {
		items = append(items, a.column("hour kind flag rare"))
	}
	q := &diffQuery{ordered: true, approx: make([]bool, len(items))}
	from, list := a.from(), strings.Join(items, ", ")
	q.sql, _ = a.ending("SELECT DISTINCT "+list+from, nil, "")
	q.duck = "SELECT " + list + from + " GROUP BY " + list + " ORDER BY min(id)" + q.sql[strings.LastIndex(q.sql, " LIMIT "):]
	return q
}

func (a *shapeAsker) groups() *diffQuery {
	q := &diffQuery{ordered: true}
	keys := []string{a.column(shapeKeys)}
	for a.oneIn(2) && len(keys) < 3 {
		keys = append(keys, a.column("hour kind flag shift rare city few u16 fewu one none dt"))
	}
	if a.oneIn(6) {
		keys[0] = a.pick("length(city)", "year(ts)", "month(dt)", "code % 7", "lower(city)", "price < 100", "hour IN (3, 4, 5)", "note LIKE '%fox%'")
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	q.approx = make([]bool, len(keys))
	aggs := a.aggregates(q, 4)
	text := "SELECT " + strings.Join(append(slices.Clone(keys), aggs...), ", ") + a.from() + " GROUP BY " + strings.Join(keys, ", ")
	if a.oneIn(6) {
		text += " HAVING " + a.pick("count(*) > 10", "min(code) < 5", "sum(u16) > 1000000", "max(city) >= 'P'", "count(gaps) = 0")
	}
	var order []string
	for i := range keys {
		if a.oneIn(4) {
			order = append(order, a.orderBy(keys[i]))
		}
	}
	for i, agg := range aggs {
		if a.oneIn(3) && !q.approx[len(keys)+i] {
			order = append(order, a.orderBy(agg))
		}
	}
	q.sql, q.duck = a.ending(text, order, "min(id)")
	return q
}

// ending sorts and limits a query; DuckDB sorts by tie as well.
func (a *shapeAsker) ending(text string, order []string, tie string) (tarn, duck string) {
	tarn = text
	if len(order) > 0 {
		tarn += " ORDER BY " + strings.Join(order, ", ")
	}
	duck = text + " ORDER BY " + strings.Join(append(slices.Clone(order), tie), ", ")
	limit := a.limit()
	return tarn + limit, duck + limit
}

func (a *shapeAsker) aggregates(q *diffQuery, most int) (out []string) {
	for range 1 + a.IntN(most) {
		agg := a.shapeAggregate()
		out, q.approx = append(out, agg.sql), append(q.approx, agg.approx)
	}
	return out
}

func (a *shapeAsker) shapeAggregate() term {
	switch a.IntN(12) {
	case 0, 1, 2:
		return term{sql: "count(*)"}
	case 3:
		return term{sql: "count(" + a.column(shapeAll) + ")"}
	case 4:
		return term{sql: "count(DISTINCT " + a.column(shapeAll) + ")"}
	case 5, 6:
		return term{sql: a.pick("min", "max") + "(" + a.column(shapeAll) + ")"}
	case 7:
		return term{sql: a.pick("sum", "avg") + "(" + a.column("price p32 digits") + ")", approx: true}
	case 8:
		return term{sql: "avg(" + a.column(shapeSums) + ")", approx: true}
	case 9:
		return term{sql: "sum(" + a.pick("price * code", "price * (1 - p32)", "p32 * u8") + ")", approx: true}
	case 10:
		return term{sql: "sum(" + a.pick("dec * u8", "dec * (1 + dec)", "code * hour", "CAST(u8 AS BIGINT) * 3", "length(note)") + ")"}
	}
	return term{sql: "sum(" + a.column(shapeSums) + ")"}
}

func (a *shapeAsker) condition(depth int) string {
	if depth == 0 {
		return a.predicate()
	}
	x, y := a.condition(depth-1), a.condition(a.IntN(depth))
	return a.pick("NOT ("+x+")", "("+x+" AND "+y+")", "("+x+" AND "+y+")", "("+x+" AND "+y+")", "("+x+" OR "+y+")", "("+x+" OR "+y+")")
}

func (a *shapeAsker) predicate() string {
	col := a.column(a.pick(shapeNumbers, shapeNumbers, shapeTexts, shapeRest))
	not := a.pick(" ", " ", " ", " NOT ")
	switch a.IntN(14) {
	case 0:
		return a.column(shapeAll) + a.pick(" IS NULL", " IS NOT NULL")
	case 1, 2:
		return col + not + "IN (" + a.many(col) + ")"
	case 3, 4:
		return fmt.Sprintf("%s%sBETWEEN %s AND %s", col, not, a.literal(col), a.literal(col))
	case 5, 6, 7:
		return a.like(not)
	case 8, 9:
		return a.word()
	case 10:
		return a.pick("", "NOT ") + a.column(shapeBools)
	case 11:
		of := a.pick("hour code w8 u8 i16 u16 u32 rare one wave spike id i64 few", "price p32 digits wild", "dec wide", "city kind note url invoice", "ts dt tz", shapeBools)
		return fmt.Sprintf("%s %s %s", a.column(of), a.comparison(), a.column(of))
	}
	return fmt.Sprintf("%s %s %s", col, a.comparison(), a.literal(col))
}

// many is a list for IN: short ones are looked for one by one, long ones not.
func (a *shapeAsker) many(col string) string {
	var list []string
	for range []int{1, 2, 3, 4, 5, 9, 16, 17, 40, 200}[a.IntN(10)] {
		list = append(list, a.literal(col))
	}
	return strings.Join(list, ", ")
}

// like makes a pattern of one of the forms that have a way of their own.
func (a *shapeAsker) like(not string) string {
	col := a.column("city kind invoice note note note hash url none")
	text := []rune(a.value(col, func(v arrow.Array, i int) string { return v.(*array.String).Value(i) }))
	from := a.IntN(len(text) + 1)
	to := from + a.IntN(len(text)-from+1)
	part := func(x, y int) string {
		return strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(string(text[x:y]))
	}
	pattern := a.pick(
		part(0, len(text)), part(0, to)+"%", "%"+part(from, len(text)), "%"+part(from, to)+"%", "%"+part(from, to)+"%",
		part(0, from)+"%"+part(to, len(text)), "%"+part(from, to)+"%"+part(to, len(text)), "%"+part(0, from)+"%"+part(from, to)+"%",
		part(0, from)+"_%", "_"+part(min(1, len(text)), len(text)), "%_"+part(to, len(text)), "%"+part(from, to)+"_%", "", "%", "%%", "_", "_%_",
		"%"+part(from, to)+a.pick("x", "é", "0", " ")+"%", strings.ToUpper(part(from, to))+"%", "%"+part(from, to)+"%"+part(from, to)+"%",
	)
	return col + not + a.pick("LIKE ", "LIKE ", "LIKE ", "ILIKE ") + a.quoted(pattern) + ` ESCAPE '\'`
}

// word is a condition on the words of a text.
func (a *shapeAsker) word() string {
	words := strings.Fields("fox FOX the order re 2nd dogs fragile Ünïcode GRÖSSE größe 日本 mail it s ticket7 ticket39 nothing ulm paulo SÃO york http host x 50 slash")
	return fmt.Sprintf("%shas_token(%s, %s)", a.pick("", "", "NOT "), a.column("note note note city url none"), a.quoted(a.pick(words...)))
}

// hasTokenMacro is has_token as docs/sql.md has it, for DuckDB.
const hasTokenMacro = `CREATE MACRO has_token(text, word) AS list_contains(regexp_extract_all(lower(text), '[\p{L}\p{M}\p{Nd}]+'), lower(word))`
