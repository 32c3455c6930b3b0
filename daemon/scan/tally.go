package scan

import (
	"math"
	mathbits "math/bits"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/format/kern"
)

// A block is tallied where its groups are codes (those of dictionaries, or
// integers that are close together) and what is aggregated are integers and
// decimals: sums, bounds and counts by code are taken vector by vector from the
// mask of the rows that passed, and no list of rows or values is ever made.

// tallyPlan is how the blocks of a query are tallied, where they allow it.
type tallyPlan struct {
	registers
	keys  []*colNode
	lanes []tallyLane
	of    []int // by aggregate: its lane; -1: count(*)

	anyOrder bool // of groups: ORDER BY sorts them anyway

	merged sync.Pool // partials of blocks that have been merged
}

// tallyLane is one aggregated expression; aggregates of the same one share it.
type tallyLane struct {
	reg             int   // as in intOp
	counted         bool  // only nulls matter: there is no register
	slots           []int // of the columns that can make it null
	sum, least, top bool  // what is asked of it
}

// tallyPlanOf returns nil for queries that are none of integers, decimals and
// counts.
func (p *Plan) tallyPlanOf() *tallyPlan {
	if !p.grouped {
		return nil
	}
	t := &tallyPlan{anyOrder: p.sortsGroups()}
	for _, n := range p.keys {
		key, ok := n.(*colNode)
		if !ok {
			return nil
		}
		t.keys = append(t.keys, key)
	}
	for _, a := range p.aggs {
		if !t.add(a) {
			return nil
		}
	}
	return t
}

// sortsGroups reports whether ORDER BY leaves no two groups equal.
func (p *Plan) sortsGroups() bool {
	sorted := map[int]bool{}
	for _, k := range p.order {
		if col, ok := k.n.(*colNode); ok && col.slot < len(p.keys) {
			sorted[col.slot] = true
		}
	}
	return len(sorted) == len(p.keys)
}

// add finds or makes the lane of an aggregate.
func (t *tallyPlan) add(a *aggSpec) bool {
	if a.arg == nil {
		t.of = append(t.of, -1)
		return true
	}
	lane := tallyLane{slots: slotsOf(a.arg)}
	if _, isCol := a.arg.(*colNode); isCol && a.op == expr.Count && !a.distinct {
		lane.counted = true
	} else {
		v, ok := t.registers.add(a.arg)
		if !ok || v.constant || a.distinct {
			return false
		}
		lane.reg = v.reg
	}
	at := slices.IndexFunc(t.lanes, func(o tallyLane) bool {
		return o.counted == lane.counted && o.reg == lane.reg && slices.Equal(o.slots, lane.slots)
	})
	if at < 0 {
		at = len(t.lanes)
		t.lanes = append(t.lanes, lane)
	}
	have := &t.lanes[at]
	switch a.op {
	case expr.Sum, expr.Avg:
		have.sum = true
	case expr.Min:
		have.least = true
	case expr.Max:
		have.top = true
	}
	t.of = append(t.of, at)
	return true
}

// tally is the state of one block. It is used again for other blocks.
type tally struct {
	keys   []tallyKey
	codes  int         // how many there are, at most; 1 without keys
	spans  []valueSpan // of the registers
	regs   [][kern.Vector]int64
	code   [kern.Vector]uint16
	own    [kern.Vector]uint16
	whole  *kern.Mask           // of a vector: the rows that passed
	groups [maxPasses]kern.Mask // of whole: the rows of each code
	rows   []int64              // by code
	lanes  []laneTally
	joint  int     // the lane whose sum is taken together with rows; -1: none
	both   []int64 // of these, see kern.GroupCountSum

	some, first []int32   // codes that have rows, and these in the order in which they come
	left        bits      // of them: those that have not come yet
	apart       [][]int32 // codes by key
	part        kern.Mask // see eachCode
}

// laneTally is what a lane comes to, by code.
type laneTally struct {
	nulls           bool // in this block
	rows            []int64
	sum, least, top []int64
}

// tallyKey is one key of a block, as codes.
type tallyKey struct {
	of    *column
	nulls bool // their code is the last one
	codes *codec.Ints
	coded bool  // codes are those of a dictionary; else they stand for base + code
	base  int64 // of codes
	size  int   // one past the highest code
}

// maxPasses is the number of codes up to which a pass for each of them is
// quicker than an addition for each row.
const maxPasses = 8

var tallies = sync.Pool{New: func() any { return new(tally) }}

