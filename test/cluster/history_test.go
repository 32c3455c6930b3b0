package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/client"
)

// maxBatches is how many batches a table of a history may have.
const maxBatches = 1024

// batchSet is which batches are in a table: what one register holds.
type batchSet [maxBatches / 64]uint64

func (s *batchSet) add(id int64)     { s[id/64] |= 1 << (id % 64) }
func (s batchSet) has(id int64) bool { return s[id/64]&(1<<(id%64)) != 0 }

// An operation on a table: one batch appended, or all of its batches read.
type appended struct {
	table int
	batch int64
}
type read struct{ table int }

// seen is what a read has returned.
type seen struct {
	batches batchSet
	version int64
}

// tableModel is a table as clients see it: an append adds its batch at one
// moment between its call and its answer, and a read sees all of that moment.
var tableModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byTable := map[int][]porcupine.Operation{}
		for _, op := range history {
			byTable[tableOf(op)] = append(byTable[tableOf(op)], op)
		}
		var parts [][]porcupine.Operation
		for _, ops := range byTable {
			parts = append(parts, ops)
		}
		return parts
	},
	Init: func() any { return batchSet{} },
	Step: func(state, input, output any) (bool, any) {
		now := state.(batchSet)
		if op, ok := input.(appended); ok {
			if now.has(op.batch) {
				return false, now
			}
			now.add(op.batch)
			return true, now
		}
		return output.(seen).batches == now, now
	},
	DescribeOperation: func(input, output any) string {
		if op, ok := input.(appended); ok {
			return fmt.Sprintf("append %d", op.batch)
		}
		return fmt.Sprintf("read version %d", output.(seen).version)
	},
}

func tableOf(op porcupine.Operation) int {
	if a, ok := op.Input.(appended); ok {
		return a.table
	}
	return op.Input.(read).table
}

// history records what clients call and what they are answered.
type history struct {
	c     *cluster
	began time.Time

	mu      sync.Mutex
	ops     []porcupine.Operation
	unknown []porcupine.Operation // appends without an answer
	next    []int64               // batch of each table
}

func (h *history) now() int64 { return int64(time.Since(h.began)) }

func (h *history) append(ctx context.Context, who int, cl *client.Client, table int) {
	h.mu.Lock()
	id := h.next[table]
	h.next[table]++
	h.mu.Unlock()
	if id >= maxBatches {
		<-ctx.Done()
		return
	}
	within, cancel := context.WithTimeout(context.Background(), appendWithin)
	defer cancel()
	op := porcupine.Operation{ClientId: who, Input: appended{table, id}, Call: h.now()}
	_, err := cl.Append(within, tableName(table), batchRows(id))
	op.Return = h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.unknown = append(h.unknown, op)
		return
	}
	h.ops = append(h.ops, op)
}

// read keeps what a read has seen; one that fails has seen nothing.
func (h *history) read(ctx context.Context, who int, cl *client.Client, table int) error {
	op := porcupine.Operation{ClientId: who, Input: read{table}, Call: h.now()}
	got, err := readBatches(ctx, cl, tableName(table))
	if err != nil {
		return err
	}
	op.Output, op.Return = got, h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, op)
	return nil
}

func tableName(table int) string { return fmt.Sprintf("t%d", table) }

func readBatches(ctx context.Context, cl *client.Client, table string) (got seen, err error) {
	res, err := cl.SQL(ctx, "SELECT batch FROM "+table+" WHERE line = 0")
	if err != nil {
		return got, err
	}
	for b, err := range res.Batches() {
		if err != nil {
			return got, err
		}
		for _, id := range b.Column(0).(*array.Int64).Int64Values() {
			if got.batches.has(id) {
				return got, fmt.Errorf("batch %d is there twice", id)
			}
			got.batches.add(id)
		}
	}
	got.version = res.Version()
	return got, nil
}

// settled returns the history with what is known, in the end, of appends
// without an answer: those that no read has seen did not happen, the others
// had by the end of the first read that saw them.
func (h *history) settled() []porcupine.Operation {
	ops := append([]porcupine.Operation{}, h.ops...)
	for _, op := range h.unknown {
		a := op.Input.(appended)
		op.Return = -1
		for _, r := range h.ops {
			if in, ok := r.Input.(read); ok && in.table == a.table && r.Output.(seen).batches.has(a.batch) && (op.Return < 0 || r.Return < op.Return) {
				op.Return = r.Return
			}
		}
		if op.Return >= 0 {
			ops = append(ops, op)
		}
	}
	return ops
}

