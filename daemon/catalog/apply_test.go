package catalog

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
)

func TestEpochsOfOneNodeCloseEachOther(t *testing.T) {
	w := newWorld(t)
	first := w.must(openEpoch("n1")).Epoch
	other := w.must(openEpoch("n2")).Epoch
	second := w.must(openEpoch("n1")).Epoch
	if first != 1 || other != 2 || second != 3 {
		t.Errorf("epochs: got %d, %d, %d; want 1, 2, 3", first, other, second)
	}
	table := w.must(createTable("t")).Table
	w.refuse(commitOf(first, table, 1), wire.Conflict)
	w.refuse(commitOf(9, table, 1), wire.Conflict)
	w.must(commitOf(other, table, 1))
	w.must(commitOf(second, table, 1))
	w.refuse(openEpoch(""), wire.InvalidArgument)
}

func TestEpochsRunOut(t *testing.T) {
	w := newWorld(t)
	w.s.lastEpoch = 1<<32 - 2
	w.must(openEpoch("n1"))
	w.refuse(openEpoch("n1"), wire.LimitExceeded)
}

func TestCommandsHoldOneChange(t *testing.T) {
	w := newWorld(t)
	w.refuse(Command{}, wire.InvalidArgument)
	w.refuse(Command{OpenEpoch: &OpenEpoch{"n"}, DropTable: &DropTable{Name: "t"}}, wire.InvalidArgument)
}

func TestCreateTable(t *testing.T) {
	w := newWorld(t)
	cmd := createTable("orders")
	cmd.CreateTable.PartitionBy = []string{"day(day)", "bucket(4, id)"}
	cmd.CreateTable.SortBy = []string{"id", "price DESC"}
	cmd.CreateTable.Options.FlushInterval = time.Second
	got := w.must(cmd).Table
	if want := []string{"id", "price", "day"}; !slices.Equal(got.Schema.Names(), want) || got.Schema.Fields[2].ID != 3 {
		t.Errorf("schema: got %v; want %v with ids 1 to 3", got.Schema, want)
	}
	if len(got.PartitionBy) != 2 || got.PartitionBy[1].N != 4 {
		t.Errorf("partition: got %v", got.PartitionBy)
	}
	if want := []schema.SortKey{{FieldID: 1}, {FieldID: 2, Desc: true}}; !slices.Equal(got.SortBy, want) {
		t.Errorf("sort: got %v; want %v", got.SortBy, want)
	}
	if want := (wire.TableOptions{FlushInterval: time.Second, RetainVersions: 1000, RetainFor: 7 * 24 * time.Hour, Profile: "default"}); !reflect.DeepEqual(got.Options, want) {
		t.Errorf("options: got %v; want %v", got.Options, want)
	}
	if got.Version != 1 || got.Commit.Operation != "create" || len(got.Segments) != 0 {
		t.Errorf("snapshot: got %+v", got)
	}
	w.refuse(cmd, wire.TableExists)
	cmd.CreateTable.IfNotExists = true
	if r := w.must(cmd); !r.Duplicate || r.Table != got {
		t.Errorf("if not exists: got %+v; want the table that is there", r)
	}
}

