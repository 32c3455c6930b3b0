package scan

import (
	"context"
	"fmt"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

// task is one block of one segment that may hold rows of the result, or a
// whole segment whose zones in the catalog are enough (r is nil).
type task struct {
	seg   *catalog.Segment
	r     *format.Reader
	block int
	rows  int
	all   bool // every row passes the filter
}

// tasks lists what to read, in the order of the table. It opens the segments
// one after the other, as the tasks are asked for.
func (p *Plan) tasks(ctx context.Context, o Opener) iter.Seq2[task, error] {
	return func(yield func(task, error) bool) {
		for _, seg := range p.segments {
			if p.answeredBy(seg) {
				if !yield(task{seg: seg, rows: int(seg.Rows), all: true}, nil) {
					return
				}
				continue
			}
			r, err := o.OpenSegment(ctx, seg)
			if err != nil {
				yield(task{}, fmt.Errorf("segment %s: %w", seg.ID, err))
				return
			}
			if !p.blocks(seg, r, yield) {
				return
			}
		}
	}
}

// blocks yields the blocks of a segment that the zones do not rule out.
func (p *Plan) blocks(seg *catalog.Segment, r *format.Reader, yield func(task, error) bool) bool {
	for b := range r.Blocks() {
		t := task{seg: seg, r: r, block: b, rows: r.BlockRows(b), all: p.filter == nil}
		if p.filter != nil && !p.opts.NoPrune {
			var failed error
			verdict := p.verdict(seg, t.zones(&failed))
			if failed != nil {
				yield(task{}, fmt.Errorf("segment %s block %d: zones: %w", seg.ID, b, failed))
				return false
			}
			if verdict == index.None {
				continue
			}
			t.all = verdict == index.All
		}
		if !yield(t, nil) {
			return false
		}
	}
	return true
}

// zones are those of the block. An error is stored in failed.
func (t *task) zones(failed *error) zones {
	return func(field int32) (index.Zone, bool) {
		if t.r.Schema().ByID(field) < 0 {
			return index.Zone{Rows: int64(t.rows), Nulls: int64(t.rows)}, true
		}
		z, err := t.r.Zone(field, t.block)
		if err != nil {
			*failed = err
		}
		return z, err == nil
	}
}

// survivors are the rows of a block that are still in play, and their columns
// as far as they have been read.
type survivors struct {
	*batch
	rows []int32 // in the block; nil: all
}

// load reads the filter's columns of a block, and returns the rows that pass,
// at most limit of them. None of them: nil.
func (p *Plan) load(ctx context.Context, t task, limit int64) (*survivors, error) {
	s := &survivors{batch: &batch{n: t.rows, cols: make([]column, len(p.inputs))}}
	if !t.all {
		if err := p.read(ctx, t, s, forFilter); err != nil {
			return nil, err
		}
		v, err := p.filter.eval(s.batch, nil)
		if err != nil {
			return nil, err
		}
		if truth := v.truth(); truth.count() < t.rows {
			s.keep(truth.rows(t.rows))
		}
	}
	if int64(s.n) > limit {
		s.keep(firstRows(int(limit)))
	}
	if s.n == 0 {
		return nil, nil
	}
	return s, nil
}

func firstRows(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

// keep throws out all but the given ones of the surviving rows.
func (s *survivors) keep(picks []int32) {
	s.batch = s.take(picks)
	if s.rows != nil {
		picks = gather(s.rows, picks)
	}
	s.rows = picks
}

// read reads the columns that are needed up to a step and are not there yet.
func (p *Plan) read(ctx context.Context, t task, s *survivors, upTo step) error {
	var slots []int
	var ids []int32
	for slot, in := range p.inputs {
		switch {
		case in.step > upTo || s.cols[slot].arr != nil:
		case t.r.Schema().ByID(in.field.ID) < 0: // the column is younger than the segment
			s.cols[slot].arr = array.MakeArrayOfNull(mem, in.field.Type, s.n)
		default:
			slots, ids = append(slots, slot), append(ids, in.field.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	arrays, err := t.r.ReadBlock(ctx, mem, t.block, ids)
	if err != nil {
		return readError(t, err)
	}
	for i, a := range arrays {
		if a, err = p.fit(t, a, s.rows, p.inputs[slots[i]].field); err != nil {
			return err
		}
		s.cols[slots[i]].arr = a
	}
	return nil
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
