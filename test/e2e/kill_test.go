package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client"
)

// killRounds is how often the node is killed: the full 200 take about a
// minute and a half.
func killRounds(t *testing.T) int {
	if s := os.Getenv("TARN_KILL_ROUNDS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return 200
}

// TestKill appends from several writers while the node is killed again and
// again. A row is acknowledged when Append returns without an error; rows of
// the one append that the kill cut off may be there or not, but all of its
// batch or none, and never twice.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	n := startNode(t, dir)
	n.tarn("table", "create", "log", "--schema", "batch int64, line int64", "--partition-by", "bucket(2, line)", "--flush-interval", "5ms")
	var ledger ledger
	rng := rand.New(rand.NewPCG(7, 7))
	for range killRounds(t) {
		ctx, cancel := context.WithCancel(t.Context())
		var writers sync.WaitGroup
		for range 4 {
			writers.Go(func() { ledger.write(ctx, t, n.addr) })
		}
		time.Sleep(time.Duration(rng.IntN(120)) * time.Millisecond) // chooses the moment, waits for nothing
		n.kill()
		cancel()
		writers.Wait()
		n = startNode(t, dir)
	}
	ledger.check(t, n)
	n.tarn("segment", "verify", "log")
	if len(ledger.acked) < killRounds(t) {
		t.Errorf("only %d appends were acknowledged in %d rounds: the test shows little", len(ledger.acked), killRounds(t))
	}
	t.Logf("%d batches acknowledged, %d of unknown outcome", len(ledger.acked), len(ledger.unknown))
}

// ledger is what the writers know of their batches.
type ledger struct {
	mu      sync.Mutex
	next    int64
	acked   []int64
	unknown []int64
}

const rowsPerBatch = 7

func (l *ledger) write(ctx context.Context, t *testing.T, addr string) {
	c, err := client.Dial(ctx, addr)
	if err != nil {
		return // killed before this writer began
	}
	defer c.Close()
	for ctx.Err() == nil {
		l.mu.Lock()
		l.next++
		id := l.next
		l.mu.Unlock()
		_, err := c.Append(ctx, "log", logBatch(id))
		l.mu.Lock()
		if err == nil {
			l.acked = append(l.acked, id)
		} else {
			l.unknown = append(l.unknown, id)
		}
		l.mu.Unlock()
	}
}

func logBatch(id int64) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "batch", Type: arrow.PrimitiveTypes.Int64}, {Name: "line", Type: arrow.PrimitiveTypes.Int64}}, nil))
	for part := range int64(rowsPerBatch) {
		b.Field(0).(*array.Int64Builder).Append(id)
		b.Field(1).(*array.Int64Builder).Append(part)
	}
	return b.NewRecordBatch()
}

func (l *ledger) check(t *testing.T, n *node) {
	t.Helper()
	found := map[int64]bool{}
	for line := range strings.Lines(n.query("SELECT batch, count(*), count(distinct line) FROM log GROUP BY batch") + "\n") {
		var id, rows, distinct int64
		if _, err := fmt.Sscanf(line, "%d,%d,%d", &id, &rows, &distinct); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if rows != rowsPerBatch || distinct != rowsPerBatch {
			t.Errorf("batch %d: %d rows, %d distinct; want %d of each", id, rows, distinct, rowsPerBatch)
		}
		if !slices.Contains(l.acked, id) && !slices.Contains(l.unknown, id) {
			t.Errorf("batch %d was never sent", id)
		}
		found[id] = true
	}
	for _, id := range l.acked {
		if !found[id] {
			t.Errorf("batch %d was acknowledged and is missing", id)
		}
	}
}
