package scan

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/format/kern"
)

// ORDER BY with a LIMIT that is not large is worked on in two steps: blocks
// are read for the filter and the keys alone, and the output's columns only for
// the rows that are in the result, wherever these are.

// rowPlace is a row of a block, and where the block is in the table.
type rowPlace struct {
	at  int // of the task
	row int32
	t   task
}

// topRow is a row that may be in the result.
type topRow struct {
	key []byte
	rowPlace
}

// compareTopRows orders rows by key, and equal keys by their places.
func compareTopRows(a, b topRow) int {
	if c := bytes.Compare(a.key, b.key); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.row, b.row))
}

// isTop reports whether the query is worked on in two steps.
func (p *Plan) isTop() bool { return !p.grouped && len(p.order) > 0 && p.window() <= maxTop }

// runTop finds the rows of the result, and then reads them.
func (p *Plan) runTop(ctx context.Context, o Opener, b *budget, w *writer) error {
	best, err := p.findRows(ctx, o, b)
	if err != nil {
		return err
	}
	wanted := best[min(w.skip, int64(len(best))):]
	w.skip = 0
	if len(wanted) == 0 {
		return nil
	}
	arrays, err := p.readRows(ctx, wanted, b, p.project)
	if err != nil {
		return err
	}
	return w.write(arrays, len(wanted))
}

// findRows returns the rows of the window, in their order.
func (p *Plan) findRows(ctx context.Context, o Opener, b *budget) ([]topRow, error) {
	best := &topRows{window: int(p.window()), budget: b}
	bound := newThreshold()
	find := func(ctx context.Context, t ranked) (*topPiece, error) { return p.findTop(ctx, t, bound) }
	line := &pipe[ranked, *topPiece]{heldBytes: p.opts.MemoryBytes / 4, pool: p.opts.Pool, work: find}
	for piece, err := range line.run(ctx, p.bestFirst(p.tasks(ctx, o))) {
		if err == nil && piece != nil {
			err = best.add(piece.rows)
		}
		if err != nil {
			return nil, err
		}
	}
	best.cut()
	return best.rows, nil
}

// topPiece is what may be in the result of one block.
type topPiece struct{ rows []topRow }

func (p *topPiece) size() int64 {
	if p == nil {
		return 0
	}
	return topBytes(p.rows)
}

func topBytes(rows []topRow) (n int64) {
	for _, r := range rows {
		n += int64(len(r.key)) + topRowBytes
	}
	return n
}

// topRowBytes is what a topRow costs besides its key, about.
const topRowBytes = 128

// findTop returns the rows of a block that may be in the result.
func (p *Plan) findTop(ctx context.Context, t ranked, bound *threshold) (*topPiece, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if t.best > bound.bound.Load() {
		return nil, nil
	}
	s := p.survivors(t.task)
	defer s.release()
	if some, err := p.load(ctx, t.task, s, int64(t.rows)); !some || err != nil {
		return nil, err
	}
	keys, err := p.cutToTop(ctx, t.task, s, bound)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	t.mask = nil // it is used up
	out := &topPiece{rows: make([]topRow, s.n)}
	for i, key := range keys {
		row := int32(i)
		if s.rows != nil {
			row = s.rows[i]
		}
		out.rows[i] = topRow{bytes.Clone(key), rowPlace{t.at, row, t.task}} // lets go of the block's keys
	}
	return out, nil
}

// cutToTop throws out the rows of a block that cannot be in the result, for
// there are enough before them in the block, and returns the others' keys.
func (p *Plan) cutToTop(ctx context.Context, t task, s *survivors, bound *threshold) ([][]byte, error) {
	if err := p.read(ctx, t, s, forOrder); err != nil {
		return nil, err
	}
	if p.topKey != nil && !p.cutBy(p.topKey, s, bound) {
		return nil, nil
	}
	s.settle()
	keys, err := p.sortKeys(s.batch)
	if err != nil || int64(s.n) <= p.window() {
		return keys, err
	}
	best := smallest(keys, int(p.window()))
	s.keep(best)
	return gather(keys, best), nil
}

// cutBy throws out the rows that are past the threshold, and those that are
// past the window of their own block. It reports whether any is left.
func (p *Plan) cutBy(key *topKey, s *survivors, bound *threshold) bool {
	if s.rows == nil && s.cols[key.slot].vec == nil {
		if s.masks == nil {
			s.masks = s.scratch.allMasks(s.n)
		}
		key.dropPast(bound, &s.cols[key.slot], s.masks)
		if s.left = kern.CountMasks(s.masks); s.left == 0 {
			return false
		} else if s.left < s.n {
			s.settle()
		}
		s.masks = nil
	}
	if rows := key.top(bound, s.vec(key.slot), int(p.window())); rows != nil {
		s.keep(rows)
	}
	return s.n > 0
}

