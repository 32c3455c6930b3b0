package scan

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
)

// Groups leave for another node as rows that can be merged in any portions:
// the keys of a group and states of its aggregates, or the keys and one value
// of a distinct count. What is not in a row is neutral. They leave by the
// segment in which they first came, so that the node that merges them can make
// the groups of all shares in the order of the table.

// stateRows is how many groups, or members, leave at a time.
const stateRows = 8 << 10

// keyFields returns the columns of the groups' keys.
func (p *Plan) keyFields() []arrow.Field {
	fields := make([]arrow.Field, len(p.keys))
	for i, n := range p.keys {
		fields[i] = arrow.Field{Name: fmt.Sprintf("key%d", i), Type: n.typ(), Nullable: true}
	}
	return fields
}

// stateSchema returns the schema of groups with the states of their aggregates.
func (p *Plan) stateSchema() *arrow.Schema {
	fields := p.keyFields()
	for i, spec := range p.aggs {
		if a, ok := spec.new().(columned); ok {
			for j, t := range a.columns() {
				fields = append(fields, arrow.Field{Name: fmt.Sprintf("state%d_%d", i, j), Type: t, Nullable: true})
			}
		}
	}
	return arrow.NewSchema(fields, nil)
}

// memberSchema returns the schema of groups with the values of an aggregate.
func (p *Plan) memberSchema(agg int) *arrow.Schema {
	return arrow.NewSchema(append(p.keyFields(), arrow.Field{Name: "member", Type: p.aggs[agg].arg.typ()}), nil)
}

func (p *Plan) shareGroups(ctx context.Context, o Opener, b *budget, put func(item) error) error {
	ends := make([]int, len(p.segments)) // how many groups there were after each segment
	total, err := p.merged(p.pieces(ctx, o, 0), b, func(total *partial, piece *piece) { ends[piece.nth] = total.groups.n })
	if err != nil {
		return err
	}
	if len(p.keys) == 0 {
		ends[0] = 1 // even if there is no row
	}
	out := &groupSender{p: p, total: total, keys: total.groups.keyVecs(), put: put}
	from := 0
	for nth, end := range ends {
		if end <= from {
			continue
		}
		if err := out.groups(nth, from, end); err != nil {
			return err
		}
		from = end
	}
	return nil
}

// groupSender hands on groups and what is known of them.
type groupSender struct {
	p     *Plan
	total *partial
	keys  []*vec
	put   func(item) error
}

// groups hands on those that first came in a segment.
func (s *groupSender) groups(nth, from, to int) error {
	schema := s.p.stateSchema()
	for begin := from; begin < to; begin += stateRows {
		end := min(to, begin+stateRows)
		arrays, err := s.states(begin, end)
		if err != nil {
			return err
		}
		if len(arrays) == 0 { // neither keys nor states: one group of which members tell all
			break
		}
		if err := s.put(batchItem(frameStates, nth, schema, arrays, end-begin)); err != nil {
			return err
		}
	}
	for i, a := range s.total.aggs {
		if a, ok := a.(membered); ok {
			if err := s.members(nth, i, a, from, to); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *groupSender) states(from, to int) (arrays []arrow.Array, err error) {
	rows := make([]int32, to-from)
	for i := range rows {
		rows[i] = int32(from + i)
	}
	for _, k := range s.keys {
		arrays = append(arrays, k.pick(rows).array())
	}
	for _, a := range s.total.aggs {
		if a, ok := a.(columned); ok {
			columns, err := a.save(from, to)
			if err != nil {
				return nil, err
			}
			arrays = append(arrays, columns...)
		}
	}
	return arrays, nil
}

func (s *groupSender) members(nth, agg int, a membered, from, to int) (err error) {
	schema := s.p.memberSchema(agg)
	a.members(from, to, stateRows, func(groups []int32, v *vec) bool {
		var arrays []arrow.Array
		for _, k := range s.keys {
			arrays = append(arrays, k.pick(groups).array())
		}
		it := batchItem(frameMembers, nth, schema, append(arrays, v.array()), v.n)
		it.agg = agg
		err = s.put(it)
		return err == nil
	})
	return err
}

// partialOf returns the groups that an item brings.
func (p *Plan) partialOf(it *item) *partial {
	part, n := p.newPartial(), int(it.batch.NumRows())
	columns := it.batch.Columns()
	keys := convert(columns[:len(p.keys)], vecOf)
	columns = columns[len(p.keys):]
	if it.kind == frameMembers {
		ids := part.groups.of(nil, keys, n)
		for _, a := range part.aggs {
			a.grow(part.groups.n)
		}
		part.aggs[it.agg].add(ids, n, vecOf(columns[0]))
		return part
	}
	if len(keys) > 0 {
		part.groups.take(keys, n)
	}
	for _, a := range part.aggs {
		a.grow(n)
		if a, ok := a.(columned); ok {
			width := len(a.columns())
			a.load(columns[:width])
			columns = columns[width:]
		}
	}
	return part
}
