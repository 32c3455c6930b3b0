package scan

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
)

// TestRandomQueries holds the scan against the reference on random rows of
// all types and random queries, with and without pruning, by one worker and
// by four. A failure names its seed, which replays it.
func TestRandomQueries(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 1)), ref: reference{meant: map[*expr.Expr]val{}}}
		g.makeLake(t)
		for n := range 20 {
			q := g.query()
			want := g.ref.query(q, g.rows)
			for _, opts := range []Options{{Pool: NewPool(math.MaxInt64, 1)}, {Pool: NewPool(math.MaxInt64, 4), BatchRows: 7}, {Pool: NewPool(math.MaxInt64, 4), NoPrune: true}} {
				got, err := g.lake.query(q, opts)
				if err != nil || !slices.Equal(got, want) {
					t.Fatalf("seed %d query %d %+v:\nselect %v\nwhere %v\ngroup %v having %v order %v limit %v offset %d\n got %q, %v\nwant %q",
						seed, n, opts, itemsText(q), q.Where, q.GroupBy, q.Having, orderTexts(q), text(q.Limit), q.Offset, got, err, want)
				}
			}
		}
	}
}

func itemsText(q *expr.Query) (out []string) {
	for _, i := range q.Select {
		out = append(out, i.Expr.String())
	}
	return out
}

func orderTexts(q *expr.Query) (out []string) {
	for _, o := range q.OrderBy {
		out = append(out, orderText(o.Expr, o))
	}
	return out
}

func text(n *int64) string {
	if n == nil {
		return "none"
	}
	return strconv.FormatInt(*n, 10)
}

// generator makes tables, queries and what the reference needs to know.
type generator struct {
	*rand.Rand
	lake *lake
	rows []refRow
	ref  reference
}

var randomColumns = []string{
	"a int8", "b int32", "c int64", "d uint64", "e float64", "f float32", "g decimal(12,3)", "h string", "i bool", "j date",
	"k timestamp[us]", "l timestamp[s, UTC]", "m binary", "n time[ms]", "o uint16", "p decimal(38,10)", "q fixed[2]", "r duration[ms]", "s list<int32>",
}

// narrow is what some columns were before the table's schema changed.
var narrow16 = map[string]string{"b": "int16", "c": "uint32", "e": "float32", "o": "uint8", "p": "decimal(20,10)"}

func (g *generator) makeLake(t *testing.T) {
	g.lake = newLake(t, randomColumns...)
	g.rows = nil
	wide := g.lake.snap.Schema
	old := &schema.Schema{ID: 2}
	for _, f := range wide.Fields {
		if f.Name == "h" || f.Name == "g" || f.Name == "s" {
			continue // came later
		}
		if text, ok := narrow16[f.Name]; ok {
			f.Type, _ = schema.ParseType(text)
		}
		old.Fields = append(old.Fields, f)
	}
	g.lake.snap.Schemas[2] = old
	if by := g.IntN(4); by < 2 {
		column := []int32{3, 8}[by] // c, h
		g.lake.snap.PartitionBy = []schema.Transform{{Kind: schema.Bucket, FieldID: column, N: 3}}
	}
	for range g.IntN(5) {
		g.lake.snap.Schema = wide
		if g.IntN(3) == 0 {
			g.lake.snap.Schema = old
		}
		g.addSegments(t, 1+g.IntN(30))
	}
	g.lake.snap.Schema = wide
}

// addSegments adds rows: one segment, or one a bucket.
func (g *generator) addSegments(t *testing.T, n int) {
	s := g.lake.snap.Schema
	arrays := make([]arrow.Array, len(s.Fields))
	spread := []int{2, 6, 1 << 20}[g.IntN(3)]
	for i, f := range s.Fields {
		arrays[i] = g.array(f.Type, n, spread)
	}
	all := &batch{n: n}
	for _, a := range arrays {
		all.cols = append(all.cols, column{arr: a})
	}
	groups := map[schema.PartitionValue][]int32{}
	var order []schema.PartitionValue
	for row := range int32(n) {
		var value schema.PartitionValue
		for _, tr := range g.lake.snap.PartitionBy {
			value = schema.PartitionValue{Null: true}
			if at := s.ByID(tr.FieldID); at >= 0 {
				values, err := tr.Apply(arrays[at])
				if err != nil {
					t.Fatal(err)
				}
				value = values[row]
			}
		}
		if _, ok := groups[value]; !ok {
			order = append(order, value)
		}
		groups[value] = append(groups[value], row)
	}
	for _, value := range order {
		g.addSegment(t, all.take(groups[value]), value)
	}
}

