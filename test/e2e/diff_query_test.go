package e2e

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// diffQuery is a random query and what its text alone does not say.
type diffQuery struct {
	sql     string
	duck    string // the same for DuckDB, where it has to be told more
	ordered bool   // the order of the rows is settled by the query
	approx  []bool // by output column: holds sums of floats
}

// asker makes random queries over a table, in the SQL that both understand.
type asker struct {
	*rand.Rand
	table *diffTable
}

// term is an expression.
type term struct {
	sql    string
	float  bool
	approx bool // its last digits depend on the order in which floats were added
}

func (a *asker) pick(list ...string) string { return list[a.IntN(len(list))] }

// oneIn is true once in n times.
func (a *asker) oneIn(n int) bool { return a.IntN(n) == 0 }

// column picks a column out of "a b c".
func (a *asker) column(of string) string { return a.pick(strings.Fields(of)...) }

// Columns by what may be done with them.
const (
	diffTame    = "k n seq u8 u16 i8 c g d10"                         // sums and products of two do not overflow
	diffNumbers = diffTame + " id i16 i32 i64 u32 u64 f32 f64 e d38 " // compare with each other
	diffStrings = "s w p z"
	diffTimes   = "dt ts tz"
	diffAll     = diffNumbers + diffStrings + " b x tm " + diffTimes
)

// query makes a query of one of four forms.
func (a *asker) query() *diffQuery {
	switch a.IntN(6) {
	case 0, 1:
		return a.rows()
	case 2:
		return a.distinct()
	case 3:
		return a.total()
	}
	return a.groups()
}

// pruned makes a query that zones can say much about: few conditions, and
// extremes that zones may answer by themselves.
func (a *asker) pruned() string {
	items := "id"
	if a.oneIn(3) {
		items = fmt.Sprintf("min(%s), max(%s), count(%s), count(*)", a.column("s x "+diffAll), a.column("s x "+diffAll), a.column(diffAll))
		if a.oneIn(3) {
			return "SELECT " + items + " FROM " + a.table.name
		}
	}
	return "SELECT " + items + " FROM " + a.table.name + " WHERE " + a.condition(a.IntN(3))
}

func (a *asker) where() string {
	switch a.IntN(25) {
	case 0, 1, 2:
		return ""
	case 3:
		return " WHERE " + a.pick("true", "false", "NULL", "NOT NULL", "1 = 1", "NULL IS NULL", "'a' = 'b'")
	}
	return " WHERE " + a.condition(a.IntN(4))
}

// rows selects rows. Where a limit cuts them the order is settled by the id.
func (a *asker) rows() *diffQuery {
	q := &diffQuery{}
	var items, order []string
	if a.oneIn(6) {
		items, q.approx = []string{"*"}, make([]bool, len(diffColumns))
	}
	for n := 1 + a.IntN(5); len(items) < n && q.approx == nil || len(items) > len(q.approx); {
		item := a.item()
		items, q.approx = append(items, a.named(item, len(items))), append(q.approx, item.approx)
	}
	for range a.IntN(3) {
		order = append(order, a.orderBy(a.key()))
	}
	q.sql = "SELECT " + strings.Join(items, ", ") + " FROM " + a.table.name + a.where()
	if q.ordered = a.oneIn(2) || a.table.rows() > 10_000; q.ordered {
		q.sql += " ORDER BY " + strings.Join(append(order, "id"), ", ") + a.limit()
	}
	return q
}

func (a *asker) item() term {
	switch a.IntN(5) {
	case 0:
		return a.number(2)
	case 1:
		return term{sql: a.pick(a.text(), a.moment(), "("+a.condition(1)+")", a.castText(), a.roundTrip())}
	}
	return term{sql: a.column(diffAll)}
}

// named gives an item an alias now and then.
func (a *asker) named(t term, i int) string {
	if a.oneIn(4) {
		return fmt.Sprintf("%s AS out%d", t.sql, i)
	}
	return t.sql
}

func (a *asker) orderBy(sql string) string {
	return sql + a.pick("", " ASC", " DESC") + a.pick("", "", " NULLS FIRST", " NULLS LAST")
}

func (a *asker) limit() string {
	n := []int{0, 1, 5, 50, 1000}[a.IntN(5)]
	if a.oneIn(20) && a.table.rows() < 10_000 {
		return fmt.Sprintf(" OFFSET %d", a.IntN(200))
	}
	if a.oneIn(4) {
		return fmt.Sprintf(" LIMIT %d OFFSET %d", n, a.IntN(200))
	}
	return fmt.Sprintf(" LIMIT %d", n)
}

