package scan

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/format/kern"
)

// A filter is a conjunction. Where one of its conditions is about one column
// it is tried on the column as it is stored: ranges of numbers by kernels on
// packed words, anything else once for each value of a dictionary. What is
// left is evaluated for the rows that are left.

// conjunct is one condition of a filter.
type conjunct struct {
	node  node
	slots []int      // of the columns that it is about
	span  *valueSpan // set if it is a range of one column
	find  textFind   // set if it looks for a text in one column
	stats passRate
	tried atomic.Pointer[triedTexts]
}

// triedTexts is which texts of a dictionary pass a condition. Blocks of a
// segment follow each other, so the last one is kept.
type triedTexts struct {
	of     *codec.SharedTexts
	passes bits
	ok     bool // it could be tried
}

// valueSpan is lo <= x <= hi over integers.
type valueSpan struct{ lo, hi int64 }

// passRate is how many rows a condition was tried on, how many of them passed,
// and how long that took.
type passRate struct{ tried, passed, nanos atomic.Int64 }

func (r *passRate) add(tried, passed int, took time.Duration) {
	r.tried.Add(int64(tried))
	r.passed.Add(int64(passed))
	r.nanos.Add(int64(took))
}

// share is the part of rows that pass; a condition that was never tried is
// taken to let a third through.
func (r *passRate) share() float64 {
	return (float64(r.passed.Load()) + 1) / (float64(r.tried.Load()) + 3)
}

// cost is the nanoseconds that a row takes. A guess counts as much as one
// measured vector, so that the first block has an order, too.
func (r *passRate) cost(guess float64) float64 {
	return (float64(r.nanos.Load()) + guess*kern.Vector) / float64(r.tried.Load()+kern.Vector)
}

// conjuncts takes a bound filter apart. slotsOf tells which columns a node is
// about.
func conjuncts(filter node, slotsOf func(node) []int) []*conjunct {
	if filter == nil {
		return nil
	}
	if all, ok := filter.(*allNode); ok {
		var out []*conjunct
		for _, arg := range all.args {
			out = append(out, conjuncts(arg, slotsOf)...)
		}
		return out
	}
	return []*conjunct{{node: filter, slots: slotsOf(filter), span: spanOf(filter), find: findOf(filter)}}
}

// spanOf returns the range that a comparison of a column with a constant asks
// for, where both are integers of one unit or decimals of one scale.
func spanOf(n node) *valueSpan {
	c, ok := n.(*cmpNode)
	if !ok {
		return nil
	}
	col, ok := c.x.(*colNode)
	k, isConst := c.y.(*constNode)
	if !ok || !isConst || k.v.null(0) {
		return nil
	}
	var v int64
	switch {
	case laneOf(col.t) == laneInt && laneOf(k.v.typ) == laneInt && sameUnit(col.t, k.v.typ) && family(col.t) == family(k.v.typ):
		v = k.v.ints[0]
	case arrow.TypeEqual(col.t, k.v.typ) && laneOf(col.t) == laneDec && k.v.narrow() != nil:
		v = k.v.narrow()[0]
	default:
		return nil
	}
	return rangeOf(c.op, v)
}

func rangeOf(op expr.Op, v int64) *valueSpan {
	none := &valueSpan{1, 0}
	switch op {
	case expr.Eq:
		return &valueSpan{v, v}
	case expr.Le:
		return &valueSpan{math.MinInt64, v}
	case expr.Ge:
		return &valueSpan{v, math.MaxInt64}
	case expr.Lt:
		if v == math.MinInt64 {
			return none
		}
		return &valueSpan{math.MinInt64, v - 1}
	case expr.Gt:
		if v == math.MaxInt64 {
			return none
		}
		return &valueSpan{v + 1, math.MaxInt64}
	}
	return nil
}

// inOrder returns the conditions with those first that throw out the most rows
// for their time: a cheap range goes before a search in text that lets fewer
// rows through. No other order of independent conditions takes less time.
// They are appended to dst.
func (p *Plan) inOrder(dst []priced) []priced {
	for i, c := range p.conjuncts {
		dst = append(dst, priced{i, c.price()})
	}
	slices.SortStableFunc(dst, func(a, b priced) int { return cmp.Compare(a.price, b.price) })
	return dst
}

// priced is one of the conditions of a plan, and what it costs.
type priced struct {
	nth   int
	price float64
}

// price is the time that it takes to throw out one row.
func (c *conjunct) price() float64 { return c.stats.cost(c.guess()) / (1 - c.stats.share()) }

// guess is about how many nanoseconds a row takes, before any was tried.
func (c *conjunct) guess() float64 {
	switch {
	case c.span != nil:
		return 0.1
	case c.find != nil:
		return 8
	}
	return 1
}

// try clears the bits of rows that do not pass, and reports whether it could
// tell from the stored column. It never fails where evaluating the condition
// row by row would not.
func (c *conjunct) try(b *batch, masks []kern.Mask) bool {
	if len(c.slots) != 1 {
		return false
	}
	col := b.cols[c.slots[0]].enc
	switch {
	case col == nil:
		return false
	case c.span != nil && col.Ints() != nil:
		col.Ints().Within(masks, c.span.lo, c.span.hi)
		dropNulls(masks, col)
		return true
	}
	codes := codesOf(&b.cols[c.slots[0]])
	if codes == nil {
		return c.find != nil && c.findPlain(col, masks)
	}
	set, ok := c.passing(b, &b.cols[c.slots[0]])
	if !ok {
		return false
	}
	nullPasses, ok := false, true
	if _, nulls := col.Validity(); nulls > 0 {
		nullPasses, ok = c.tryNull(b, b.cols[c.slots[0]].typ)
	}
	if ok {
		keepCodes(masks, col, codes, set, nullPasses)
	}
	return ok
}

