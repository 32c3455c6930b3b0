package scan

import (
	"context"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/index"
)

// piece is what a task leaves: output columns and, under ORDER BY, a sort key
// for each row; or, in a grouped query, the groups of the block.
type piece struct {
	n      int
	nth    int     // of the plan's segments: where its rows are
	nths   []int32 // the same for each row, if they are of several
	arrays []arrow.Array
	stored *storedBlock // instead of arrays
	block  *Part        // the same, from elsewhere
	keys   [][]byte
	part   *partial
	bytes  int64
}

func (p *piece) size() int64 {
	if p == nil {
		return 0
	}
	return p.bytes
}

// nthOf returns the place of a row's segment.
func (p *piece) nthOf(row int32) int32 {
	if p.nths == nil {
		return int32(p.nth)
	}
	return p.nths[row]
}

// partial is the groups of some rows and the aggregates' states for them.
type partial struct {
	groups *groups
	aggs   []aggregate

	left piece      // of a block: what its task leaves
	home *sync.Pool // where it waits to be used again; nil: it is not
}

// piece returns the piece of a task whose groups are in p.
func (p *partial) piece() *piece {
	p.left = piece{part: p, bytes: p.bytes()}
	return &p.left
}

func (p *Plan) newPartial() *partial {
	part := &partial{groups: newGroups(typesOf(p.keys))}
	for _, s := range p.aggs {
		a := s.new()
		a.grow(part.groups.n)
		part.aggs = append(part.aggs, a)
	}
	return part
}

// blockPartial returns an empty partial for a block, with the memory of one
// that has been merged where that is known to hold nothing of a block.
func (p *Plan) blockPartial() *partial {
	if p.tallies == nil {
		return p.newPartial()
	}
	if old, ok := p.tallies.merged.Get().(*partial); ok {
		return old
	}
	part := p.newPartial()
	part.home = &p.tallies.merged
	return part
}

// release gives the memory of p, and of its piece, to another block.
func (p *partial) release() {
	if p.home == nil {
		return
	}
	p.groups.empty()
	for _, a := range p.aggs {
		a.(emptied).empty()
		a.grow(p.groups.n)
	}
	p.left = piece{}
	p.home.Put(p)
}

func typesOf(nodes []node) []arrow.DataType {
	out := make([]arrow.DataType, len(nodes))
	for i, n := range nodes {
		out[i] = n.typ()
	}
	return out
}

func (p *partial) bytes() int64 {
	n := p.groups.size()
	for _, a := range p.aggs {
		n += a.bytes()
	}
	return n
}

// merge adds the groups of o to p.
func (p *partial) merge(o *partial) {
	into := p.groups.ofGroups(o.groups)
	for i, a := range p.aggs {
		a.grow(p.groups.n)
		a.merge(into, o.aggs[i])
	}
}

// work turns a task into a piece, or into nil if no row is left.
func (p *Plan) work(ctx context.Context, t task) (*piece, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if p.grouped {
		return p.workGrouped(ctx, t)
	}
	limit := p.window()
	if len(p.order) > 0 {
		limit = int64(t.rows)
	}
	s := p.survivors(t)
	defer s.release()
	if some, err := p.load(ctx, t, s, limit); !some || err != nil {
		return nil, err
	}
	s.settle()
	out := &piece{}
	var err error
	if err := p.read(ctx, t, s, forOutput); err != nil {
		return nil, err
	}
	if len(p.order) > 0 {
		if out.keys, err = p.sortKeys(s.batch); err != nil {
			return nil, err
		}
	}
	out.n = s.n
	out.arrays, err = p.project(s.batch)
	out.measure()
	return out, err
}

func (p *piece) measure() {
	for _, a := range p.arrays {
		p.bytes += arrayBytes(a)
	}
	for _, k := range p.keys {
		p.bytes += int64(len(k)) + 24
	}
}

// project computes the output columns.
func (p *Plan) project(b *batch) ([]arrow.Array, error) {
	out := make([]arrow.Array, len(p.items))
	for i, n := range p.items {
		var err error
		if out[i], err = arrayOf(n, b); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p *Plan) workGrouped(ctx context.Context, t task) (*piece, error) {
	if t.groups != nil {
		return t.groups.piece(), nil
	}
	if part, ok := p.fromZones(t); ok {
		return part.piece(), nil
	}
	s := p.survivors(t)
	defer s.release()
	if some, err := p.load(ctx, t, s, int64(t.rows)); !some || err != nil {
		return nil, err
	}
	if err := p.read(ctx, t, s, forOutput); err != nil {
		return nil, err
	}
	if part := p.tallied(s); part != nil {
		return part.piece(), nil
	}
	s.settle()
	part := p.newPartial()
	ids, err := p.groupsOf(part, s)
	if err != nil {
		return nil, err
	}
	for i, spec := range p.aggs {
		var v *vec
		if spec.arg != nil {
			if v, err = spec.arg.eval(s.batch, nil); err != nil {
				return nil, err
			}
		}
		part.aggs[i].grow(part.groups.n)
		part.aggs[i].add(ids, s.n, v)
	}
	return part.piece(), nil
}

// tallied returns the groups of what is left of a whole block, where they can
// be tallied.
func (p *Plan) tallied(s *survivors) *partial {
	if p.tallies == nil || s.rows != nil {
		return nil
	}
	masks := s.masks
	if masks == nil {
		masks = s.scratch.allMasks(s.n)
	}
	return p.tally(s.batch, masks)
}

// groupsOf returns the group of each row of s, making groups for new keys.
func (p *Plan) groupsOf(part *partial, s *survivors) ([]int32, error) {
	if len(p.keys) > 0 {
		if keys := p.codedKeys(s); keys != nil {
			return part.groups.ofCodes(keys, s.n), nil
		}
	}
	keys, err := evalAll(p.keys, s.batch)
	if err != nil {
		return nil, err
	}
	return part.groups.of(nil, keys, s.n), nil
}

func evalAll(nodes []node, b *batch) ([]*vec, error) {
	out := make([]*vec, len(nodes))
	for i, n := range nodes {
		var err error
		if out[i], err = n.eval(b, nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// answeredBy reports whether the catalog's zones of a segment are enough.
func (p *Plan) answeredBy(seg *catalog.Segment) bool {
	t := task{seg: seg, rows: int(seg.Rows)}
	if !p.grouped || p.opts.NoPrune {
		return false
	}
	t.all = p.verdict(seg, p.catalogZones(seg)) == index.All
	_, ok := p.fromZones(t)
	return ok
}

// fromZones answers count, min and max for a task whose rows all pass the
// filter, without reading them, where the zones say enough.
func (p *Plan) fromZones(t task) (*partial, bool) {
	if !t.all || len(p.keys) > 0 || p.opts.NoPrune {
		return nil, false
	}
	zone := p.catalogZones(t.seg)
	if t.r != nil {
		zone = t.zones()
	}
	part := p.blockPartial()
	for i, spec := range p.aggs {
		if !spec.fromZone(part.aggs[i], t.rows, zone) {
			part.release()
			return nil, false
		}
	}
	return part, true
}
