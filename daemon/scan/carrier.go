package scan

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/format"
)

// A carrier brings what one share comes to, whichever nodes that takes. Groups
// are handed on when all of them are there. Rows are handed on as they come;
// when their node fails, another one begins the share again, in the segment
// where the first was, and what had been handed on must come again, the same.
type carrier struct {
	part   *Plan // the share's segments alone
	opener Opener
	accept format.Features
	spread Spread
	node   string
	budget *budget
	ahead  int64 // bytes that may wait to be taken, more than one item
	places []int // of the share's segments in the whole plan

	waiting chan item
	head    *item // peeked at

	mu    sync.Mutex
	held  int64         // bytes of items that wait, in the pool too
	taken chan struct{} // something was taken

	done progress
	kept []item // groups, until they are all there
}

// maxWaiting bounds the items that wait; bytes matter more.
const maxWaiting = 64

func newCarrier(p *Plan, part portion, o Opener, accept format.Features, s Spread, b *budget) *carrier {
	return &carrier{part: p.of(part.segments), node: part.node, places: part.places, opener: o, accept: accept, spread: s, budget: b,
		waiting: make(chan item, maxWaiting), taken: make(chan struct{}, 1)}
}

// progress is how far the rows of a share have been handed on: to these rows
// of that segment, or of all segments where rows are sorted.
type progress struct {
	nth  int
	rows rowHash
}

// run hands on items until the share is complete, or the last one is an error.
func (c *carrier) run(ctx context.Context) {
	defer close(c.waiting)
	var failed []string
	for {
		err := c.attempt(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if c.node == "" || !mayGoElsewhere(err) {
			c.hand(ctx, item{nth: max(c.done.nth, placeOf(err)), err: err})
			return
		}
		failed = append(failed, c.node)
		c.node = c.spread.Nodes.Instead(c.part.segments[c.done.nth:], failed, err)
		if slices.Contains(failed, c.node) {
			c.node = ""
		}
	}
}

// placeOf returns the segment of an error, as far as it says.
func placeOf(err error) int {
	if f, ok := err.(*failure); ok {
		return f.nth
	}
	return 0
}

// mayGoElsewhere reports whether another node may do what failed with err:
// unless a query's own fault or size has failed it, which the node itself says.
func mayGoElsewhere(err error) bool {
	f, ok := err.(*failure)
	if !ok {
		return !errors.Is(err, errDiffers)
	}
	switch wire.FromError(f.err).Code {
	case wire.InvalidArgument, wire.Unsupported, wire.LimitExceeded, wire.ColumnNotFound, wire.SchemaMismatch:
		return false
	}
	return true
}

// attempt has its node do what is left of the share.
func (c *carrier) attempt(ctx context.Context) error {
	base := c.done.nth
	again := &replay{want: &c.done.rows, left: c.done.rows.rows}
	c.drop()
	for it, err := range c.items(ctx, c.part.of(c.part.segments[base:])) {
		if err == nil {
			err = again.cut(&it)
		}
		if err != nil {
			return moved(err, base)
		}
		if it.nth += base; it.rows() == 0 {
			continue
		}
		if err := c.hand(ctx, it); err != nil {
			return err
		}
	}
	if again.left > 0 {
		return again.differs()
	}
	return c.complete(ctx)
}

// moved moves the place of an error to the whole share.
func moved(err error, base int) error {
	if f, ok := err.(*failure); ok {
		return &failure{f.nth + base, f.err}
	}
	return err
}

// items yields what a plan comes to, here or there. Errors with a place are
// those of the scan, others those of the node or the way to it.
func (c *carrier) items(ctx context.Context, part *Plan) iter.Seq2[item, error] {
	if c.node == "" {
		return c.itemsHere(ctx, part)
	}
	return func(yield func(item, error) bool) {
		request, err := part.share(c.spread.Index, c.accept).bytes()
		if err != nil {
			yield(item{}, &failure{0, err})
			return
		}
		in := newFrameReader(part, request, c.accept != 0)
		for frame, err := range c.spread.Nodes.Scan(ctx, c.node, request) {
			var it item
			any := false
			if err == nil {
				it, any, err = in.item(frame)
			}
			if (any || err != nil) && !yield(it, err) || err != nil {
				return
			}
		}
		if !in.ended {
			yield(item{}, wire.Errorf(wire.Unavailable, "node %s stopped in the middle of an answer", c.node))
		}
	}
}

func (c *carrier) itemsHere(ctx context.Context, part *Plan) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		err := guarded(func() error {
			return part.runShare(ctx, c.opener, c.accept, func(it item) error {
				if !yield(it, nil) {
					return errEnough
				}
				return nil
			})
		})
		if err != nil && err != errEnough {
			yield(item{}, err)
		}
	}
}

