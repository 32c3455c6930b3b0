package scan

import (
	"errors"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
)

// binder turns expressions into nodes over the columns of one kind of batch.
type binder struct {
	// column finds a column. Names are exact: see names.go.
	column func(name string) (*colNode, error)
	// known holds expressions that the batch has as columns, by their text:
	// the keys and aggregates of groups.
	known map[string]*colNode
}

// bind returns the node of e. An expression of literals alone is computed at
// once. A literal that meets nothing takes its natural type.
func (b *binder) bind(e *expr.Expr) (node, error) {
	if len(b.known) > 0 {
		if col, ok := b.known[e.String()]; ok {
			return col, nil
		}
	}
	switch e.Op {
	case expr.Column:
		return b.column(e.Name)
	case expr.Literal:
		return literalNode(e)
	case expr.Add, expr.Sub, expr.Mul, expr.Div, expr.Mod:
		return b.arithmetic(e)
	case expr.Neg:
		return b.negative(e)
	case expr.Cast:
		return b.cast(e)
	case expr.Call:
		return b.call(e)
	case expr.Star:
		return nil, wire.Errorf(wire.InvalidArgument, "* stands only in count(*) or alone as the select list")
	}
	if e.Op.IsAggregate() {
		return nil, wire.Errorf(wire.InvalidArgument, "%s: an aggregate cannot stand inside another one, in WHERE or in GROUP BY", e).
			WithHint("filter aggregates with HAVING")
	}
	return b.predicate(e)
}

// bindAs is bind, but a literal takes the type t.
func (b *binder) bindAs(e *expr.Expr, t arrow.DataType) (node, error) {
	lit := literalOf(e)
	if lit == nil {
		return b.bind(e)
	}
	v, err := exactValue(lit, t)
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "%w", err)
	}
	return &constNode{v}, nil
}

// literalOf returns the literal that e is, perhaps behind a minus, or nil.
func literalOf(e *expr.Expr) *expr.Value {
	switch {
	case e.Op == expr.Literal:
		return e.Lit
	case e.Op != expr.Neg:
		return nil
	}
	inner := literalOf(e.Args[0])
	if inner == nil || inner.Kind != expr.Number {
		return nil
	}
	if text, ok := strings.CutPrefix(inner.Text, "-"); ok {
		return &expr.Value{Kind: expr.Number, Text: text}
	}
	return &expr.Value{Kind: expr.Number, Text: "-" + strings.TrimPrefix(inner.Text, "+")}
}

func literalNode(e *expr.Expr) (node, error) {
	lit := literalOf(e)
	t, err := naturalType(lit)
	if err != nil {
		return nil, badLiteral(err)
	}
	v, err := exactValue(lit, t)
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "%w", err)
	}
	return &constNode{v}, nil
}

// badLiteral makes err the user's, unless it says so itself.
func badLiteral(err error) error {
	var e *wire.Error
	if errors.As(err, &e) {
		return e
	}
	return wire.Errorf(wire.InvalidArgument, "%w", err)
}

// fold computes n now if its operands are constants.
func fold(n node, operands ...node) (node, error) {
	for _, o := range operands {
		if _, ok := o.(*constNode); !ok {
			return n, nil
		}
	}
	v, err := n.eval(&batch{n: 1}, nil)
	if err != nil {
		return nil, err
	}
	c := *v
	c.one = true
	return &constNode{&c}, nil
}

func (b *binder) arithmetic(e *expr.Expr) (node, error) {
	x, y, err := b.operands(e.Op, e.Args[0], e.Args[1])
	if err != nil {
		return nil, err
	}
	t := arithType(e.Op, x.typ(), y.typ())
	if t == nil {
		return nil, wire.Errorf(wire.InvalidArgument, "%s: no %s of %s and %s", e, e.Op, schema.TypeText(x.typ()), schema.TypeText(y.typ())).
			WithHint("cast the operands, as in CAST(x AS int64)")
	}
	return fold(&arithNode{e.Op, x, y, t, e.String()}, x, y)
}