// checkVersions wants one content for each version of a table, whichever node
// was asked, and newer versions to have all that older ones have.
func (h *history) checkVersions(t *testing.T) {
	t.Helper()
	type key struct {
		table   int
		version int64
	}
	content := map[key]batchSet{}
	for _, op := range h.ops {
		in, ok := op.Input.(read)
		if !ok {
			continue
		}
		got := op.Output.(seen)
		k := key{in.table, got.version}
		if have, known := content[k]; known && have != got.batches {
			t.Errorf("version %d of %s was read with two contents", got.version, tableName(in.table))
		}
		content[k] = got.batches
	}
}

// TestHistories appends to and reads from three tables through all nodes,
// while the leader is killed, unplugged and frozen, and has porcupine find an
// order of all calls that explains what each was answered.
func TestHistories(t *testing.T) {
	const tables = 3
	c := newCluster(t, 3)
	h := &history{c: c, began: time.Now(), next: make([]int64, tables)}
	for table := range tables {
		newWorkload(c, tableName(table))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var clients sync.WaitGroup
	for who := range 2 * tables {
		writer, reader := c.dial(c.nodes[who%3]), c.dial(c.nodes[(who+1)%3])
		clients.Go(func() {
			for ctx.Err() == nil {
				h.append(ctx, 2*who, writer, who%tables)
			}
		})
		clients.Go(func() {
			for ctx.Err() == nil {
				within, cancel := context.WithTimeout(ctx, appendWithin)
				_ = h.read(within, 2*who+1, reader, who%tables) // what fails says nothing
				cancel()
			}
		})
	}
	h.disturb()
	cancel()
	clients.Wait()
	for table := range tables {
		if err := h.read(t.Context(), 4*tables, c.dial(), table); err != nil {
			t.Fatal(err)
		}
	}
	h.judge(t)
}

// disturb does to the leader whatever can be done to it, while calls go on.
func (h *history) disturb() {
	c := h.c
	h.more(60)
	leader := c.leader()
	leader.kill()
	h.more(60)
	c.restart(leader)
	h.more(30)
	leader = c.leader()
	c.net.isolate(c.index(leader))
	h.more(60)
	c.net.rejoin(c.index(leader))
	h.more(30)
	leader = c.leader()
	leader.freeze()
	h.more(60)
	leader.thaw()
	h.more(60)
}

// more waits for some more answers.
func (h *history) more(answers int) {
	h.c.t.Helper()
	count := func() int {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.ops)
	}
	begin := count()
	h.c.until("more answers", func(context.Context) bool { return count() >= begin+answers })
}

func (h *history) judge(t *testing.T) {
	t.Helper()
	h.checkVersions(t)
	ops := h.settled()
	result, info := porcupine.CheckOperationsVerbose(tableModel, ops, patience)
	t.Logf("%d calls answered, %d appends without an answer: %v", len(h.ops), len(h.unknown), result)
	if result == porcupine.Ok {
		return
	}
	at := filepath.Join(h.c.keepLogs(), "history.html")
	if err := porcupine.VisualizePath(tableModel, info, at); err != nil {
		t.Error(err)
	}
	t.Errorf("porcupine says %v; want %v: see %s", result, porcupine.Ok, at)
}

// TestHistoriesAreJudged shows the judge what it must not let through: a stale
// read, a lost append, and one that is there twice.
func TestHistoriesAreJudged(t *testing.T) {
	var none, first batchSet
	first.add(0)
	put := porcupine.Operation{ClientId: 0, Input: appended{0, 0}, Call: 0, Return: 10}
	look := func(what batchSet, call, end int64) porcupine.Operation {
		return porcupine.Operation{ClientId: 1, Input: read{0}, Output: seen{batches: what}, Call: call, Return: end}
	}
	for _, c := range []struct {
		name string
		ops  []porcupine.Operation
		want bool
	}{
		{"while it is appended it may be there", []porcupine.Operation{put, look(first, 2, 5)}, true},
		{"or not yet", []porcupine.Operation{put, look(none, 2, 5)}, true},
		{"afterwards it is", []porcupine.Operation{put, look(first, 20, 30)}, true},
		{"a stale read", []porcupine.Operation{put, look(none, 20, 30)}, false},
		{"there, and then not", []porcupine.Operation{put, look(first, 2, 4), look(none, 5, 6)}, false},
		{"never appended", []porcupine.Operation{look(first, 2, 5)}, false},
	} {
		if got := porcupine.CheckOperations(tableModel, c.ops); got != c.want {
			t.Errorf("%s: got %v; want %v", c.name, got, c.want)
		}
	}
}