// topRows keeps the best rows that it has seen, and about as many more.
type topRows struct {
	window int
	budget *budget
	rows   []topRow
	held   int64
}

func (r *topRows) add(rows []topRow) error {
	r.rows = append(r.rows, rows...)
	if len(r.rows) > 2*r.window+1000 {
		r.cut()
	}
	now := topBytes(r.rows)
	err := r.budget.take(now-r.held, "ORDER BY")
	r.held = now
	return err
}

// cut sorts the rows and lets go of those past the window.
func (r *topRows) cut() {
	slices.SortFunc(r.rows, compareTopRows)
	if len(r.rows) > r.window {
		clear(r.rows[r.window:])
		r.rows = r.rows[:r.window]
	}
}

// readRows reads what the output of rows needs, block by block, and returns
// what output makes of it, in the order of rows.
func (p *Plan) readRows(ctx context.Context, rows []topRow, b *budget, output func(*batch) ([]arrow.Array, error)) ([]arrow.Array, error) {
	blocks, places := byBlock(rows)
	read := func(ctx context.Context, places []rowPlace) (*piece, error) { return p.readPlaces(ctx, places, output) }
	line := &pipe[[]rowPlace, *piece]{heldBytes: p.opts.MemoryBytes / 4, pool: p.opts.Pool, work: read}
	var parts []*piece
	for part, err := range line.run(ctx, each2(blocks)) {
		if err == nil {
			err = b.take(part.bytes, "ORDER BY")
		}
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	all, err := joined(parts)
	if err != nil {
		return nil, err
	}
	return all.take(places).arrays, nil
}

// byBlock returns the rows of each block, in the order of the table, and for
// each of rows where it is among all of them.
func byBlock(rows []topRow) (blocks [][]rowPlace, places []int32) {
	order := make([]int32, len(rows))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(rows[a].at, rows[b].at), cmp.Compare(rows[a].row, rows[b].row))
	})
	places = make([]int32, len(rows))
	for i, r := range order {
		places[r] = int32(i)
		if i == 0 || rows[r].at != rows[order[i-1]].at {
			blocks = append(blocks, nil)
		}
		last := &blocks[len(blocks)-1]
		*last = append(*last, rows[r].rowPlace)
	}
	return blocks, places
}

// each2 yields items without errors.
func each2[T any](items []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// readPlaces reads some rows of a block.
func (p *Plan) readPlaces(ctx context.Context, places []rowPlace, output func(*batch) ([]arrow.Array, error)) (*piece, error) {
	t := places[0].t
	s := p.survivors(t)
	defer s.release()
	s.keep(convert(places, func(l rowPlace) int32 { return l.row }))
	if err := p.readSlots(ctx, t, s, p.shown); err != nil {
		return nil, err
	}
	out := &piece{n: s.n}
	var err error
	out.arrays, err = output(s.batch)
	out.measure()
	return out, err
}

// ranked is a task with its place in the table, and the best value of the key
// that its rows may have, as topKey.ordered has it.
type ranked struct {
	task
	at   int
	best int64
}

// bestFirst yields tasks so that those come first which may hold the best
// rows: then the others need not be looked at.
func (p *Plan) bestFirst(tasks iter.Seq2[task, error]) iter.Seq2[ranked, error] {
	key := p.topKey
	return func(yield func(ranked, error) bool) {
		var some []ranked
		at := 0
		flush := func() bool {
			slices.SortStableFunc(some, func(a, b ranked) int { return cmp.Compare(a.best, b.best) })
			for _, t := range some {
				if !yield(t, nil) {
					return false
				}
			}
			some = some[:0]
			return true
		}
		for t, err := range tasks {
			if err != nil {
				yield(ranked{}, err)
				return
			}
			some = append(some, ranked{t, at, key.best(&t)})
			if at++; len(some) == sortedTasks && !flush() {
				return
			}
		}
		flush()
	}
}

// sortedTasks is how many tasks are put into order at a time.
const sortedTasks = 4096

// best returns the best value of the key that a task's rows may have.
func (k *topKey) best(t *task) int64 {
	if k == nil {
		return first
	}
	zones := blockZones{r: t.r, block: t.block}
	z, ok := zones.of(k.field) // one that cannot be read is one that is not known
	bound := z.Min
	if k.desc {
		bound = z.Max
	}
	if !ok || z.Nulls > 0 && k.nullsFirst || bound == nil {
		return first
	}
	v, ok := intOfKey(k.typ, bound)
	if !ok {
		return first
	}
	return k.ordered(v)
}
