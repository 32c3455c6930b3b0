package index

import (
	"fmt"
	"math/bits"
	"slices"
)

// Values is the directory of a column's distinct values in a segment: for each
// of them how many rows have it and where: in all blocks, in some, or exactly
// in which rows. It is safe for concurrent use.
//
//	0  2  version, 1     2  2  zero     4  4  values
//	8  8  rows          16  8  nulls
//	24 1  width of counts   25  1  of ranks   26  1  of ends   27  5  zero
//	terms                the keys
//	2 bits for each      where its rows are (valuePlace)
//	packed               counts, of the keys alone
//	packed               ranks: the order in which they first come in the segment
//	packed               ends of their data
//	data                 bits of blocks, or a roaring bitmap of rows
//
// "Each" is the keys in order, then null. Version 2 is of a column whose
// dictionary has all keys and their order of coming: it has neither terms nor
// ranks, 0 at byte 25, and at byte 28 the rank of null (4 bytes).
type Values struct {
	rows, nulls int64
	blocks      int
	keys        valueKeys
	places      packedUints
	counts      packedUints
	ends        packedUints
	data        []byte
}

const (
	valuesVersion       = 1
	valuesVersionShared = 2
	// MaxValues is how many distinct values a directory has at most.
	MaxValues = 1 << 16
)

// valuePlace says where the rows of a value are. Numbers reach disk.
type valuePlace uint8

const (
	nowhere    valuePlace = 0 // of null alone: there is none
	everywhere valuePlace = 1 // in every block
	inBlocks   valuePlace = 2 // in the blocks whose bit is set
	inRows     valuePlace = 3 // a roaring bitmap of the rows
)

// ParseValues reads the directory of a column of rows rows, nulls of them
// null. It keeps b. Bitmaps are checked when they are used. A directory of a
// version that this code does not know is nil. Shared is the column's own
// dictionary, if it has one: a directory may do without keys then.
func ParseValues(b []byte, rows, nulls int64, shared Keys) (*Values, error) {
	c := cursor{b: b}
	version := c.u16()
	if version != valuesVersion && version != valuesVersionShared && c.err == nil {
		return nil, nil
	}
	c.zero(2)
	n := int(c.u32())
	v := &Values{rows: int64(c.u64()), nulls: int64(c.u64()), blocks: int((rows + BlockRows - 1) / BlockRows)}
	counts, ranks, ends := c.width(), c.width(), c.width()
	c.zero(1)
	nullRank := c.u32()
	if n > MaxValues {
		c.fail("%d values", n)
	}
	var own *ownKeys
	if version == valuesVersion {
		own = &ownKeys{terms: c.terms()}
		v.keys = own
	} else if shared != nil {
		v.keys = sharedKeys{shared, int(nullRank)}
	}
	switch {
	case c.err != nil:
		return nil, c.err
	case v.keys == nil || v.keys.len() != n:
		return nil, fmt.Errorf("%d values, and not as many keys", n)
	case own != nil && nullRank != 0, own == nil && ranks != 0, own == nil && int64(nullRank) > int64(n):
		return nil, fmt.Errorf("rank of null %d in version %d", nullRank, version)
	}
	v.places, v.counts = c.packed(n+1, 2), c.packed(n, counts)
	if own != nil {
		own.ranks = c.packed(n+1, ranks)
	}
	v.ends = c.packed(n+1, ends)
	v.data = c.b
	switch {
	case c.err != nil:
		return nil, c.err
	case v.rows != rows || v.nulls != nulls:
		return nil, fmt.Errorf("%d rows, %d of them null; the segment has %d, %d", v.rows, v.nulls, rows, nulls)
	}
	if own != nil {
		if err := own.terms.check(); err != nil {
			return nil, err
		}
	}
	return v, v.check()
}

// check checks all but the bitmaps of rows.
func (v *Values) check() error {
	total, end := v.nulls, uint64(0)
	seen := make([]uint64, (v.Len()+64)/64)
	for i := range v.Len() + 1 {
		if err := v.checkValue(i, end, seen); err != nil {
			return fmt.Errorf("value %d: %w", i, err)
		}
		end = v.ends.at(i)
		if i < v.Len() {
			total += v.Count(i)
		}
	}
	if v.nulls == 0 && v.keys.rank(v.Len()) != v.Len() {
		return fmt.Errorf("null has a rank and no rows")
	}
	if total != v.rows || end != uint64(len(v.data)) {
		return fmt.Errorf("values have %d rows and %d bytes; want %d, %d", total, end, v.rows, len(v.data))
	}
	return nil
}

