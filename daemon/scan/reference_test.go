package scan

import (
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/expr"
)

// The reference: a query over rows in memory, one row and one value at a
// time, written for clarity and sharing no code with the scan but how a
// float is written. Numbers and
// points in time are rationals.

// val is one value. The zero val is null.
type val struct {
	rat   *big.Rat // numbers; days, seconds and so on for dates and times
	scale int      // of a decimal
	float *float64
	text  *string
	truth *bool
	shown string // how a column's value is written
}

func (v val) null() bool { return v.rat == nil && v.float == nil && v.text == nil && v.truth == nil }

func boolVal(b bool) val     { return val{truth: &b} }
func floatVal(f float64) val { return val{float: &f} }
func textVal(s string) val   { return val{text: &s} }
func intVal(i int64) val     { return val{rat: new(big.Rat).SetInt64(i)} }
func (v val) asFloat() float64 {
	if v.float != nil {
		return *v.float
	}
	f, _ := v.rat.Float64()
	return f
}

// String writes a value as the scan's results are written in these tests.
func (v val) String() string {
	switch {
	case v.null():
		return "∅"
	case v.shown != "":
		return v.shown
	case v.truth != nil:
		return strconv.FormatBool(*v.truth)
	case v.text != nil:
		return *v.text
	case v.float != nil:
		if *v.float == 0 {
			return "0.0"
		}
		return floatText(*v.float, arrow.PrimitiveTypes.Float64)
	}
	return v.rat.FloatString(v.scale)
}

// refRow is a row by column name.
type refRow map[string]val

// reference evaluates trees; literals stand for the values that the generator
// meant.
type reference struct {
	meant map[*expr.Expr]val
}

func compareVals(x, y val) int {
	switch {
	case x.float != nil || y.float != nil:
		return compareFloats(x.asFloat(), y.asFloat())
	case x.rat != nil:
		return x.rat.Cmp(y.rat)
	case x.text != nil:
		return strings.Compare(*x.text, *y.text)
	}
	return int(bit(*x.truth)) - int(bit(*y.truth))
}

func compareFloats(x, y float64) int {
	switch {
	case x != x && y != y:
		return 0
	case x != x:
		return 1
	case y != y, x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func (r *reference) eval(e *expr.Expr, row refRow) val {
	switch e.Op {
	case expr.Column:
		return row[e.Name]
	case expr.Literal:
		return r.meant[e]
	case expr.And, expr.Or:
		return r.logic(e, row)
	case expr.IsNull:
		return boolVal(r.eval(e.Args[0], row).null())
	case expr.Between:
		low := expr.New(expr.Ge, e.Args[0], e.Args[1])
		return r.logic(expr.New(expr.And, low, expr.New(expr.Le, e.Args[0], e.Args[2])), row)
	case expr.In:
		return r.in(e, row)
	case expr.Call: // has_token, coalesce
		if e.Name == "has_token" {
			return refHasToken(r.eval(e.Args[0], row), r.eval(e.Args[1], row))
		}
		if v := r.eval(e.Args[0], row); !v.null() {
			return v
		}
		return r.eval(e.Args[1], row)
	}
	args := make([]val, len(e.Args))
	for i, a := range e.Args {
		if args[i] = r.eval(a, row); args[i].null() {
			return val{}
		}
	}
	switch e.Op {
	case expr.Not:
		return boolVal(!*args[0].truth)
	case expr.Like, expr.ILike:
		return boolVal(refLike(*args[0].text, *args[1].text, e.Op == expr.ILike))
	case expr.Eq, expr.Ne, expr.Lt, expr.Le, expr.Gt, expr.Ge:
		c := compareVals(args[0], args[1])
		return boolVal(map[expr.Op]bool{expr.Eq: c == 0, expr.Ne: c != 0, expr.Lt: c < 0, expr.Le: c <= 0, expr.Gt: c > 0, expr.Ge: c >= 0}[e.Op])
	}
	return refArith(e.Op, args[0], args[1])
}

func (r *reference) logic(e *expr.Expr, row refRow) val {
	decisive := e.Op == expr.Or
	sawNull := false
	for _, a := range e.Args {
		v := r.eval(a, row)
		if v.null() {
			sawNull = true
		} else if *v.truth == decisive {
			return v
		}
	}
	if sawNull {
		return val{}
	}
	return boolVal(!decisive)
}

func (r *reference) in(e *expr.Expr, row refRow) val {
	var ors []*expr.Expr
	for _, a := range e.Args[1:] {
		ors = append(ors, expr.New(expr.Eq, e.Args[0], a))
	}
	return r.logic(expr.New(expr.Or, ors...), row)
}

func refLike(s, pattern string, fold bool) bool {
	if fold {
		s, pattern = strings.ToLower(s), strings.ToLower(pattern)
	}
	var re strings.Builder
	re.WriteString(`(?s)^`)
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '%':
			re.WriteString(`.*`)
		case '_':
			re.WriteString(`.`)
		case '\\':
			i++
			re.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		default:
			re.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		}
	}
	return regexp.MustCompile(re.String() + `$`).MatchString(s)
}