func TestCreateTableRefuses(t *testing.T) {
	for name, change := range map[string]func(*wire.CreateTable){
		"no name":             func(c *wire.CreateTable) { c.Name = "" },
		"slash":               func(c *wire.CreateTable) { c.Name = "a/b" },
		"dot":                 func(c *wire.CreateTable) { c.Name = ".t" },
		"underscore":          func(c *wire.CreateTable) { c.Name = "_t" },
		"umlaut":              func(c *wire.CreateTable) { c.Name = "für" },
		"long name":           func(c *wire.CreateTable) { c.Name = strings.Repeat("a", 256) },
		"no fields":           func(c *wire.CreateTable) { c.Fields = nil },
		"no type":             func(c *wire.CreateTable) { c.Fields[0].Type = nil },
		"strange type":        func(c *wire.CreateTable) { c.Fields[0].Type = arrow.FixedWidthTypes.MonthInterval },
		"not canonical":       func(c *wire.CreateTable) { c.Fields[0].Type = arrow.BinaryTypes.LargeString },
		"doubled column":      func(c *wire.CreateTable) { c.Fields[1].Name = "ID" },
		"partition column":    func(c *wire.CreateTable) { c.PartitionBy = []string{"nix"} },
		"partition function":  func(c *wire.CreateTable) { c.PartitionBy = []string{"week(day)"} },
		"partition twice":     func(c *wire.CreateTable) { c.PartitionBy = []string{"id", "id"} },
		"partition directory": func(c *wire.CreateTable) { c.PartitionBy = []string{"bucket(4, id)", "bucket(8, id)"} },
		"sort twice":          func(c *wire.CreateTable) { c.SortBy = []string{"id", "id desc"} },
		"fast flush":          func(c *wire.CreateTable) { c.Options.FlushInterval = time.Millisecond },
		"slow flush":          func(c *wire.CreateTable) { c.Options.FlushInterval = 6 * time.Second },
		"negative versions":   func(c *wire.CreateTable) { c.Options.RetainVersions = -1 },
		"negative age":        func(c *wire.CreateTable) { c.Options.RetainFor = -time.Second },
		"sort by a list": func(c *wire.CreateTable) {
			c.Fields[0].Type = arrow.ListOfField(arrow.Field{Name: "item", Type: arrow.PrimitiveTypes.Int8, Nullable: true})
			c.SortBy = []string{"id"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := createTable("t")
			change(cmd.CreateTable)
			newWorld(t).refuse(cmd, wire.InvalidArgument)
		})
	}
	cmd := createTable("t")
	cmd.CreateTable.SortBy = []string{"prize desc"}
	r := newWorld(t).refuse(cmd, wire.ColumnNotFound)
	if !strings.Contains(r.Err.Message, `did you mean "price"?`) {
		t.Errorf("got %q; want a suggestion", r.Err.Message)
	}
}

