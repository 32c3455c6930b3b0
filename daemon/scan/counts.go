package scan

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/index"
)

// A query that asks how many rows have each value of one column is answered
// from the segment's directory of values, where it has one.

// countKey returns the column of such a query.
func (p *Plan) countKey() (*colNode, bool) {
	if p.filter != nil || p.opts.NoPrune || len(p.keys) != 1 {
		return nil, false
	}
	key, ok := p.keys[0].(*colNode)
	if !ok || laneOf(key.t) == laneFloat { // of equal floats, the first one seen names the group
		return nil, false
	}
	for _, a := range p.aggs {
		arg, isCol := a.arg.(*colNode)
		if _, isCount := a.new().(*countAgg); !isCount || a.arg != nil && (!isCol || arg.field != key.field) {
			return nil, false
		}
	}
	return key, true
}

// fromValues returns the groups of a whole segment, or nil where it has no
// directory of the key's values, or one of another type.
func (p *Plan) fromValues(ctx context.Context, r *format.Reader) (*partial, error) {
	key, ok := p.countKey()
	if !ok {
		return nil, nil
	}
	at := r.Schema().ByID(key.field)
	if at < 0 || !arrow.TypeEqual(r.Schema().Fields[at].Type, key.t) {
		return nil, nil
	}
	values, err := r.Values(ctx, key.field)
	if values == nil || err != nil {
		return nil, err
	}
	groups, counts, err := groupsOfValues(key.t, values)
	if err != nil {
		return nil, err
	}
	part := p.newPartial()
	part.groups.take([]*vec{groups}, groups.n)
	for i, a := range p.aggs {
		part.aggs[i].grow(part.groups.n)
		into := part.aggs[i].(*countAgg).counts
		for row, n := range counts {
			if a.arg == nil || !groups.null(row) {
				into[row] += n
			}
		}
	}
	return part, nil
}

// groupsOfValues returns the values of a directory in the order in which they
// first come in the segment, null among them, and how many rows have each.
func groupsOfValues(t arrow.DataType, values *index.Values) (*vec, []int64, error) {
	n := values.Len()
	if values.Nulls() > 0 {
		n++
	}
	keys, counts := make([][]byte, n), make([]int64, n)
	err := values.Each(func(i int, key []byte) {
		keys[values.Rank(i)], counts[values.Rank(i)] = slices.Clone(key), values.Count(i)
	})
	if err != nil {
		return nil, nil, err
	}
	null := -1
	if values.Nulls() > 0 {
		null = values.Rank(values.Len())
		keys[null], counts[null] = make([]byte, max(0, keyWidth(t))), values.Nulls()
	}
	v, ok := vecOfKeys(t, keys)
	if !ok {
		return nil, nil, fmt.Errorf("the directory of values has keys that are none of %s", t)
	}
	if null >= 0 {
		v.valid = fill(n, func(i int) bool { return i != null })
	}
	return v, counts, nil
}
