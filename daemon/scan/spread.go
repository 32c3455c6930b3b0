package scan

import (
	"bytes"
	"container/heap"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/format"
)

// Nodes is what a scan knows of the other nodes. It is made for one query and
// must be safe for concurrent use. The empty name is this node.
type Nodes interface {
	// Place returns the node that shall scan a segment. It is asked once for
	// each that has to be read, in the order of the table.
	Place(seg *catalog.Segment) string

	// Instead returns the node that shall scan segments of which the last of
	// failed has failed with err, and those before it earlier. A node that has
	// failed already stands for this one, which can read any segment.
	Instead(segments []*catalog.Segment, failed []string, err error) string

	// Scan has another node serve a share (see ParseShare) and yields the frames
	// that it sends; they belong to the caller, who may keep them. An error, the
	// last thing that is yielded, says that the node or the way to it has failed;
	// one that hangs must become one in time. When the loop is left or ctx ends,
	// the node is told to stop.
	Scan(ctx context.Context, node string, share []byte) iter.Seq2[[]byte, error]
}

// Spread is where a plan runs. The zero Spread is this node alone.
type Spread struct {
	Nodes Nodes  // nil: no others
	Index uint64 // of the catalog that the query was planned on
}

// portion is the part of a plan that one node shall scan.
type portion struct {
	node     string
	segments []*catalog.Segment
	places   []int // of these among those of the whole plan
}

// portions divides the segments of p, those of this node last, and returns for
// each of them which portion it is in.
func (p *Plan) portions(s Spread) (all []portion, of []int) {
	places := map[string][]int{}
	for i, seg := range p.segments {
		node := ""
		if s.Nodes != nil && !p.answeredBy(seg) { // else nobody has to read it
			node = s.Nodes.Place(seg)
		}
		places[node] = append(places[node], i)
	}
	names := slices.Sorted(maps.Keys(places))
	if len(names) > 0 && names[0] == "" {
		names = append(names[1:], "")
	}
	of = make([]int, len(p.segments))
	for _, node := range names {
		part := portion{node: node, places: places[node]}
		for _, i := range part.places {
			of[i] = len(all)
			part.segments = append(part.segments, p.segments[i])
		}
		all = append(all, part)
	}
	return all, of
}

// isHere reports whether no other node has a portion.
func isHere(all []portion) bool { return len(all) == 0 || len(all) == 1 && all[0].node == "" }

// RunSpread is RunStored over several nodes: each scans its own segments, o
// those of this node. The rows and their order are those of RunStored. A node
// that fails is replaced by another, or by this one, as often as there are
// nodes; the result is right, or an error ends it.
func (p *Plan) RunSpread(ctx context.Context, o Opener, accept format.Features, s Spread) iter.Seq2[Part, error] {
	if s.Nodes == nil || p.limit == 0 {
		return p.RunStored(ctx, o, accept)
	}
	all, of := p.portions(s)
	if isHere(all) {
		return p.RunStored(ctx, o, accept)
	}
	if !p.passesThrough() {
		accept = 0
	}
	return p.result(ctx, func(w *writer) error {
		g := &gathering{p: p, of: of, budget: &budget{limit: p.opts.MemoryBytes, pool: p.opts.Pool}}
		ctx, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		defer func() {
			cancel()
			running.Wait()
			g.release()
		}()
		for _, part := range all {
			c := newCarrier(p, part, o, accept, s, g.budget)
			c.ahead = p.opts.MemoryBytes / 4 / int64(len(all))
			g.carriers = append(g.carriers, c)
			running.Go(func() { c.run(ctx) })
		}
		return g.run(ctx, w)
	})
}

// gathering makes one result of what shares come to.
type gathering struct {
	p        *Plan
	of       []int // by segment of p: its carrier
	carriers []*carrier
	budget   *budget
}

func (g *gathering) release() {
	for _, c := range g.carriers {
		c.letGo()
	}
	g.budget.release()
}

