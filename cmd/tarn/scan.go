package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/sql"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
)

func (a *app) queryCommand() *cobra.Command {
	var at string
	var explain bool
	c := &cobra.Command{
		Use:   "query 'SELECT … FROM TABLE …'",
		Short: "Run one SELECT over one table",
		Long: `Run one SELECT over one table: WHERE, GROUP BY, HAVING, ORDER BY, LIMIT and
OFFSET; count, sum, min, max, avg and count(DISTINCT …); FROM t AS OF VERSION n
or AS OF TIMESTAMP '…'. For joins and the rest of SQL, point an engine such as
DuckDB at the mount.`,
		Example: `  tarn query 'SELECT country, count(*), sum(price) FROM orders GROUP BY country ORDER BY 3 DESC LIMIT 10'
  tarn query --output parquet "SELECT * FROM orders WHERE at >= DATE '2024-01-01'" > orders.parquet
  tarn query --explain "SELECT count(*) FROM orders WHERE country = 'IT'"`,
		Args: args(cobra.ExactArgs(1)),
	}
	a.atFlag(c, &at)
	c.Flags().BoolVar(&explain, "explain", false, "show what would be read and why, without reading it")
	c.RunE = func(c *cobra.Command, args []string) error {
		q, err := sql.Parse(args[0])
		if err != nil {
			return err
		}
		if at != "" && q.At != (expr.At{}) {
			return wire.Errorf(wire.InvalidArgument, "the snapshot is given twice: by --at and by AS OF")
		}
		return a.runQuery(c, q, at, explain)
	}
	return a.talks(a.prints(c))
}

// scanFlags are the clauses of a scan, each in a flag of its own.
type scanFlags struct {
	where, items, groupBy, orderBy, at string
	limit, offset                      int64
	explain                            bool
}

func (a *app) scanCommand() *cobra.Command {
	var f scanFlags
	c := &cobra.Command{
		Use:   "scan TABLE",
		Short: "Read a table: filter, project, group, order",
		Example: `  tarn scan orders --limit 10
  tarn scan orders --where "country = 'IT' AND price > 100" --select 'id, price * 1.22 AS gross' --output csv
  tarn scan orders --group-by 'year(at), country' --select 'year(at), country, count(*), sum(price)' --order-by '4 DESC'
  tarn scan orders --at 2h --where "id = 17"`,
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeTables(false),
	}
	flags := c.Flags()
	flags.StringVar(&f.where, "where", "", "`CONDITION` as in SQL")
	flags.StringVar(&f.items, "select", "", "output `COLUMNS`: expressions and aggregates, with AS (default: all; with --group-by: the keys and count(*))")
	flags.StringVar(&f.groupBy, "group-by", "", "group by `KEYS`: expressions, names or positions of output columns")
	flags.StringVar(&f.orderBy, "order-by", "", "order by `KEYS`: expressions, names or positions of output columns, with DESC and NULLS FIRST")
	flags.Int64Var(&f.limit, "limit", -1, "at most `N` rows")
	flags.Int64Var(&f.offset, "offset", 0, "pass over `N` rows first")
	flags.BoolVar(&f.explain, "explain", false, "show what would be read and why, without reading it")
	a.atFlag(c, &f.at)
	for _, name := range []string{"where", "select", "group-by", "order-by"} {
		_ = c.RegisterFlagCompletionFunc(name, a.completeColumns)
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if f.limit < 0 && c.Flags().Changed("limit") || f.offset < 0 {
			return wire.Errorf(wire.InvalidArgument, "--limit and --offset count rows from 0")
		}
		q, err := f.query(args[0])
		if err != nil {
			return err
		}
		return a.runQuery(c, q, f.at, f.explain)
	}
	return a.talks(a.prints(c))
}

// query reads each flag by itself, so that an error is about that flag, and
// then all of them as one statement, so that --group-by may name an output
// column as in SQL.
func (f scanFlags) query(table string) (*expr.Query, error) {
	for _, check := range []struct {
		flag, text string
		parse      func(string) error
	}{
		{"--where", f.where, func(s string) error { _, err := sql.ParseExpr(s); return err }},
		{"--select", f.items, func(s string) error { _, err := sql.ParseItems(s); return err }},
		{"--group-by", f.groupBy, func(s string) error { _, err := sql.ParseExprs(s); return err }},
		{"--order-by", f.orderBy, func(s string) error { _, err := sql.ParseOrder(s); return err }},
	} {
		if check.text == "" {
			continue
		}
		if err := check.parse(check.text); err != nil {
			return nil, about(check.flag, err)
		}
	}
	return sql.Parse(f.statement(table))
}

func (f scanFlags) statement(table string) string {
	items := f.items
	switch {
	case items == "" && f.groupBy != "":
		items = f.groupBy + "\n, count(*)"
	case items == "":
		items = "*"
	}
	var b strings.Builder
	clause := func(words, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%s %s\n", words, text) // the line ends a comment in the text
		}
	}
	clause("SELECT", items)
	clause("FROM", expr.Col(table).String())
	clause("WHERE", f.where)
	clause("GROUP BY", f.groupBy)
	clause("ORDER BY", f.orderBy)
	if f.limit >= 0 {
		clause("LIMIT", fmt.Sprint(f.limit))
	}
	if f.offset > 0 {
		clause("OFFSET", fmt.Sprint(f.offset))
	}
	return b.String()
}

// runQuery runs or explains q.
func (a *app) runQuery(c *cobra.Command, q *expr.Query, at string, explain bool) error {
	if at != "" {
		when, err := parseAt(at, time.Now())
		if err != nil {
			return err
		}
		q.At = when
	}
	if err := a.checkOutput(); err != nil {
		return err
	}
	return a.withClient(c.Context(), func(n *client.Client) error {
		if explain {
			return a.explainQuery(c, n, q)
		}
		started := time.Now()
		result, err := n.Query(c.Context(), q)
		if err != nil {
			return err
		}
		rows, err := a.printRows(result.Schema(), result.Batches(), shown(q))
		if err != nil {
			return err
		}
		a.note("%d rows from version %d in %s", rows, result.Version(), time.Since(started).Round(time.Millisecond))
		return nil
	})
}

// shown is how many rows a table shows: all that a LIMIT lets through, unless
// they are too many to be held in memory and lined up.
func shown(q *expr.Query) int {
	const most = 100_000
	if q.Limit != nil && *q.Limit <= most {
		return all
	}
	return 0
}

// note tells a person at a terminal something about the rows printed.
func (a *app) note(format string, args ...any) {
	if a.outTerminal && a.errTerminal {
		fmt.Fprintf(a.err, format+"\n", args...)
	}
}

func (a *app) explainQuery(c *cobra.Command, n *client.Client, q *expr.Query) error {
	e, err := n.Explain(c.Context(), q)
	if err != nil {
		return err
	}
	return a.printMessage(e, func() error {
		for _, step := range e.Plan {
			if err := a.say("%s", step); err != nil {
				return err
			}
		}
		return a.printPairs([]pair{
			{"query", e.Query},
			{"version", fmt.Sprint(e.Version)},
			{"segments", fmt.Sprintf("read %d of %d (%d pruned by partition, %d by zone map)", e.SegmentsRead, e.Segments, e.PrunedPartition, e.PrunedZone)},
			{"blocks", fmt.Sprintf("read %d of %d (%d left out by index)", e.BlocksRead, e.Blocks, e.BlocksByIndex)},
			{"rows", fmt.Sprintf("read %d of %d", e.RowsRead, e.Rows)},
			{"columns", strings.Join(e.Columns, ", ")},
		})
	})
}
