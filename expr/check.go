package expr

import "fmt"

// Limits of a query that comes from outside.
const (
	MaxDepth = 200   // of an expression tree
	MaxNodes = 65536 // of all trees of a query: room for a long IN list
)

// Check reports what is malformed about a query: a node without the operands
// that its Op needs, an unknown Op, a tree beyond the limits. A query that
// passes can be walked without looking for nil. It says nothing of names and
// types, which only the table can judge.
func Check(q *Query) error {
	c := checker{}
	if q.Table == "" {
		return fmt.Errorf("no table")
	}
	if q.Limit != nil && *q.Limit < 0 || q.Offset < 0 {
		return fmt.Errorf("a negative limit or offset")
	}
	for _, it := range q.Select {
		c.check(it.Expr, 0)
	}
	for _, e := range q.GroupBy {
		c.check(e, 0)
	}
	for _, o := range q.OrderBy {
		c.check(o.Expr, 0)
	}
	if q.Where != nil {
		c.check(q.Where, 0)
	}
	if q.Having != nil {
		c.check(q.Having, 0)
	}
	return c.err
}

type checker struct {
	nodes int
	err   error
}

func (c *checker) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

func (c *checker) check(e *Expr, depth int) {
	c.nodes++
	switch {
	case c.err != nil:
	case e == nil:
		c.fail("an expression is missing")
	case depth > MaxDepth:
		c.fail("an expression nests deeper than %d", MaxDepth)
	case c.nodes > MaxNodes:
		c.fail("more than %d terms", MaxNodes)
	default:
		c.checkNode(e)
		for _, a := range e.Args {
			c.check(a, depth+1)
		}
	}
}

func (c *checker) checkNode(e *Expr) {
	least, most := arity(e)
	if n := len(e.Args); n < least || n > most {
		c.fail("%q has %d operands", e.Op, n)
	}
	switch e.Op {
	case Literal:
		if e.Lit == nil {
			c.fail("a literal has no value")
		}
	case Column, Cast, Call:
		if e.Name == "" {
			c.fail("%q has no name", e.Op)
		}
	}
}

// arity returns how few and how many operands a node may have; an unknown Op
// may have none of either.
func arity(e *Expr) (least, most int) {
	switch e.Op {
	case Column, Literal, Star:
		return 0, 0
	case IsNull, Not, Neg, Cast, Count, Sum, Min, Max, Avg:
		return 1, 1
	case Eq, Ne, Lt, Le, Gt, Ge, Like, ILike, Add, Sub, Mul, Div, Mod:
		return 2, 2
	case Between:
		return 3, 3
	case In, And, Or:
		return 2, MaxNodes
	case Call:
		return 0, MaxNodes
	}
	return -1, -1
}