// distinct is SELECT DISTINCT; its order is settled by all of its columns.
func (a *asker) distinct() *diffQuery {
	q := &diffQuery{}
	var items, order []string
	for i := range 1 + a.IntN(3) {
		items, q.approx = append(items, a.key()), append(q.approx, false)
		order = append(order, a.orderBy(strconv.Itoa(i+1)))
	}
	q.sql = "SELECT DISTINCT " + strings.Join(items, ", ") + " FROM " + a.table.name + a.where()
	if q.ordered = a.oneIn(2); q.ordered {
		q.sql += " ORDER BY " + strings.Join(order, ", ") + a.limit()
	}
	return q
}

// total aggregates all rows into one.
func (a *asker) total() *diffQuery {
	q := &diffQuery{}
	var items []string
	for i := range 1 + a.IntN(5) {
		agg := a.aggregate()
		items, q.approx = append(items, a.named(agg, i)), append(q.approx, agg.approx)
	}
	q.sql = "SELECT " + strings.Join(items, ", ") + " FROM " + a.table.name + a.where()
	if a.oneIn(6) {
		q.sql += " HAVING " + a.having()
	}
	return q
}

// groups groups by up to three keys; its order is settled by all of them.
func (a *asker) groups() *diffQuery {
	q := &diffQuery{}
	var keys, items, order []string
	for range 1 + a.IntN(3) {
		keys = append(keys, a.key())
	}
	by := slices.Clone(keys)
	for i, k := range keys {
		if !a.oneIn(4) {
			items, q.approx = append(items, k), append(q.approx, false)
			if a.oneIn(6) { // by position or by name
				by[i] = strconv.Itoa(len(items))
			} else if a.oneIn(6) {
				by[i] = fmt.Sprintf("key%d", i)
				items[len(items)-1] += " AS " + by[i]
			}
		}
	}
	for range 1 + a.IntN(4) {
		agg := a.aggregate()
		items, q.approx = append(items, a.named(agg, len(items))), append(q.approx, agg.approx)
		if !agg.approx && a.oneIn(4) {
			order = append(order, a.orderBy(agg.sql))
		}
	}
	q.sql = "SELECT " + strings.Join(items, ", ") + " FROM " + a.table.name + a.where() + " GROUP BY " + strings.Join(by, ", ")
	if a.oneIn(4) {
		q.sql += " HAVING " + a.having()
	}
	for i, k := range keys {
		order = append(order, a.orderBy(a.pick(k, by[i])))
	}
	q.ordered = true
	q.sql += " ORDER BY " + strings.Join(order, ", ")
	if a.oneIn(2) || a.table.rows() > 10_000 {
		q.sql += a.limit()
	}
	return q
}

// key is what rows are grouped and sorted by: mostly a column.
func (a *asker) key() string {
	switch a.IntN(12) {
	case 0:
		return "k % " + strconv.Itoa(1+a.IntN(20))
	case 1:
		return fmt.Sprintf("%s(%s)", a.pick("year", "month", "day", "date"), a.column("ts tz"))
	case 2:
		return a.pick("lower", "upper", "length") + "(" + a.column(diffStrings) + ")"
	case 3:
		return "(" + a.condition(0) + ")"
	case 4:
		return a.pick("year", "month", "day") + "(dt)"
	case 5, 6, 7:
		return a.column("p w b c k u8 i8 seq z")
	}
	return a.column(diffAll)
}

func (a *asker) aggregate() term {
	switch a.IntN(9) {
	case 0:
		return term{sql: "count(*)"}
	case 1:
		return term{sql: "count(" + a.column(diffAll) + ")"}
	case 2:
		return term{sql: "count(DISTINCT " + a.key() + ")"}
	case 3, 4:
		return term{sql: a.pick("min", "max") + "(" + a.column(diffAll) + ")"}
	case 5:
		return a.floatAggregate()
	case 6:
		of := a.tame(2)
		if a.oneIn(2) {
			return term{sql: "sum(" + of.sql + ")", approx: of.float}
		}
		return term{sql: a.pick("min", "max", "count") + "(" + of.sql + ")"}
	case 7:
		return term{sql: fmt.Sprintf("%s(k) %s %s(n)", a.pick("sum", "min", "max"), a.pick("+", "-", "*", "/", "%"), a.pick("min", "count", "max"))}
	}
	return term{sql: "sum(" + a.column("k n seq u8 u16 u32 i8 i16 i32 d10 u64 i64 d38 c") + ")"}
}