// tally aggregates the rows of masks into a partial; nil where the block is not
// stored so that it can be tallied.
func (p *Plan) tally(b *batch, masks []kern.Mask) *partial {
	plan := p.tallies
	if plan == nil {
		return nil
	}
	t := tallies.Get().(*tally)
	defer tallies.Put(t)
	defer t.forget()
	if !t.begin(plan, b) {
		return nil
	}
	for k := range masks {
		if masks[k].Any() {
			t.vector(plan, b, &masks[k], k)
		}
	}
	t.takeJoint()
	return t.finish(p, masks)
}

// begin looks at how the block is stored, and makes room.
func (t *tally) begin(plan *tallyPlan, b *batch) (ok bool) {
	if t.spans, ok = plan.extents(t.spans[:0], b); !ok {
		return false
	}
	t.codes = 1
	for _, n := range plan.keys {
		key, ok := tallyKeyOf(&b.cols[n.slot])
		if !ok || t.codes*key.size > maxCodes {
			return false
		}
		t.keys = append(t.keys, key)
		t.codes *= key.size
	}
	t.regs = extend(t.regs, plan.len())
	t.rows = cleared(t.rows, t.codes)
	t.lanes = extend(t.lanes, len(plan.lanes))
	for i := range plan.lanes {
		if !t.lanes[i].begin(&plan.lanes[i], b, t.codes) || plan.lanes[i].sum && !t.span(plan, i).sumsFit(b.n) {
			return false
		}
	}
	t.join(plan)
	return true
}

// join finds a lane whose sum can be taken together with the count of rows,
// where there are too many codes for a pass for each.
func (t *tally) join(plan *tallyPlan) {
	t.joint = -1
	for i := range plan.lanes {
		if t.codes > maxPasses && plan.lanes[i].sum && !t.lanes[i].nulls && t.span(plan, i).magnitude() < 1<<(63-kern.CountBits-16) {
			t.joint, t.both = i, cleared(t.both, t.codes)
			return
		}
	}
}

// takeJoint puts count and sum of the joint lane where they belong.
func (t *tally) takeJoint() {
	if t.joint < 0 {
		return
	}
	sums := t.lanes[t.joint].sum
	for c, both := range t.both {
		t.rows[c], sums[c] = kern.CountOf(both), kern.SumOf(both)
	}
}

// span returns the bounds of a lane's values.
func (t *tally) span(plan *tallyPlan, lane int) valueSpan {
	return t.spans[plan.place(plan.lanes[lane].reg)]
}

func (l *laneTally) begin(lane *tallyLane, b *batch, codes int) bool {
	l.nulls = false
	for _, slot := range lane.slots {
		if b.cols[slot].enc == nil {
			return false
		}
		_, nulls := b.cols[slot].enc.Validity()
		l.nulls = l.nulls || nulls > 0
	}
	if l.nulls {
		l.rows = cleared(l.rows, codes)
	}
	if lane.sum {
		l.sum = cleared(l.sum, codes)
	}
	if lane.least || lane.top {
		l.least, l.top = cleared(l.least, codes), cleared(l.top, codes)
		for i := range codes {
			l.least[i], l.top[i] = math.MaxInt64, math.MinInt64
		}
	}
	return true
}

// cleared returns n zero values, in the memory of s if that is enough.
func cleared[T any](s []T, n int) []T {
	s = resized(s, n)
	clear(s)
	return s
}

// forget lets go of the block.
func (t *tally) forget() {
	clear(t.keys)
	t.keys, t.whole = t.keys[:0], nil
}

// tallyKeyOf returns the codes of a column.
func tallyKeyOf(c *column) (k tallyKey, ok bool) {
	if c.enc == nil {
		return k, false
	}
	k.of = c
	if k.codes = codesOf(c); k.codes != nil {
		k.coded, k.size = true, c.distinct
	} else if ints := c.enc.Ints(); ints != nil {
		lo, hi := ints.Bounds()
		if uint64(hi)-uint64(lo) >= maxCodes {
			return k, false
		}
		k.codes, k.base, k.size = ints, lo, int(hi-lo)+1
	} else {
		return k, false
	}
	if _, nulls := c.enc.Validity(); nulls > 0 {
		k.nulls = true
		k.size++
	}
	return k, k.size <= maxCodes
}

// read sets dst to the codes of vector n.
func (k *tallyKey) read(dst *[kern.Vector]uint16, n int) {
	k.codes.ReadCodes(dst, n, k.base)
	if !k.nulls {
		return
	}
	var null kern.Mask
	null.Fill(true)
	onlyNulls(k.of.enc, &null, n)
	var rows [kern.Vector]uint16
	for _, row := range rows[:kern.Rows(&rows, &null, 0)] {
		dst[row] = uint16(k.size - 1)
	}
}

