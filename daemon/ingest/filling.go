package ingest

import (
	"cmp"
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
	"golang.org/x/sync/errgroup"
)

const (
	// segmentMost is how large a segment a load writes before it begins
	// another, if memory lets it get there: large enough to be opened and
	// asked seldom, small enough to be moved and repaired.
	segmentMost = 256 << 20
	// sortedBytes is how many bytes of rows of one partition are sorted, and
	// written as a segment, at a time. Rows so wide that fewer than a block of
	// them take as much are written at this size, too.
	sortedBytes = 32 << 20
	// tasksPerLoad is how many tasks of a load are under way at a time, while
	// it goes on taking rows.
	tasksPerLoad = 2
	// segmentsOpen is how many segments of a load stay open for more rows:
	// each is a file of the process.
	segmentsOpen = 128
)

// filling fills segments with the rows of one load. The rows of a partition
// are gathered until they fill a block; then a task writes them to the
// partition's segment, which stays open for more. Memory is bounded: when all
// partitions together hold too much, the one that holds most is ended.
//
// When a segment ends depends on the rows, not on how long anything takes:
// tasks are settled in the order in which they began. It is not safe for
// concurrent use.
type filling struct {
	g       *Ingester
	table   *catalog.Snapshot
	written func(*newSegment) error // is called by tasks

	parts map[string]*partFilling
	open  int     // parts with a segment
	most  int     // of open
	held  int64   // bytes of memory, by parts
	tasks []*task // under way
	busy  int64   // bytes of memory, by tasks

	group *errgroup.Group
	ctx   context.Context // of tasks: ends when one fails
}

// partFilling is the rows of one partition that are not in a segment that has
// ended.
type partFilling struct {
	values  []schema.PartitionValue
	batches []arrow.RecordBatch // gathered
	rows    int                 // gathered
	bytes   int64               // gathered

	segment *openSegment // nil before the first task
	tasks   int          // under way
	wrote   progress
}

// progress is how far a segment was after its last task that is settled.
type progress struct {
	held int64 // bytes of memory
	size int64 // bytes written
	rows int64 // written or waiting for their block
}

// task writes rows to the segment of a partition, and ends it perhaps.
type task struct {
	part    *partFilling
	batches []arrow.RecordBatch
	bytes   int64 // of memory, while it is under way
	end     bool
	before  *task // of the same segment; nil if that is settled
	done    chan struct{}
	after   progress
}

func newFilling(ctx context.Context, g *Ingester, t *catalog.Snapshot, written func(*newSegment) error) filling {
	f := filling{g: g, table: t, written: written, most: segmentsOpen, parts: map[string]*partFilling{}}
	f.group, f.ctx = errgroup.WithContext(ctx)
	return f
}

// failed returns why a task has failed.
func (f *filling) failed() error {
	if f.ctx.Err() == nil {
		return nil
	}
	if err := f.group.Wait(); err != nil {
		return err
	}
	return f.ctx.Err()
}

// gather takes rows of a partition. It waits while there is no memory for more.
func (f *filling) gather(key string, values []schema.PartitionValue, batch arrow.RecordBatch) error {
	if batch.NumRows() == 0 {
		return nil
	}
	p := f.parts[key]
	if p == nil {
		p = &partFilling{values: values}
		f.parts[key] = p
	}
	size := schema.BatchBytes(batch)
	p.batches, p.rows, p.bytes = append(p.batches, batch), p.rows+int(batch.NumRows()), p.bytes+size
	f.held += size
	if err := f.writeFull(key, p); err != nil {
		return err
	}
	return f.makeRoom()
}

// writeFull writes the rows gathered of a partition once they are enough.
func (f *filling) writeFull(key string, p *partFilling) error {
	sorted := len(f.table.SortBy) > 0
	switch {
	case p.rows >= format.BlockRows && !sorted && !f.fills(p):
		return f.begin(p, false)
	case p.rows >= format.BlockRows && !sorted, p.bytes >= sortedBytes:
		return f.end(key)
	}
	return nil
}

