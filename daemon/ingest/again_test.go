package ingest

import (
	"fmt"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
)

// TestForgottenProducer: a batch that is sent again after its producer was
// forgotten is refused, for it would be there twice; what is known stays a
// duplicate, and what is new is added.
func TestForgottenProducer(t *testing.T) {
	g := alone(t)
	table, err := g.find(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	c := &catalog.CommitSegments{Txn: g.newTxn(), Epoch: g.Epoch, Table: table.ID, SchemaID: table.Schema.ID}
	for i := range 10_001 { // one more than are remembered
		c.Producers = append(c.Producers, wire.BatchID{Producer: fmt.Sprint("p", i), Seq: 1})
	}
	if r, err := g.Catalog.Propose(t.Context(), catalog.Command{CommitSegments: c}); err != nil || r.Err != nil {
		t.Fatal(err, r.Err)
	}
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.Append(7)
	batch := array.NewRecordBatch(table.Schema.Arrow(), []arrow.Array{b.NewArray()}, 1)
	for name, try := range map[string]struct {
		producer  string
		waited    time.Duration
		code      wire.Code
		duplicate bool
	}{
		"forgotten":         {"p0", time.Hour, wire.LimitExceeded, false},
		"remembered":        {"p10000", time.Hour, "", true},
		"sent a first time": {"new", 0, "", false},
	} {
		r, err := g.AppendAgain(t.Context(), "t", batch, wire.BatchID{Producer: try.producer, Seq: 1}, try.waited)
		if r.Duplicate != try.duplicate || (err != nil || try.code != "") && !wire.IsCode(err, try.code) {
			t.Errorf("%s: got %+v, %v; want duplicate %v, error %q", name, r, err, try.duplicate, try.code)
		}
	}
	if _, err := g.AppendAgain(t.Context(), "t", batch, wire.BatchID{Producer: "new", Seq: 1}, time.Hour); err != nil {
		t.Errorf("again: %v; want its receipt", err)
	}
	if now, err := g.find(t.Context(), "t"); err != nil || len(now.Segments) != 1 {
		t.Errorf("the table has segments %+v, %v; want one", now, err)
	}
}
