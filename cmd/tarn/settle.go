package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/tarnlake/tarn/client/source"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
)

// settleTable finds the table's schema, making the table if it may.
func (in *ingest) settleTable(ctx context.Context) error {
	info, err := in.node.Table(ctx, in.flags.table, expr.At{})
	switch {
	case err == nil && in.flags.create:
		err = in.flags.agree(info)
	case wire.IsCode(err, wire.TableNotFound) && in.flags.create:
		info, err = in.createTable(ctx)
	case wire.IsCode(err, wire.TableNotFound):
		e := *wire.FromError(err)
		e.Hint = joinHints(e.Hint, "add --create to make the table from the files")
		return &e
	}
	if err != nil {
		return err
	}
	in.want = info.Schema.Schema()
	return nil
}

func joinHints(a, b string) string {
	if a == "" {
		return b
	}
	return a + "\n" + b
}

// createTable makes a table with the schema that fits all files. Somebody
// else may have made it meanwhile.
func (in *ingest) createTable(ctx context.Context) (wire.TableInfo, error) {
	s, err := in.inferAll(ctx)
	if err != nil {
		return wire.TableInfo{}, err
	}
	info, err := in.node.CreateTable(ctx, wire.CreateTable{
		Name: in.flags.table, Fields: s.Fields,
		PartitionBy: splitLists(in.flags.partitionBy), SortBy: splitLists(in.flags.sortBy),
		Options: wire.TableOptions{Profile: in.flags.profile, Lookup: splitLists(in.flags.lookup), Text: splitLists(in.flags.text)},
	})
	if wire.IsCode(err, wire.TableExists) {
		if info, err = in.node.Table(ctx, in.flags.table, expr.At{}); err == nil {
			err = in.flags.agree(info)
		}
		return info, err
	}
	if err == nil {
		in.made = &wire.DropTable{Name: info.Name, ID: info.ID, IfVersion: info.Version}
	}
	return info, err
}

// unmake drops the table that this run made, if it is still as it was then:
// a failed command leaves nothing behind.
func (in *ingest) unmake(ctx context.Context) {
	if in.made == nil || len(in.loaded) > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := in.node.DropTableIf(ctx, *in.made); err != nil {
		fmt.Fprintf(in.streams.err, "table %s stays, without rows: %v\n", in.made.Name, err)
	}
}

// agree checks that flags for a new table say what the table is already, as
// they do when a command is repeated.
func (f ingestFlags) agree(info wire.TableInfo) error {
	s := info.Schema.Schema()
	for _, c := range []struct {
		flag       string
		asked, has string
	}{
		{"partition-by", plainList(splitLists(f.partitionBy)), plainList(splitList(partitionText(info)))},
		{"sort-by", plainList(splitLists(f.sortBy)), plainList(splitList(sortText(info)))},
		{"lookup", plainList(splitLists(f.lookup)), plainList(info.Options.Lookup)},
		{"profile", f.profile, info.Options.Profile},
		{"text", plainList(splitLists(f.text)), plainList(info.Options.Text)},
	} {
		if c.asked != "" && c.asked != c.has {
			return differs(info.Name, "--"+c.flag+" "+c.asked, c.has)
		}
	}
	for _, t := range splitLists(f.types) {
		column, text, ok := cutType(t)
		at := s.Index(column)
		if !ok || at < 0 {
			return wire.Errorf(wire.ColumnNotFound, "--types %s: table %s has no such column%s", t, info.Name, wire.DidYouMean(column, s.Names()))
		}
		typ, err := schema.ParseType(text)
		if err != nil {
			return wire.Errorf(wire.InvalidArgument, "--types %s: %w", t, err)
		}
		if has := schema.TypeText(s.Fields[at].Type); has != schema.TypeText(typ) {
			return differs(info.Name, "--types "+t, column+"="+has)
		}
	}
	return nil
}

func differs(table, asked, has string) error {
	if has == "" {
		has = "none"
	}
	return wire.Errorf(wire.SchemaMismatch, "%s counts only for a new table; %s is there already and has %s", asked, table, has).
		WithHint("leave the flag out, or: tarn table drop %s", table)
}

// plainList writes a list of expressions so that equal ones look equal.
func plainList(parts []string) string {
	out := make([]string, len(parts))
	for i, p := range parts {
		p = strings.ToLower(strings.Join(strings.Fields(p), " "))
		out[i] = strings.TrimSuffix(strings.ReplaceAll(strings.ReplaceAll(p, " ,", ","), ", ", ","), " asc")
	}
	return strings.Join(out, ", ")
}

// readOnce reports whether what path names can be read only once: standard
// input and pipes.
func readOnce(path string) bool {
	info, err := os.Stat(path)
	return path == "-" || err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

// inferAll looks at the beginning of each file. What can be read only once is
// kept for loading.
func (in *ingest) inferAll(ctx context.Context) (*schema.Schema, error) {
	opts, err := in.flags.options()
	if err != nil {
		return nil, err
	}
	if len(in.files) == 1 && readOnce(in.files[0]) {
		in.limitRejects(&opts, in.files[0])
		in.first, err = source.Open(ctx, in.files[0], opts)
		if err != nil {
			return nil, err
		}
		return in.first.Schema(), nil
	}
	return inferSchema(ctx, in.files, in.flags.roots, opts)
}