// operands binds the two sides of an arithmetic operation; a literal takes a
// type from the other side.
func (b *binder) operands(op expr.Op, xe, ye *expr.Expr) (x, y node, err error) {
	xl, yl := literalOf(xe), literalOf(ye)
	if xl != nil && (yl == nil || isNull(xl) && !isNull(yl)) {
		y, x, err = b.operands(op, ye, xe)
		return x, y, err
	}
	if isNull(xl) {
		null := &constNode{nulls(arrow.PrimitiveTypes.Int64, 1)}
		return null, null, nil
	}
	if x, err = b.bind(xe); err != nil {
		return nil, nil, err
	}
	if yl == nil {
		y, err = b.bind(ye)
		return x, y, err
	}
	t, err := literalTypeBeside(op, yl, x.typ())
	if err != nil {
		return nil, nil, badLiteral(err)
	}
	y, err = b.bindAs(ye, t)
	return x, y, err
}

// literalTypeBeside returns the type of a literal in arithmetic with a value
// of type t: t's own where it holds the literal, else the literal's natural one.
func literalTypeBeside(op expr.Op, lit *expr.Value, t arrow.DataType) (arrow.DataType, error) {
	switch {
	case isNull(lit) && (family(t) == "number" || t.ID() == arrow.DATE32 && op == expr.Sub):
		return t, nil
	case isNull(lit) && t.ID() == arrow.DATE32:
		return arrow.PrimitiveTypes.Int64, nil
	}
	if lit.Kind != expr.Number {
		return naturalType(lit)
	}
	switch laneOf(t) {
	case laneFloat:
		return t, nil
	case laneUint:
		if p, err := place(lit, t); err == nil && p.rel == exactly {
			return t, nil
		}
	case laneDec:
		if n, ok := parseNumber(lit.Text); ok && n.plain {
			if precision, scale := n.shape(); precision <= maxDigits {
				return decimalType(precision, scale), nil
			}
		}
	}
	return naturalType(lit)
}

func isNull(lit *expr.Value) bool { return lit != nil && lit.Kind == expr.Null }

func (b *binder) negative(e *expr.Expr) (node, error) {
	if isNull(literalOf(e.Args[0])) {
		return &constNode{nulls(arrow.PrimitiveTypes.Int64, 1)}, nil
	}
	if lit := literalOf(e); lit != nil {
		return literalNode(e)
	}
	x, err := b.bind(e.Args[0])
	if err != nil {
		return nil, err
	}
	if family(x.typ()) != "number" {
		return nil, wire.Errorf(wire.InvalidArgument, "%s: no minus of a %s", e, schema.TypeText(x.typ()))
	}
	switch laneOf(x.typ()) {
	case laneInt: // -(-128) of an int8 is an int64
		x = &castNode{x, arrow.PrimitiveTypes.Int64}
	case laneUint:
		x = &castNode{x, decimalType(digitsOf(x.typ()), 0)}
	}
	return fold(&negNode{x: x, text: e.String()}, x)
}

func (b *binder) cast(e *expr.Expr) (node, error) {
	t, err := schema.ParseType(e.Name)
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "%s: %w", e, err)
	}
	if err := checkZone(t); err != nil {
		return nil, err
	}
	if lit := literalOf(e.Args[0]); lit != nil && lit.Kind == expr.Null {
		return &constNode{nulls(t, 1)}, nil
	}
	x, err := b.bind(e.Args[0])
	if err != nil {
		return nil, err
	}
	if err := checkZone(x.typ()); err != nil {
		return nil, err
	}
	if !castable(x.typ(), t) {
		return nil, wire.Errorf(wire.Unsupported, "%s: no cast from %s to %s", e, schema.TypeText(x.typ()), schema.TypeText(t))
	}
	return fold(&castNode{x, t}, x)
}

func checkZone(t arrow.DataType) error {
	if _, err := zoneOf(t); err != nil {
		return wire.Errorf(wire.InvalidArgument, "time zone of type %s: %w", schema.TypeText(t), err)
	}
	return nil
}

func (b *binder) call(e *expr.Expr) (node, error) {
	want, ok := expr.Functions[e.Name]
	if !ok {
		return nil, wire.Errorf(wire.Unsupported, "function %s is not known", e.Name).WithHint("%s", functionNames())
	}
	if len(e.Args) != want {
		return nil, wire.Errorf(wire.InvalidArgument, "%s takes %d arguments, not %d", e.Name, want, len(e.Args))
	}
	switch e.Name {
	case "coalesce":
		return b.coalesce(e)
	case "has_token":
		return b.hasToken(e)
	}
	if isNull(literalOf(e.Args[0])) {
		return &constNode{nulls(functionType(e.Name), 1)}, nil
	}
	x, err := b.bind(e.Args[0])
	if err != nil {
		return nil, err
	}
	n, err := function(e, x)
	if err != nil {
		return nil, err
	}
	return fold(n, x)
}

