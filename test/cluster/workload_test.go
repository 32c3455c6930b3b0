package cluster

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

// workload appends batches of unique rows to a table while things break, and
// keeps a ledger of what became of each. A batch has rowsPerBatch rows, whose
// amounts add up to zero: a reader that sees another sum, or rows that are no
// multiple, has seen half a batch.
type workload struct {
	c     *cluster
	t     testing.TB
	table string

	mu      sync.Mutex
	next    int64
	acked   map[int64]bool
	unknown map[int64]bool
	errors  map[string]int // of appends
	reads   int

	end     context.CancelFunc
	running sync.WaitGroup
}

const rowsPerBatch = 8

func newWorkload(c *cluster, table string) *workload {
	c.t.Helper()
	_, err := c.dial().CreateTable(c.t.Context(), wire.CreateTable{Name: table, Fields: batchFields})
	if err != nil {
		c.t.Fatal(err)
	}
	return &workload{c: c, t: c.t, table: table, acked: map[int64]bool{}, unknown: map[int64]bool{}, errors: map[string]int{}}
}

var batchFields = []schema.Field{
	{Name: "batch", Type: arrow.PrimitiveTypes.Int64}, {Name: "line", Type: arrow.PrimitiveTypes.Int64}, {Name: "amount", Type: arrow.PrimitiveTypes.Int64},
}

func batchRows(id int64) arrow.RecordBatch {
	var fields []arrow.Field
	for _, f := range batchFields {
		fields = append(fields, arrow.Field{Name: f.Name, Type: f.Type})
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	for line := range int64(rowsPerBatch) {
		b.Field(0).(*array.Int64Builder).Append(id)
		b.Field(1).(*array.Int64Builder).Append(line)
		b.Field(2).(*array.Int64Builder).Append(id * (2*line - rowsPerBatch + 1))
	}
	return b.NewRecordBatch()
}

// append adds one batch, and writes down what became of it.
func (w *workload) append(cl *client.Client, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	w.mu.Lock()
	w.next++
	id := w.next
	w.mu.Unlock()
	_, err := cl.Append(ctx, w.table, batchRows(id))
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.acked[id] = true
	} else {
		w.unknown[id] = true
		w.errors[err.Error()]++
	}
	return err
}

// run starts writers and readers that know all nodes, each at home with
// another one, until halt.
func (w *workload) run(writers, readers int) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w.end = cancel
	for i := range writers + readers {
		cl := w.c.dial(w.c.nodes[i%len(w.c.nodes)])
		w.running.Go(func() {
			for ctx.Err() == nil {
				if i < writers {
					_ = w.append(cl, appendWithin) // the ledger has it
				} else {
					w.look(ctx, cl)
				}
			}
		})
	}
	w.t.Cleanup(w.halt)
}

// appendWithin is when a writer gives a batch up: its outcome is unknown then.
const appendWithin = 15 * time.Second

func (w *workload) halt() {
	if w.end != nil {
		w.end()
		w.running.Wait()
		w.end = nil
	}
}

// counts returns what the ledger knows.
func (w *workload) counts() (acked, sent int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acked), int(w.next)
}

// more waits until some more batches were acknowledged: life goes on.
func (w *workload) more(batches int) {
	w.t.Helper()
	begin, _ := w.counts()
	since := time.Now()
	w.c.until("more acknowledged batches", func(context.Context) bool {
		acked, _ := w.counts()
		return acked >= begin+batches
	})
	w.t.Logf("%d more batches after %v", batches, time.Since(since).Round(time.Millisecond))
}

// look reads once. A read that fails is nothing wrong while nodes are away;
// one that succeeds has all that was acknowledged before it began.
func (w *workload) look(ctx context.Context, cl *client.Client) {
	ctx, cancel := context.WithTimeout(ctx, appendWithin)
	defer cancel()
	acked, _ := w.counts()
	rows, sum, err := totals(ctx, cl, w.table)
	_, sent := w.counts()
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	if sum != 0 || rows%rowsPerBatch != 0 || rows < int64(acked*rowsPerBatch) || rows > int64(sent*rowsPerBatch) {
		w.t.Errorf("a read saw %d rows of sum %d; want whole batches that add up to 0, at least %d rows and at most %d",
			rows, sum, acked*rowsPerBatch, sent*rowsPerBatch)
	}
}

func totals(ctx context.Context, cl *client.Client, table string) (rows, sum int64, err error) {
	res, err := cl.SQL(ctx, "SELECT count(*), coalesce(sum(amount), 0) FROM "+table)
	if err != nil {
		return 0, 0, err
	}
	for b, err := range res.Batches() {
		if err != nil {
			return 0, 0, err
		}
		rows, sum = b.Column(0).(*array.Int64).Value(0), b.Column(1).(*array.Int64).Value(0)
	}
	return rows, sum, nil
}

// check reads the table through every node that runs, and compares each with
// the ledger.
func (w *workload) check() {
	w.t.Helper()
	w.halt()
	for _, n := range w.c.running() {
		w.checkAt(n)
	}
	w.t.Logf("%s: %d batches acknowledged, %d of unknown outcome, %d reads", w.table, len(w.acked), len(w.unknown), w.reads)
	for _, text := range slices.Sorted(maps.Keys(w.errors))[:min(len(w.errors), 5)] {
		w.t.Logf("%d appends: %s", w.errors[text], text)
	}
	if len(w.acked) == 0 {
		w.t.Error("nothing was acknowledged: the test shows nothing")
	}
}

// checkAt checks the ledger through one node: each acknowledged row once,
// batches of unknown outcome once or not at all, and all batches whole.
func (w *workload) checkAt(n *node) {
	w.t.Helper()
	found := map[int64][]int64{}
	res, err := w.c.dialAt(n.addr).SQL(w.t.Context(), "SELECT batch, line, amount FROM "+w.table)
	if err != nil {
		w.t.Fatalf("%s: %v", n.name, err)
	}
	for b, err := range res.Batches() {
		if err != nil {
			w.t.Fatalf("%s: %v", n.name, err)
		}
		for i := range int(b.NumRows()) {
			id, line, amount := b.Column(0).(*array.Int64).Value(i), b.Column(1).(*array.Int64).Value(i), b.Column(2).(*array.Int64).Value(i)
			if amount != id*(2*line-rowsPerBatch+1) {
				w.t.Errorf("%s: row (%d, %d) has amount %d", n.name, id, line, amount)
			}
			found[id] = append(found[id], line)
		}
	}
	for id, lines := range found {
		slices.Sort(lines)
		if !slices.Equal(lines, allLines) {
			w.t.Errorf("%s: batch %d has lines %v; want each once", n.name, id, lines)
		}
		if !w.acked[id] && !w.unknown[id] {
			w.t.Errorf("%s: batch %d was never sent", n.name, id)
		}
	}
	for id := range w.acked {
		if found[id] == nil {
			w.t.Errorf("%s: batch %d was acknowledged and is missing", n.name, id)
		}
	}
}

var allLines = []int64{0, 1, 2, 3, 4, 5, 6, 7}