// readCodes sets t.code to the code of each row of vector k.
func (t *tally) readCodes(k int) {
	t.keys[0].read(&t.code, k)
	for i := range t.keys[1:] {
		key := &t.keys[i+1]
		key.read(&t.own, k)
		kern.Combine(&t.code, &t.own, uint16(key.size))
	}
}

// vector adds the rows of m, which is the mask of vector k.
func (t *tally) vector(plan *tallyPlan, b *batch, m *kern.Mask, k int) {
	plan.fill(t.regs, b, k)
	if len(t.keys) > 0 {
		t.readCodes(k)
	}
	t.split(m)
	if t.joint < 0 {
		t.count(t.rows, m)
	}
	for i := range plan.lanes {
		lane, state := &plan.lanes[i], &t.lanes[i]
		rows := m
		if state.nulls {
			own := *m
			for _, slot := range lane.slots {
				dropNullsOf(b.cols[slot].enc, &own, k)
			}
			rows = &own
			t.count(state.rows, rows)
		}
		if lane.counted {
			continue
		}
		values := &t.regs[plan.place(lane.reg)]
		switch {
		case i == t.joint:
			kern.GroupCountSum(t.both, &t.code, values, rows)
		case lane.sum:
			t.sum(state.sum, values, rows)
		}
		if lane.least || lane.top {
			t.bound(state, values, rows)
		}
	}
}

// split makes the masks of the codes, where they are few.
func (t *tally) split(m *kern.Mask) {
	t.whole = m
	switch {
	case t.codes > maxPasses:
	case len(t.keys) == 0:
		t.groups[0] = *m
	default:
		for c := range t.codes {
			kern.CompareTo(&t.groups[c], kern.Eq, &t.code, uint16(c))
			t.groups[c].And(m)
		}
	}
}

// eachCode calls f with the rows of each code that has one; m is the mask that
// was split, or a part of it.
func (t *tally) eachCode(m *kern.Mask, f func(code int, rows *kern.Mask)) {
	for c := range t.codes {
		rows := &t.groups[c]
		if m != t.whole {
			t.part = *rows
			t.part.And(m)
			rows = &t.part
		}
		if rows.Any() {
			f(c, rows)
		}
	}
}

func (t *tally) count(into []int64, m *kern.Mask) {
	if t.codes > maxPasses {
		kern.GroupCount(into, &t.code, m)
		return
	}
	t.eachCode(m, func(c int, rows *kern.Mask) { into[c] += int64(rows.Count()) })
}

func (t *tally) sum(into []int64, v *[kern.Vector]int64, m *kern.Mask) {
	if t.codes > maxPasses {
		kern.GroupSumNarrow(into, &t.code, v, m)
		return
	}
	t.eachCode(m, func(c int, rows *kern.Mask) { into[c] += kern.SumNarrow(v, rows) })
}

func (t *tally) bound(into *laneTally, v *[kern.Vector]int64, m *kern.Mask) {
	if t.codes > maxPasses {
		kern.GroupMinMax(into.least, into.top, &t.code, v, m)
		return
	}
	t.eachCode(m, func(c int, rows *kern.Mask) {
		lo, hi, _ := kern.MinMaxOf(v, rows)
		into.least[c], into.top[c] = min(into.least[c], lo), max(into.top[c], hi)
	})
}

// finish makes groups of the codes that have rows.
func (t *tally) finish(p *Plan, masks []kern.Mask) *partial {
	part := p.blockPartial()
	codes := t.present()
	if len(t.keys) > 0 {
		if !p.tallies.anyOrder {
			codes = t.asTheyCome(codes, masks)
		}
		if t.number(&part.groups.numbered, codes) {
			part.groups.n = len(codes)
		} else {
			part.groups.take(t.values(part.groups.spare, codes), len(codes))
		}
	}
	for i, a := range part.aggs {
		a.grow(part.groups.n)
		rows, lane := t.rows, &laneTally{}
		if at := p.tallies.of[i]; at >= 0 {
			if lane = &t.lanes[at]; lane.nulls {
				rows = lane.rows
			}
		}
		for g, c := range codes {
			if rows[c] > 0 {
				addTally(a, g, int(c), rows[c], lane, p.aggs[i].op == expr.Max)
			}
		}
	}
	return part
}

