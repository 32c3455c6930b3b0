// Package sql turns SQL text into expr.Query and back: one SELECT over one
// table. It reads text and knows no schema; whether a column exists and what
// type an expression has is settled where the query runs.
//
// The grammar is that of a maintained parser (TiDB's), which speaks MySQL.
// Around it stands a thin layer that makes it speak what Tarn's users write:
// before the parser, literals are taken out (so that no number ever becomes a
// float) and a few spellings it lacks are rewritten (see rewrite.go); after
// it, the syntax tree becomes an expr.Query, and everything that Tarn does
// not do is refused by name.
//
// Text in double quotes (or backticks) is a name, in single quotes a string;
// a backslash in a string is a backslash. All functions are safe for
// concurrent use. Every error is a *wire.Error: wire.InvalidArgument for text
// that is not SQL, wire.Unsupported for SQL that Tarn does not do.
package sql

import (
	"slices"
	"strings"
	"sync"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver" // the parser's value nodes
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
)

// Parse reads one SELECT over one table; a semicolon may end it.
//
// GROUP BY may name an output column or give its 1-based position, and HAVING
// may name one; Parse puts the expression in place. A name that the query also
// uses as an input column means that column, as SQL says. SELECT DISTINCT
// becomes a GROUP BY of every output column.
func Parse(query string) (*expr.Query, error) {
	s, c, err := parse(query, nil)
	if err != nil {
		return nil, err
	}
	return c.query(s)
}

// ParseExpr reads one expression over the columns of a table, such as a
// filter. Aggregates are refused.
func ParseExpr(text string) (*expr.Expr, error) {
	list, err := ParseExprs(text)
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, wire.Errorf(wire.InvalidArgument, "%q is %d expressions; want one", text, len(list)).
			WithHint("join conditions with AND or OR")
	}
	return list[0], nil
}

// ParseExprs reads expressions with commas between them, such as a GROUP BY
// list. Aggregates are refused.
func ParseExprs(text string) ([]*expr.Expr, error) {
	items, err := ParseItems(text)
	if err != nil {
		return nil, err
	}
	list := make([]*expr.Expr, len(items))
	for i, item := range items {
		if item.As != "" {
			return nil, wire.Errorf(wire.InvalidArgument, "%q names an output column with AS, which only a select list may do", text)
		}
		if err := refuseAggregate(item.Expr, "here"); err != nil {
			return nil, err
		}
		list[i] = item.Expr
	}
	return list, nil
}

// ParseItems reads a select list: expressions and aggregates with commas
// between them, each with an optional AS name. The list "*" is empty: every
// column.
func ParseItems(text string) ([]expr.Item, error) {
	s, c, err := parse(text, words("SELECT"))
	if err != nil {
		return nil, err
	}
	if s.From != nil || !isBare(s) || s.OrderBy != nil {
		return nil, notAList(text)
	}
	return c.items(s.Fields)
}

// ParseOrder reads an ORDER BY list: expressions with optional ASC or DESC
// and NULLS FIRST or NULLS LAST. Nulls come last unless told otherwise.
func ParseOrder(text string) ([]expr.Order, error) {
	s, c, err := parse(text, words("SELECT", "NULL", "ORDER", "BY"))
	if err != nil {
		return nil, err
	}
	if s.From != nil || !isBare(s) || s.OrderBy == nil {
		return nil, notAList(text)
	}
	return c.order(s.OrderBy)
}

// isBare reports whether s has none of the clauses that a fragment could
// smuggle in.
func isBare(s *ast.SelectStmt) bool {
	return s.Where == nil && s.GroupBy == nil && s.Having == nil && s.Limit == nil && !s.Distinct && refuseClauses(s) == nil
}

func notAList(text string) error {
	return wire.Errorf(wire.InvalidArgument, "%q holds more than a list of expressions", text).
		WithHint("give each clause its own flag, or write the whole statement: tarn query 'SELECT … FROM …'")
}

// MaxBytes bounds the text of one query.
const MaxBytes = 1 << 20

// parse reads text, behind the tokens of before, as one SELECT.
func parse(text string, before []token) (s *ast.SelectStmt, c *converter, err error) {
	tokens, err := scan(text)
	if err != nil {
		return nil, nil, err
	}
	if len(tokens) == 0 {
		return nil, nil, wire.Errorf(wire.InvalidArgument, "there is no SQL in the text given")
	}
	if err := refuseStatement(tokens[0]); err != nil && before == nil {
		return nil, nil, err
	}
	r, err := rewrite(text, append(before, tokens...))
	if err != nil {
		return nil, nil, err
	}
	stmt, err := r.parse()
	if err != nil {
		return nil, nil, err
	}
	if s, err = selectOf(stmt); err != nil {
		return nil, nil, err
	}
	return s, &converter{source: r}, nil
}

// parsers are kept, as making one takes several times as long as a short query.
var parsers = sync.Pool{New: func() any {
	p := parser.New()
	p.SetSQLMode(mysql.ModeANSIQuotes | mysql.ModePipesAsConcat | mysql.ModeIgnoreSpace | mysql.ModeNoBackslashEscapes)
	return p
}}

// parse runs the parser over the rewritten tokens. It answers its panics with
// an error: they are bugs of a library that reads what users type.
func (r *rewritten) parse() (stmt ast.StmtNode, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = wire.Errorf(wire.InvalidArgument, "the SQL parser cannot read this text (it failed with: %v)", p)
		}
	}()
	p := parsers.Get().(*parser.Parser)
	stmts, _, err := p.ParseSQL(r.sql())
	if err != nil {
		return nil, r.syntaxError(err)
	}
	stmts = slices.Clone(stmts) // the parser uses the list again
	parsers.Put(p)              // one that has failed is not used again
	if len(stmts) != 1 {
		return nil, wire.Errorf(wire.InvalidArgument, "the text holds %d statements; want one", len(stmts))
	}
	return stmts[0], nil
}

// upper is for words, which are ASCII wherever they mean something.
func upper(s string) string { return strings.ToUpper(s) }
