package scan

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/format/kern"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

// task is one block of one segment that may hold rows of the result, or a
// whole segment whose zones in the catalog are enough (r is nil).
type task struct {
	seg   *catalog.Segment
	nth   int // of the plan's segments
	r     *format.Reader
	block int
	rows  int
	all   bool // every row passes the filter

	// What zones and indexes know of the filter, for Candidates and TheseRows
	// in mask; index.Unsure if they were not asked.
	found index.Found
	mask  *index.Mask

	groups *partial // of the whole segment, where its indexes answer the query
}

// leftOut counts the blocks that were not worth a task, by what showed it.
type leftOut struct{ zone, index int }

// tasks lists what to read, in the order of the table. It opens the segments
// one after the other, as the tasks are asked for, and is always one block
// ahead: while a block is worked on, the next one is on its way from the disk.
func (p *Plan) tasks(ctx context.Context, o Opener) iter.Seq2[task, error] {
	return func(yield func(task, error) bool) {
		var waiting task
		waits := false
		for t, err := range p.wanted(ctx, o) {
			if err == nil {
				t.expect(p)
			}
			if waits && !yield(waiting, nil) {
				return
			}
			if waiting, waits = t, true; err != nil {
				yield(task{}, err)
				return
			}
		}
		if waits {
			yield(waiting, nil)
		}
	}
}

// expect tells the reader of a block which columns will certainly be read:
// those of the filter, or all where rows are known to pass. An ORDER BY with
// LIMIT then still reads its keys alone.
func (t *task) expect(p *Plan) {
	if t.r == nil || t.groups != nil {
		return
	}
	upTo := forFilter
	switch {
	case !t.all && t.found != index.TheseRows:
	case p.isTop():
		upTo = forOrder
	default:
		upTo = forOutput
	}
	t.r.Expect(t.block, p.fields[upTo])
}

// wanted is the tasks themselves.
func (p *Plan) wanted(ctx context.Context, o Opener) iter.Seq2[task, error] {
	return func(yield func(task, error) bool) {
		for i, seg := range p.segments {
			more := p.tasksOf(ctx, o, seg, func(t task, err error) bool {
				t.nth = i
				if err != nil {
					err = &failure{i, err}
				}
				return yield(t, err)
			})
			if !more {
				return
			}
		}
	}
}

// tasksOf yields the tasks of one segment, and reports whether more are wanted.
func (p *Plan) tasksOf(ctx context.Context, o Opener, seg *catalog.Segment, yield func(task, error) bool) bool {
	if p.answeredBy(seg) {
		return yield(task{seg: seg, rows: int(seg.Rows), all: true}, nil)
	}
	r, err := o.OpenSegment(ctx, seg)
	if err != nil {
		yield(task{}, fmt.Errorf("segment %s: %w", seg.ID, err))
		return false
	}
	groups, err := p.fromValues(ctx, r)
	if err != nil {
		yield(task{}, fmt.Errorf("segment %s: %w", seg.ID, err))
		return false
	}
	if groups != nil {
		return yield(task{seg: seg, r: r, rows: int(seg.Rows), groups: groups}, nil)
	}
	return p.blocks(ctx, seg, r, &leftOut{}, yield)
}