func (g *generator) addSegment(t *testing.T, b *batch, value schema.PartitionValue) {
	s := g.lake.snap.Schema
	arrays := make([]arrow.Array, len(s.Fields))
	for i := range arrays {
		arrays[i] = b.array(i)
	}
	seg := g.lake.add(t, array.NewRecordBatch(s.Arrow(), arrays, int64(b.n)))
	for range g.lake.snap.PartitionBy {
		seg.Partition = []schema.PartitionValue{value}
	}
	for row := range b.n {
		r := refRow{}
		for i, f := range s.Fields {
			if !arrays[i].IsNull(row) {
				r[f.Name] = refVal(arrays[i], row)
			}
		}
		g.rows = append(g.rows, r)
	}
}

// array makes n values; few of them differ where spread is small.
func (g *generator) array(t arrow.DataType, n, spread int) arrow.Array {
	b := array.NewBuilder(mem, t)
	nullRate := []int{0, 0, 5, 1}[g.IntN(4)]
	for range n {
		if nullRate > 0 && g.IntN(nullRate) == 0 {
			b.AppendNull()
			continue
		}
		g.appendValue(b, int64(g.IntN(spread)-spread/2))
	}
	return b.NewArray()
}

var specialFloats = []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1)}

func (g *generator) appendValue(b array.Builder, v int64) {
	edge := g.IntN(40) == 0
	switch b := b.(type) {
	case *array.Int8Builder:
		b.Append(int8(v))
	case *array.Int16Builder:
		b.Append(int16(v))
	case *array.Int32Builder:
		b.Append(int32(v))
	case *array.Int64Builder:
		if edge {
			v = []int64{math.MaxInt64, math.MinInt64}[g.IntN(2)]
		}
		b.Append(v)
	case *array.Uint8Builder:
		b.Append(uint8(v))
	case *array.Uint16Builder:
		b.Append(uint16(v))
	case *array.Uint32Builder:
		b.Append(uint32(v))
	case *array.Uint64Builder:
		b.Append(uint64(v)) // negative ones become very large
	case *array.Float32Builder:
		b.Append(float32(v) / 4)
	case *array.Float64Builder:
		if edge {
			b.Append(specialFloats[g.IntN(4)])
			return
		}
		b.Append(float64(v) / 4)
	case *array.Decimal128Builder:
		b.Append(decimal128.FromI64(v))
	case *array.StringBuilder:
		b.Append(randomText(v))
	case *array.BinaryBuilder:
		b.Append([]byte(randomText(v)))
	case *array.FixedSizeBinaryBuilder:
		b.Append([]byte{byte(v >> 8), byte(v)})
	case *array.BooleanBuilder:
		b.Append(v&1 == 0)
	case *array.Date32Builder:
		b.Append(arrow.Date32(v % 20000))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v * 1_000_000 / 7))
	case *array.Time32Builder:
		b.Append(arrow.Time32((v%86_400_000 + 86_400_000) % 86_400_000))
	case *array.DurationBuilder:
		b.Append(arrow.Duration(v))
	case *array.ListBuilder:
		b.Append(true)
		b.ValueBuilder().(*array.Int32Builder).Append(int32(v))
	default:
		panic(fmt.Sprintf("no random value for %T", b))
	}
}

// randomText makes strings with shared prefixes, wildcards, zero bytes, and
// some that are longer than zones keep.
func randomText(v int64) string {
	s := fmt.Sprintf("%cü%d", 'a'+rune(v&3), v%9)
	switch v % 11 {
	case 1:
		return s + "\x00" + s
	case 2:
		return ""
	case 3:
		return "a%_\\" + s
	case 4:
		return fmt.Sprintf("%070d", v&7)
	}
	return s
}

