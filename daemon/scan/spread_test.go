package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/format"
	"github.com/zeebo/xxh3"
)

// nodes are several nodes in one process. Each reads the segments of one lake,
// and everything that passes between them is encoded and decoded.
type nodes struct {
	lake  *lake
	opts  Options
	place func(*catalog.Segment) string
	fault func(node string, request []byte) fault

	mu     sync.Mutex
	served map[string]int // shares that each has begun
	failed []string
}

// fault is what goes wrong with an answer from the frame of that number on.
type fault struct {
	kind  faultKind
	frame int
}

type faultKind int

const (
	sound   faultKind = iota
	breaks            // the connection fails
	stops             // the answer just ends
	repeats           // the frame comes twice
	skips             // the frame does not come
	damages           // a byte of it is another one
	behind            // the node has not seen the catalog's entry
	rots              // the node cannot read the segment of that number
	faults
)

func newNodes(l *lake, opts Options, place func(*catalog.Segment) string) *nodes {
	return &nodes{lake: l, opts: opts, place: place, served: map[string]int{}, fault: func(string, []byte) fault { return fault{} }}
}

func (n *nodes) Place(seg *catalog.Segment) string { return n.place(seg) }

func (n *nodes) Instead(_ []*catalog.Segment, failed []string, err error) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failed = append(n.failed, fmt.Sprintf("%s: %v", failed[len(failed)-1], err))
	for i := 1; i <= 3; i++ {
		if name := nodeName(i); !slices.Contains(failed, name) && n.served[name] > 0 {
			return name
		}
	}
	return failed[0] // which stands for here
}

// nodeName names node i; node 0 is the one that is asked.
func nodeName(i int) string {
	if i == 0 {
		return ""
	}
	return fmt.Sprintf("n%d", i)
}

// shelf opens the segments of a lake for many goroutines at once.
type shelf struct{ *lake }

func (s shelf) OpenSegment(ctx context.Context, seg *catalog.Segment) (*format.Reader, error) {
	return s.readers[seg.ID], ctx.Err()
}

var errCut = errors.New("the connection was cut")

func (n *nodes) Scan(ctx context.Context, node string, request []byte) iter.Seq2[[]byte, error] {
	n.mu.Lock()
	n.served[node]++
	f := n.fault(node, request)
	n.mu.Unlock()
	return func(yield func([]byte, error) bool) {
		at := 0
		send := func(frame []byte) error {
			at++
			if at-1 != f.frame {
				f := slices.Clone(frame)
				return orCut(yield(f, nil))
			}
			switch f.kind {
			case breaks:
				yield(nil, errCut)
				return errCut
			case stops:
				return errCut
			case repeats:
				if !yield(slices.Clone(frame), nil) {
					return errCut
				}
			case skips:
				return nil
			case damages:
				frame = slices.Clone(frame)
				frame[4] ^= 1 // of its number
			}
			return orCut(yield(slices.Clone(frame), nil))
		}
		share, err := ParseShare(request)
		if err != nil {
			yield(nil, err)
			return
		}
		var o Opener = shelf{n.lake}
		if f.kind == rots {
			o = rotten{o, share.Query.Segments[min(f.frame, len(share.Query.Segments)-1)]}
		}
		share.serve(ctx, o, send, func() (*Plan, error) {
			if f.kind == behind {
				return nil, wire.Errorf(wire.Unavailable, "this node is behind")
			}
			return share.planOn(n.lake.snap, n.opts)
		})
	}
}

// rotten cannot read one segment.
type rotten struct {
	Opener
	segment string
}

func (r rotten) OpenSegment(ctx context.Context, seg *catalog.Segment) (*format.Reader, error) {
	if seg.ID.String() == r.segment {
		return nil, wire.Errorf(wire.Corrupt, "segment %s: a page has another checksum", seg.ID)
	}
	return r.Opener.OpenSegment(ctx, seg)
}

func orCut(more bool) error {
	if more {
		return nil
	}
	return errCut
}

// spread returns a random way to divide a lake's segments among nodes 0 to 3.
func spread(rng *rand.Rand) func(*catalog.Segment) string {
	count, here := 1+rng.IntN(3), rng.IntN(2)
	by := rng.IntN(3)
	return func(seg *catalog.Segment) string {
		n := int(seg.ID & 0xffff)
		switch by {
		case 0: // in turn
			return nodeName(n%(count+here) + 1 - here)
		case 1: // in runs
			return nodeName(min(n/3, count))
		}
		return nodeName(1 + n%count)
	}
}

// TestSpread holds random queries over several nodes against the same ones on
// one node, with and without nodes that fail in all ways. A failure names its
// seed, which replays it.
func TestSpread(t *testing.T) {
	seeds := uint64(120)
	if testing.Short() {
		seeds = 20
	}
	replaced := 0
	for seed := range seeds {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 107)), ref: reference{meant: map[*expr.Expr]val{}}}
		g.makeLake(t)
		for range 2 {
			g.addSegments(t, 1+g.IntN(9))
		}
		for n := range 20 {
			q := g.query()
			opts := Options{Pool: NewPool(math.MaxInt64, 2), BatchRows: cmp.Or(g.IntN(3)*5, 0)}
			want, err := g.lake.query(q, opts)
			if err != nil {
				t.Fatal(err)
			}
			all := newNodes(g.lake, opts, spread(g.Rand))
			if n%2 == 1 {
				all.fault = randomFaults(seed)
			}
			got, err := spreadRows(g.lake, q, opts, all)
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("seed %d query %d %+v (failed %q):\nselect %v\nwhere %v\ngroup %v having %v order %v limit %v offset %d\n got %q, %v\nwant %q",
					seed, n, opts, all.failed, itemsText(q), q.Where, q.GroupBy, q.Having, orderTexts(q), text(q.Limit), q.Offset, got, err, want)
			}
			replaced += len(all.failed)
		}
	}
	if replaced < int(seeds) {
		t.Errorf("%d nodes were replaced; want at least %d, or the test shows little", replaced, seeds)
	}
}

// randomFaults lets two of three answers go wrong, each request in its own way.
func randomFaults(seed uint64) func(string, []byte) fault {
	return func(node string, request []byte) fault {
		rng := rand.New(rand.NewPCG(seed, xxh3.HashString(node+string(request))))
		if rng.IntN(3) == 0 {
			return fault{}
		}
		return fault{faultKind(rng.IntN(int(faults))), rng.IntN(5)}
	}
}

func spreadRows(l *lake, q *expr.Query, opts Options, all *nodes) ([]string, error) {
	p, err := New(l.snap, q, opts)
	if err != nil {
		return nil, err
	}
	return textRows(p, p.RunSpread(context.Background(), shelf{l}, 0, Spread{Nodes: all}))
}