func (a *asker) floatAggregate() term {
	if a.oneIn(3) {
		return term{sql: "sum(" + a.column("g e f32") + ")", approx: true}
	}
	return term{sql: "avg(" + a.column("k n seq u8 i32 i64 u64 d10 g e f32 d38") + ")", approx: true}
}

// having compares aggregates that are exact.
func (a *asker) having() string {
	return a.pick(
		fmt.Sprintf("count(*) %s %d", a.comparison(), a.IntN(6)),
		fmt.Sprintf("sum(k) %s %d", a.comparison(), a.IntN(400)-200),
		fmt.Sprintf("min(dt) %s %s", a.comparison(), a.literal("dt")),
		fmt.Sprintf("max(s) %s %s", a.comparison(), a.literal("s")),
		fmt.Sprintf("count(DISTINCT w) BETWEEN %d AND 5", a.IntN(5)),
		"sum(n) IS NOT NULL AND NOT (count(b) = count(*))",
		"max(k) > min(u8)",
		"max(id) - min(id) >= count(*) * 2",
		"min(s) LIKE 'long%'",
		"max(w) IN ('yellow', '', 'red')",
		"min(b) OR max(b) IS NULL",
	)
}

func (a *asker) comparison() string { return a.pick("=", "<", "<=", ">", ">=", "<>", "!=") }

// condition makes a filter tree.
func (a *asker) condition(depth int) string {
	if depth == 0 {
		return a.predicate()
	}
	switch a.IntN(5) {
	case 0:
		return "NOT (" + a.condition(depth-1) + ")"
	case 1, 2:
		return "(" + a.condition(depth-1) + " AND " + a.condition(depth-1) + ")"
	}
	return "(" + a.condition(depth-1) + " OR " + a.condition(depth-1) + ")"
}

func (a *asker) predicate() string {
	col := a.column(diffAll)
	switch a.IntN(16) {
	case 0:
		return col + a.pick(" IS NULL", " IS NOT NULL")
	case 11:
		return a.unlikely()
	case 1, 2:
		return col + a.pick(" IN (", " NOT IN (") + a.literals(col) + ")"
	case 3:
		return fmt.Sprintf("%s%sBETWEEN %s AND %s", col, a.pick(" ", " ", " NOT "), a.literal(col), a.literal(col))
	case 4, 5:
		return a.like()
	case 6:
		of := a.pick(diffNumbers, diffStrings, diffTimes)
		return fmt.Sprintf("%s %s %s", a.column(of), a.comparison(), a.column(of))
	case 7:
		return fmt.Sprintf("%s %s %s", a.tame(1).sql, a.comparison(), a.tame(1).sql)
	case 8:
		return a.computed()
	case 9:
		return fmt.Sprintf("%s %s %s", a.literal(col), a.comparison(), col)
	case 10:
		return a.pick("b", "NOT b", "b = true", "b <> (k > 3)", "b IS NOT NULL", "(b AND NULL)", "(b OR NULL)", "(k > 0) IS NULL")
	}
	return fmt.Sprintf("%s %s %s", col, a.comparison(), a.literal(col))
}

// computed compares what is computed from a column with a constant.
func (a *asker) computed() string {
	switch a.IntN(7) {
	case 0:
		return fmt.Sprintf("%s(%s) %s %d", a.pick("year", "month", "day"), a.column(diffTimes), a.comparison(), []int{1970, 2020, 2, 29}[a.IntN(4)])
	case 1:
		return fmt.Sprintf("hour(%s) %s %d", a.column("ts tz"), a.comparison(), a.IntN(25))
	case 2:
		return fmt.Sprintf("date(%s) %s %s", a.column("ts tz"), a.comparison(), a.literal("dt"))
	case 3:
		return fmt.Sprintf("length(%s) %s %d", a.column("s w"), a.comparison(), a.IntN(80))
	case 4:
		f := a.pick("lower", "upper")
		return fmt.Sprintf("%s(s) %s %s(%s)", f, a.comparison(), f, a.literal("s"))
	case 5:
		return fmt.Sprintf("coalesce(%s, %d) %s %d", a.column("k i8 seq"), a.IntN(9), a.comparison(), a.IntN(9))
	}
	return fmt.Sprintf("%s %s %s", a.castText(), a.comparison(), a.quoted(a.pick("1", "-5", "true", "2020-01-01", "")))
}