func (v *Values) checkValue(i int, from uint64, ranks []uint64) error {
	to, rank := v.ends.at(i), v.keys.rank(i)
	if to < from || to > uint64(len(v.data)) {
		return fmt.Errorf("data from byte %d to %d of %d", from, to, len(v.data))
	}
	if rank > v.Len() || ranks[rank/64]>>(rank%64)&1 == 1 {
		return fmt.Errorf("rank %d is there twice or too high", rank)
	}
	ranks[rank/64] |= 1 << (rank % 64)
	if i < v.Len() && (v.Count(i) < 1 || v.Count(i) > v.rows) {
		return fmt.Errorf("%d rows", v.Count(i))
	}
	place, isNull := v.place(i), i == v.Len()
	switch size := to - from; {
	case (place == nowhere) != (isNull && v.nulls == 0):
		return fmt.Errorf("is or is not in rows that are or are not there")
	case (place == nowhere || place == everywhere) && size != 0:
		return fmt.Errorf("%d bytes that say nothing", size)
	case place == inBlocks:
		return v.checkBlocks(v.data[from:to])
	}
	return nil
}

func (v *Values) checkBlocks(b []byte) error {
	if len(b) != (v.blocks+7)/8 {
		return fmt.Errorf("%d bytes for %d blocks", len(b), v.blocks)
	}
	if v.blocks%8 != 0 && b[len(b)-1]>>(v.blocks%8) != 0 {
		return fmt.Errorf("a block past the last")
	}
	return nil
}

// Check checks the bitmaps of rows too: that they can be read, and have as
// many rows as they are counted.
func (v *Values) Check() error {
	for i := range v.Len() + 1 {
		if v.place(i) != inRows {
			continue
		}
		want := v.nulls
		if i < v.Len() {
			want = v.Count(i)
		}
		card, err := checkRows(v.of(i), v.rows)
		if err != nil {
			return fmt.Errorf("value %d: %w", i, err)
		}
		if card != want {
			return fmt.Errorf("value %d: %d rows; want %d", i, card, want)
		}
	}
	return nil
}

// Len returns the number of distinct values, without null.
func (v *Values) Len() int { return v.keys.len() }

// Nulls returns the number of nulls.
func (v *Values) Nulls() int64 { return v.nulls }

// Count returns how many rows have value i, in the order of the keys.
func (v *Values) Count(i int) int64 { return int64(v.counts.at(i)) }

// Rank returns the place of value i among all that are there, null included,
// in the order in which they first come in the segment. Value Len() is null.
func (v *Values) Rank(i int) int { return v.keys.rank(i) }

// Each calls f for the values in ascending order; key is good until f returns.
func (v *Values) Each(f func(i int, key []byte)) error { return v.keys.each(f) }

// Listed returns how many values have their rows listed, and the bytes of that.
func (v *Values) Listed() (values, bytes int) {
	for i := range v.Len() + 1 {
		if v.place(i) == inRows {
			values, bytes = values+1, bytes+len(v.of(i))
		}
	}
	return values, bytes
}

func (v *Values) place(i int) valuePlace { return valuePlace(v.places.at(i)) }

// of returns the data of value i.
func (v *Values) of(i int) []byte {
	from := uint64(0)
	if i > 0 {
		from = v.ends.at(i - 1)
	}
	return v.data[from:v.ends.at(i)]
}

// Probe returns what the directory knows of a leaf over its column, or nil if
// that is nothing.
func (v *Values) Probe(leaf *Pred) (Probe, error) {
	in, err := v.matching(leaf)
	if err != nil || in == nil {
		return nil, err
	}
	out := v.others(in)
	if count(in) > maxSide && count(out) > maxSide {
		return nil, nil
	}
	p := &valuesProbe{v: v}
	if p.in, err = v.side(in); err != nil {
		return nil, err
	}
	p.out, err = v.side(out)
	return p, err
}

// span is a run of values, from lo up to, not including, hi.
type span struct{ lo, hi int }

func count(runs []span) (n int) {
	for _, r := range runs {
		n += r.hi - r.lo
	}
	return n
}

// matching returns the values for which a leaf is true, as ascending runs that
// do not touch; nil if it is no leaf that values can answer.
func (v *Values) matching(leaf *Pred) ([]span, error) {
	n := v.Len()
	switch leaf.Op {
	case Eq, In:
		return v.among(leaf.Keys)
	case Ne:
		eq, err := v.among(leaf.Keys)
		return v.otherValues(eq), err
	case IsNull:
		return []span{{n, n + 1}}, nil
	case Within:
		return v.within(leaf.Keys[0], leaf.Keys[1])
	case Lt, Le, Gt, Ge:
	default:
		return nil, nil
	}
	at, found, err := v.keys.search(leaf.Keys[0])
	if found && (leaf.Op == Le || leaf.Op == Gt) {
		at++
	}
	if leaf.Op == Lt || leaf.Op == Le {
		return []span{{0, at}}, err
	}
	return []span{{at, n}}, err
}

func (v *Values) within(from, to []byte) ([]span, error) {
	lo, _, err := v.keys.search(from)
	if err != nil {
		return nil, err
	}
	hi, _, err := v.keys.search(to)
	return []span{{lo, max(lo, hi)}}, err
}

