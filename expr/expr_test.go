package expr_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tarnlake/tarn/expr"
)

var (
	ops = []expr.Op{
		expr.Column, expr.Literal, expr.Star, expr.Eq, expr.Ne, expr.Lt, expr.Le, expr.Gt, expr.Ge, expr.In, expr.Between, expr.IsNull,
		expr.Like, expr.ILike, expr.And, expr.Or, expr.Not, expr.Add, expr.Sub, expr.Mul, expr.Div, expr.Mod, expr.Neg, expr.Cast, expr.Call,
		expr.Count, expr.Sum, expr.Min, expr.Max, expr.Avg,
	}
	literals = []expr.Kind{expr.Null, expr.Bool, expr.Number, expr.String, expr.Date, expr.Timestamp, expr.Bytes}
)

func drawExpr(t *rapid.T, depth int) *expr.Expr {
	e := &expr.Expr{Op: rapid.SampledFrom(ops).Draw(t, "op"), Name: rapid.String().Draw(t, "name"), Distinct: rapid.Bool().Draw(t, "distinct")}
	if rapid.Bool().Draw(t, "literal") {
		e.Lit = &expr.Value{Kind: rapid.SampledFrom(literals).Draw(t, "kind"), Text: rapid.String().Draw(t, "text")}
	}
	for i := rapid.IntRange(0, depth).Draw(t, "args"); i > 0; i-- {
		e.Args = append(e.Args, drawExpr(t, depth-1))
	}
	return e
}

func TestQueryJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64().Draw(t, "limit")
		want := expr.Query{
			Table:  rapid.String().Draw(t, "table"),
			At:     expr.At{Version: rapid.Int64().Draw(t, "version"), Time: time.Unix(0, rapid.Int64().Draw(t, "time")).UTC()},
			Select: []expr.Item{{Expr: drawExpr(t, 2), As: "x"}}, Where: drawExpr(t, 3), GroupBy: []*expr.Expr{drawExpr(t, 1)}, Having: drawExpr(t, 1),
			OrderBy: []expr.Order{{Expr: drawExpr(t, 1), Desc: rapid.Bool().Draw(t, "desc"), NullsFirst: rapid.Bool().Draw(t, "first")}},
			Limit:   &limit, Offset: rapid.Int64().Draw(t, "offset"), Segments: []string{"a"},
		}
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got expr.Query
		if err := json.Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v; want %+v (through %s)", got, err, want, b)
		}
	})
}

// The JSON of a query is part of the wire format: this spelling stays.
func TestQueryJSONSpelling(t *testing.T) {
	none := int64(0)
	for want, q := range map[string]expr.Query{
		`{"table":"t"}`:           {Table: "t"},
		`{"table":"t","limit":0}`: {Table: "t", Limit: &none},
		`{"table":"t","at":{"version":3},"select":[{"expr":{"op":"count","args":[{"op":"star"}],"distinct":true},"as":"n"}],` +
			`"where":{"op":"and","args":[{"op":"\u003e=","args":[{"op":"col","name":"a"},{"op":"lit","lit":{"kind":"number","text":"1.50"}}]},` +
			`{"op":"isnull","args":[{"op":"lit","lit":{"kind":"null"}}]}]},"order_by":[{"expr":{"op":"col","name":"a"},"desc":true,"nulls_first":true}]}`: {
			Table: "t", At: expr.At{Version: 3},
			Select:  []expr.Item{{Expr: &expr.Expr{Op: expr.Count, Args: []*expr.Expr{expr.New(expr.Star)}, Distinct: true}, As: "n"}},
			Where:   expr.New(expr.And, expr.New(expr.Ge, expr.Col("a"), expr.Num("1.50")), expr.New(expr.IsNull, expr.Lit(expr.Null, ""))),
			OrderBy: []expr.Order{{Expr: expr.Col("a"), Desc: true, NullsFirst: true}},
		},
	} {
		if b, err := json.Marshal(q); err != nil || string(b) != want {
			t.Errorf("got %s, %v; want %s", b, err, want)
		}
	}
	want := "col lit star = != < <= > >= in between isnull like ilike and or not + - * / % neg cast call count sum min max avg"
	if got := joined(ops); got != want {
		t.Errorf("ops: got %s; want %s", got, want)
	}
	if got, want := joined(literals), "null bool number string date timestamp bytes"; got != want {
		t.Errorf("kinds: got %s; want %s", got, want)
	}
}

func joined[T ~string](names []T) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = string(n)
	}
	return strings.Join(out, " ")
}

func TestIsAggregate(t *testing.T) {
	aggregates := map[expr.Op]bool{expr.Count: true, expr.Sum: true, expr.Min: true, expr.Max: true, expr.Avg: true}
	for _, op := range append(ops, "") {
		if got := op.IsAggregate(); got != aggregates[op] {
			t.Errorf("%q.IsAggregate: got %v; want %v", op, got, aggregates[op])
		}
	}
}

func TestWalk(t *testing.T) {
	tree := expr.New(expr.And, expr.New(expr.Eq, expr.Col("a"), expr.Str("x")), expr.New(expr.Not, expr.Col("b")), nil)
	for pruned, want := range map[expr.Op]string{"": "and = col lit not col", expr.Eq: "and = not col", expr.And: "and"} {
		var seen []expr.Op
		expr.Walk(tree, func(e *expr.Expr) bool {
			seen = append(seen, e.Op)
			return e.Op != pruned
		})
		if got := joined(seen); got != want {
			t.Errorf("walk pruned at %q: got %s; want %s", pruned, got, want)
		}
	}
	expr.Walk(nil, func(*expr.Expr) bool { t.Error("the empty tree has a node"); return true })
}

func TestFunctionsAreLowerCase(t *testing.T) {
	for name, args := range expr.Functions {
		if name != strings.ToLower(name) || args < 1 {
			t.Errorf("function %q of %d arguments", name, args)
		}
	}
}
