package sql

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
	"github.com/pingcap/tidb/pkg/parser/test_driver"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
)

// selectOf returns the SELECT that stmt is, or refuses it by name.
func selectOf(stmt ast.StmtNode) (*ast.SelectStmt, error) {
	switch s := stmt.(type) {
	case *ast.SelectStmt:
		if s.Kind == ast.SelectStmtKindSelect {
			return s, nil
		}
		return nil, refuse("a TABLE or VALUES statement")
	case *ast.SetOprStmt:
		return nil, refuse("UNION, EXCEPT or INTERSECT")
	case *ast.ExplainStmt:
		return nil, unsupported("EXPLAIN as a statement").WithHint("tarn query --explain 'SELECT …'")
	case *ast.InsertStmt, *ast.UpdateStmt, *ast.DeleteStmt:
		return nil, unsupported(verb(stmt)).WithHint("rows come in with tarn ingest, with Append or Load of the Go client, or with Flight DoPut")
	case *ast.CreateTableStmt, *ast.DropTableStmt, *ast.AlterTableStmt, *ast.TruncateTableStmt:
		return nil, unsupported(verb(stmt)).WithHint("tarn table create, tarn table alter and tarn table drop")
	}
	return nil, refuse(verb(stmt))
}

// refuseStatement refuses what other engines answer about tables, by its first
// word: the grammar takes DESCRIBE for EXPLAIN and PRAGMA for nothing.
func refuseStatement(first token) error {
	for _, w := range []string{"DESCRIBE", "DESC", "SHOW", "SUMMARIZE", "PRAGMA", "USE"} {
		if first.is(w) {
			return unsupported(w + " as a statement").WithHint("tarn table list, tarn table describe NAME, tarn status")
		}
	}
	return nil
}

