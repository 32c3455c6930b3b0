package sim

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/schema"
)

// Tables of the simulation.
var tables = []string{"plain", "parts"}

var fields = []schema.Field{
	{Name: "producer", Type: arrow.BinaryTypes.String},
	{Name: "seq", Type: arrow.PrimitiveTypes.Int64},
	{Name: "n", Type: arrow.PrimitiveTypes.Int64},
	{Name: "sum", Type: arrow.PrimitiveTypes.Int64},
}

func (c *cluster) createTables() error {
	for i, name := range tables {
		cmd := &wire.CreateTable{Name: name, Fields: fields, IfNotExists: true}
		if i == 1 {
			cmd.PartitionBy, cmd.SortBy = []string{"bucket(3, n)"}, []string{"sum"}
			if c.cfg.retain > 0 {
				cmd.Options = wire.TableOptions{RetainVersions: 1, RetainFor: c.cfg.retain}
			}
		}
		l := c.leader()
		if l == nil {
			return errors.New("nobody leads")
		}
		if _, err := l.propose(c.ctx, catalog.Command{CreateTable: cmd}); err != nil {
			return err
		}
	}
	return nil
}

// batchID names a batch of a table: of a producer, or of a load.
type batchID struct {
	table    string
	producer string
	seq      int64
}

// rows says how many rows a batch has, which follows from its name, as all
// that is in it does.
func (b batchID) rows() int64 { return 1 + int64(uint64(b.sum(-1))%12) }

func (b batchID) sum(n int64) int64 {
	h := fnv.New64a()
	fmt.Fprint(h, b.table, "/", b.producer, "/", b.seq, "/", n)
	return int64(h.Sum64())
}

var rowSchema = arrow.NewSchema([]arrow.Field{
	{Name: "producer", Type: arrow.BinaryTypes.String}, {Name: "seq", Type: arrow.PrimitiveTypes.Int64},
	{Name: "n", Type: arrow.PrimitiveTypes.Int64}, {Name: "sum", Type: arrow.PrimitiveTypes.Int64},
}, nil)

// record returns the rows of the batch.
func (b batchID) record() arrow.RecordBatch {
	rb := array.NewRecordBuilder(memory.DefaultAllocator, rowSchema)
	for n := range b.rows() {
		rb.Field(0).(*array.StringBuilder).Append(b.producer)
		rb.Field(1).(*array.Int64Builder).Append(b.seq)
		rb.Field(2).(*array.Int64Builder).Append(n)
		rb.Field(3).(*array.Int64Builder).Append(b.sum(n))
	}
	return rb.NewRecordBatch()
}

// work is what clients do.
type work struct {
	c    *cluster
	wg   sync.WaitGroup
	last chan struct{} // closed: each client does one thing more and ends
}

func newWork(c *cluster) *work { return &work{c: c, last: make(chan struct{})} }

func (w *work) begin() {
	for i := range w.c.cfg.producers {
		w.wg.Go(func() { w.produce(fmt.Sprint("p", i+1), rand.New(rand.NewPCG(w.c.seed, uint64(100+i)))) })
	}
	w.wg.Go(func() { w.load(rand.New(rand.NewPCG(w.c.seed, 200))) })
	w.wg.Go(func() { w.administer(rand.New(rand.NewPCG(w.c.seed, 300))) })
}

// finish waits until each client was served once more, which must not take
// long any more.
func (w *work) finish() {
	close(w.last)
	done := make(chan struct{})
	go func() {
		w.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(resume):
		w.c.check.fail("I12", "writes have not resumed %v after all faults ended: %s", resume, w.c.state())
		<-done
	}
}

// resume is how long after the end of all faults writes must go on.
const resume = 3 * time.Minute

// give is when a client gives up what it has not been able to do.
const give = 20 * time.Minute

// produce appends batch after batch, each to any node, until it is
// acknowledged.
func (w *work) produce(name string, rng *rand.Rand) {
	for seq := int64(1); ; seq++ {
		ended := w.ended()
		b := batchID{tables[rng.IntN(len(tables))], name, seq}
		version := int64(0)
		w.c.check.sent(b)
		if !w.until(rng, func(ctx context.Context, l *life) error {
			r, err := l.ing.Load().Append(ctx, b.table, b.record(), wire.BatchID{Producer: b.producer, Seq: b.seq})
			version = r.Version
			return err
		}) {
			return
		}
		w.c.check.acked(b, version)
		if ended {
			return
		}
		time.Sleep(time.Duration(rng.IntN(1500)) * time.Millisecond)
	}
}

