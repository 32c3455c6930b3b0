package sql

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	"github.com/pingcap/tidb/pkg/parser/opcode"
	"github.com/pingcap/tidb/pkg/parser/test_driver"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
)

// converter turns a syntax tree into expressions.
type converter struct {
	source     *rewritten
	qualifiers []string        // lower case: the table's name and alias; nil: any
	inputs     map[string]bool // lower case: names that the query uses as input columns
	depth      int
}

// maxTree bounds how deep an expression nests, brackets or not.
const maxTree = 1000

func (c *converter) expr(node ast.ExprNode) (*expr.Expr, error) {
	if c.depth++; c.depth > maxTree {
		return nil, wire.Errorf(wire.LimitExceeded, "an expression nests deeper than %d", maxTree).
			WithHint("write long lists of values as x IN (…)")
	}
	defer func() { c.depth-- }()
	switch n := node.(type) {
	case *ast.ParenthesesExpr:
		return c.expr(n.Expr)
	case *ast.ColumnNameExpr:
		return c.column(n.Name)
	case *test_driver.ParamMarkerExpr:
		return &expr.Expr{Op: expr.Literal, Lit: c.source.literalAt(n.Offset)}, nil
	case *test_driver.ValueExpr:
		return keyword(n)
	case *ast.PositionExpr: // TRUE or FALSE as a key, which the parser takes for 1 or 0
		return expr.Lit(expr.Bool, fmt.Sprint(n.N != 0)), nil
	case *ast.BinaryOperationExpr:
		return c.binary(n)
	case *ast.UnaryOperationExpr:
		return c.unary(n)
	case *ast.IsNullExpr:
		return c.negatable(expr.IsNull, n.Not, n.Expr)
	case *ast.BetweenExpr:
		return c.negatable(expr.Between, n.Not, n.Expr, n.Left, n.Right)
	case *ast.PatternInExpr:
		return c.in(n)
	case *ast.PatternLikeOrIlikeExpr:
		op := expr.ILike
		if n.IsLike {
			op = expr.Like
		}
		return c.negatable(op, n.Not, n.Expr, n.Pattern)
	case *ast.FuncCastExpr:
		return c.cast(n)
	case *ast.FuncCallExpr:
		return c.call(n)
	case *ast.AggregateFuncExpr:
		return c.aggregate(n)
	}
	return nil, refuse(nameOf(node))
}

// nameOf names a piece of SQL that Tarn does not do.
func nameOf(node ast.ExprNode) string {
	switch n := node.(type) {
	case *ast.SubqueryExpr, *ast.CompareSubqueryExpr, *ast.ExistsSubqueryExpr:
		return "a subquery"
	case *ast.WindowFuncExpr:
		return "the window function " + n.Name + "() OVER (…)"
	case *ast.CaseExpr:
		return "CASE"
	case *ast.RowExpr:
		return "a row of several values in brackets"
	case *ast.IsTruthExpr:
		return "IS TRUE or IS FALSE"
	case *ast.PatternRegexpExpr:
		return "REGEXP"
	case *ast.VariableExpr:
		return "a variable"
	case *ast.TimeUnitExpr:
		return "INTERVAL"
	}
	return verbOf(fmt.Sprintf("%T", node))
}

func verbOf(goType string) string {
	return strings.TrimSuffix(strings.TrimPrefix(goType, "*ast."), "Expr")
}

func (c *converter) exprs(nodes ...ast.ExprNode) ([]*expr.Expr, error) {
	args := make([]*expr.Expr, len(nodes))
	for i, n := range nodes {
		var err error
		if args[i], err = c.expr(n); err != nil {
			return nil, err
		}
	}
	return args, nil
}

func (c *converter) column(n *ast.ColumnName) (*expr.Expr, error) {
	if err := c.checkQualifier(n.Schema.O, n.Table); err != nil {
		return nil, err
	}
	return expr.Col(n.Name.O), nil
}

// checkQualifier lets t.column through where t is the table of the query.
func (c *converter) checkQualifier(db string, table ast.CIStr) error {
	if table.O == "" && db == "" || db == "" && c.qualifiers == nil {
		return nil
	}
	if db == "" && slices.Contains(c.qualifiers, table.L) {
		return nil
	}
	return wire.Errorf(wire.InvalidArgument, "%q before a column is not the table of the query", strings.Trim(db+"."+table.O, ".")).
		WithHint("leave it out; fields inside of structs cannot be queried yet, and a column whose name has a dot stands in double quotes")
}

