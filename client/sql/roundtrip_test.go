package sql

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tarnlake/tarn/expr"
	"pgregory.net/rapid"
)

// TestRoundTrip: the text of any query reads back as that query.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuery(t)
		text := Format(q)
		got, err := Parse(text)
		if err != nil {
			t.Fatalf("Parse(%s): %v", text, err)
		}
		if !reflect.DeepEqual(got, q) {
			t.Fatalf("%s\nreads back as\n%s", text, Format(got))
		}
	})
}

// FuzzParse: no text makes Parse panic, and what it understands reads back
// from its canonical text.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"SELECT * FROM t",
		"SELECT a, sum(b) AS s FROM t WHERE c = 'x' AND d IN (1, 2.5, NULL) GROUP BY 1 HAVING s > 3 ORDER BY s DESC NULLS FIRST LIMIT 1 OFFSET 2",
		"SELECT a::int::text, CAST(b AS decimal(10,2)) FROM t AS OF VERSION 3",
		"SELECT DISTINCT \"a b\", X'00ff', DATE '2024-01-01' FROM t AS OF TIMESTAMP '2024-01-01'",
		"SELECT a FROM t WHERE a NOT LIKE 'x%' ESCAPE '\\' -- comment",
		"SELECT /* c */ count(*) FROM t OFFSET 3",
		"select ((((a)))) from t union select 1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text)
		if err != nil {
			return
		}
		canonical := Format(q)
		again, err := Parse(canonical)
		if err != nil {
			t.Fatalf("Parse(%q) = %s, which does not parse: %v", text, canonical, err)
		}
		if !reflect.DeepEqual(q, again) {
			t.Fatalf("Parse(%q) = %s, which reads back as %s", text, canonical, Format(again))
		}
	})
}

// Drawing a query. Names and strings hold what breaks naive quoting.

var name = rapid.OneOf(
	rapid.SampledFrom([]string{"a", "b", "order", "group", "key", "select", "date", "timestamp", "nulls", "offset", "A b", `q"q`, "a.b", "größe", "1st", "tab\tnew\nline", "--", "x'y"}),
	rapid.StringMatching(`[a-zA-Z_][a-zA-Z0-9_$]{0,8}`),
)

func drawQuery(t *rapid.T) *expr.Query {
	q := &expr.Query{Table: name.Draw(t, "table")}
	switch rapid.IntRange(0, 2).Draw(t, "at") {
	case 1:
		q.At.Version = rapid.Int64Min(1).Draw(t, "version")
	case 2:
		q.At.Time = time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "sec"), rapid.Int64Range(0, 999_999_999).Draw(t, "nsec")).UTC()
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "items") {
		item := expr.Item{Expr: drawAggregate(t, 3)}
		if rapid.Bool().Draw(t, "as") {
			item.As = fmt.Sprintf("%s %d", name.Draw(t, "alias"), i) // no column is called so
		}
		q.Select = append(q.Select, item)
	}
	if rapid.Bool().Draw(t, "where") {
		q.Where = drawExpr(t, 4)
	}
	for range rapid.IntRange(0, 2).Draw(t, "keys") {
		q.GroupBy = append(q.GroupBy, drawExpr(t, 2))
	}
	if rapid.Bool().Draw(t, "having") {
		q.Having = drawAggregate(t, 3)
	}
	for range rapid.IntRange(0, 2).Draw(t, "order") {
		q.OrderBy = append(q.OrderBy, expr.Order{
			Expr: drawAggregate(t, 2), Desc: rapid.Bool().Draw(t, "desc"), NullsFirst: rapid.Bool().Draw(t, "nulls"),
		})
	}
	if rapid.Bool().Draw(t, "limited") {
		limit := rapid.Int64Min(0).Draw(t, "limit")
		q.Limit = &limit
	}
	q.Offset = rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Min(0)).Draw(t, "offset")
	return q
}