// refVal reads value i of a.
func refVal(a arrow.Array, i int) val {
	v := val{shown: cellText(a, i)}
	seconds := func(n, per int64) *big.Rat { return big.NewRat(n, per) }
	switch a := a.(type) {
	case *array.Int8:
		v.rat = seconds(int64(a.Value(i)), 1)
	case *array.Int16:
		v.rat = seconds(int64(a.Value(i)), 1)
	case *array.Int32:
		v.rat = seconds(int64(a.Value(i)), 1)
	case *array.Int64:
		v.rat = seconds(a.Value(i), 1)
	case *array.Uint8:
		v.rat = seconds(int64(a.Value(i)), 1)
	case *array.Uint16:
		v.rat = seconds(int64(a.Value(i)), 1)
	case *array.Uint32:
		v.rat = seconds(int64(a.Value(i)), 1)
	case *array.Uint64:
		v.rat = new(big.Rat).SetInt(new(big.Int).SetUint64(a.Value(i)))
	case *array.Decimal128:
		v.scale = int(a.DataType().(*arrow.Decimal128Type).Scale)
		v.rat, _ = new(big.Rat).SetString(a.Value(i).BigInt().String() + "e-" + strconv.Itoa(v.scale))
	case *array.Date32:
		v.rat = seconds(int64(a.Value(i))*secondsPerDay, 1)
	case *array.Timestamp:
		v.rat = seconds(int64(a.Value(i)), perSecond(a.DataType().(*arrow.TimestampType).Unit))
	case *array.Time32:
		v.rat = seconds(int64(a.Value(i)), 1000)
	case *array.Duration:
		v.rat = seconds(int64(a.Value(i)), 1000)
	case *array.Float32:
		v = floatVal(float64(a.Value(i)))
	case *array.Float64:
		v = floatVal(a.Value(i) + 0) // -0 is 0
		if a.Value(i) == 0 {
			v = floatVal(0)
		}
	case *array.Boolean:
		v = boolVal(a.Value(i))
	case *array.String:
		v = textVal(a.Value(i))
	case *array.Binary:
		v.text = new(string(a.Value(i)))
	case *array.FixedSizeBinary:
		v.text = new(string(a.Value(i)))
	case *array.List:
		v.text = &v.shown
	}
	return v
}

// query makes a random query.
func (g *generator) query() *expr.Query {
	q := &expr.Query{Table: "t"}
	if g.IntN(4) > 0 {
		q.Where = g.condition(3)
	}
	switch g.IntN(3) {
	case 0:
		g.grouped(q)
	default:
		g.plain(q)
	}
	if g.IntN(2) == 0 {
		q.Limit = new(int64(g.IntN(20)))
	}
	if g.IntN(3) == 0 {
		q.Offset = int64(g.IntN(10))
	}
	return q
}

func (g *generator) plain(q *expr.Query) {
	for range 1 + g.IntN(4) {
		e := expr.Col(g.column("abcdefghijklmnopqrs"))
		if g.IntN(3) == 0 {
			e = g.number(2)
		}
		q.Select = append(q.Select, expr.Item{Expr: e})
	}
	for range g.IntN(3) {
		q.OrderBy = append(q.OrderBy, g.orderBy(expr.Col(g.column("abcdefghijklmnopqr"))))
	}
	if g.IntN(4) == 0 {
		q.OrderBy = append(q.OrderBy, g.orderBy(g.number(1)))
	}
}

func (g *generator) orderBy(e *expr.Expr) expr.Order {
	return expr.Order{Expr: e, Desc: g.IntN(2) == 0, NullsFirst: g.IntN(3) == 0}
}

