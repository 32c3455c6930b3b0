package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/health"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/schema"
)

func (a *app) tableCommand() *cobra.Command {
	c := a.talks(&cobra.Command{Use: "table", Short: "Create, list, describe, alter and drop tables"})
	c.AddCommand(a.tableCreate(), a.tableList(), a.tableDescribe(), a.tableHistory(), a.tableAlter(), a.tableDrop())
	return group(c)
}

func (a *app) tableCreate() *cobra.Command {
	var columns, flush, retainFor string
	var partitionBy, sortBy, lookup, text []string
	var req wire.CreateTable
	c := &cobra.Command{
		Use:   "create NAME --schema COLUMNS",
		Short: "Make a table",
		Example: `  tarn table create orders --schema "id int64 not null, country string, price decimal(10,2), at timestamp[us]" \
      --partition-by "country, day(at)" --sort-by at`,
		Args: args(cobra.ExactArgs(1)),
	}
	f := c.Flags()
	f.StringVar(&columns, "schema", "", "`COLUMNS`: name type [not null], …")
	f.StringArrayVar(&partitionBy, "partition-by", nil, "partition by `EXPR,…`: COL, year|month|day|hour(COL), bucket(N, COL), truncate(N, COL)")
	f.StringArrayVar(&sortBy, "sort-by", nil, "sort by `COL,…`, each with desc or without")
	f.StringArrayVar(&lookup, "lookup", nil, "index `COL,…` for looking up single values")
	f.StringArrayVar(&text, "text", nil, "index the words of `COL,…` for has_token")
	f.StringVar(&req.Options.Profile, "profile", "", "`PROFILE` of segments: default, fast to write, or compact on disk")
	f.Int64Var(&req.Options.RetainVersions, "retain-versions", 0, "keep at least `N` versions (default 1000)")
	f.StringVar(&retainFor, "retain-for", "", "and every version younger than this `TIME` (default 7d)")
	f.StringVar(&flush, "flush-interval", "", "`TIME` that an append may wait for others to share its commit (default 20ms; 5ms to 5s)")
	f.BoolVar(&req.IfNotExists, "if-not-exists", false, "succeed if the table is there already")
	_ = c.RegisterFlagCompletionFunc("profile", oneOf(codec.Profiles...))
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		req.Name, req.PartitionBy, req.SortBy = args[0], splitLists(partitionBy), splitLists(sortBy)
		req.Options.Lookup, req.Options.Text = splitLists(lookup), splitLists(text)
		if columns == "" {
			return wire.Errorf(wire.InvalidArgument, "a table needs columns").
				WithHint("--schema \"id int64 not null, name string\", or take them from files: tarn ingest %s FILE… --create", req.Name)
		}
		if req.Fields, err = parseColumns(columns); err != nil {
			return err
		}
		if req.Options.RetainFor, err = optionalSpan("retain-for", retainFor); err != nil {
			return err
		}
		if req.Options.FlushInterval, err = optionalSpan("flush-interval", flush); err != nil {
			return err
		}
		return a.withClient(c.Context(), func(n *client.Client) error {
			info, err := n.CreateTable(c.Context(), req)
			if err != nil {
				return err
			}
			return a.say("table %s is there, version %d, %d columns", info.Name, info.Version, len(info.Schema.Fields))
		})
	}
	return c
}

// optionalSpan reads a duration flag; empty is zero, the default.
func optionalSpan(flag, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := parseSpan(text)
	if err != nil {
		return 0, about("--"+flag, err)
	}
	return d, nil
}

// say writes one line about what was done.
func (a *app) say(format string, args ...any) error {
	_, err := fmt.Fprintf(a.out, format+"\n", args...)
	return err
}

func (a *app) tableList() *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the tables",
		Example: "  tarn table list --output json",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c.Context(), func(n *client.Client) error { return a.listTables(c.Context(), n) })
		},
	}
	return a.prints(c)
}

func (a *app) listTables(ctx context.Context, n *client.Client) error {
	t, err := n.Tables(ctx)
	if err != nil {
		return err
	}
	type row = wire.TableInfo
	return a.printList(
		texts("table", t, func(r row) string { return r.Name }),
		numbers("rows", t, func(r row) int64 { return r.Rows }),
		numbers("bytes", t, func(r row) int64 { return r.Bytes }),
		numbers("segments", t, func(r row) int64 { return int64(r.Segments) }),
		numbers("partitions", t, func(r row) int64 { return int64(r.Partitions) }),
		numbers("version", t, func(r row) int64 { return r.Version }),
		times("committed", t, func(r row) time.Time { return r.Committed }),
		texts("partition_by", t, partitionText),
		texts("sort_by", t, sortText),
	)
}

func partitionText(info wire.TableInfo) string {
	parts := make([]string, len(info.PartitionBy))
	for i, t := range info.PartitionBy {
		parts[i] = t.Text(info.Schema.Schema())
	}
	return strings.Join(parts, ", ")
}

func sortText(info wire.TableInfo) string {
	s := info.Schema.Schema()
	parts := make([]string, len(info.SortBy))
	for i, k := range info.SortBy {
		if at := s.ByID(k.FieldID); at >= 0 {
			parts[i] = s.Fields[at].Name
		}
		if k.Desc {
			parts[i] += " desc"
		}
	}
	return strings.Join(parts, ", ")
}