// keyword reads the literals that are words; all others are ? by now.
func keyword(n *test_driver.ValueExpr) (*expr.Expr, error) {
	switch {
	case n.Kind() == test_driver.KindNull:
		return expr.Lit(expr.Null, ""), nil
	case n.Kind() == test_driver.KindInt64 && n.Type.GetFlag()&mysql.IsBooleanFlag != 0:
		return expr.Lit(expr.Bool, fmt.Sprint(n.GetInt64() != 0)), nil
	}
	return nil, refuse("this kind of literal")
}

var binaryOps = map[opcode.Op]expr.Op{
	opcode.LogicAnd: expr.And, opcode.LogicOr: expr.Or,
	opcode.EQ: expr.Eq, opcode.NE: expr.Ne, opcode.LT: expr.Lt, opcode.LE: expr.Le, opcode.GT: expr.Gt, opcode.GE: expr.Ge,
	opcode.Plus: expr.Add, opcode.Minus: expr.Sub, opcode.Mul: expr.Mul, opcode.Div: expr.Div, opcode.Mod: expr.Mod,
}

func (c *converter) binary(n *ast.BinaryOperationExpr) (*expr.Expr, error) {
	op, ok := binaryOps[n.Op]
	if !ok {
		return nil, refuseOperator(n.Op)
	}
	nodes := []ast.ExprNode{n.L, n.R}
	if op == expr.And || op == expr.Or {
		nodes = operands(n)
	}
	args, err := c.exprs(nodes...)
	return expr.New(op, args...), err
}

// operands gathers a AND b AND c into one list; what stands in brackets of
// its own stays apart.
func operands(n *ast.BinaryOperationExpr) []ast.ExprNode {
	var list []ast.ExprNode
	for {
		list = append(list, n.R)
		left, ok := n.L.(*ast.BinaryOperationExpr)
		if !ok || left.Op != n.Op {
			list = append(list, n.L)
			slices.Reverse(list)
			return list
		}
		n = left
	}
}

func refuseOperator(op opcode.Op) error {
	switch op {
	case opcode.IntDiv:
		return unsupported("DIV").WithHint("the operators are + - * / and %%")
	case opcode.NullEQ:
		return unsupported("<=>").WithHint("write a = b OR (a IS NULL AND b IS NULL)")
	}
	return refuse("the operator " + upper(op.String()))
}

func (c *converter) unary(n *ast.UnaryOperationExpr) (*expr.Expr, error) {
	arg, err := c.expr(n.V)
	if err != nil {
		return nil, err
	}
	_, brackets := n.V.(*ast.ParenthesesExpr)
	switch n.Op {
	case opcode.Minus:
		if arg.Op == expr.Literal && arg.Lit.Kind == expr.Number && !brackets {
			return expr.Num(negated(arg.Lit.Text)), nil
		}
		return expr.New(expr.Neg, arg), nil
	case opcode.Plus:
		return arg, nil
	case opcode.Not, opcode.Not2:
		return expr.New(expr.Not, arg), nil
	}
	return nil, refuseOperator(n.Op)
}

func negated(number string) string {
	if positive, ok := strings.CutPrefix(number, "-"); ok {
		return positive
	}
	return "-" + number
}

// negatable reads x op …, and x NOT op … as the negation of it.
func (c *converter) negatable(op expr.Op, not bool, nodes ...ast.ExprNode) (*expr.Expr, error) {
	args, err := c.exprs(nodes...)
	if err != nil {
		return nil, err
	}
	e := expr.New(op, args...)
	if not {
		e = expr.New(expr.Not, e)
	}
	return e, nil
}

func (c *converter) in(n *ast.PatternInExpr) (*expr.Expr, error) {
	if n.Sel != nil {
		return nil, refuse("a subquery")
	}
	e, err := c.negatable(expr.In, n.Not, append([]ast.ExprNode{n.Expr}, n.List...)...)
	if err != nil {
		return nil, err
	}
	list := e
	if n.Not {
		list = e.Args[0]
	}
	for _, a := range list.Args[1:] {
		if a.Op != expr.Literal {
			return nil, unsupported(fmt.Sprintf("IN with %s, which is not a literal,", a)).WithHint("write a = b OR a = c")
		}
	}
	return e, nil
}

// cast reads a CAST whose type the rewriting has put aside: CHAR(k) stands
// for the k-th.
func (c *converter) cast(n *ast.FuncCastExpr) (*expr.Expr, error) {
	k := n.Tp.GetFlen()
	if n.FunctionType != ast.CastFunction || k < 1 || k > len(c.source.types) {
		return nil, unsupported("CONVERT").WithHint("CAST(x AS type)")
	}
	arg, err := c.expr(n.Expr)
	return &expr.Expr{Op: expr.Cast, Name: schema.TypeText(c.source.types[k-1]), Args: []*expr.Expr{arg}}, err
}