func TestSortKeyText(t *testing.T) {
	s := &schema.Schema{ID: 1, Fields: []schema.Field{
		{ID: 1, Name: "a", Type: arrow.PrimitiveTypes.Int8}, {ID: 2, Name: "b desc", Type: arrow.PrimitiveTypes.Int8},
	}}
	for text, want := range map[string]schema.SortKey{
		"a":            {FieldID: 1},
		" A\tDESC ":    {FieldID: 1, Desc: true},
		"a asc":        {FieldID: 1},
		`"a" desc`:     {FieldID: 1, Desc: true},
		"b desc":       {FieldID: 2},
		`"b desc"`:     {FieldID: 2},
		"b desc desc":  {FieldID: 2, Desc: true},
		`"b desc" asc`: {FieldID: 2},
	} {
		if got, err := parseSortKey(s, text); err != nil || got != want {
			t.Errorf("sort key %q: got %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestTableNotFoundSuggests(t *testing.T) {
	w := newWorld(t)
	w.must(createTable("orders"))
	_, err := w.s.Table("ordres")
	if !wire.IsCode(err, wire.TableNotFound) || !strings.Contains(err.Error(), `did you mean "orders"?`) {
		t.Errorf("got %v; want TABLE_NOT_FOUND with a suggestion", err)
	}
	if _, err := w.s.TableByID(7); !wire.IsCode(err, wire.TableNotFound) {
		t.Errorf("by id: got %v; want TABLE_NOT_FOUND", err)
	}
	if _, err := w.s.History("nix"); !wire.IsCode(err, wire.TableNotFound) {
		t.Errorf("history: got %v; want TABLE_NOT_FOUND", err)
	}
}

// ready is a world with an epoch and a table.
func ready(t *testing.T, options ...wire.TableOptions) (*world, Epoch, *Snapshot) {
	w := newWorld(t)
	e := w.must(openEpoch("n1")).Epoch
	cmd := createTable("t")
	for _, o := range options {
		cmd.CreateTable.Options = o
	}
	return w, e, w.must(cmd).Table
}

func TestCommitIsVisibleAtOnce(t *testing.T) {
	w, e, table := ready(t)
	r := w.must(commitOf(e, table, 2, 1))
	got, err := w.s.Table("t")
	if err != nil || got != r.Table || r.Version != 2 || r.Index != 5 {
		t.Fatalf("got %+v and %+v, %v", r, got, err)
	}
	if want := "[00000001-00000001 00000001-00000002]"; fmt.Sprint(idsOf(got)) != want {
		t.Errorf("segments: got %v; want %v", idsOf(got), want)
	}
	want := Commit{
		Version: 2, Time: testStart.Add(3 * time.Second), Index: 5, Operation: "append",
		Rows: 20, Bytes: 200, Segments: 2, TotalRows: 20, SchemaID: 1,
	}
	if got.Commit != want {
		t.Errorf("commit: got %+v; want %+v", got.Commit, want)
	}
	if s := got.Segments[0]; s.Added != 2 || s.Removed != 0 || verdict(w.s, s.ID) != Keep {
		t.Errorf("segment: got %+v, verdict %v", s, verdict(w.s, s.ID))
	}
	if len(table.Segments) != 0 {
		t.Error("the snapshot before the commit changed")
	}
}

func idsOf(s *Snapshot) []SegmentID {
	ids := make([]SegmentID, len(s.Segments))
	for i, seg := range s.Segments {
		ids[i] = seg.ID
	}
	return ids
}

func TestCommitRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*CommitSegments)
		code   wire.Code
	}{
		"no txn":           {func(c *CommitSegments) { c.Txn = "" }, wire.InvalidArgument},
		"long key":         {func(c *CommitSegments) { c.Key = strings.Repeat("k", 1025) }, wire.InvalidArgument},
		"unknown table":    {func(c *CommitSegments) { c.Table = 7 }, wire.TableNotFound},
		"unknown schema":   {func(c *CommitSegments) { c.SchemaID, c.Segments[0].SchemaID = 9, 9 }, wire.SchemaMismatch},
		"other schema":     {func(c *CommitSegments) { c.Segments[0].SchemaID = 2 }, wire.InvalidArgument},
		"other epoch":      {func(c *CommitSegments) { c.Segments[0].ID = NewSegmentID(9, 1) }, wire.InvalidArgument},
		"segment twice":    {func(c *CommitSegments) { c.Segments = append(c.Segments, c.Segments[0]) }, wire.InvalidArgument},
		"negative rows":    {func(c *CommitSegments) { c.Segments[0].Rows = -1 }, wire.InvalidArgument},
		"partition values": {func(c *CommitSegments) { c.Segments[0].Partition = make([]schema.PartitionValue, 1) }, wire.SchemaMismatch},
		"batch twice": {func(c *CommitSegments) {
			c.Producers = []wire.BatchID{{Producer: "p", Seq: 1}, {Producer: "p", Seq: 1}}
		}, wire.InvalidArgument},
		"no producer":    {func(c *CommitSegments) { c.Producers = []wire.BatchID{{Seq: 1}} }, wire.InvalidArgument},
		"remove nothing": {func(c *CommitSegments) { c.Remove = []SegmentID{77} }, wire.Conflict},
		"remove twice":   {func(c *CommitSegments) { c.Remove = []SegmentID{77, 77} }, wire.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			w, e, table := ready(t)
			cmd := commitOf(e, table, 1)
			c.change(cmd.CommitSegments)
			w.refuse(cmd, c.code)
		})
	}
}

func TestRetriesOfACommit(t *testing.T) {
	w, e, table := ready(t)
	cmd := commitOf(e, table, 1)
	first := w.must(cmd)
	w.must(commitOf(e, table, 2))
	again := w.must(cmd)
	if again.Version != first.Version || again.Index != first.Index || again.Duplicate {
		t.Errorf("retry: got %+v; want the result of the first try", again)
	}
	if again.Table.Version != 3 || len(again.Table.Segments) != 2 {
		t.Errorf("retry: got %+v; want nothing added", again.Table)
	}

	// The epoch is closed, its transactions forgotten: a late twin of the node
	// must not hear "rejected" and delete the files.
	w.must(openEpoch("n1"))
	late := w.must(cmd)
	if late.Version != first.Version || late.Duplicate || len(late.Table.Segments) != 2 {
		t.Errorf("retry after the epoch: got %+v; want the version of the first try", late)
	}
	w.refuse(commitOf(e, table, 3), wire.Conflict)
	w.refuse(commitOf(e, table, 2, 3), wire.Conflict)
}

