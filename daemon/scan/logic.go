package scan

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/index"
)

// Three-valued logic, a word of rows at a time.

// allNode is AND.
type allNode struct{ args []node }

func (a *allNode) typ() arrow.DataType { return arrow.FixedWidthTypes.Boolean }
func (a *allNode) pred() *index.Pred   { return &index.Pred{Op: index.And, Args: predsOf(a.args)} }

// eval stops asking about a row once an operand is false there.
func (a *allNode) eval(b *batch, live bits) (*vec, error) {
	out := boolVec(b.n, allBits(b.n), nil)
	for _, arg := range a.args {
		v, err := arg.eval(b, live)
		if err != nil {
			return nil, err
		}
		out = both(out, v)
		live = minus(live, falses(out), b.n)
		if live.none() {
			break
		}
	}
	return out, nil
}

// anyNode is OR.
type anyNode struct{ args []node }

func (a *anyNode) typ() arrow.DataType { return arrow.FixedWidthTypes.Boolean }
func (a *anyNode) pred() *index.Pred   { return &index.Pred{Op: index.Or, Args: predsOf(a.args)} }

// eval stops asking about a row once an operand is true there.
func (a *anyNode) eval(b *batch, live bits) (*vec, error) {
	out := boolVec(b.n, newBits(b.n), nil)
	for _, arg := range a.args {
		v, err := arg.eval(b, live)
		if err != nil {
			return nil, err
		}
		out = not(both(not(out), not(v))) // by De Morgan
		live = minus(live, out.bools, b.n)
		if live.none() {
			break
		}
	}
	return out, nil
}

// both is x AND y: false where either is false, else null where either is.
func both(x, y *vec) *vec {
	xt, yt := x.truth(), y.truth()
	truth := intersect(xt, yt)
	xv, yv := x.validity(), y.validity()
	if xv == nil && yv == nil {
		return boolVec(x.n, truth, nil)
	}
	valid := newBits(x.n)
	xf, yf := falses(x), falses(y)
	for i := range valid {
		valid[i] = truth[i] | xf[i] | yf[i]
	}
	return boolVec(x.n, truth, valid)
}

// falses returns the rows for which the boolean v is false.
func falses(v *vec) bits { return minus(v.validity(), v.truth(), v.n) }

func not(v *vec) *vec {
	return boolVec(v.n, falses(v), v.validity())
}

// notNode is NOT.
type notNode struct{ x node }

func (n *notNode) typ() arrow.DataType { return arrow.FixedWidthTypes.Boolean }

func (n *notNode) pred() *index.Pred {
	return &index.Pred{Op: index.Not, Args: []*index.Pred{predOf(n.x)}}
}

func (n *notNode) eval(b *batch, live bits) (*vec, error) {
	v, err := n.x.eval(b, live)
	if err != nil {
		return nil, err
	}
	return not(v), nil
}

// nullNode is IS NULL.
type nullNode struct{ x node }

func (n *nullNode) typ() arrow.DataType { return arrow.FixedWidthTypes.Boolean }

func (n *nullNode) pred() *index.Pred {
	if col, ok := n.x.(*colNode); ok {
		return col.leaf(index.IsNull)
	}
	return unknown
}

func (n *nullNode) eval(b *batch, live bits) (*vec, error) {
	v, err := n.x.eval(b, live)
	if err != nil {
		return nil, err
	}
	if v.valid == nil {
		return boolVec(b.n, newBits(b.n), nil), nil
	}
	return boolVec(b.n, minus(nil, v.validity(), b.n), nil), nil
}