// unlikely is what people write less often.
func (a *asker) unlikely() string {
	switch a.IntN(9) {
	case 0:
		return fmt.Sprintf("%s%sBETWEEN %s AND %s", a.column(diffTame), a.pick(" ", " NOT "), a.column(diffTame), a.tame(1).sql)
	case 1:
		return fmt.Sprintf("%s%sIN (%d, %d, %s)", a.tame(1).sql, a.pick(" ", " NOT "), a.IntN(9), a.IntN(99), a.pick("NULL", "0", "2.5", "-1"))
	case 2:
		return fmt.Sprintf("%s%sIN (%s)", a.text(), a.pick(" ", " NOT "), a.literals("w"))
	case 3:
		return fmt.Sprintf("%s IS%sNULL", a.tame(2).sql, a.pick(" ", " NOT "))
	case 4:
		return fmt.Sprintf("(%s) %s (%s)", a.predicate(), a.pick("=", "<>", "<", ">="), a.predicate())
	case 5:
		return fmt.Sprintf("%s LIKE %s", a.pick("CAST(k AS VARCHAR)", "CAST(ts AS VARCHAR)", "lower(w)", "upper(s)"), a.quoted(a.pick("1%", "%0", "-%_", "2020-%-0_ %", "%É%", "r_d", "%:00")))
	case 6: // text is read as what the column is
		return fmt.Sprintf("%s %s %s", a.column("k i8 id u64 n"), a.comparison(), a.quoted(strconv.Itoa(a.IntN(300)-150)))
	case 7:
		return fmt.Sprintf("%s %s '%s'", a.column("dt ts tz"), a.comparison(), a.pick("2020-02-29", "1970-01-01", "0001-01-01", "2020-07-04"))
	}
	return fmt.Sprintf("coalesce(%s, %s) %s %s", a.column("dt"), a.literal("dt"), a.comparison(), a.literal("dt"))
}