// load makes loads under keys.
func (w *work) load(rng *rand.Rand) {
	for seq := int64(1); ; seq++ {
		ended := w.ended()
		b := batchID{tables[rng.IntN(len(tables))], "load", seq}
		w.c.check.sent(b)
		if !w.until(rng, func(ctx context.Context, l *life) error { return loadOnce(ctx, l, b) }) {
			return
		}
		w.c.check.acked(b, 0)
		if ended {
			return
		}
		time.Sleep(time.Duration(rng.IntN(6000)) * time.Millisecond)
	}
}

func loadOnce(ctx context.Context, l *life, b batchID) error {
	to, done, err := l.ing.Load().NewLoad(ctx, b.table, fmt.Sprint("key-", b.seq))
	if err != nil || done != nil {
		return err
	}
	rec := b.record()
	half := rec.NumRows() / 2
	for _, part := range []arrow.RecordBatch{rec.NewSlice(0, half), rec.NewSlice(half, rec.NumRows())} {
		if err := to.Write(ctx, part); err != nil {
			to.Abort()
			return err
		}
	}
	_, err = to.Commit()
	return err
}

// administer makes tables, fills them and drops them: garbage.
func (w *work) administer(rng *rand.Rand) {
	for i := 1; !w.ended(); i++ {
		name := fmt.Sprint("scratch-", i)
		w.until(rng, func(ctx context.Context, l *life) error {
			return l.must(ctx, catalog.Command{CreateTable: &wire.CreateTable{Name: name, Fields: fields, IfNotExists: true}})
		})
		for seq := range int64(1 + rng.IntN(3)) {
			b := batchID{name, "scratch", seq}
			w.until(rng, func(ctx context.Context, l *life) error {
				_, err := l.ing.Load().Append(ctx, name, b.record(), wire.BatchID{Producer: b.producer, Seq: b.seq})
				return err
			})
		}
		w.until(rng, func(ctx context.Context, l *life) error {
			err := l.must(ctx, catalog.Command{DropTable: &catalog.DropTable{Name: name}})
			if wire.IsCode(err, wire.TableNotFound) {
				return nil // an earlier try
			}
			return err
		})
		time.Sleep(time.Duration(2000+rng.IntN(8000)) * time.Millisecond)
	}
}

func (w *work) ended() bool {
	select {
	case <-w.last:
		return true
	default:
		return false
	}
}

// until has nodes do something until one says that it is done. What a node
// without power says nobody hears.
func (w *work) until(rng *rand.Rand, do func(context.Context, *life) error) bool {
	for end := time.Now().Add(give); time.Now().Before(end) && w.c.ctx.Err() == nil && !w.c.check.failed(); {
		if all := w.c.serving(); len(all) > 0 {
			l := all[rng.IntN(len(all))]
			ctx, cancel := context.WithTimeout(w.c.ctx, time.Duration(500+rng.IntN(20000))*time.Millisecond)
			err := do(ctx, l)
			cancel()
			if err == nil && l.power.on() && !w.c.net.forgets() {
				return true
			}
			w.c.check.note("tries that failed")
		}
		time.Sleep(time.Duration(50+rng.IntN(500)) * time.Millisecond)
	}
	return false
}

// state says how the nodes are, for people.
func (c *cluster) state() string {
	text := ""
	for _, n := range c.nodes {
		l := n.running()
		switch {
		case l == nil:
			text += n.id + " is off; "
		case l.catalog() == nil:
			text += n.id + " mounts; "
		default:
			text += fmt.Sprintf("%s serves %v, leads %v, leader %q, index %d, epoch %d over %v; ", n.id, l.serves(), l.catalog().Leads(),
				l.catalog().Leader(), l.catalog().View().Index(), l.ownEpoch(), over(l.catalog().View(), l.ownEpoch()))
		}
	}
	if l := c.leader(); l != nil {
		for _, n := range l.catalog().View().Nodes() {
			text += fmt.Sprintf("%s is %v; ", n.ID, n.State)
		}
	}
	return text
}