// addTally adds the rows of a code to group g of an aggregate.
func addTally(a aggregate, g, c int, rows int64, lane *laneTally, isMax bool) {
	bound := func() int64 {
		if isMax {
			return lane.top[c]
		}
		return lane.least[c]
	}
	switch a := a.(type) {
	case *countAgg:
		a.counts[g] += rows
	case *exactSum:
		a.sums[g] = a.sums[g].plus(wideOfInt(lane.sum[c]))
		a.counts[g] += rows
	case *extreme[int64]:
		a.put(int32(g), bound())
	case *extreme[decimal128.Num]:
		a.put(int32(g), decimal128.FromI64(bound()))
	default:
		panic("BUG: an aggregate that cannot be tallied")
	}
}

// present returns the codes that have rows.
func (t *tally) present() []int32 {
	t.some = t.some[:0]
	for c, n := range t.rows[:t.codes] {
		if n > 0 {
			t.some = append(t.some, int32(c))
		}
	}
	return t.some
}

// asTheyCome puts the codes that have rows in the order in which they come.
func (t *tally) asTheyCome(present []int32, masks []kern.Mask) []int32 {
	t.left = resized(t.left, words(t.codes))
	clear(t.left)
	for _, c := range present {
		t.left.set(int(c))
	}
	t.first = t.first[:0]
	for k := range masks {
		if len(t.first) == len(present) {
			break
		}
		if masks[k].Any() {
			t.readCodes(k)
			t.fresh(&masks[k])
		}
	}
	return t.first
}

// fresh appends the codes of a vector's rows that are left to those that have
// come.
func (t *tally) fresh(m *kern.Mask) {
	found := *m
	kern.InAnd(&found, t.code[:], 16, 0, t.left)
	for w, rows := range found {
		for ; rows != 0; rows &= rows - 1 {
			c := int(t.code[w*64+mathbits.TrailingZeros64(rows)])
			if t.left.has(c) {
				t.left[c>>6] &^= 1 << (c & 63)
				t.first = append(t.first, int32(c))
			}
		}
	}
}

// values returns the keys that codes stand for, in the memory of dst if there
// is any.
func (t *tally) values(dst []*vec, codes []int32) []*vec {
	if dst == nil {
		dst = make([]*vec, len(t.keys))
		for i := range dst {
			dst[i] = new(vec)
		}
	}
	for i, own := range t.eachKey(codes) {
		t.keys[i].valuesOf(dst[i], own)
	}
	return dst
}

// number sets out to the numbers that codes stand for, and reports whether it
// could: if all keys have shared dictionaries.
func (t *tally) number(out *numbered, codes []int32) bool {
	for i := range t.keys {
		if t.keys[i].of.shared == nil {
			return false
		}
	}
	for i := range t.keys {
		out.by = append(out.by, t.keys[i].of.shared)
	}
	if out.by.size() == 0 {
		out.empty()
		return false
	}
	out.numbers = cleared(out.numbers, len(codes))
	for i, own := range t.eachKey(codes) {
		key, c := &t.keys[i], t.keys[i].of
		for j, code := range own {
			null := key.nulls && int(code) == key.size-1
			out.numbers[j] = out.numbers[j]*int32(c.shared.Len()+1) + numberOf(c.shared, c.numbers, int(code), null)
		}
	}
	return true
}

// eachKey takes codes apart to those of each key. They are good until the next
// call.
func (t *tally) eachKey(codes []int32) [][]int32 {
	t.apart = extend(t.apart, len(t.keys)+1)
	last := len(t.keys)
	left := append(t.apart[last][:0], codes...)
	t.apart[last] = left
	for i := last - 1; i >= 0; i-- {
		size := int32(t.keys[i].size)
		own := resized(t.apart[i], len(left))
		for j, c := range left {
			own[j], left[j] = c%size, c/size
		}
		t.apart[i] = own
	}
	return t.apart[:last]
}

// valuesOf sets v to the values of codes, of which the last may stand for null.
func (k *tallyKey) valuesOf(v *vec, codes []int32) {
	ints := v.ints[:0]
	*v = vec{typ: k.of.typ, n: len(codes)}
	if k.coded {
		values, _ := dictionaryOf(k.of)
		*v = *values.pick(convert(codes, func(c int32) int32 { return min(c, int32(values.n-1)) }))
	} else {
		for _, c := range codes {
			ints = append(ints, k.base+int64(c))
		}
		v.ints = ints // also of decimals, whose memory it is
		if laneOf(k.of.typ) == laneDec {
			v.small = ints
		}
	}
	if k.nulls {
		v.valid = fill(len(codes), func(i int) bool { return int(codes[i]) != k.size-1 })
	}
}