func TestSegmentBelongsToOneCommit(t *testing.T) {
	w, e, table := ready(t)
	w.must(commitOf(e, table, 1))
	w.must(commitOf(e, table, 2))
	w.refuse(commitOf(e, table, 1, 2), wire.Conflict) // as a whole it never was
	other := w.must(createTable("other")).Table
	stolen := commitOf(e, other, 1)
	stolen.CommitSegments.Txn = "thief"
	w.refuse(stolen, wire.Conflict)
	w.must(dropTable("t"))
	w.refuse(stolen, wire.Conflict) // garbage does not come back
}

func TestTransactionsAreForgottenInOrder(t *testing.T) {
	w, e, table := ready(t)
	empty := func(n int) Command {
		return Command{CommitSegments: &CommitSegments{Txn: fmt.Sprint(n), Epoch: e, Table: table.ID, SchemaID: 1}}
	}
	for n := range txnWindow + 1 {
		w.must(empty(n))
	}
	if r := w.must(empty(1)); r.Version != 3 {
		t.Errorf("transaction 1 was made as version 3; its retry says %d", r.Version)
	}
	if r := w.must(empty(0)); r.Version != txnWindow+3 {
		t.Errorf("transaction 0 is older than the window; its retry says version %d", r.Version)
	}
}

func TestKeys(t *testing.T) {
	w, e, table := ready(t)
	cmd := commitOf(e, table, 1)
	cmd.CommitSegments.Key = "2026-03-01.csv"
	first := w.must(cmd)
	other := commitOf(e, table, 2)
	other.CommitSegments.Key = "2026-03-01.csv"
	r := w.must(other)
	if !r.Duplicate || r.Version != first.Version || len(r.Table.Segments) != 1 {
		t.Errorf("same key: got %+v; want a duplicate of version %d", r, first.Version)
	}
	if again := w.must(cmd); again.Duplicate || again.Version != first.Version {
		t.Errorf("retry with a key: got %+v; want success, for its files are in use", again)
	}
	if v, ok := w.s.CommittedKey(table.ID, "2026-03-01.csv"); !ok || v != first.Version {
		t.Errorf("committed key: got %d, %v; want %d", v, ok, first.Version)
	}
	if got := verdict(w.s, NewSegmentID(e, 2)); got != Wait {
		t.Errorf("segment of the duplicate: got verdict %v; want Wait", got)
	}
	second := w.must(createTable("u")).Table
	other.CommitSegments.Table, other.CommitSegments.Txn = second.ID, "u1"
	if r := w.must(other); r.Duplicate {
		t.Error("a key of one table counted in another")
	}
}

func TestKeysOutliveVersionsByAWindow(t *testing.T) {
	w, e, table := ready(t, wire.TableOptions{RetainVersions: 1, RetainFor: time.Nanosecond})
	const n = keyWindow + 20
	for i := range n {
		c := commitOf(e, table)
		c.CommitSegments.Txn, c.CommitSegments.Key = fmt.Sprint(i), fmt.Sprint(i)
		w.must(c)
	}
	if _, ok := w.s.CommittedKey(table.ID, "0"); !ok {
		t.Error("a key was forgotten though its version is kept")
	}
	w.must(Command{ExpireVersions: &ExpireVersions{}})
	for key, want := range map[int]bool{0: false, 19: false, 20: true, n - 1: true} {
		if _, ok := w.s.CommittedKey(table.ID, fmt.Sprint(key)); ok != want {
			t.Errorf("key %d of %d, one version kept: known %v; want %v", key, n, ok, want)
		}
	}
}