func (g *gathering) run(ctx context.Context, w *writer) error {
	switch g.p.yields() {
	case YieldSorted, YieldTop:
		return g.mergeSorted(ctx, w)
	case YieldGroups:
		return g.p.runGrouped(g.inOrder(ctx), g.budget, w)
	}
	for piece, err := range g.inOrder(ctx) {
		if err == nil {
			err = w.writePiece(piece)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inOrder yields what the shares come to in the order of the table.
func (g *gathering) inOrder(ctx context.Context) iter.Seq2[*piece, error] {
	return func(yield func(*piece, error) bool) {
		for i := range g.p.segments {
			c := g.carriers[g.of[i]]
			for {
				it, err := c.peek(ctx)
				if err != nil {
					yield(nil, err)
					return
				}
				if it == nil || c.places[it.nth] > i {
					break
				}
				c.take()
				if !yield(g.pieceOf(it), it.err) || it.err != nil {
					return
				}
			}
		}
	}
}

func (g *gathering) pieceOf(it *item) *piece {
	switch {
	case it.err != nil:
		return nil
	case it.block != nil:
		return &piece{n: it.block.Rows, block: it.block}
	case g.p.grouped:
		return &piece{part: g.p.partialOf(it)}
	}
	return &piece{n: int(it.batch.NumRows()), arrays: it.batch.Columns()}
}

// sortPlace is what sorted rows of several shares are ordered by. Rows of one
// segment are of one share, and in order there.
type sortPlace struct {
	key []byte
	nth int32
}

func (a sortPlace) before(b sortPlace) bool {
	c := bytes.Compare(a.key, b.key)
	return c < 0 || c == 0 && a.nth < b.nth
}

// sortedRows are rows of a share with what they are sorted by.
type sortedRows struct {
	n      int
	arrays []arrow.Array // without the sort columns
	keys   *array.Binary
	nths   *array.Int32
}

func sortedRowsOf(batch arrow.RecordBatch) sortedRows {
	columns := batch.Columns()
	own := len(columns) - sortColumns
	return sortedRows{int(batch.NumRows()), columns[:own], columns[own].(*array.Binary), columns[own+1].(*array.Int32)}
}

// place returns the place of a row within its share.
func (r sortedRows) place(i int) sortPlace { return sortPlace{r.keys.Value(i), r.nths.Value(i)} }

// head is the next row of a share.
type head struct {
	from *carrier
	rows sortedRows
	row  int
	at   sortPlace // in the whole plan
	no   int32     // of rows among the pieces of the merge
}

// heads is a heap of them.
type heads []*head

func (h heads) Len() int           { return len(h) }
func (h heads) Less(i, j int) bool { return h[i].at.before(h[j].at) }
func (h heads) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)        { *h = append(*h, x.(*head)) }
func (h *heads) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// merge takes the rows of shares in their order.
type merge struct {
	g      *gathering
	heads  heads
	pieces sorter // the rows of heads, and those that refs are of
	refs   []ref
	skip   int64
	left   int64
	w      *writer
}

// mergeSorted merges the shares' rows. OFFSET is met here: what it passes over
// is not computed.
func (g *gathering) mergeSorted(ctx context.Context, w *writer) error {
	m := &merge{g: g, skip: w.skip, left: g.p.limit, w: w}
	w.skip = 0
	for _, c := range g.carriers {
		h := &head{from: c}
		more, err := m.fill(ctx, h)
		if err != nil {
			return err
		}
		if more {
			m.heads = append(m.heads, h)
		}
	}
	heap.Init(&m.heads)
	for len(m.heads) > 0 && m.left > 0 {
		if err := m.next(ctx); err != nil {
			return err
		}
	}
	return m.flush()
}

// next takes the first row of all.
func (m *merge) next(ctx context.Context) error {
	h := m.heads[0]
	if m.skip > 0 {
		m.skip--
	} else {
		m.refs = append(m.refs, ref{h.no, int32(h.row)})
		m.left--
	}
	if len(m.refs) == m.g.p.opts.BatchRows {
		if err := m.flush(); err != nil {
			return err
		}
	}
	more, err := m.advance(ctx, h)
	switch {
	case err != nil:
		return err
	case more:
		heap.Fix(&m.heads, 0)
	default:
		heap.Pop(&m.heads)
	}
	return nil
}

// advance goes to the next row of a share, and reports whether there is one.
func (m *merge) advance(ctx context.Context, h *head) (more bool, err error) {
	if h.row++; h.row == h.rows.n {
		return m.fill(ctx, h)
	}
	m.aim(h)
	return true, nil
}

// aim sets the place of a head.
func (m *merge) aim(h *head) {
	h.at = h.rows.place(h.row)
	h.at.nth = int32(h.from.places[h.at.nth])
}

// fill gets the next rows of a share.
func (m *merge) fill(ctx context.Context, h *head) (more bool, err error) {
	it, err := h.from.peek(ctx)
	if it == nil || err != nil {
		return false, err
	}
	h.from.take()
	if it.err != nil {
		return false, it.err
	}
	h.rows, h.row = sortedRowsOf(it.batch), 0
	m.add(h)
	m.aim(h)
	return true, nil
}

func (m *merge) add(h *head) {
	h.no = int32(len(m.pieces.pieces))
	m.pieces.pieces = append(m.pieces.pieces, &piece{n: h.rows.n, arrays: h.rows.arrays})
}

// flush writes the rows that were taken, and lets go of those that are past.
func (m *merge) flush() error {
	n := len(m.refs)
	if n == 0 {
		return nil
	}
	arrays, err := m.pieces.gather(m.refs)
	if err == nil && m.g.p.isTop() {
		arrays, err = m.g.p.projectShown(arrays, n)
	}
	if err != nil {
		return err
	}
	m.refs, m.pieces.pieces = m.refs[:0], nil
	for _, h := range m.heads {
		m.add(h)
	}
	return m.w.write(arrays, n)
}

// text tells where the plan's segments are scanned; nothing if that is here.
func (s Spread) text(p *Plan) string {
	if s.Nodes == nil {
		return ""
	}
	all, _ := p.portions(s)
	if isHere(all) {
		return ""
	}
	where := make([]string, len(all))
	for i, part := range all {
		where[i] = fmt.Sprintf("%d on node %s", len(part.segments), part.node)
		if part.node == "" {
			where[i] = fmt.Sprintf("%d here", len(part.segments))
		}
	}
	return fmt.Sprintf("gather %s of %d segments: %s", p.yields(), len(p.segments), strings.Join(where, ", "))
}