// fills reports whether the segment of p is, with the tasks under way and the
// rows gathered, as large as it should be. Past MaxLookupRows it would have no
// index of its lookup keys.
func (f *filling) fills(p *partFilling) bool {
	const block = 2 * format.BlockRows // and a batch that goes past it
	return p.wrote.size >= segmentMost || p.wrote.rows+int64(p.rows)+tasksPerLoad*block > index.MaxLookupRows
}

// share is this load's part of the memory that all loads may use.
func (f *filling) share() int64 { return max(f.g.Memory/max(f.g.loads.Load(), 1), 4<<20) }

// makeRoom keeps the load within its share of memory. A quarter of it is for
// tasks: while they work on one segment, the next one fills.
func (f *filling) makeRoom() error {
	for f.held > f.share()*3/4 {
		if err := f.end(f.largest(false)); err != nil {
			return err
		}
	}
	for f.open > f.most {
		if err := f.end(f.largest(true)); err != nil {
			return err
		}
	}
	for len(f.tasks) > 0 && f.held+f.busy > f.share() {
		f.settle()
	}
	return nil
}

// largest returns the partition that holds most, of all or of those with an
// open segment.
func (f *filling) largest(open bool) string {
	var key string
	most := int64(-1)
	for k, p := range f.parts {
		if open && p.segment == nil {
			continue
		}
		if held := p.bytes + p.wrote.held; held > most || held == most && k < key {
			key, most = k, held
		}
	}
	return key
}

// end begins the last task of a partition's segment.
func (f *filling) end(key string) error {
	p := f.parts[key]
	for p.tasks > 0 { // its memory is known then
		f.settle()
	}
	delete(f.parts, key)
	if p.segment != nil {
		f.open--
	}
	return f.begin(p, true)
}

// begin begins a task with the rows gathered. It waits for another one to end
// if there are as many as there may be, which bounds their memory.
func (f *filling) begin(p *partFilling, end bool) (err error) {
	if p.segment == nil {
		if p.segment, err = f.g.openSegment(f.table, p.values); err != nil {
			return err
		}
		if !end {
			f.open++
		}
	}
	if len(f.tasks) == tasksPerLoad {
		f.settle()
	}
	t := &task{part: p, batches: p.batches, bytes: p.bytes, end: end, done: make(chan struct{})}
	if end {
		t.bytes += p.wrote.held
	}
	for _, other := range f.tasks {
		if other.part == p {
			t.before = other
		}
	}
	p.batches, p.rows, p.bytes = nil, 0, 0
	p.tasks++
	f.held, f.busy = f.held-t.bytes, f.busy+t.bytes
	f.tasks = append(f.tasks, t)
	f.group.Go(func() error {
		defer close(t.done)
		return f.run(t)
	})
	return nil
}

// run does the work of a task.
func (f *filling) run(t *task) error {
	s := t.part.segment
	if t.end {
		defer s.abort() // nothing once it is committed
	}
	if t.before != nil {
		<-t.before.done
	}
	if err := f.ctx.Err(); err != nil {
		return err
	}
	if err := s.write(f.ctx, t.batches); err != nil {
		return err
	}
	t.batches = nil
	if !t.end {
		t.after = s.progress()
		return nil
	}
	segment, err := s.commit()
	if err != nil {
		return err
	}
	return f.written(segment)
}

// settle waits for the task that began first, and notes what it has changed.
func (f *filling) settle() {
	t := f.tasks[0]
	f.tasks = f.tasks[1:]
	<-t.done
	p := t.part
	p.tasks--
	f.busy -= t.bytes
	if !t.end {
		f.held += t.after.held - p.wrote.held
		p.wrote = t.after
	}
}

// finish ends all segments and waits until they are durable.
func (f *filling) finish() error {
	for len(f.parts) > 0 && f.ctx.Err() == nil {
		if err := f.end(f.largest(false)); err != nil {
			f.abandon()
			return err
		}
	}
	err := f.group.Wait()
	if len(f.parts) > 0 {
		err = cmp.Or(err, f.ctx.Err())
		f.abandon()
	}
	return err
}

// abandon gives up what has not ended. Segments that have ended stay.
func (f *filling) abandon() {
	_ = f.group.Wait() // whoever calls this knows of an error
	for key, p := range f.parts {
		if p.segment != nil {
			p.segment.abort()
		}
		delete(f.parts, key)
	}
}