func TestProducers(t *testing.T) {
	w, e, table := ready(t)
	batch := func(n uint32, ids ...wire.BatchID) Command {
		c := commitOf(e, table, n)
		c.CommitSegments.Producers = ids
		return c
	}
	w.must(batch(1, wire.BatchID{Producer: "p", Seq: 6}, wire.BatchID{Producer: "p", Seq: 5}, wire.BatchID{Producer: "q", Seq: 1}))
	w.must(batch(2, wire.BatchID{Producer: "p", Seq: 7}))
	r := w.refuse(batch(3, wire.BatchID{Producer: "p", Seq: 8}, wire.BatchID{Producer: "p", Seq: 7}, wire.BatchID{Producer: "q", Seq: 1}), wire.Conflict)
	want := []Duplicate{{wire.BatchID{Producer: "p", Seq: 7}, 3}, {wire.BatchID{Producer: "q", Seq: 1}, 2}}
	if !slices.Equal(r.Duplicates, want) {
		t.Errorf("duplicates: got %v; want %v", r.Duplicates, want)
	}
	w.must(batch(3, wire.BatchID{Producer: "p", Seq: 8}))
	for _, c := range []struct {
		id      wire.BatchID
		version Version
		ok      bool
	}{
		{wire.BatchID{Producer: "p", Seq: 8}, 4, true},
		{wire.BatchID{Producer: "p", Seq: 5}, 4, true},
		{wire.BatchID{Producer: "p", Seq: 9}, 0, false},
		{wire.BatchID{Producer: "q", Seq: 1}, 2, true},
		{wire.BatchID{Producer: "r", Seq: 1}, 0, false},
		{wire.BatchID{}, 0, false},
	} {
		if v, ok := w.s.CommittedBatch(table.ID, c.id); v != c.version || ok != c.ok {
			t.Errorf("committed %v: got %d, %v; want %d, %v", c.id, v, ok, c.version, c.ok)
		}
	}
}

func TestProducersAreForgottenByAge(t *testing.T) {
	w, e, table := ready(t)
	for i := range producerWindow + 1 {
		c := commitOf(e, table)
		c.CommitSegments.Txn = fmt.Sprint(i)
		c.CommitSegments.Producers = []wire.BatchID{{Producer: fmt.Sprint(i), Seq: 1}}
		if i == producerWindow { // the first producer comes back, so the second is the oldest
			c.CommitSegments.Producers = append(c.CommitSegments.Producers, wire.BatchID{Producer: "0", Seq: 2})
		}
		w.must(c)
	}
	s, err := DecodeState(bytes.NewReader(encoded(t, w.s)))
	if err != nil {
		t.Fatal(err)
	}
	if !s.MayHaveForgotten(table.ID, time.Time{}) || s.MayHaveForgotten(table.ID, s.Time().Add(time.Second)) {
		t.Errorf("one was forgotten, and the last commit was at %v", s.Time())
	}
	for producer, want := range map[string]bool{"0": true, "1": false, "2": true} {
		if _, ok := w.s.CommittedBatch(table.ID, wire.BatchID{Producer: producer, Seq: 1}); ok != want {
			t.Errorf("producer %s: known %v; want %v", producer, ok, want)
		}
	}
}

func alter(a wire.AlterTable) Command {
	a.Name = "t"
	return Command{AlterTable: &a}
}

func TestAlterTable(t *testing.T) {
	w, e, table := ready(t)
	add := w.must(alter(wire.AlterTable{Add: &schema.Field{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true}})).Table
	if f := add.Schema.Fields[3]; f.ID != 4 || f.Name != "note" || add.Version != 2 || add.Schema.ID != 2 {
		t.Errorf("add: got %+v in schema %d, version %d", f, add.Schema.ID, add.Version)
	}
	w.must(commitOf(e, table, 1)) // written under schema 1
	old := w.must(alter(wire.AlterTable{Drop: "note"})).Table
	if old.Schema.Index("note") >= 0 {
		t.Error("drop: the column is still there")
	}
	back := w.must(alter(wire.AlterTable{Add: &schema.Field{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true}})).Table
	if f := back.Schema.Fields[3]; f.ID != 5 {
		t.Errorf("a column that comes back: got field id %d; want 5, never used before", f.ID)
	}
	renamed := w.must(alter(wire.AlterTable{Rename: &wire.Rename{From: "PRICE", To: "amount"}})).Table
	if f := renamed.Schema.Fields[1]; f.Name != "amount" || f.ID != 2 {
		t.Errorf("rename: got %+v", f)
	}
	wide := w.must(alter(wire.AlterTable{Widen: &wire.Widen{Column: "amount", Type: "bigint"}})).Table
	if f := wide.Schema.Fields[1]; f.Type.ID() != arrow.INT64 || wide.Commit.Detail != "widen amount to int64" {
		t.Errorf("widen: got %+v, %q", f, wide.Commit.Detail)
	}
	options := w.must(alter(wire.AlterTable{Options: &wire.TableOptions{RetainVersions: 5}})).Table
	if options.Options.RetainVersions != 5 || options.Options.FlushInterval != DefaultFlushInterval || options.Schema != wide.Schema {
		t.Errorf("options: got %+v under schema %d", options.Options, options.Schema.ID)
	}
	last := w.must(commitOf(e, table, 2)).Table // schema 1 is still known
	if last.Schema != wide.Schema || last.Schemas[1] != table.Schema || last.Segments[1].SchemaID != 1 {
		t.Errorf("commit under an old schema: got %+v", last)
	}
	if before, err := w.s.Snapshot("t", expr.At{Version: 3}); err != nil || before.Schema.Index("note") != 3 || before.Schema.Fields[1].Name != "price" {
		t.Errorf("version 3: got %v, %v; want the schema of then", before, err)
	}
}

func TestAlterTableRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		a    wire.AlterTable
		code wire.Code
	}{
		"nothing":           {wire.AlterTable{}, wire.InvalidArgument},
		"two changes":       {wire.AlterTable{Drop: "price", Rename: &wire.Rename{From: "id", To: "x"}}, wire.InvalidArgument},
		"not nullable":      {wire.AlterTable{Add: &schema.Field{Name: "x", Type: arrow.PrimitiveTypes.Int8}}, wire.InvalidArgument},
		"no type":           {wire.AlterTable{Add: &schema.Field{Name: "x", Nullable: true}}, wire.InvalidArgument},
		"name taken":        {wire.AlterTable{Add: &schema.Field{Name: "Id", Type: arrow.PrimitiveTypes.Int8, Nullable: true}}, wire.InvalidArgument},
		"drop unknown":      {wire.AlterTable{Drop: "prize"}, wire.ColumnNotFound},
		"drop partition":    {wire.AlterTable{Drop: "day"}, wire.InvalidArgument},
		"drop sort":         {wire.AlterTable{Drop: "id"}, wire.InvalidArgument},
		"rename unknown":    {wire.AlterTable{Rename: &wire.Rename{From: "nix", To: "x"}}, wire.ColumnNotFound},
		"rename to taken":   {wire.AlterTable{Rename: &wire.Rename{From: "price", To: "ID"}}, wire.InvalidArgument},
		"rename to nothing": {wire.AlterTable{Rename: &wire.Rename{From: "price"}}, wire.InvalidArgument},
		"rename to itself":  {wire.AlterTable{Rename: &wire.Rename{From: "price", To: "price"}}, wire.InvalidArgument},
		"rename partition":  {wire.AlterTable{Rename: &wire.Rename{From: "price", To: "day_day"}}, wire.InvalidArgument},
		"narrow":            {wire.AlterTable{Widen: &wire.Widen{Column: "id", Type: "int32"}}, wire.InvalidArgument},
		"widen to itself":   {wire.AlterTable{Widen: &wire.Widen{Column: "id", Type: "int64"}}, wire.InvalidArgument},
		"widen to nonsense": {wire.AlterTable{Widen: &wire.Widen{Column: "id", Type: "huge"}}, wire.InvalidArgument},
		"widen unknown":     {wire.AlterTable{Widen: &wire.Widen{Column: "nix", Type: "int64"}}, wire.ColumnNotFound},
		"options":           {wire.AlterTable{Options: &wire.TableOptions{FlushInterval: time.Hour}}, wire.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			cmd := createTable("t")
			cmd.CreateTable.PartitionBy, cmd.CreateTable.SortBy = []string{"day(day)", "price"}, []string{"id"}
			w.must(cmd)
			w.refuse(alter(c.a), c.code)
		})
	}
	newWorld(t).refuse(alter(wire.AlterTable{Drop: "id"}), wire.TableNotFound)
	w := newWorld(t)
	cmd := createTable("t")
	cmd.CreateTable.Fields = fields()[:1]
	w.must(cmd)
	w.refuse(alter(wire.AlterTable{Drop: "id"}), wire.InvalidArgument) // the last column
}