// like makes a pattern from a value that is there.
func (a *asker) like() string {
	col := a.column("s s w p")
	text := []rune(a.value(col, func(v arrow.Array, i int) string { return v.(*array.String).Value(i) }))
	var p strings.Builder
	for i := 0; i < len(text); i++ {
		switch r := text[i]; {
		case a.oneIn(8):
			p.WriteByte('_')
		case a.oneIn(10):
			p.WriteByte('%')
			i += a.IntN(len(text) - i)
		case r == '%' || r == '_' || r == '\\':
			p.WriteString(`\` + string(r))
		default:
			p.WriteRune(r)
		}
	}
	pattern := a.pick("", "", "%") + p.String() + a.pick("", "", "%")
	escape := ""
	if strings.Contains(pattern, `\`) {
		escape = ` ESCAPE '\'` // DuckDB has no escape character unless it is told one
	}
	return col + a.pick(" ", " ", " NOT ") + a.pick("LIKE ", "ILIKE ") + a.quoted(pattern) + escape
}

func (a *asker) quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// text makes an expression that is a string.
func (a *asker) text() string {
	col := a.column("s w p")
	return a.pick(col, "lower("+col+")", "upper("+col+")", "coalesce("+col+", w)", "coalesce(z, "+col+", 'x')")
}

// castText casts to a string what both spell alike. Of a float32 Tarn gives
// the shortest text that reads back as it; DuckDB's is sometimes a digit longer.
func (a *asker) castText() string {
	return "CAST(" + a.column("k n id i8 u64 b d10 d38 dt ts tm w f64 e g") + " AS VARCHAR)"
}

// roundTrip casts there and back.
func (a *asker) roundTrip() string {
	return a.pick("CAST(CAST(k AS VARCHAR) AS BIGINT)", "CAST(CAST(d10 AS VARCHAR) AS DECIMAL(10,2))", "CAST(CAST(ts AS VARCHAR) AS TIMESTAMP)", "CAST(CAST(dt AS VARCHAR) AS DATE)",
		"CAST(CAST(tm AS VARCHAR) AS TIME)", "CAST(CAST(f64 AS VARCHAR) AS DOUBLE)", "CAST(CAST(f32 AS VARCHAR) AS REAL)", "CAST(CAST(u64 AS VARCHAR) AS DECIMAL(20,0))",
		"CAST(CAST(b AS VARCHAR) AS BOOLEAN)", "CAST(b AS BIGINT)", "CAST(k AS BOOLEAN)", "CAST(e AS BOOLEAN)", "CAST(CAST(d10 AS DECIMAL(12,1)) AS BIGINT)", "CAST(g AS BIGINT)",
		"CAST(g AS DECIMAL(10,1))", "CAST(CAST(i8 AS SMALLINT) AS DOUBLE)", "CAST(d38 AS DECIMAL(38,2))")
}

// moment makes an expression that is a date or a timestamp.
func (a *asker) moment() string {
	return a.pick("date(ts)", "CAST(ts AS DATE)", "CAST(dt AS TIMESTAMP)", "dt", fmt.Sprintf("DATE '2020-02-28' + %d", a.IntN(10)), "dt - DATE '2000-01-01'", "coalesce(dt, DATE '1999-12-31')")
}

// number makes arithmetic that may overflow; tame makes some that does not,
// but for what one of the two works on in fewer bits.
func (a *asker) number(depth int) term {
	if !a.oneIn(4) {
		return a.tame(depth)
	}
	t := a.arithmetic(depth, diffNumbers)
	t.approx = singleFloat.MatchString(t.sql) && fractional.MatchString(t.sql)
	return t
}

// A float32 made from a decimal is the nearest one in Tarn, and in DuckDB
// sometimes its neighbour.
var (
	singleFloat = regexp.MustCompile(`f32|REAL`)
	fractional  = regexp.MustCompile(`d10|d38|\.|DECIMAL`)
)

func (a *asker) tame(depth int) term { return a.arithmetic(depth, diffTame) }

func (a *asker) arithmetic(depth int, columns string) term {
	if depth == 0 {
		if a.oneIn(3) {
			text := a.pick(strconv.Itoa(a.IntN(20)-5), "2.5", "-0.125", "100", "CAST(10 AS DOUBLE)")
			return term{sql: text, float: strings.Contains(text, "DOUBLE")}
		}
		return a.widened(a.column(columns))
	}
	x, y := a.arithmetic(depth-1, columns), a.arithmetic(0, columns)
	float := x.float || y.float
	switch a.IntN(10) {
	case 0:
		if unsigned.MatchString(x.sql) { // whose minus DuckDB wraps
			break
		}
		return term{sql: "-(" + x.sql + ")", float: x.float}
	case 1:
		return term{sql: "abs(" + x.sql + ")", float: x.float}
	case 2:
		return term{sql: fmt.Sprintf("coalesce(%s, %s)", x.sql, y.sql), float: float}
	case 3:
		return a.cast(x, columns != diffTame)
	}
	op := a.pick("+", "-", "*", "/", "%")
	return term{sql: fmt.Sprintf("(%s %s %s)", x.sql, op, y.sql), float: float || op == "/"}
}

var unsigned = regexp.MustCompile(`\bu\d`)

// widened casts a narrow integer: DuckDB works in the operands' own type and
// would only tell of its overflow.
func (a *asker) widened(col string) term {
	switch col {
	case "u8", "u16", "i8", "i16", "i32", "c", "u32", "seq", "k":
		if !a.oneIn(10) {
			return term{sql: "CAST(" + col + " AS BIGINT)"}
		}
	case "g", "e", "f32", "f64":
		return term{sql: col, float: true}
	}
	return term{sql: col}
}

// cast casts a number; one that may not fit only where asked for.
func (a *asker) cast(x term, risky bool) term {
	to := a.pick("BIGINT", "DOUBLE", "DECIMAL(38,4)")
	if risky {
		to = a.pick("INTEGER", "SMALLINT", "DECIMAL(18,1)", "BIGINT", "REAL")
	}
	return term{sql: "CAST(" + x.sql + " AS " + to + ")", float: to == "DOUBLE" || to == "REAL"}
}

// literals is a list for IN, with a null now and then.
func (a *asker) literals(col string) string {
	var list []string
	for range 1 + a.IntN(5) {
		list = append(list, a.literal(col))
	}
	if a.oneIn(5) {
		list = append(list, "NULL")
	}
	return strings.Join(list, ", ")
}

// value picks a value that is there and is no null; "" if five tries find none.
func (a *asker) value(col string, text func(arrow.Array, int) string) string {
	for range 5 {
		b := a.table.batches[a.IntN(len(a.table.batches))]
		values := b.Column(b.Schema().FieldIndices(col)[0])
		if values.Len() == 0 {
			continue
		}
		if i := a.IntN(values.Len()); values.IsValid(i) {
			return text(values, i)
		}
	}
	return ""
}

// literal makes a constant to hold against a column: a value that is there or
// one close to it; sometimes an edge of the type, or a value that the type
// does not have.
func (a *asker) literal(col string) string {
	if a.oneIn(40) {
		return "NULL"
	}
	text := a.value(col, a.literalOf)
	if text == "" {
		text = map[string]string{"b": "false", "x": "x'00'", "bin": "x'00'", "dt": "DATE '1970-01-01'", "tm": "'12:00:00'"}[col]
	}
	switch {
	case text != "":
		return text
	case strings.Contains(" "+diffStrings+" "+shapeTexts+" ", " "+col+" "):
		return a.quoted(a.pick(diffTexts...))
	case col == "ts" || col == "tz":
		return "TIMESTAMP '1970-01-01 00:00:00'"
	}
	return strconv.Itoa(a.IntN(10))
}

func (a *asker) literalOf(values arrow.Array, i int) string {
	switch v := values.(type) {
	case *array.Boolean:
		return values.ValueStr(i)
	case *array.Float32:
		return a.floatLiteral(float64(v.Value(i)), 32)
	case *array.Float64:
		return a.floatLiteral(v.Value(i), 64)
	case *array.Decimal128:
		return a.near(v.Value(i).BigInt(), int(v.DataType().(*arrow.Decimal128Type).Scale))
	case *array.String:
		return a.textLiteral(v.Value(i))
	case *array.Binary:
		return "x'" + hex.EncodeToString(v.Value(i)) + "'"
	case *array.Date32:
		return "DATE '" + v.Value(i).ToTime().AddDate(0, 0, a.nudge()).Format(time.DateOnly) + "'"
	case *array.Timestamp:
		t := v.Value(i).ToTime(arrow.Microsecond).Add(time.Duration(a.nudge()) * time.Microsecond)
		return a.timestampLiteral(t)
	case *array.Time64:
		return "'" + v.Value(i).ToTime(arrow.Microsecond).Format("15:04:05.999999") + "'"
	}
	n, _ := new(big.Int).SetString(values.ValueStr(i), 10)
	return a.near(n, 0)
}

func (a *asker) nudge() int { return []int{0, 0, 0, 1, -1}[a.IntN(5)] }

func (a *asker) timestampLiteral(t time.Time) string {
	if a.oneIn(8) {
		return "DATE '" + t.Format(time.DateOnly) + "'"
	}
	return "TIMESTAMP '" + t.Format("2006-01-02 15:04:05.999999") + "'"
}

// near makes a number at, next to, or between values, or outside of the type.
func (a *asker) near(n *big.Int, scale int) string {
	n = new(big.Int).Add(n, big.NewInt(int64(a.nudge())))
	if a.oneIn(6) && len(n.String()) < 38 { // a digit more than the type has
		n.Mul(n, big.NewInt(10)).Add(n, big.NewInt(int64(a.IntN(10))))
		scale++
	}
	if a.oneIn(30) {
		return a.pick("128", "-129", "256", "-1", "32768", "65536", "2147483648", "4294967296", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "99999999999999999999999999999")
	}
	return decimalText(n, scale)
}

func decimalText(n *big.Int, scale int) string {
	digits, sign := new(big.Int).Abs(n).String(), ""
	if n.Sign() < 0 {
		sign = "-"
	}
	if scale == 0 {
		return sign + digits
	}
	digits = strings.Repeat("0", max(0, scale+1-len(digits))) + digits
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}

func (a *asker) floatLiteral(f float64, bits int) string {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return "'" + strconv.FormatFloat(f, 'g', -1, 64) + "'"
	case a.oneIn(8) && math.Abs(f) < 1e6:
		return strconv.Itoa(int(f))
	case bits == 64:
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	text := strconv.FormatFloat(f, 'f', -1, 32)
	if len(strings.TrimPrefix(text, "-")) > 8 { // more than 7 digits: see fractional
		text = strconv.Itoa(int(f))
	}
	return text
}

func (a *asker) textLiteral(s string) string {
	if a.oneIn(4) {
		s += a.pick("", "a", "\U0010ffff", " ")
	}
	return a.quoted(s)
}
