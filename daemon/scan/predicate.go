package scan

import (
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
)

// predicate binds the nodes whose result is a boolean.
func (b *binder) predicate(e *expr.Expr) (node, error) {
	switch e.Op {
	case expr.And, expr.Or:
		args, err := b.conditions(e.Args)
		if err != nil {
			return nil, err
		}
		if e.Op == expr.And {
			return fold(&allNode{args}, args...)
		}
		return fold(&anyNode{args}, args...)
	case expr.Not:
		x, err := b.condition(e.Args[0])
		if err != nil {
			return nil, err
		}
		return fold(&notNode{x}, x)
	case expr.IsNull:
		x, err := b.bind(e.Args[0])
		if err != nil {
			return nil, err
		}
		return fold(&nullNode{x}, x)
	case expr.Between:
		low, err := b.comparison(expr.Ge, e.Args[0], e.Args[1])
		if err != nil {
			return nil, err
		}
		high, err := b.comparison(expr.Le, e.Args[0], e.Args[2])
		if err != nil {
			return nil, err
		}
		return fold(&allNode{[]node{low, high}}, low, high)
	case expr.In:
		return b.in(e)
	case expr.Like, expr.ILike:
		return b.like(e)
	case expr.Eq, expr.Ne, expr.Lt, expr.Le, expr.Gt, expr.Ge:
		return b.comparison(e.Op, e.Args[0], e.Args[1])
	}
	return nil, wire.Errorf(wire.Unsupported, "operation %q is not known", e.Op)
}

// condition binds e, which must be a boolean.
func (b *binder) condition(e *expr.Expr) (node, error) {
	n, err := b.bindAs(e, arrow.FixedWidthTypes.Boolean)
	if err != nil {
		return nil, err
	}
	if n.typ().ID() != arrow.BOOL {
		return nil, wire.Errorf(wire.InvalidArgument, "%s is a %s, not a condition", e, schema.TypeText(n.typ())).
			WithHint("compare it with something, as in %s IS NOT NULL", e)
	}
	return n, nil
}