// verb names a statement by its Go type: *ast.CreateTableStmt is CREATE TABLE.
func verb(stmt ast.StmtNode) string {
	name := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", stmt), "*ast."), "Stmt")
	var b strings.Builder
	for i, c := range name {
		if i > 0 && 'A' <= c && c <= 'Z' {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return upper(b.String())
}

func refuse(name string) *wire.Error { return unsupported(name).WithHint("%s", hintFor(name)) }

// refuseClauses refuses what a SELECT may have and Tarn does not do.
func refuseClauses(s *ast.SelectStmt) error {
	switch {
	case s.With != nil:
		return refuse("WITH (a common table expression)")
	case len(s.WindowSpecs) > 0:
		return refuse("WINDOW (a window function)")
	case s.LockInfo != nil && s.LockInfo.LockType != ast.SelectLockNone:
		return unsupported("FOR UPDATE or FOR SHARE").WithHint("leave it out: a query always reads one snapshot")
	case s.SelectIntoOpt != nil:
		return unsupported("SELECT … INTO").WithHint("write the result to a file: tarn query --output parquet 'SELECT …' > FILE")
	case s.GroupBy != nil && s.GroupBy.Rollup:
		return refuse("GROUP BY … WITH ROLLUP")
	}
	return nil
}

// query turns a whole SELECT into a query.
func (c *converter) query(s *ast.SelectStmt) (*expr.Query, error) {
	if err := refuseClauses(s); err != nil {
		return nil, err
	}
	q := &expr.Query{}
	steps := []func() error{
		func() error { return c.from(q, s.From) },
		func() (err error) { q.Select, err = c.items(s.Fields); return },
		func() (err error) { q.Where, err = c.where(s.Where); return },
		func() error { return c.groupBy(q, s) },
		func() error { return c.having(q, s.Having) },
		func() (err error) { q.OrderBy, err = c.order(s.OrderBy); return },
		func() error { return c.limit(q, s.Limit) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// from settles the table and the snapshot.
func (c *converter) from(q *expr.Query, from *ast.TableRefsClause) error {
	if from == nil || from.TableRefs == nil {
		return wire.Errorf(wire.InvalidArgument, "the query names no table").WithHint("SELECT … FROM TABLE; tarn table list shows the tables")
	}
	if from.TableRefs.Right != nil {
		return refuse("JOIN (more than one table in FROM)")
	}
	source, ok := from.TableRefs.Left.(*ast.TableSource)
	if !ok {
		return refuse("JOIN")
	}
	name, ok := source.Source.(*ast.TableName)
	if !ok {
		return refuse("a subquery in FROM")
	}
	if err := refuseTableOptions(name); err != nil {
		return err
	}
	q.Table = name.Name.O
	c.qualifiers = []string{name.Name.L, source.AsName.L}
	return c.asOf(q, name.AsOf)
}

func refuseTableOptions(name *ast.TableName) error {
	switch {
	case name.Schema.O != "":
		return unsupported("a schema before the table name").
			WithHint("write FROM %s, or FROM %s if the dot is part of the name", name.Name.O, quoteName(name.Schema.O+"."+name.Name.O))
	case name.TableSample != nil:
		return refuse("TABLESAMPLE")
	case len(name.PartitionNames) > 0:
		return unsupported("PARTITION (…)").WithHint("filter on the partition's column in WHERE: only the partitions that match are read")
	case len(name.IndexHints) > 0:
		return unsupported("an index hint").WithHint("leave it out")
	}
	return nil
}

// asOf reads AS OF TIMESTAMP 'time' and AS OF VERSION n: the rewriting has
// left the literal as the difference.
func (c *converter) asOf(q *expr.Query, clause *ast.AsOfClause) error {
	if clause == nil {
		return nil
	}
	e, err := c.expr(clause.TsExpr)
	if err != nil {
		return err
	}
	if e.Op == expr.Literal && e.Lit.Kind == expr.Number {
		q.At.Version, err = positive(e.Lit.Text, "AS OF VERSION")
		return err
	}
	if e.Op == expr.Literal && (e.Lit.Kind == expr.String || e.Lit.Kind == expr.Timestamp || e.Lit.Kind == expr.Date) {
		q.At.Time, err = ParseTime(e.Lit.Text)
		return err
	}
	return wire.Errorf(wire.InvalidArgument, "AS OF wants TIMESTAMP '2006-01-02 15:04:05' or VERSION 42; got %s", e)
}

func positive(text, what string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, wire.Errorf(wire.InvalidArgument, "%s wants a whole number from 1; got %s", what, text)
	}
	return n, nil
}

// items reads a select list; a lone * is empty.
func (c *converter) items(list *ast.FieldList) ([]expr.Item, error) {
	var items []expr.Item
	for _, f := range list.Fields {
		if f.WildCard != nil {
			if len(list.Fields) > 1 {
				return nil, unsupported("* beside other output columns").WithHint("name the columns; tarn table describe NAME lists them")
			}
			return nil, c.checkQualifier(f.WildCard.Schema.O, f.WildCard.Table)
		}
		e, err := c.expr(f.Expr)
		if err != nil {
			return nil, err
		}
		if err := refuseNested(e); err != nil {
			return nil, err
		}
		items = append(items, expr.Item{Expr: e, As: f.AsName.O})
	}
	return items, nil
}

func (c *converter) where(node ast.ExprNode) (*expr.Expr, error) {
	if node == nil {
		return nil, nil
	}
	e, err := c.expr(node)
	if err != nil {
		return nil, err
	}
	return e, refuseAggregate(e, "in WHERE")
}

// refuseAggregate refuses aggregates where rows are looked at one by one.
func refuseAggregate(e *expr.Expr, where string) error {
	a := findAggregate(e)
	if a == nil {
		return nil
	}
	return wire.Errorf(wire.InvalidArgument, "the aggregate %s cannot stand %s", a, where).
		WithHint("conditions on aggregates go into HAVING")
}

// refuseNested refuses an aggregate of an aggregate.
func refuseNested(e *expr.Expr) error {
	outer := findAggregate(e)
	if outer == nil {
		return nil
	}
	for _, a := range outer.Args {
		if inner := findAggregate(a); inner != nil {
			return wire.Errorf(wire.InvalidArgument, "the aggregate %s cannot stand within another, %s", inner, outer)
		}
	}
	return nil
}

// findAggregate returns the first aggregate in e, or nil.
func findAggregate(e *expr.Expr) (found *expr.Expr) {
	expr.Walk(e, func(e *expr.Expr) bool {
		if found == nil && e.Op.IsAggregate() {
			found = e
		}
		return found == nil
	})
	return found
}

// groupBy settles GROUP BY and SELECT DISTINCT.
func (c *converter) groupBy(q *expr.Query, s *ast.SelectStmt) error {
	if s.Distinct {
		return c.distinct(q, s)
	}
	if s.GroupBy == nil {
		return nil
	}
	c.noteColumns(q)
	for _, item := range s.GroupBy.Items {
		e, err := c.groupKey(q, item.Expr)
		if err != nil {
			return err
		}
		if err := refuseAggregate(e, "in GROUP BY"); err != nil {
			return err
		}
		q.GroupBy = append(q.GroupBy, e)
	}
	return nil
}

func (c *converter) distinct(q *expr.Query, s *ast.SelectStmt) error {
	if s.GroupBy != nil || s.Having != nil {
		return unsupported("SELECT DISTINCT together with GROUP BY").WithHint("leave DISTINCT out: a group is already one row")
	}
	if len(q.Select) == 0 {
		return unsupported("SELECT DISTINCT *").WithHint("name the columns: SELECT DISTINCT a, b FROM …")
	}
	for _, item := range q.Select {
		if err := refuseAggregate(item.Expr, "in SELECT DISTINCT"); err != nil {
			return err
		}
		q.GroupBy = append(q.GroupBy, item.Expr)
	}
	return nil
}

// noteColumns remembers which names the query uses as input columns: where an
// output column has the same name, SQL means the input column.
func (c *converter) noteColumns(q *expr.Query) {
	c.inputs = map[string]bool{}
	note := func(e *expr.Expr) bool {
		if e.Op == expr.Column {
			c.inputs[strings.ToLower(e.Name)] = true
		}
		return true
	}
	expr.Walk(q.Where, note)
	for _, item := range q.Select {
		expr.Walk(item.Expr, note)
	}
}

// groupKey reads a GROUP BY key: the position or the name of an output
// column, or an expression. In brackets a number is itself, and behind the
// table's name a column is always one of the input.
func (c *converter) groupKey(q *expr.Query, node ast.ExprNode) (*expr.Expr, error) {
	e, err := c.expr(node)
	if err != nil {
		return nil, err
	}
	switch n := node.(type) {
	case *test_driver.ParamMarkerExpr:
		if e.Lit.Kind != expr.Number {
			return e, nil
		}
		i, err := strconv.Atoi(e.Lit.Text)
		if err != nil || i < 1 || i > len(q.Select) {
			return nil, wire.Errorf(wire.InvalidArgument, "GROUP BY %s: the select list has %d columns, counted from 1", e, len(q.Select))
		}
		return q.Select[i-1].Expr, nil
	case *ast.ColumnNameExpr:
		if n.Name.Table.O == "" {
			return c.alias(q, e), nil
		}
	}
	return e, nil
}

// alias returns the expression that e names by its AS name, or e itself.
func (c *converter) alias(q *expr.Query, e *expr.Expr) *expr.Expr {
	if e.Op != expr.Column || c.inputs[strings.ToLower(e.Name)] {
		return e
	}
	for _, item := range q.Select {
		if item.As != "" && strings.EqualFold(item.As, e.Name) {
			return item.Expr
		}
	}
	return e
}

// having reads HAVING and puts expressions in the place of output names.
func (c *converter) having(q *expr.Query, clause *ast.HavingClause) error {
	if clause == nil {
		return nil
	}
	e, err := c.expr(clause.Expr)
	if err != nil {
		return err
	}
	c.noteColumns(q)
	for _, g := range q.GroupBy {
		if g.Op == expr.Column {
			c.inputs[strings.ToLower(g.Name)] = true
		}
	}
	q.Having = replace(e, func(e *expr.Expr) *expr.Expr { return c.alias(q, e) })
	return refuseNested(q.Having)
}

// replace returns e with f applied to its leaves; arguments of aggregates,
// which are over input rows, stay as they are.
func replace(e *expr.Expr, f func(*expr.Expr) *expr.Expr) *expr.Expr {
	if len(e.Args) == 0 {
		return f(e)
	}
	if e.Op.IsAggregate() {
		return e
	}
	n := *e
	n.Args = make([]*expr.Expr, len(e.Args))
	for i, a := range e.Args {
		n.Args[i] = replace(a, f)
	}
	return &n
}

func (c *converter) order(clause *ast.OrderByClause) ([]expr.Order, error) {
	if clause == nil {
		return nil, nil
	}
	keys := make([]expr.Order, len(clause.Items))
	for i, item := range clause.Items {
		e, err := c.expr(item.Expr)
		if err != nil {
			return nil, err
		}
		if err := refuseNested(e); err != nil {
			return nil, err
		}
		keys[i] = expr.Order{Expr: e, Desc: item.Desc, NullsFirst: c.source.nulls[i]}
	}
	return keys, nil
}

func (c *converter) limit(q *expr.Query, l *ast.Limit) error {
	if l == nil {
		return nil
	}
	count, err := c.count(l.Count, "LIMIT")
	if err != nil {
		return err
	}
	q.Limit = count
	if l.Offset == nil {
		return nil
	}
	offset, err := c.count(l.Offset, "OFFSET")
	if err == nil && offset != nil {
		q.Offset = *offset
	}
	return err
}

// count reads the number of a LIMIT or OFFSET; nil is none.
func (c *converter) count(node ast.ExprNode, clause string) (*int64, error) {
	mark, ok := node.(*test_driver.ParamMarkerExpr)
	if !ok { // FETCH FIRST ROW ONLY
		one := int64(1)
		return &one, nil
	}
	lit := c.source.literalAt(mark.Offset)
	if lit == noLimit {
		return nil, nil
	}
	n, err := strconv.ParseInt(lit.Text, 10, 64)
	if err != nil || lit.Kind != expr.Number {
		return nil, wire.Errorf(wire.InvalidArgument, "%s wants a whole number; got %s", clause, lit)
	}
	return &n, nil
}
