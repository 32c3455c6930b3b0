package format

import (
	"sync"
	"sync/atomic"

	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/index"
)

// Columns are made into pages and indexes side by side, and put into the file
// in their order, one at a time: bytes do not depend on how many goroutines
// there are, nor on which is quickest.

// maker is what one goroutine makes columns with.
type maker struct {
	profile Profile
	encoder *codec.Encoder
	page    []byte
	scratch index.Scratch
}

// makers are kept from block to block and from writer to writer: many writers
// may be open while few of them work.
var makers sync.Pool

func takeMaker(p Profile) *maker {
	if m, ok := makers.Get().(*maker); ok && m.profile == p {
		return m
	}
	return &maker{profile: p, encoder: codec.NewEncoder(p)}
}

// making makes something of a column, and returns what puts it.
type making func(m *maker, column int) (put func() error, err error)

// inOrder calls do for the columns below n on so many goroutines, and what it
// returns in the order of columns. It returns the first error in that order,
// and panics where do does.
func inOrder(n, goroutines int, p Profile, do making) error {
	l := line{n: n}
	l.moved.L = &l.mu
	var others sync.WaitGroup
	for range min(goroutines, n) - 1 {
		others.Go(func() { l.work(p, do) })
	}
	l.work(p, do)
	others.Wait()
	if l.panicked != nil {
		panic(l.panicked)
	}
	return l.err
}

// line is where columns that are made wait for those before them.
type line struct {
	n    int
	next atomic.Int64 // column to make

	mu       sync.Mutex
	moved    sync.Cond
	at       int // column to put
	err      error
	panicked any
}

// work makes and puts columns until there are no more. A maker that has failed
// is not used again.
func (l *line) work(p Profile, do making) {
	defer func() {
		if x := recover(); x != nil {
			l.leave(l.n, nil, x)
		}
	}()
	m := takeMaker(p)
	for {
		i := int(l.next.Add(1)) - 1
		if i >= l.n {
			makers.Put(m)
			return
		}
		put, err := do(m, i)
		if !l.enter(i) {
			return
		}
		if err == nil {
			err = put()
		}
		if l.leave(i+1, err, nil); err != nil {
			return
		}
	}
}

// enter waits for the turn of column i; it is false if there will be none.
func (l *line) enter(i int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.at != i && !l.failed() {
		l.moved.Wait()
	}
	return !l.failed()
}

func (l *line) failed() bool { return l.err != nil || l.panicked != nil }

// leave makes next the column to put.
func (l *line) leave(next int, err error, panicked any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = next
	if !l.failed() {
		l.err, l.panicked = err, panicked
	}
	l.moved.Broadcast()
}