func drawLiteral(t *rapid.T) *expr.Expr {
	switch rapid.SampledFrom([]expr.Kind{expr.Null, expr.Bool, expr.Number, expr.String, expr.Date, expr.Timestamp, expr.Bytes}).Draw(t, "kind") {
	case expr.Bool:
		return expr.Lit(expr.Bool, fmt.Sprint(rapid.Bool().Draw(t, "bool")))
	case expr.Number:
		return expr.Num(rapid.StringMatching(`-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?`).Draw(t, "number"))
	case expr.String:
		return expr.Str(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"'", "''", `\`, `\'`, "%_", "?", "--", "/*", "\n", "\x00"})).Draw(t, "string"))
	case expr.Date:
		return expr.Lit(expr.Date, "2024-02-29")
	case expr.Timestamp:
		return expr.Lit(expr.Timestamp, "2024-02-29 12:34:56.789+02:00")
	case expr.Bytes:
		return expr.Lit(expr.Bytes, rapid.StringMatching(`([0-9a-f]{2}){0,4}`).Draw(t, "bytes"))
	}
	return expr.Lit(expr.Null, "")
}

// drawExpr draws an expression without aggregates.
func drawExpr(t *rapid.T, depth int) *expr.Expr {
	sub := func() *expr.Expr { return drawExpr(t, depth-1) }
	return draw(t, depth, sub)
}

// drawAggregate draws an expression that may hold aggregates, none in another.
func drawAggregate(t *rapid.T, depth int) *expr.Expr {
	if depth > 0 && rapid.IntRange(0, 3).Draw(t, "aggregate") == 0 {
		e := &expr.Expr{Op: rapid.SampledFrom([]expr.Op{expr.Count, expr.Sum, expr.Min, expr.Max, expr.Avg}).Draw(t, "op"), Distinct: rapid.Bool().Draw(t, "distinct")}
		if e.Op == expr.Count && !e.Distinct && rapid.Bool().Draw(t, "star") {
			return expr.New(expr.Count, expr.New(expr.Star))
		}
		e.Args = []*expr.Expr{drawExpr(t, depth-1)}
		return e
	}
	return draw(t, depth, func() *expr.Expr { return drawAggregate(t, depth-1) })
}

func draw(t *rapid.T, depth int, sub func() *expr.Expr) *expr.Expr {
	if depth <= 0 || rapid.IntRange(0, 3).Draw(t, "leaf") == 0 {
		if rapid.Bool().Draw(t, "column") {
			return expr.Col(name.Draw(t, "name"))
		}
		return drawLiteral(t)
	}
	op := rapid.SampledFrom([]expr.Op{
		expr.Eq, expr.Ne, expr.Lt, expr.Le, expr.Gt, expr.Ge, expr.Add, expr.Sub, expr.Mul, expr.Div, expr.Mod, expr.Like, expr.ILike,
		expr.And, expr.Or, expr.Not, expr.Neg, expr.IsNull, expr.Between, expr.In, expr.Cast, expr.Call,
	}).Draw(t, "op")
	switch op {
	case expr.Not, expr.Neg, expr.IsNull:
		return expr.New(op, sub())
	case expr.Between:
		return expr.New(op, sub(), sub(), sub())
	case expr.And, expr.Or:
		return expr.New(op, args(sub, rapid.IntRange(2, 4).Draw(t, "args"))...)
	case expr.In:
		list := args(func() *expr.Expr { return drawLiteral(t) }, rapid.IntRange(1, 3).Draw(t, "list"))
		return expr.New(op, append([]*expr.Expr{sub()}, list...)...)
	case expr.Cast:
		to := rapid.SampledFrom([]string{"int64", "decimal(10,2)", "string", "timestamp[us, Europe/Rome]", "date", "list<struct<a: int64, \"b c\": string>>", "time[ms]", "fixed[16]"}).Draw(t, "type")
		return &expr.Expr{Op: op, Name: to, Args: args(sub, 1)}
	case expr.Call:
		f := rapid.SampledFrom(slices.Sorted(maps.Keys(expr.Functions))).Draw(t, "function")
		return &expr.Expr{Op: op, Name: strings.ToLower(f), Args: args(sub, expr.Functions[f])}
	}
	return expr.New(op, sub(), sub())
}

func args(draw func() *expr.Expr, n int) []*expr.Expr {
	list := make([]*expr.Expr, n)
	for i := range list {
		list[i] = draw()
	}
	return list
}