func (b *binder) conditions(list []*expr.Expr) ([]node, error) {
	out := make([]node, len(list))
	for i, e := range list {
		var err error
		if out[i], err = b.condition(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

var flipped = map[expr.Op]expr.Op{
	expr.Eq: expr.Eq, expr.Ne: expr.Ne, expr.Lt: expr.Gt, expr.Le: expr.Ge, expr.Gt: expr.Lt, expr.Ge: expr.Le,
}

// comparison binds x op y. A literal is put into the domain of the other side
// exactly, so that int_col < 2.5 is int_col <= 2 and no value is rounded.
func (b *binder) comparison(op expr.Op, xe, ye *expr.Expr) (node, error) {
	if literalOf(xe) != nil && literalOf(ye) == nil {
		return b.comparison(flipped[op], ye, xe)
	}
	x, err := b.bind(xe)
	if err != nil {
		return nil, err
	}
	lit := literalOf(ye)
	if lit == nil {
		return b.compareNodes(op, x, xe, ye)
	}
	return compareLiteral(op, x, xe, lit)
}

// compareNodes compares x with an expression that is no literal, but may have
// been computed to a constant, which is as good.
func (b *binder) compareNodes(op expr.Op, x node, xe, ye *expr.Expr) (node, error) {
	y, err := b.bind(ye)
	if err != nil {
		return nil, err
	}
	if c, ok := x.(*constNode); ok && constantLiteral(c) != nil && !isConst(y) {
		return compareLiteral(flipped[op], y, ye, constantLiteral(c))
	}
	if c, ok := y.(*constNode); ok && constantLiteral(c) != nil && compares(x.typ(), y.typ()) {
		return compareLiteral(op, x, xe, constantLiteral(c))
	}
	if !compares(x.typ(), y.typ()) {
		return nil, wire.Errorf(wire.InvalidArgument, "%s (%s) and %s (%s) cannot be compared", xe, schema.TypeText(x.typ()), ye, schema.TypeText(y.typ())).
			WithHint("cast one of them, as in CAST(%s AS %s)", ye, schema.TypeText(x.typ()))
	}
	return fold(&cmpNode{op, x, y}, x, y)
}

func isConst(n node) bool {
	_, ok := n.(*constNode)
	return ok
}

// constantLiteral returns a computed constant as a literal, or nil for types
// that a literal would not keep exactly.
func constantLiteral(c *constNode) *expr.Value {
	if c.v.null(0) {
		return &expr.Value{Kind: expr.Null}
	}
	kind := expr.Number
	switch t := c.v.typ; {
	case t.ID() == arrow.DATE32:
		kind = expr.Date
	case t.ID() == arrow.TIMESTAMP:
		kind = expr.Timestamp
	case t.ID() == arrow.STRING:
		kind = expr.String
	case laneOf(t) == laneFloat || laneOf(t) == laneBool || laneOf(t) == laneStr || isTemporal(t):
		return nil
	}
	return &expr.Value{Kind: kind, Text: textOf(c.v)(0)}
}

func compareLiteral(op expr.Op, x node, xe *expr.Expr, lit *expr.Value) (node, error) {
	if family(x.typ()) == "" {
		return nil, wire.Errorf(wire.Unsupported, "%s is a %s: lists, structs and maps are not compared", xe, schema.TypeText(x.typ()))
	}
	if lit.Kind == expr.Null {
		return &constNode{nulls(arrow.FixedWidthTypes.Boolean, 1)}, nil
	}
	p, err := place(lit, x.typ())
	if err != nil {
		return nil, cannotCompare(x, xe, lit, err)
	}
	return comparePlaced(op, x, p)
}

func cannotCompare(x node, xe *expr.Expr, lit *expr.Value, err error) error {
	e := wire.Errorf(wire.InvalidArgument, "%s (%s) cannot be compared with %s: %w", xe, schema.TypeText(x.typ()), lit, err)
	if laneOf(x.typ()) == laneStr && lit.Kind == expr.Number {
		return e.WithHint("write '%s', or CAST(%s AS int64)", lit.Text, xe)
	}
	return e
}

// comparePlaced is x op literal, where the literal may lie between two values
// of x's type or outside of them all.
func comparePlaced(op expr.Op, x node, p placed) (node, error) {
	less := op == expr.Lt || op == expr.Le
	switch p.rel {
	case underAll:
		return fold(&decidedNode{x, op == expr.Gt || op == expr.Ge || op == expr.Ne}, x)
	case overAll:
		return fold(&decidedNode{x, less || op == expr.Ne}, x)
	case justOver:
		switch {
		case op == expr.Eq || op == expr.Ne:
			return fold(&decidedNode{x, op == expr.Ne}, x)
		case less:
			op = expr.Le
		default:
			op = expr.Gt
		}
	}
	return fold(&cmpNode{op, x, &constNode{p.value}}, x)
}

func (b *binder) in(e *expr.Expr) (node, error) {
	x, err := b.bind(e.Args[0])
	if err != nil {
		return nil, err
	}
	in, beside := newInNode(x), []node{}
	for _, a := range e.Args[1:] {
		lit := literalOf(a)
		if lit == nil || lit.Kind == expr.Null || family(x.typ()) == "" {
			n, err := b.comparison(expr.Eq, e.Args[0], a)
			if err != nil {
				return nil, err
			}
			beside = append(beside, n)
			continue
		}
		p, err := place(lit, x.typ())
		if err != nil {
			return nil, cannotCompare(x, e.Args[0], lit, err)
		}
		if p.rel == exactly {
			in.add(p.value)
		}
	}
	if len(beside) == 0 {
		return fold(in, x)
	}
	all := append([]node{in}, beside...)
	return fold(&anyNode{all}, append(slices.Clone(beside), x)...)
}

func (b *binder) like(e *expr.Expr) (node, error) {
	x, err := b.bind(e.Args[0])
	if err != nil {
		return nil, err
	}
	lit := literalOf(e.Args[1])
	switch {
	case x.typ().ID() != arrow.STRING:
		return nil, wire.Errorf(wire.InvalidArgument, "%s: %s is a %s, and LIKE takes strings", e, e.Args[0], schema.TypeText(x.typ())).
			WithHint("CAST(%s AS string) LIKE …", e.Args[0])
	case lit != nil && lit.Kind == expr.Null:
		return &constNode{nulls(arrow.FixedWidthTypes.Boolean, 1)}, nil
	case lit == nil || lit.Kind != expr.String:
		return nil, wire.Errorf(wire.Unsupported, "%s: the pattern of LIKE must be a string literal", e)
	}
	n, err := newLikeNode(x, lit.Text, e.Op == expr.ILike)
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "%s: %w", e, err)
	}
	return fold(n, x)
}

func functionNames() string {
	names := make([]string, 0, len(expr.Functions))
	for name := range expr.Functions {
		names = append(names, name)
	}
	slices.Sort(names)
	return "one of " + strings.Join(names, ", ")
}
