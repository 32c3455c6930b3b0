package catalog

import (
	"fmt"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

// fields are the columns of every test table: id int64, price int32, day date.
func fields() []schema.Field {
	return []schema.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "price", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
		{Name: "day", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
	}
}

func openEpoch(node string) Command { return Command{OpenEpoch: &OpenEpoch{Node: node}} }

func createTable(name string) Command {
	return Command{CreateTable: &wire.CreateTable{Name: name, Fields: fields()}}
}

func dropTable(name string) Command { return Command{DropTable: &DropTable{Name: name}} }

// commitOf commits segments of ten rows each to a table.
func commitOf(e Epoch, t *Snapshot, ns ...uint32) Command {
	c := &CommitSegments{Txn: fmt.Sprint("txn-", ns), Epoch: e, Table: t.ID, SchemaID: t.Schema.ID}
	for _, n := range ns {
		c.Segments = append(c.Segments, segmentOf(e, t, n))
	}
	return Command{CommitSegments: c}
}

func segmentOf(e Epoch, t *Snapshot, n uint32) Segment {
	return Segment{
		ID: NewSegmentID(e, n), SchemaID: t.Schema.ID, Rows: 10, Bytes: 100, Hash: "00", Medium: "m1",
		Partition: make([]schema.PartitionValue, len(t.PartitionBy)),
	}
}

// world applies commands to a state, each at the next index and one second
// after the last.
type world struct {
	t *testing.T
	s *State
}

func newWorld(t *testing.T) *world { return &world{t, NewState()} }

var testStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (w *world) apply(cmd Command) Result {
	index := w.s.Index() + 1
	if cmd.Time.IsZero() {
		cmd.Time = testStart.Add(time.Duration(index) * time.Second)
	}
	var r Result
	w.s, r = w.s.Apply(cmd, index)
	return r
}

// must applies a command and wants it taken.
func (w *world) must(cmd Command) Result {
	w.t.Helper()
	r := w.apply(cmd)
	if r.Err != nil {
		w.t.Fatalf("got %v; want no error", r.Err)
	}
	return r
}

// refuse applies a command and wants it rejected with that code.
func (w *world) refuse(cmd Command, code wire.Code) Result {
	w.t.Helper()
	before := encoded(w.t, w.s.tick(Command{}, w.s.Index()))
	index, at := w.s.index, w.s.time
	r := w.apply(cmd)
	if r.Err == nil || r.Err.Code != code {
		w.t.Fatalf("got %v; want %s", r.Err, code)
	}
	same := *w.s
	same.index, same.time = index, at
	if string(encoded(w.t, &same)) != string(before) {
		w.t.Fatal("a rejected command changed the state")
	}
	return r
}