// failure is an error with its place among the plan's segments: what comes
// before it in the order of the table is still good.
type failure struct {
	nth int
	err error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// blocks yields the blocks of a segment that neither zones nor indexes rule
// out, and counts the others.
func (p *Plan) blocks(ctx context.Context, seg *catalog.Segment, r *format.Reader, out *leftOut, yield func(task, error) bool) bool {
	pred := p.inBuckets(p.pred, seg)
	indexed, zones := indexes{pred: pred, r: r}, blockZones{r: r}
	zoneOf := zones.of
	for b := range r.Blocks() {
		t := task{seg: seg, r: r, block: b, rows: r.BlockRows(b), all: p.filter == nil}
		if p.filter != nil && !p.opts.NoPrune {
			zones.block = b
			verdict := index.Prune(pred, zoneOf)
			if zones.failed != nil {
				yield(task{}, fmt.Errorf("segment %s block %d: zones: %w", seg.ID, b, zones.failed))
				return false
			}
			if verdict == index.None {
				out.zone++
				continue
			}
			t.all = verdict == index.All
			if err := indexed.ask(ctx, &t); err != nil {
				yield(task{}, fmt.Errorf("segment %s block %d: %w", seg.ID, b, err))
				return false
			}
			if t.found == index.NoRow {
				out.index++
				continue
			}
		}
		if !yield(t, nil) {
			return false
		}
	}
	return true
}

// indexes are those of a segment, found when they are first asked.
type indexes struct {
	pred *index.Pred
	r    *format.Reader
	rows *index.Rows
	mask *index.Mask // for the next block
}

// ask tells t what the indexes know of its rows.
func (x *indexes) ask(ctx context.Context, t *task) (err error) {
	if t.all {
		return nil
	}
	if x.rows == nil {
		if x.rows, err = x.r.FindRows(ctx, x.pred); err != nil {
			return err
		}
	}
	if !x.rows.Indexed() {
		return nil
	}
	if x.mask == nil {
		x.mask = freeIndexMasks.Get().(*index.Mask)
	}
	if t.found, err = x.rows.Block(t.block, x.mask); err != nil {
		return err
	}
	switch t.found {
	case index.EveryRow:
		t.all = true
	case index.Candidates, index.TheseRows:
		t.mask, x.mask = x.mask, nil
	}
	return nil
}

// freeIndexMasks are those that have been used up, see candidates.
var freeIndexMasks = sync.Pool{New: func() any { return new(index.Mask) }}

// blockZones are the zones of one block after the other.
type blockZones struct {
	r      *format.Reader
	block  int
	failed error // of the last zone that could not be read
}

// of is the zones function of the block. A column that is younger than the
// segment is null in all rows.
func (z *blockZones) of(field int32) (index.Zone, bool) {
	if !z.r.Has(field) {
		rows := int64(z.r.BlockRows(z.block))
		return index.Zone{Rows: rows, Nulls: rows}, true
	}
	zone, err := z.r.Zone(field, z.block)
	if err != nil {
		z.failed = err
	}
	return zone, err == nil
}

// zones are those of the block. One that cannot be read is one that is not
// known.
func (t *task) zones() zones { return (&blockZones{r: t.r, block: t.block}).of }

// survivors are the rows of a block that are still in play, and their columns
// as far as they have been read.
type survivors struct {
	*batch

	// Rows of a block that are left after conditions on stored columns, while
	// nobody has picked them; nil: all of the batch.
	masks []kern.Mask
	left  int

	scratch *scratch // what all of the above is made in
}

// load reads the filter's columns of a block, and leaves the rows in s that
// pass, at most limit of them, maybe as masks. It reports whether there are any.
func (p *Plan) load(ctx context.Context, t task, s *survivors, limit int64) (some bool, err error) {
	switch {
	case t.all:
	case t.found == index.TheseRows: // its columns need not be looked at
		s.masks = t.candidates(s)
		s.left = kern.CountMasks(s.masks)
	default:
		if err := p.read(ctx, t, s, forFilter); err != nil {
			return false, err
		}
		if err := p.filterRows(s, t.candidates(s)); err != nil {
			return false, err
		}
	}
	return s.atMost(limit), nil
}

// atMost keeps at most limit rows, and reports whether any is left.
func (s *survivors) atMost(limit int64) bool {
	left := s.n
	if s.masks != nil {
		left = s.left
	}
	if int64(left) > limit {
		s.settle()
		s.keep(firstRows(int(limit)))
	}
	return left > 0 && limit > 0
}

// settle picks the rows of the masks.
func (s *survivors) settle() {
	if masks := s.masks; masks != nil {
		s.masks = nil
		s.keep(maskRows(masks, s.left))
	}
}

// candidates returns masks of the rows that may pass the filter: those that
// the indexes know, or all. What the indexes know is used up.
func (t *task) candidates(s *survivors) []kern.Mask {
	masks := s.scratch.allMasks(t.rows)
	if t.mask != nil {
		for k := range masks {
			from := t.mask[k*kern.MaskWords:][:kern.MaskWords]
			for w := range masks[k] {
				masks[k][w] &= from[w]
			}
		}
		freeIndexMasks.Put(t.mask)
		t.mask = nil
	}
	return masks
}

// filterRows keeps the rows of masks that pass the filter. Conditions that are
// tried on stored columns cannot fail, so they go first, in the order that
// pays; the others stay in theirs, for what stands before may keep rows from
// them.
func (p *Plan) filterRows(s *survivors, masks []kern.Mask) error {
	left := kern.CountMasks(masks)
	done := s.scratch.doneOf(len(p.conjuncts))
	s.scratch.order = p.inOrder(s.scratch.order[:0])
	for _, o := range s.scratch.order {
		c, began := p.conjuncts[o.nth], time.Now()
		if left > 0 && c.try(s.batch, masks) {
			before := left
			left = kern.CountMasks(masks)
			done[o.nth] = true
			c.stats.add(before, left, time.Since(began))
		}
	}
	if left < s.n {
		s.masks, s.left = masks, left
	}
	if left == 0 || !slices.Contains(done, false) {
		return nil
	}
	s.settle()
	for i, c := range p.conjuncts {
		if done[i] || s.n == 0 {
			continue
		}
		began := time.Now()
		v, err := c.node.eval(s.batch, nil)
		if err != nil {
			return err
		}
		truth := v.truth()
		passed := truth.count()
		c.stats.add(s.n, passed, time.Since(began))
		if passed < s.n {
			s.keep(truth.rows(s.n))
		}
	}
	return nil
}

// fillMasks sets the bits of n rows, and clears those past them.
func fillMasks(masks []kern.Mask, n int) {
	for k := range masks {
		masks[k].First(min(kern.Vector, n-k*kern.Vector))
	}
}

func firstRows(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

// keep throws out all but the given ones of the surviving rows.
func (s *survivors) keep(picks []int32) { s.batch = s.take(picks) }

// read reads the columns that are needed up to a step and are not there yet.
func (p *Plan) read(ctx context.Context, t task, s *survivors, upTo step) error {
	return p.readSlots(ctx, t, s, func(slot int) bool { return p.inputs[slot].step <= upTo })
}

// readSlots reads the wanted columns that are not there yet.
func (p *Plan) readSlots(ctx context.Context, t task, s *survivors, wanted func(slot int) bool) error {
	m := s.scratch
	slots, ids, columns := m.slots[:0], m.ids[:0], m.columns[:0]
	for slot, in := range p.inputs {
		switch {
		case !wanted(slot) || s.cols[slot].arr != nil || s.cols[slot].enc != nil:
		case !t.r.Has(in.field.ID): // the column is younger than the segment
			s.cols[slot].arr = array.MakeArrayOfNull(mem, in.field.Type, s.n)
		default:
			slots, ids = append(slots, slot), append(ids, in.field.ID)
			columns = append(columns, &m.stored[slot])
		}
	}
	m.slots, m.ids, m.columns = slots, ids, columns
	if len(ids) == 0 {
		return nil
	}
	if err := t.r.ReadInto(ctx, columns, t.block, ids); err != nil {
		return readError(t, err)
	}
	for i, c := range columns {
		if err := p.place(t, s, slots[i], c); err != nil {
			return err
		}
	}
	return nil
}

// place puts a column into its slot: as it is stored where that can be worked
// on, else as an array of the surviving rows.
func (p *Plan) place(t task, s *survivors, slot int, c *format.Column) error {
	f := p.inputs[slot].field
	if c.Rows() != t.rows {
		return wire.Errorf(wire.Corrupt, "segment %s block %d: column %s has %d rows; want %d", t.seg.ID, t.block, f.Name, c.Rows(), t.rows)
	}
	if s.rows != nil || !p.inputs[slot].bare {
		if err := open(c, s.rows); err != nil {
			return readError(t, err)
		}
		if workable(c, f.Type) {
			s.cols[slot].enc, s.cols[slot].typ = c, f.Type
			return nil
		}
	}
	a, err := c.Array(format.Unzeroed)
	if err != nil {
		return readError(t, err)
	}
	s.cols[slot].arr, err = p.fit(t, a, s.rows, f)
	return err
}

// open opens a column of which those rows will be read, or all for nil.
func open(c *format.Column, rows []int32) error {
	if rows != nil {
		return c.OpenFor(rows)
	}
	return c.Open()
}

// workable reports whether a stored column has the values of type t without
// being decoded: it is of that type, or of one with the same lane and unit.
func workable(c *format.Column, t arrow.DataType) bool {
	if c.Ints() == nil && c.Text() == nil {
		return false
	}
	if laneOf(t) == laneInt && laneOf(c.Type()) == laneInt {
		return sameUnit(c.Type(), t)
	}
	return sameType(c.Type(), t)
}

// sameType is arrow.TypeEqual, which looks into the types of columns by
// reflection, for each column of each block.
func sameType(a, b arrow.DataType) bool {
	switch a := a.(type) {
	case *arrow.StringType, *arrow.BinaryType:
		return a.ID() == b.ID()
	case *arrow.Decimal128Type:
		b, ok := b.(*arrow.Decimal128Type)
		return ok && *a == *b
	}
	return arrow.TypeEqual(a, b)
}

// fit picks the surviving rows of a column and gives them the type that the
// column has now.
func (p *Plan) fit(t task, a arrow.Array, rows []int32, f schema.Field) (arrow.Array, error) {
	if a.Len() != t.rows {
		return nil, wire.Errorf(wire.Corrupt, "segment %s block %d: column %s has %d rows; want %d", t.seg.ID, t.block, f.Name, a.Len(), t.rows)
	}
	if rows != nil {
		a = takeArray(a, rows)
	}
	out, err := schema.WidenArray(mem, a, f.Type)
	if err != nil {
		return nil, wire.Errorf(wire.Corrupt, "segment %s: column %s: %w", t.seg.ID, f.Name, err)
	}
	return out, nil
}

func readError(t task, err error) error {
	return fmt.Errorf("segment %s block %d: %w", t.seg.ID, t.block, err)
}