// hand hands on an item, or keeps it until the share is complete.
func (c *carrier) hand(ctx context.Context, it item) error {
	if c.part.grouped && it.err == nil {
		c.kept = append(c.kept, it)
		if err := c.budget.take(it.weight, "GROUP BY and DISTINCT"); err != nil {
			return &failure{it.nth, err}
		}
		return nil
	}
	c.hold(it.weight)
	if !send(ctx, c.waiting, it) {
		return ctx.Err()
	}
	if it.err == nil && c.node != "" { // what fails here fails the scan
		c.done.add(&it, c.part.yields() == YieldRows)
	}
	for c.full() {
		select {
		case <-c.taken:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (p *progress) add(it *item, bySegment bool) {
	if bySegment && it.nth > p.nth {
		*p = progress{nth: it.nth}
	}
	p.rows.add(it, it.rows())
}

// drop lets go of groups that are not all.
func (c *carrier) drop() {
	for _, it := range c.kept {
		c.budget.take(-it.weight, "GROUP BY and DISTINCT")
	}
	c.kept = nil
}

// complete hands on the groups, which are all there.
func (c *carrier) complete(ctx context.Context) error {
	for i, it := range c.kept {
		c.kept[i] = item{}
		if !send(ctx, c.waiting, it) {
			return ctx.Err()
		}
	}
	return nil
}

// full reports whether more waits than may: what lets the rows of one share
// wait must not take the memory that those of another need to go on.
func (c *carrier) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held > 0 && (c.held > c.ahead || 2*c.part.opts.Pool.held() > c.part.opts.Pool.limit)
}

func (c *carrier) hold(bytes int64) {
	c.part.opts.Pool.take(bytes)
	c.mu.Lock()
	c.held += bytes
	c.mu.Unlock()
}

// letGo gives back the memory of what nobody took.
func (c *carrier) letGo() { c.hold(-c.held) }

// peek returns the next item, nil after the last one.
func (c *carrier) peek(ctx context.Context) (*item, error) {
	if c.head != nil {
		return c.head, nil
	}
	select {
	case it, ok := <-c.waiting:
		if ok {
			c.head = &it
		}
		if ctx.Err() != nil { // the end may be for that
			return nil, ctx.Err()
		}
		return c.head, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// take takes the item that was peeked at.
func (c *carrier) take() {
	if c.part.grouped {
		c.budget.take(-c.head.weight, "GROUP BY and DISTINCT")
	} else {
		c.hold(-c.head.weight)
		select {
		case c.taken <- struct{}{}:
		default:
		}
	}
	c.head = nil
}

// replay passes over rows that were handed on by another node, and holds them
// against what that one sent.
type replay struct {
	want *rowHash // not to be changed before left is 0
	seen rowHash
	left int64
}

// cut takes what was handed on before off an item.
func (r *replay) cut(it *item) error {
	if r.left == 0 {
		return nil
	}
	n := it.rows()
	again := min(n, r.left)
	if it.nth > 0 || it.block != nil && again < n {
		return r.differs()
	}
	r.seen.add(it, again)
	if r.left -= again; r.left == 0 && !r.seen.equal(r.want) {
		return r.differs()
	}
	if it.block != nil {
		*it = item{kind: it.kind, nth: it.nth}
		return nil
	}
	it.batch = it.batch.NewSlice(again, n)
	return nil
}

// errDiffers ends the scan: rows that are not the same rows are somebody's bug,
// and a third node could not tell whose.
var errDiffers = errors.New("the rows are not those that came before")

func (r *replay) differs() error {
	return wire.Errorf(wire.Internal, "a node failed in the middle of its rows, and the one in its place has other rows where %d had come: %w", r.want.rows, errDiffers).
		WithHint("ask again; and let all nodes run the same version of tarn")
}
