package catalog

import (
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

// indexedTable makes a table of the columns id, note and ok.
func indexedTable(o wire.TableOptions) Command {
	return Command{CreateTable: &wire.CreateTable{Name: "t", Options: o, Fields: []schema.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "ok", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
	}}}
}

func TestIndexedColumns(t *testing.T) {
	w := newWorld(t)
	check := func(got *Snapshot, lookup, text []string) {
		t.Helper()
		if o := got.Options; !slices.Equal(o.Lookup, lookup) || !slices.Equal(o.Text, text) {
			t.Errorf("version %d: got lookup %q, text %q; want %q, %q", got.Version, o.Lookup, o.Text, lookup, text)
		}
	}
	check(w.must(indexedTable(wire.TableOptions{Lookup: []string{"ID", `"note"`}, Text: []string{"Note"}})).Table, []string{"id", "note"}, []string{"note"})
	check(w.must(alter(wire.AlterTable{Rename: &wire.Rename{From: "note", To: "remark"}})).Table, []string{"id", "remark"}, []string{"remark"})
	check(w.must(alter(wire.AlterTable{Options: &wire.TableOptions{RetainVersions: 9}})).Table, []string{"id", "remark"}, []string{"remark"})
	check(w.must(alter(wire.AlterTable{Options: &wire.TableOptions{Lookup: []string{}}})).Table, nil, []string{"remark"})
	check(w.must(alter(wire.AlterTable{Options: &wire.TableOptions{Lookup: []string{"remark", "id"}}})).Table, []string{"remark", "id"}, []string{"remark"})
	check(w.must(alter(wire.AlterTable{Drop: "remark"})).Table, []string{"id"}, nil)
}

func TestIndexedColumnsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		o    wire.TableOptions
		code wire.Code
	}{
		"lookup unknown": {wire.TableOptions{Lookup: []string{"nix"}}, wire.ColumnNotFound},
		"lookup twice":   {wire.TableOptions{Lookup: []string{"id", "Id"}}, wire.InvalidArgument},
		"lookup bool":    {wire.TableOptions{Lookup: []string{"ok"}}, wire.InvalidArgument},
		"lookup list":    {wire.TableOptions{Lookup: []string{"tags"}}, wire.InvalidArgument},
		"text unknown":   {wire.TableOptions{Text: []string{"nix"}}, wire.ColumnNotFound},
		"text number":    {wire.TableOptions{Text: []string{"id"}}, wire.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.refuse(indexedTable(c.o), c.code)
			w.must(indexedTable(wire.TableOptions{}))
			w.refuse(alter(wire.AlterTable{Options: &c.o}), c.code)
		})
	}
}