// functionType is the type of a function of NULL.
func functionType(name string) arrow.DataType {
	switch name {
	case "date":
		return arrow.FixedWidthTypes.Date32
	case "lower", "upper":
		return arrow.BinaryTypes.String
	}
	return arrow.PrimitiveTypes.Int64
}

func function(e *expr.Expr, x node) (node, error) {
	t := x.typ()
	switch e.Name {
	case "year", "month", "day", "hour", "date":
		if t.ID() != arrow.DATE32 && t.ID() != arrow.TIMESTAMP {
			return nil, wrongArgument(e, t, "a date or timestamp", "date")
		}
		if err := checkZone(t); err != nil {
			return nil, err
		}
		zone, _ := zoneOf(t)
		if e.Name == "date" {
			return &dateNode{x, zone}, nil
		}
		return &partNode{x, e.Name, zone}, nil
	case "lower", "upper", "length":
		if t.ID() != arrow.STRING {
			return nil, wrongArgument(e, t, "a string", "string")
		}
		return &textNode{x, e.Name}, nil
	}
	if family(t) != "number" {
		return nil, wrongArgument(e, t, "a number", "float64")
	}
	if laneOf(t) == laneInt {
		x = &castNode{x, arrow.PrimitiveTypes.Int64}
	}
	return &negNode{x: x, onlyNegative: true, text: e.String()}, nil
}

func wrongArgument(e *expr.Expr, t arrow.DataType, want, as string) error {
	return wire.Errorf(wire.InvalidArgument, "%s: the argument is of type %s, not %s", e, schema.TypeText(t), want).
		WithHint("cast the argument, as in CAST(%s AS %s)", e.Args[0], as)
}

func (b *binder) coalesce(e *expr.Expr) (node, error) {
	x, y, err := b.alike(e.Args[0], e.Args[1])
	if err != nil {
		return nil, err
	}
	t := commonType(x.typ(), y.typ())
	if t == nil {
		return nil, wire.Errorf(wire.InvalidArgument, "%s: %s and %s have no common type", e, schema.TypeText(x.typ()), schema.TypeText(y.typ())).
			WithHint("cast one of them")
	}
	return fold(&coalesceNode{&castNode{x, t}, &castNode{y, t}}, x, y)
}

// alike binds two expressions of which a literal takes the type of the other
// where that holds it.
func (b *binder) alike(xe, ye *expr.Expr) (x, y node, err error) {
	xl, yl := literalOf(xe), literalOf(ye)
	if xl != nil && yl == nil {
		y, x, err = b.alike(ye, xe)
		return x, y, err
	}
	if x, err = b.bind(xe); err != nil {
		return nil, nil, err
	}
	if yl != nil {
		if v, err := exactValue(yl, x.typ()); err == nil {
			return x, &constNode{v}, nil
		}
	}
	y, err = b.bind(ye)
	return x, y, err
}

// commonType returns a type that holds the values of both, or nil.
func commonType(x, y arrow.DataType) arrow.DataType {
	xl := laneOf(x)
	switch {
	case arrow.TypeEqual(x, y) && xl != laneNested:
		return x
	case !compares(x, y):
		return nil
	case family(x) == "number":
		return commonNumber(x, y)
	case family(x) == "date or timestamp":
		return commonTimestamp(x, y)
	}
	return nil
}

func commonNumber(x, y arrow.DataType) arrow.DataType {
	switch xl, yl := laneOf(x), laneOf(y); {
	case xl == laneFloat || yl == laneFloat:
		return widerFloat(x, y)
	case xl == laneInt && yl == laneInt:
		return arrow.PrimitiveTypes.Int64
	}
	xd, yd := asDecimalType(x), asDecimalType(y)
	scale := max(xd.Scale, yd.Scale)
	return decimalType(max(xd.Precision-xd.Scale, yd.Precision-yd.Scale)+scale, scale)
}

func commonTimestamp(x, y arrow.DataType) arrow.DataType {
	xt, xOk := x.(*arrow.TimestampType)
	yt, yOk := y.(*arrow.TimestampType)
	switch {
	case !xOk:
		return y
	case !yOk:
		return x
	}
	t := &arrow.TimestampType{Unit: max(xt.Unit, yt.Unit), TimeZone: xt.TimeZone}
	if t.TimeZone == "" {
		t.TimeZone = yt.TimeZone
	}
	return t
}
