package catalog

import (
	"fmt"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
	"github.com/tarnlake/tarn/tiering"
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
		c.Stripes = append(c.Stripes, stripeOf(c.Segments[len(c.Segments)-1]))
	}
	return Command{CommitSegments: c}
}

// stripeOf is a segment alone on the only disk of withDisk.
func stripeOf(seg Segment) NewStripe {
	return NewStripe{Stripe{ID: seg.ID, Group: 1, Data: []Member{{seg.ID, seg.Bytes, seg.Hash}}}, []string{"d1"}}
}

// oneDisk makes a node with one disk, and a group on it.
func oneDisk() []Command {
	return []Command{
		{RegisterNode: &RegisterNode{Node: "storage", Name: "storage", Disks: []DiskFacts{{"d1", "hot", 1 << 40}}}},
		{SetGroup: &SetGroup{ID: 1, Tier: "hot", Scheme: tiering.Scheme{Data: 1}, Disks: []string{"d1"}}},
	}
}

// withDisk returns a state that has one disk.
func withDisk() *State {
	s := NewState()
	for i, cmd := range oneDisk() {
		s, _ = s.Apply(cmd, uint64(i+1))
	}
	return s
}

// verdict is that on the segment's file on the only disk.
func verdict(s *State, id SegmentID) Verdict { return s.Verdict("d1", SegmentFile(id)) }

// garbage returns the ids of the garbage.
func garbage(s *State) []SegmentID {
	ids := []SegmentID{}
	for _, d := range s.Garbage() {
		ids = append(ids, d.ID)
	}
	return ids
}

// forget takes stripes off the garbage.
func forget(ids ...SegmentID) Command {
	c := &ForgetMembers{}
	for _, id := range ids {
		c.Members = append(c.Members, DeadMembers{id, 1})
	}
	return Command{ForgetMembers: c}
}

func segmentOf(e Epoch, t *Snapshot, n uint32) Segment {
	return Segment{
		ID: NewSegmentID(e, n), SchemaID: t.Schema.ID, Rows: 10, Bytes: 100, Hash: "00",
		Partition: make([]schema.PartitionValue, len(t.PartitionBy)),
	}
}

// world applies commands to a state with one disk, each at the next index and
// one second after the last.
type world struct {
	t *testing.T
	s *State
}

func newWorld(t *testing.T) *world { return &world{t, withDisk()} }

var testStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (w *world) apply(cmd Command) Result {
	index := w.s.Index() + 1
	if cmd.Time.IsZero() {
		cmd.Time = testStart.Add(time.Duration(index-uint64(len(oneDisk()))) * time.Second)
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