func TestTimeTravel(t *testing.T) {
	w, e, table := ready(t) // version 1 at second 2
	w.must(commitOf(e, table, 1))
	w.must(commitOf(e, table, 2))
	swap := commitOf(e, table, 3)
	swap.CommitSegments.Remove = []SegmentID{NewSegmentID(e, 1)}
	last := w.must(swap).Table // version 4 at second 5
	if last.Commit.TotalRows != 20 || last.Commit.Rows != 10 {
		t.Errorf("swap: got %+v; want 10 rows added, 20 in all", last.Commit)
	}
	second := func(n int) time.Time { return testStart.Add(time.Duration(n) * time.Second) }
	for _, c := range []struct {
		at   expr.At
		want string // low halves of the segment ids
	}{
		{expr.At{}, "[2 3]"},
		{expr.At{Version: 4}, "[2 3]"},
		{expr.At{Version: 3}, "[1 2]"},
		{expr.At{Version: 2}, "[1]"},
		{expr.At{Version: 1}, "[]"},
		{expr.At{Time: second(2)}, "[]"},
		{expr.At{Time: second(4)}, "[1 2]"},
		{expr.At{Time: second(5).Add(-1)}, "[1 2]"},
		{expr.At{Time: second(5)}, "[2 3]"},
		{expr.At{Time: second(99)}, "[2 3]"},
	} {
		snap, err := w.s.Snapshot("t", c.at)
		if err != nil {
			t.Errorf("at %v: %v", c.at, err)
			continue
		}
		low := make([]uint32, len(snap.Segments))
		for i, id := range idsOf(snap) {
			low[i] = uint32(id)
		}
		if got := fmt.Sprint(low); got != c.want || snap.Commit.Version != snap.Version {
			t.Errorf("at %v: got %v at version %d; want %v", c.at, got, snap.Version, c.want)
		}
	}
	for _, at := range []expr.At{{Version: 5}, {Version: -1}, {Version: -1 << 63}, {Time: second(1)}} {
		if _, err := w.s.Snapshot("t", at); !wire.IsCode(err, wire.VersionNotFound) || !strings.Contains(err.Error(), "1 to 4") {
			t.Errorf("at %v: got %v; want VERSION_NOT_FOUND that says what is kept", at, err)
		}
	}
	if _, err := w.s.Snapshot("t", expr.At{Version: 1, Time: second(2)}); !wire.IsCode(err, wire.InvalidArgument) {
		t.Errorf("both: got %v; want INVALID_ARGUMENT", err)
	}
}

func TestTheClockNeverRunsBackwards(t *testing.T) {
	w, e, table := ready(t)
	cmd := commitOf(e, table, 1)
	cmd.Time = testStart.Add(-time.Hour)
	r := w.must(cmd)
	if before := table.Commit.Time; !r.Table.Commit.Time.Equal(before) || !w.s.Time().Equal(before) {
		t.Errorf("a clock that was set back: got %v; want %v", r.Table.Commit.Time, before)
	}
}

// TestRetention keeps a version that is among the newest or young enough.
func TestRetention(t *testing.T) {
	for _, c := range []struct {
		options wire.TableOptions
		first   Version // kept, of versions 1 to 10, one a second, a second later
	}{
		{wire.TableOptions{RetainVersions: 3, RetainFor: time.Nanosecond}, 8},
		{wire.TableOptions{RetainVersions: 1, RetainFor: time.Nanosecond}, 10},
		{wire.TableOptions{RetainVersions: 3, RetainFor: 6 * time.Second}, 5},
		{wire.TableOptions{RetainVersions: 9, RetainFor: 6 * time.Second}, 2},
		{wire.TableOptions{RetainVersions: 10, RetainFor: time.Nanosecond}, 1},
		{wire.TableOptions{RetainVersions: 1 << 62, RetainFor: time.Nanosecond}, 1},
		{wire.TableOptions{}, 1},
	} {
		w, e, table := ready(t, c.options)
		for i := range uint32(9) {
			w.must(commitOf(e, table, i+1))
		}
		if got, want := w.s.Expirable(w.s.Time().Add(time.Second)), c.first > 1; got != want {
			t.Errorf("%+v: expirable %v; want %v", c.options, got, want)
		}
		w.must(Command{ExpireVersions: &ExpireVersions{}})
		h, err := w.s.History("t")
		if err != nil || h[0].Version != c.first || h[len(h)-1].Version != 10 {
			t.Errorf("%+v: kept versions %d to %d, %v; want %d to 10", c.options, h[0].Version, h[len(h)-1].Version, err, c.first)
		}
		if w.s.Expirable(w.s.Time()) {
			t.Errorf("%+v: there is more to expire", c.options)
		}
		if snap, err := w.s.Snapshot("t", expr.At{Version: int64(c.first)}); err != nil || len(snap.Segments) != int(c.first)-1 {
			t.Errorf("%+v: oldest kept version: got %v, %v", c.options, snap, err)
		}
	}
}