func (g *generator) grouped(q *expr.Query) {
	for range g.IntN(3) {
		e := expr.Col(g.column("abcdefghijklmnopqr"))
		if g.IntN(4) == 0 {
			e = expr.New(expr.Mod, expr.Col("b"), g.literal(intVal(3), expr.Number, "3"))
		}
		q.GroupBy = append(q.GroupBy, e)
		q.Select = append(q.Select, expr.Item{Expr: e})
	}
	for range 1 + g.IntN(4) {
		q.Select = append(q.Select, expr.Item{Expr: g.aggregate()})
	}
	for range g.IntN(3) {
		e := q.Select[g.IntN(len(q.Select))].Expr
		q.OrderBy = append(q.OrderBy, g.orderBy(e))
	}
	if g.IntN(4) == 0 {
		q.Having = expr.New(expr.Gt, expr.New(expr.Count, expr.New(expr.Star)), g.literal(intVal(1), expr.Number, "1"))
	}
}

func (g *generator) aggregate() *expr.Expr {
	switch g.IntN(6) {
	case 0:
		return expr.New(expr.Count, expr.New(expr.Star))
	case 1:
		return &expr.Expr{Op: expr.Count, Distinct: g.IntN(2) == 0, Args: []*expr.Expr{expr.Col(g.column("abcdefghijklmnopqr"))}}
	case 2, 3:
		op := []expr.Op{expr.Min, expr.Max}[g.IntN(2)]
		return expr.New(op, expr.Col(g.column("abcdefghijklmnopqr")))
	}
	op := []expr.Op{expr.Sum, expr.Avg}[g.IntN(2)]
	if g.IntN(3) == 0 {
		return expr.New(op, expr.New(expr.Mul, expr.Col(g.column("abgo")), expr.Col(g.column("abgo"))))
	}
	return expr.New(op, expr.Col(g.column("abefgop"))) // the floats are quarters, so that their sums are exact
}

func (g *generator) column(of string) string { i := g.IntN(len(of)); return of[i : i+1] }

// number makes arithmetic that does not overflow.
func (g *generator) number(depth int) *expr.Expr {
	switch {
	case depth == 0 && g.IntN(3) == 0:
		n := int64(g.IntN(7) - 3)
		return g.literal(intVal(n), expr.Number, strconv.FormatInt(n, 10))
	case depth == 0:
		return expr.Col(g.column("abgo"))
	}
	op := []expr.Op{expr.Add, expr.Sub, expr.Mul, expr.Div, expr.Mod}[g.IntN(5)]
	if g.IntN(8) == 0 {
		return &expr.Expr{Op: expr.Call, Name: "coalesce", Args: []*expr.Expr{expr.Col("b"), expr.Col("a")}}
	}
	return expr.New(op, expr.Col(g.column("abgo")), g.number(depth-1))
}

func (g *generator) literal(v val, kind expr.Kind, text string) *expr.Expr {
	e := expr.Lit(kind, text)
	g.ref.meant[e] = v
	return e
}

func (g *generator) condition(depth int) *expr.Expr {
	if depth > 0 && g.IntN(2) == 0 {
		switch g.IntN(3) {
		case 0:
			return expr.New(expr.Not, g.condition(depth-1))
		case 1:
			return expr.New(expr.And, g.condition(depth-1), g.condition(depth-1))
		}
		return expr.New(expr.Or, g.condition(depth-1), g.condition(depth-1), g.condition(depth-1))
	}
	comparison := []expr.Op{expr.Eq, expr.Ne, expr.Lt, expr.Le, expr.Gt, expr.Ge}[g.IntN(6)]
	name := g.column("abcdefghijklmnopqr")
	switch g.IntN(9) {
	case 0:
		return expr.New(expr.IsNull, expr.Col(g.column("abcdefghijklmnopqrs")))
	case 1:
		return expr.New(expr.Between, expr.Col(name), g.near(name), g.near(name))
	case 2, 3:
		args := []*expr.Expr{expr.Col(name)}
		for range 1 + g.IntN(4) {
			args = append(args, g.near(name))
		}
		return expr.New(expr.In, args...)
	case 4:
		if g.IntN(3) == 0 {
			word := []string{"ü", "aü1", "AÜ1", "1", "0003"}[g.IntN(5)]
			return &expr.Expr{Op: expr.Call, Name: "has_token", Args: []*expr.Expr{expr.Col("h"), g.literal(textVal(word), expr.String, word)}}
		}
		op := []expr.Op{expr.Like, expr.ILike}[g.IntN(2)]
		p := []string{"a%", "%1", "%ü%", "_ü_", "", "%", "aü1", "a\\%\\_\\\\%", "%Ü_%1", "000%3"}[g.IntN(10)]
		return expr.New(op, expr.Col("h"), g.literal(textVal(p), expr.String, p))
	case 5:
		of := []string{"abcdegop", "jkl", "hmq"}[g.IntN(3)]
		return expr.New(comparison, expr.Col(g.column(of)), expr.Col(g.column(of)))
	case 6:
		return expr.New(comparison, g.number(1), g.number(1))
	}
	if g.IntN(2) == 0 {
		return expr.New(comparison, g.near(name), expr.Col(name))
	}
	return expr.New(comparison, expr.Col(name), g.near(name))
}

