package scan

import (
	"strings"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
)

// namer gives every column in an expression the exact name that the schema
// has, so that equal expressions have equal text however they were typed.
type namer struct {
	table  string
	schema *schema.Schema
	alias  map[string]*expr.Expr // output columns, where they may be named; lower case
}

// resolve returns e with exact names. A name that the table does not have may
// be that of an output column, whose expression takes its place.
func (n *namer) resolve(e *expr.Expr) (*expr.Expr, error) {
	if e == nil {
		return nil, nil
	}
	if e.Op == expr.Column {
		return n.column(e)
	}
	c := *e
	c.Args = make([]*expr.Expr, len(e.Args))
	for i, a := range e.Args {
		var err error
		if c.Args[i], err = n.resolve(a); err != nil {
			return nil, err
		}
	}
	return &c, nil
}

func (n *namer) column(e *expr.Expr) (*expr.Expr, error) {
	if i := n.schema.Index(e.Name); i >= 0 {
		return expr.Col(n.schema.Fields[i].Name), nil
	}
	if out, ok := n.alias[strings.ToLower(e.Name)]; ok {
		return out, nil
	}
	near := wire.DidYouMean(e.Name, n.schema.Names())
	err := wire.Errorf(wire.ColumnNotFound, "no column %q in table %s%s", e.Name, n.table, near)
	if near != "" {
		return nil, err.WithHint("tarn table describe %s", n.table)
	}
	return nil, err.
		WithHint("tarn table describe %s; if a text is meant, write it in single quotes: '%s'", n.table, strings.ReplaceAll(e.Name, "'", "''"))
}