// textFind clears the bits of the rows of a text that are not looked for.
type textFind func(t kern.Text, found []kern.Mask)

// findOf returns how to look for what n asks of a column: a text, or one with
// a prefix, a suffix or a part.
func findOf(n node) textFind {
	var wanted []byte
	switch n := n.(type) {
	case *cmpNode:
		_, isCol := n.x.(*colNode)
		k, isConst := n.y.(*constNode)
		if !isCol || !isConst || n.op != expr.Eq || laneOf(k.v.typ) != laneStr || k.v.null(0) {
			return nil
		}
		wanted = []byte(k.v.strs[0])
		return func(t kern.Text, found []kern.Mask) { t.Equal(found, wanted) }
	case *likeNode:
		if _, isCol := n.x.(*colNode); !isCol || n.fold {
			return nil
		}
		return n.pattern.find()
	}
	return nil
}

// find returns how to look for the common patterns, or nil.
func (p pattern) find() textFind {
	shape := ""
	var text []byte
	for _, s := range p {
		if s.wild != 0 {
			shape += string(s.wild)
			continue
		}
		shape, text = shape+"x", []byte(s.text)
	}
	switch shape {
	case "x":
		return func(t kern.Text, found []kern.Mask) { t.Equal(found, text) }
	case "x%":
		return func(t kern.Text, found []kern.Mask) { t.HasPrefix(found, text) }
	case "%x":
		return func(t kern.Text, found []kern.Mask) { t.HasSuffix(found, text) }
	case "%x%":
		return func(t kern.Text, found []kern.Mask) { t.Contains(found, text) }
	}
	return nil
}

func (c *conjunct) findPlain(col *format.Column, masks []kern.Mask) bool {
	text, ok := col.Text().Search()
	if !ok {
		return false
	}
	c.find(text, masks)
	dropNulls(masks, col)
	return true
}

// passing returns the values of a stored column's dictionary that pass. Those
// that blocks share are tried once, unless this block has but a few of them.
func (c *conjunct) passing(b *batch, col *column) (bits, bool) {
	const few = 16 // one in so many
	if col.shared == nil || col.distinct < col.shared.Len()/few {
		values, _ := dictionaryOf(col)
		return c.tryAll(b, values)
	}
	known := c.tried.Load()
	if known == nil || known.of != col.shared {
		passes, ok := c.tryAll(b, sharedValues(col.typ, col.shared, nil))
		known = &triedTexts{col.shared, passes, ok}
		c.tried.Store(known)
	}
	if !known.ok || col.numbers == nil {
		return known.passes, known.ok
	}
	return fill(len(col.numbers), func(i int) bool { return known.passes.has(int(col.numbers[i])) }), true
}

// tryAll returns the values that pass. An error may be of a value that an
// earlier condition throws out: then the rows have to be looked at.
func (c *conjunct) tryAll(b *batch, values *vec) (bits, bool) {
	one := &batch{n: values.n, cols: make([]column, len(b.cols))}
	one.cols[c.slots[0]].vec = values
	v, err := c.node.eval(one, nil)
	if err != nil {
		return nil, false
	}
	return v.truth(), true
}

func (c *conjunct) tryNull(b *batch, t arrow.DataType) (passes, ok bool) {
	set, ok := c.tryAll(b, nulls(t, 1))
	return ok && set.has(0), ok
}

// keepCodes clears the bits of rows whose codes are not in set, and of nulls
// unless they pass.
func keepCodes(masks []kern.Mask, col *format.Column, codes *codec.Ints, set bits, nullPasses bool) {
	if !nullPasses {
		codes.In(masks, set)
		dropNulls(masks, col)
		return
	}
	before := slices.Clone(masks)
	codes.In(masks, set)
	dropNulls(masks, col)
	for k := range before {
		onlyNulls(col, &before[k], k)
	}
	kern.OrMasks(masks, before)
}

// dropNulls clears the bits of nulls.
func dropNulls(masks []kern.Mask, col *format.Column) {
	if _, nulls := col.Validity(); nulls > 0 {
		for k := range masks {
			dropNullsOf(col, &masks[k], k)
		}
	}
}

// dropNullsOf clears the bits of nulls in m, the mask of vector k.
func dropNullsOf(col *format.Column, m *kern.Mask, k int) {
	if valid, nulls := col.Validity(); nulls > 0 {
		own := maskOf(valid, k)
		m.And(&own)
	}
}

// onlyNulls clears the bits of all rows but nulls in m, the mask of vector k.
func onlyNulls(col *format.Column, m *kern.Mask, k int) {
	valid, _ := col.Validity()
	own := maskOf(valid, k)
	m.AndNot(&own)
}

// maskOf returns the mask of vector k in a bitmap.
func maskOf(bitmap []byte, k int) (m kern.Mask) {
	for w := range m {
		m[w] = wordAt(bitmap, (k*kern.MaskWords+w)*8)
	}
	return m
}

// wordAt returns eight bytes of a bitmap, zeros past its end.
func wordAt(b []byte, at int) (word uint64) {
	if at+8 <= len(b) {
		return binary.LittleEndian.Uint64(b[at:])
	}
	if at >= len(b) {
		return 0
	}
	for i, x := range b[at:min(at+8, len(b))] {
		word |= uint64(x) << (8 * i)
	}
	return word
}