// sameFunction are other spellings of functions of expr.Functions.
var sameFunction = map[string]string{
	"dayofmonth": "day", "char_length": "length", "character_length": "length", "lcase": "lower", "ucase": "upper", "ifnull": "coalesce",
}

func (c *converter) call(n *ast.FuncCallExpr) (*expr.Expr, error) {
	name := n.FnName.L
	if n.Schema.O != "" {
		return nil, refuse("the function " + n.Schema.O + "." + n.FnName.O)
	}
	if same, ok := sameFunction[name]; ok {
		name = same
	}
	if name == "extract" {
		return c.extract(n)
	}
	want, ok := expr.Functions[name]
	if !ok {
		return nil, unknownFunction(name, n.Args)
	}
	args, err := c.exprs(n.Args...)
	if err != nil {
		return nil, err
	}
	if name == "coalesce" && len(args) > want {
		return coalesce(args), nil
	}
	if len(args) != want {
		return nil, wire.Errorf(wire.InvalidArgument, "%s() takes %d argument(s); got %d", name, want, len(args))
	}
	return &expr.Expr{Op: expr.Call, Name: name, Args: args}, nil
}

// coalesce nests a call with many arguments: the scan knows it with two.
func coalesce(args []*expr.Expr) *expr.Expr {
	e := args[len(args)-1]
	for _, a := range slices.Backward(args[:len(args)-1]) {
		e = &expr.Expr{Op: expr.Call, Name: "coalesce", Args: []*expr.Expr{a, e}}
	}
	return e
}

// extract reads EXTRACT(YEAR FROM x) as year(x).
func (c *converter) extract(n *ast.FuncCallExpr) (*expr.Expr, error) {
	unit, ok := n.Args[0].(*ast.TimeUnitExpr)
	if !ok || len(n.Args) != 2 {
		return nil, refuse("this form of EXTRACT")
	}
	name := strings.ToLower(unit.Unit.String()) // the rewriting lets no other through
	arg, err := c.expr(n.Args[1])
	return &expr.Expr{Op: expr.Call, Name: name, Args: []*expr.Expr{arg}}, err
}

func unknownFunction(name string, args []ast.ExprNode) error {
	for _, a := range args {
		if _, ok := a.(*ast.TimeUnitExpr); ok {
			return unsupported("INTERVAL").WithHint("compare with a date or time: ts < TIMESTAMP '2006-01-02 15:04:05'")
		}
	}
	if name == "now" || strings.HasPrefix(name, "current_") {
		return unsupported("the clock (" + name + ")").WithHint("write the time itself: TIMESTAMP '2006-01-02 15:04:05'")
	}
	known := slices.Sorted(maps.Keys(expr.Functions))
	e := unsupported("the function " + name + "()")
	if near := wire.Closest(name, append(known, aggregateNames...)); near != "" {
		return e.WithHint("did you mean %s()?", near)
	}
	return e.WithHint("the functions are %s; the aggregates are %s", strings.Join(known, ", "), strings.Join(aggregateNames, ", "))
}

var aggregateNames = []string{"count", "sum", "min", "max", "avg"}

func (c *converter) aggregate(n *ast.AggregateFuncExpr) (*expr.Expr, error) {
	name := strings.ToLower(n.F)
	if !slices.Contains(aggregateNames, name) {
		return nil, unsupported("the aggregate "+name+"()").WithHint("the aggregates are %s", strings.Join(aggregateNames, ", "))
	}
	if len(n.Args) != 1 {
		return nil, unsupported(fmt.Sprintf("%s() of %d arguments", name, len(n.Args)))
	}
	if name == "count" && !n.Distinct && countsRows(n.Args[0]) {
		return expr.New(expr.Count, expr.New(expr.Star)), nil
	}
	arg, err := c.expr(n.Args[0])
	return &expr.Expr{Op: expr.Op(name), Args: []*expr.Expr{arg}, Distinct: n.Distinct}, err
}

// countsRows tells count(*), which the parser hands on as count(1) with a
// number that no user typed: theirs are ? by now.
func countsRows(arg ast.ExprNode) bool {
	v, ok := arg.(*test_driver.ValueExpr)
	return ok && v.Kind() == test_driver.KindInt64 && v.Type.GetFlag()&mysql.IsBooleanFlag == 0
}