func (a *app) tableDescribe() *cobra.Command {
	var at string
	c := &cobra.Command{
		Use:               "describe TABLE",
		Short:             "Show a table's columns and settings",
		Long:              "Show a table's columns and, in the table format, its settings.",
		Example:           "  tarn table describe orders\n  tarn table describe orders --at 3",
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeTables(false),
	}
	a.atFlag(c, &at)
	c.RunE = func(c *cobra.Command, args []string) error {
		when, err := parseAt(at, time.Now())
		if err != nil {
			return err
		}
		return a.withClient(c.Context(), func(n *client.Client) error {
			info, err := n.Table(c.Context(), args[0], when)
			if err != nil {
				return err
			}
			return a.describe(info)
		})
	}
	return a.prints(c)
}

func (a *app) atFlag(c *cobra.Command, at *string) {
	c.Flags().StringVar(at, "at", "", "`SNAPSHOT`: a version, a time (2006-01-02, '2006-01-02 15:04:05', RFC 3339; UTC unless a zone is given) or how long ago (2h)")
}

func (a *app) describe(info wire.TableInfo) error {
	if a.output == "table" {
		if err := a.printPairs(settings(info)); err != nil {
			return err
		}
	}
	f := info.Schema.Fields
	type row = schema.Field
	return a.printList(
		numbers("id", f, func(r row) int64 { return int64(r.ID) }),
		texts("column", f, func(r row) string { return r.Name }),
		texts("type", f, func(r row) string { return schema.TypeText(r.Type) }),
		flags("nullable", f, func(r row) bool { return r.Nullable }),
		texts("doc", f, func(r row) string { return r.Doc }),
	)
}

func settings(info wire.TableInfo) []pair {
	return []pair{
		{"table", info.Name},
		{"version", fmt.Sprintf("%d, committed %s", info.Version, info.Committed.UTC().Format(time.RFC3339))},
		{"rows", fmt.Sprint(info.Rows)},
		{"stored", fmt.Sprintf("%s in %d segments, %d partitions", byteText(info.Bytes), info.Segments, info.Partitions)},
		{"partition by", partitionText(info)},
		{"sort by", sortText(info)},
		{"lookup", strings.Join(info.Options.Lookup, ", ")},
		{"text", strings.Join(info.Options.Text, ", ")},
		{"profile", info.Options.Profile},
		{"flush interval", spanText(info.Options.FlushInterval)},
		{"retained", retained(info.Options)},
	}
}

func retained(o wire.TableOptions) string {
	switch {
	case o.RetainVersions == 0 && o.RetainFor == 0:
		return ""
	case o.RetainFor == 0:
		return fmt.Sprintf("%d versions", o.RetainVersions)
	}
	return fmt.Sprintf("at least %d versions and all of the last %s", o.RetainVersions, spanText(o.RetainFor))
}

// spanText writes a duration as parseSpan reads it: whole days as days.
func spanText(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == 0:
		return ""
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}

// byteText writes a size for people: 12.3 MiB.
func byteText(n int64) string { return health.Bytes(n) }

func (a *app) tableHistory() *cobra.Command {
	c := &cobra.Command{
		Use:               "history TABLE",
		Short:             "List a table's versions, oldest first",
		Example:           "  tarn table history orders",
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeTables(false),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c.Context(), func(n *client.Client) error {
				commits, err := n.History(c.Context(), args[0])
				if err != nil {
					return err
				}
				return a.printCommits(commits)
			})
		},
	}
	return a.prints(c)
}

func (a *app) printCommits(h []wire.Commit) error {
	type row = wire.Commit
	return a.printList(
		numbers("version", h, func(r row) int64 { return r.Version }),
		times("time", h, func(r row) time.Time { return r.Time }),
		texts("operation", h, func(r row) string { return r.Operation }),
		numbers("rows", h, func(r row) int64 { return r.Rows }),
		numbers("bytes", h, func(r row) int64 { return r.Bytes }),
		numbers("segments", h, func(r row) int64 { return int64(r.Segments) }),
		numbers("total_rows", h, func(r row) int64 { return r.TotalRows }),
		numbers("schema_id", h, func(r row) int64 { return int64(r.SchemaID) }),
		texts("detail", h, func(r row) string { return r.Detail }),
		texts("key", h, func(r row) string { return r.Key }),
	)
}

func (a *app) tableDrop() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:               "drop TABLE",
		Short:             "Remove a table and all of its versions",
		Example:           "  tarn table drop orders --yes",
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeTables(false),
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.withClient(c.Context(), func(n *client.Client) error {
			if err := a.confirmDrop(c.Context(), n, args[0], yes); err != nil {
				return err
			}
			if err := n.DropTable(c.Context(), args[0]); err != nil {
				return err
			}
			return a.say("table %s is dropped", args[0])
		})
	}
	return c
}

// confirmDrop has a person type the table's name.
func (a *app) confirmDrop(ctx context.Context, n *client.Client, name string, yes bool) error {
	if yes {
		return nil
	}
	if !a.inTerminal {
		return wire.Errorf(wire.InvalidArgument, "dropping table %q needs a yes", name).WithHint("tarn table drop %s --yes", name)
	}
	info, err := n.Table(ctx, name, expr.At{})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "This removes table %s: %d rows, %d versions. Type its name to go on: ", info.Name, info.Rows, info.Version)
	typed, _ := bufio.NewReader(a.in).ReadString('\n')
	if strings.TrimSpace(typed) != info.Name {
		return wire.Errorf(wire.InvalidArgument, "table %s is left as it is: %q was typed", info.Name, strings.TrimSpace(typed))
	}
	return nil
}