func TestGarbageNeedsAnExpiredVersion(t *testing.T) {
	w, e, table := ready(t, wire.TableOptions{RetainVersions: 1, RetainFor: time.Nanosecond})
	w.must(commitOf(e, table, 1))
	w.must(commitOf(e, table, 2))
	swap := commitOf(e, table, 3)
	swap.CommitSegments.Remove = []SegmentID{NewSegmentID(e, 1)}
	w.must(swap)
	gone := NewSegmentID(e, 1)
	if verdict(w.s, gone) != Keep || len(garbage(w.s)) != 0 {
		t.Errorf("a segment that version 3 sees: verdict %v, garbage %v", verdict(w.s, gone), garbage(w.s))
	}
	w.must(Command{ExpireVersions: &ExpireVersions{}})
	if got := garbage(w.s); len(got) != 1 || got[0] != gone || verdict(w.s, gone) != Trash {
		t.Errorf("after its last version: garbage %v, verdict %v; want %v", got, verdict(w.s, gone), gone)
	}
	if verdict(w.s, NewSegmentID(e, 2)) != Keep {
		t.Error("a live segment is not kept")
	}
	w.must(forget(gone, 4711))
	if got := garbage(w.s); len(got) != 0 {
		t.Errorf("after forget: garbage %v; want none", got)
	}
	w.refuse(replaceSegment(e, table, gone), wire.Conflict)
}

func replaceSegment(e Epoch, table *Snapshot, id SegmentID) Command {
	c := commitOf(e, table, 4)
	c.CommitSegments.Remove = []SegmentID{id}
	return c
}

func TestDropTable(t *testing.T) {
	w, e, table := ready(t)
	w.must(commitOf(e, table, 1))
	w.must(commitOf(e, table, 2))
	w.refuse(dropTable("u"), wire.TableNotFound)
	w.must(dropTable("t"))
	if got := garbage(w.s); len(got) != 2 {
		t.Errorf("garbage: got %v; want both segments", got)
	}
	if _, err := w.s.Table("t"); !wire.IsCode(err, wire.TableNotFound) || len(w.s.Tables()) != 0 {
		t.Errorf("after the drop: got %v", err)
	}
	w.refuse(commitOf(e, table, 3), wire.TableNotFound)
	again := w.must(createTable("t")).Table
	if again.ID == table.ID || again.Version != 1 {
		t.Errorf("the name comes back: got table %d version %d; want a new id and version 1", again.ID, again.Version)
	}
	if verdict(w.s, NewSegmentID(e, 1)) != Trash {
		t.Error("a segment of the dropped table is not garbage")
	}
}

func TestVerdictOfUnknownFiles(t *testing.T) {
	w := newWorld(t)
	closed := w.must(openEpoch("n1")).Epoch
	other := w.must(openEpoch("n2")).Epoch
	open := w.must(openEpoch("n1")).Epoch
	for id, want := range map[SegmentID]Verdict{
		NewSegmentID(closed, 1):   Trash,
		NewSegmentID(other, 1):    Wait,
		NewSegmentID(open, 1):     Wait,
		NewSegmentID(open+1, 1):   Wait, // from a future that this node has not heard of
		NewSegmentID(0, 1):        Wait, // from nobody
		NewSegmentID(1<<32-1, 99): Wait,
	} {
		if got := verdict(w.s, id); got != want {
			t.Errorf("%s: got %v; want %v", id, got, want)
		}
	}
}

func TestStatesStayAsTheyWere(t *testing.T) {
	w, e, table := ready(t)
	type kept struct {
		s     *State
		bytes string
	}
	var all []kept
	for i := range uint32(40) {
		w.must(commitOf(e, table, i+1))
		// A branch that the log never takes neither leaves a trace nor suffers.
		branch, _ := w.s.Apply(commitOf(e, table, 1000+i), w.s.Index()+1)
		all = append(all, kept{w.s, string(encoded(t, w.s))}, kept{branch, string(encoded(t, branch))})
	}
	for _, k := range all {
		if string(encoded(t, k.s)) != k.bytes {
			t.Fatalf("the state at index %d changed after the fact", k.s.Index())
		}
	}
}
