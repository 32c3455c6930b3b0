package scan

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/tarnlake/tarn/index"
)

// inNode is x IN (literals). The list holds no null: one in the list is a
// null OR beside this node.
type inNode struct {
	x    node
	keys [][]byte // of the list, for zones

	ints  map[int64]struct{} // and ranks of floats
	uints map[uint64]struct{}
	decs  map[decimal128.Num]struct{}
	strs  map[string]struct{}
	bools [2]bool
}

func newInNode(x node) *inNode {
	return &inNode{x: x, ints: map[int64]struct{}{}, uints: map[uint64]struct{}{}, decs: map[decimal128.Num]struct{}{}, strs: map[string]struct{}{}}
}

// add puts a value of x's type into the list.
func (in *inNode) add(v *vec) {
	in.keys = append(in.keys, keyOf(v, 0))
	switch laneOf(v.typ) {
	case laneInt:
		in.ints[v.ints[0]] = struct{}{}
	case laneUint:
		in.uints[v.uints[0]] = struct{}{}
	case laneFloat:
		in.ints[rank(v.floats[0])] = struct{}{}
	case laneDec:
		in.decs[v.wides()[0]] = struct{}{}
	case laneStr:
		in.strs[v.strs[0]] = struct{}{}
	case laneBool:
		in.bools[bit(v.bools.has(0))] = true
	}
}

func (in *inNode) typ() arrow.DataType { return arrow.FixedWidthTypes.Boolean }

func (in *inNode) pred() *index.Pred {
	if col, ok := in.x.(*colNode); ok {
		return col.leaf(index.In, in.keys...)
	}
	return unknown
}

func (in *inNode) eval(b *batch, live bits) (*vec, error) {
	x, err := in.x.eval(b, live)
	if err != nil {
		return nil, err
	}
	x = x.spread()
	var truth bits
	switch laneOf(x.typ) {
	case laneInt:
		truth = among(x.ints, in.ints)
	case laneUint:
		truth = among(x.uints, in.uints)
	case laneFloat:
		truth = among(ranks(x.floats), in.ints)
	case laneDec:
		truth = among(x.wides(), in.decs)
	case laneStr:
		truth = among(x.strs, in.strs)
	case laneBool:
		truth = fill(x.n, func(i int) bool { return in.bools[bit(x.bools.has(i))] })
	}
	return boolVec(x.n, truth, x.valid), nil
}

func among[T comparable](values []T, set map[T]struct{}) bits {
	out := newBits(len(values))
	for i, v := range values {
		if _, ok := set[v]; ok {
			out.set(i)
		}
	}
	return out
}