func (v *Values) among(keys [][]byte) ([]span, error) {
	out := []span{}
	for _, k := range keys {
		i, found, err := v.keys.search(k)
		if err != nil {
			return nil, err
		}
		if found {
			out = append(out, span{i, i + 1})
		}
	}
	slices.SortFunc(out, func(a, b span) int { return a.lo - b.lo })
	return slices.Compact(out), nil
}

// otherValues returns the values, without null, that are not in s.
func (v *Values) otherValues(s []span) []span {
	out, from := []span{}, 0
	for _, r := range append(slices.Clip(s), span{v.Len(), v.Len()}) {
		if r.lo > from {
			out = append(out, span{from, r.lo})
		}
		from = r.hi
	}
	return out
}

// others returns the values that are not in s; null is on neither side but
// that of IS NULL.
func (v *Values) others(s []span) []span {
	if len(s) == 1 && s[0].lo == v.Len() {
		return []span{{0, v.Len()}}
	}
	return v.otherValues(s)
}

// side is a set of values: in which blocks they are, and the rows of those
// whose rows are listed.
type side struct {
	listed  []int    // values
	present []uint64 // blocks that have a value of the set
	dense   []uint64 // blocks that have one whose rows are not listed
}

// maxSide bounds the values that are looked at for a leaf. A larger side may
// be anywhere: past some hundred values that is nearly always so, and zones
// know as much.
const maxSide = 512

func (v *Values) side(runs []span) (side, error) {
	words := (v.blocks + 63) / 64
	s := side{present: make([]uint64, words), dense: make([]uint64, words)}
	if count(runs) > maxSide {
		s.addEverywhere(v.blocks)
		runs = nil
	}
	for _, r := range runs {
		for i := r.lo; i < r.hi; i++ {
			if err := v.addTo(&s, i); err != nil {
				return s, fmt.Errorf("value %d: %w", i, err)
			}
		}
	}
	for i := range s.present {
		s.present[i] |= s.dense[i]
	}
	return s, nil
}

func (s *side) addEverywhere(blocks int) {
	for b := range blocks {
		s.dense[b/64] |= 1 << (b % 64)
	}
}

func (v *Values) addTo(s *side, i int) error {
	switch v.place(i) {
	case everywhere:
		s.addEverywhere(v.blocks)
	case inBlocks:
		for k, b := range v.of(i) {
			s.dense[k/8] |= uint64(b) << (k % 8 * 8)
		}
	case inRows:
		s.listed = append(s.listed, i)
		return v.markBlocks(i, s.present)
	}
	return nil
}

// markBlocks sets the bits of the blocks that have listed rows of value i.
func (v *Values) markBlocks(i int, blocks []uint64) error {
	w, err := walkContainers(v.of(i))
	if err != nil {
		return err
	}
	for {
		k, ok, err := w.next()
		switch {
		case err != nil || !ok:
			return err
		case k.block >= v.blocks:
			return fmt.Errorf("rows in block %d of %d", k.block, v.blocks)
		}
		blocks[k.block/64] |= 1 << (k.block % 64)
	}
}

// valuesProbe answers a leaf: it is true for the values of in, false for those
// of out.
type valuesProbe struct {
	v       *Values
	in, out side
}

func (p *valuesProbe) Block(block int, m *Mask) (Found, error) {
	switch has := func(blocks []uint64) bool { return blocks[block/64]>>(block%64)&1 == 1 }; {
	case !has(p.in.present):
		return NoRow, nil
	case !has(p.out.present):
		return EveryRow, nil
	case !has(p.in.dense):
		*m = Mask{}
		return TheseRows, p.v.rowsOf(p.in.listed, block, m)
	case !has(p.out.dense):
		return p.allBut(block, m)
	}
	return Unsure, nil
}

// allBut sets the rows of a block that do not have a value of out. Nulls are
// among them, unless they are listed too.
func (p *valuesProbe) allBut(block int, m *Mask) (Found, error) {
	*m = Mask{}
	if err := p.v.rowsOf(p.out.listed, block, m); err != nil {
		return Unsure, err
	}
	found := TheseRows
	switch null := p.v.Len(); p.v.place(null) {
	case inRows:
		if err := p.v.rowsOf([]int{null}, block, m); err != nil {
			return Unsure, err
		}
	case everywhere, inBlocks:
		found = Candidates
	}
	m.invert(int(min(BlockRows, p.v.rows-int64(block)*BlockRows)))
	return found, nil
}

// rowsOf adds the rows that listed values have in a block.
func (v *Values) rowsOf(listed []int, block int, m *Mask) error {
	for _, i := range listed {
		if _, err := addRows(v.of(i), block, m); err != nil {
			return fmt.Errorf("value %d: %w", i, err)
		}
	}
	return nil
}

// bitsOf returns the blocks of a set as bytes, as they are stored.
func bitsOf(set []uint64, blocks int) []byte {
	b := make([]byte, 0, 8*len(set))
	for _, w := range set {
		b = le.AppendUint64(b, w)
	}
	return b[:(blocks+7)/8]
}

func countBits(set []uint64) int {
	n := 0
	for _, w := range set {
		n += bits.OnesCount64(w)
	}
	return n
}