// near makes a literal for a column: a value that is there, one between two
// values, or one that no value of the type reaches.
func (g *generator) near(name string) *expr.Expr {
	if g.IntN(12) == 0 {
		return g.literal(val{}, expr.Null, "")
	}
	v := val{}
	for range 5 {
		if len(g.rows) > 0 && v.null() {
			v = g.rows[g.IntN(len(g.rows))][name]
		}
	}
	i := g.lake.snap.Schema.Index(name)
	t := g.lake.snap.Schema.Fields[i].Type
	switch laneOf(t) {
	case laneBool:
		b := g.IntN(2) == 0
		return g.literal(boolVal(b), expr.Bool, strconv.FormatBool(b))
	case laneStr:
		s := "aü"
		if !v.null() {
			s = *v.text
		}
		if t.ID() == arrow.STRING {
			return g.literal(textVal(s), expr.String, s)
		}
		return g.literal(textVal(s), expr.Bytes, hex.EncodeToString([]byte(s)))
	case laneFloat:
		f := float64(g.IntN(40)-20) / 4
		if !v.null() {
			f = *v.float
		}
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return g.literal(floatVal(f), expr.String, strconv.FormatFloat(f, 'g', -1, 64))
		}
		return g.literal(floatVal(f), expr.Number, strconv.FormatFloat(f, 'g', -1, 64))
	}
	return g.nearNumber(t, v)
}

func (g *generator) nearNumber(t arrow.DataType, v val) *expr.Expr {
	r := new(big.Rat).SetInt64(int64(g.IntN(100) - 50))
	if v.rat != nil {
		r.Set(v.rat)
	}
	if isTemporal(t) {
		return g.nearTime(t, r)
	}
	switch g.IntN(5) {
	case 0:
		r.Add(r, big.NewRat(1, 8)) // between two values
	case 1:
		r.Add(r, new(big.Rat).SetInt64(int64(g.IntN(5)-2)))
	case 2:
		if g.IntN(4) == 0 { // outside of every type
			r.SetString([]string{"1e45", "-1e45"}[g.IntN(2)])
		}
	}
	return g.literal(val{rat: r}, expr.Number, r.FloatString(14))
}

func (g *generator) nearTime(t arrow.DataType, r *big.Rat) *expr.Expr {
	if g.IntN(3) == 0 && t.ID() != arrow.TIME32 {
		r.Add(r, big.NewRat(1, 2_000_000)) // half a microsecond
	}
	if t.ID() == arrow.TIME32 {
		r.Abs(r)
	}
	ns := new(big.Int).Quo(new(big.Int).Mul(r.Num(), big.NewInt(1e9)), r.Denom()).Int64()
	r = big.NewRat(ns, 1e9)
	at := time.Unix(0, ns).UTC()
	switch t.ID() {
	case arrow.TIME32:
		return g.literal(val{rat: r}, expr.String, at.Format("15:04:05.999999999"))
	case arrow.DURATION:
		return g.literal(val{rat: r}, expr.String, time.Duration(ns).String())
	}
	kind := []expr.Kind{expr.String, expr.Timestamp}[g.IntN(2)]
	return g.literal(val{rat: r}, kind, at.Format("2006-01-02 15:04:05.999999999Z07:00"))
}