func refArith(op expr.Op, x, y val) val {
	if x.float != nil || y.float != nil || op == expr.Div {
		return refFloatArith(op, x.asFloat(), y.asFloat())
	}
	out := val{rat: new(big.Rat), scale: max(x.scale, y.scale)}
	switch op {
	case expr.Add:
		out.rat.Add(x.rat, y.rat)
	case expr.Sub:
		out.rat.Sub(x.rat, y.rat)
	case expr.Mul:
		out.rat.Mul(x.rat, y.rat)
		out.scale = x.scale + y.scale
	case expr.Mod:
		if y.rat.Sign() == 0 {
			return val{}
		}
		q := new(big.Rat).Quo(x.rat, y.rat)
		whole := new(big.Int).Quo(q.Num(), q.Denom()) // towards zero
		out.rat.Sub(x.rat, new(big.Rat).Mul(y.rat, new(big.Rat).SetInt(whole)))
	}
	return out
}

func refFloatArith(op expr.Op, x, y float64) val {
	switch op {
	case expr.Add:
		return floatVal(x + y)
	case expr.Sub:
		return floatVal(x - y)
	case expr.Mul:
		return floatVal(x * y)
	}
	if y == 0 {
		return val{}
	}
	if op == expr.Mod {
		return floatVal(math.Mod(x, y))
	}
	return floatVal(x / y)
}

// aggregate computes e over rows.
func (r *reference) aggregate(e *expr.Expr, rows []refRow) val {
	if e.Args[0].Op == expr.Star {
		return intVal(int64(len(rows)))
	}
	var vals []val
	for _, row := range rows {
		if v := r.eval(e.Args[0], row); !v.null() {
			vals = append(vals, v)
		}
	}
	if e.Op == expr.Count {
		if e.Distinct {
			slices.SortFunc(vals, compareVals)
			vals = slices.CompactFunc(vals, func(x, y val) bool { return compareVals(x, y) == 0 })
		}
		return intVal(int64(len(vals)))
	}
	if len(vals) == 0 {
		return val{}
	}
	switch e.Op {
	case expr.Min:
		return slices.MinFunc(vals, compareVals)
	case expr.Max:
		return slices.MaxFunc(vals, compareVals)
	}
	sum := val{rat: new(big.Rat), scale: vals[0].scale}
	if vals[0].float != nil {
		sum = floatVal(0)
	}
	for _, v := range vals {
		sum = refArith(expr.Add, sum, v)
	}
	switch {
	case e.Op == expr.Sum:
		return sum
	case sum.float != nil:
		return floatVal(*sum.float / float64(len(vals)))
	}
	f, _ := new(big.Rat).Quo(sum.rat, new(big.Rat).SetInt64(int64(len(vals)))).Float64()
	return floatVal(f)
}

// query answers q over rows: the result's rows as text.
func (r *reference) query(q *expr.Query, rows []refRow) []string {
	var kept []refRow
	for _, row := range rows {
		if q.Where != nil {
			if v := r.eval(q.Where, row); v.null() || !*v.truth {
				continue
			}
		}
		kept = append(kept, row)
	}
	var out []refOut
	if len(q.GroupBy) > 0 || slices.ContainsFunc(q.Select, func(i expr.Item) bool { return i.Expr.Op.IsAggregate() }) {
		out = r.grouped(q, kept)
	} else {
		for _, row := range kept {
			out = append(out, r.out(q, func(e *expr.Expr) val { return r.eval(e, row) }))
		}
	}
	slices.SortStableFunc(out, func(a, b refOut) int { return compareOrder(q.OrderBy, a.order, b.order) })
	out = out[min(int(q.Offset), len(out)):]
	if q.Limit != nil {
		out = out[:min(int(*q.Limit), len(out))]
	}
	text := []string{}
	for _, o := range out {
		text = append(text, o.text)
	}
	return text
}

// refOut is an output row and its ORDER BY values.
type refOut struct {
	text  string
	order []val
}

func (r *reference) out(q *expr.Query, eval func(*expr.Expr) val) refOut {
	var o refOut
	cells := make([]string, len(q.Select))
	for i, item := range q.Select {
		cells[i] = eval(item.Expr).String()
	}
	for _, by := range q.OrderBy {
		o.order = append(o.order, eval(by.Expr))
	}
	o.text = strings.Join(cells, "|")
	return o
}

// grouped evaluates each item as a key or an aggregate over a group's rows.
func (r *reference) grouped(q *expr.Query, rows []refRow) []refOut {
	var keys [][]val
	var members [][]refRow
	for _, row := range rows {
		var key []val
		for _, e := range q.GroupBy {
			key = append(key, r.eval(e, row))
		}
		i := slices.IndexFunc(keys, func(k []val) bool { return slices.EqualFunc(k, key, sameKey) })
		if i < 0 {
			i, keys, members = len(keys), append(keys, key), append(members, nil)
		}
		members[i] = append(members[i], row)
	}
	if len(q.GroupBy) == 0 && len(keys) == 0 {
		members = append(members, nil)
	}
	var out []refOut
	for _, group := range members {
		eval := func(e *expr.Expr) val {
			if e.Op.IsAggregate() {
				return r.aggregate(e, group)
			}
			return r.eval(e, group[0])
		}
		if q.Having != nil { // comparison of an aggregate with a literal
			if v := eval(q.Having.Args[0]); v.null() || compareVals(v, r.meant[q.Having.Args[1]]) <= 0 {
				continue
			}
		}
		out = append(out, r.out(q, eval))
	}
	return out
}

func sameKey(x, y val) bool {
	if x.null() || y.null() {
		return x.null() && y.null()
	}
	return compareVals(x, y) == 0
}

func compareOrder(by []expr.Order, a, b []val) int {
	for i, o := range by {
		x, y := a[i], b[i]
		switch {
		case x.null() && y.null():
			continue
		case x.null() || y.null():
			if x.null() == o.NullsFirst {
				return -1
			}
			return 1
		}
		c := compareVals(x, y)
		if o.Desc {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}
