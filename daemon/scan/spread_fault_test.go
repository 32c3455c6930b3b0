package scan

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/format"
)

// far makes a lake of several segments, of which some blocks leave as they are
// stored, with and without dictionaries.
func far(t testing.TB, first int) *lake {
	l := newLake(t, "id int64", "s string")
	for i, rows := range []int{500, 80_000, 9_000, 20, 10_000, 700} { // the second has two blocks
		l.addPlain(t, texts(first+i*100_000, rows))
	}
	return l
}

// inTurn places segment i on node i, of so many; node 0 is the one asked.
func inTurn(count int) func(*catalog.Segment) string {
	return func(seg *catalog.Segment) string { return nodeName(int(seg.ID&0xffff) % count) }
}

// farQueries are queries of each kind of share, whose answers take several frames.
var farQueries = []string{
	`SELECT * FROM t`,
	`SELECT s, id + 1 FROM t WHERE id % 3 = 0`,
	`SELECT id FROM t WHERE id % 2 = 0 LIMIT 41000 OFFSET 3000`,
	`SELECT id, s FROM t WHERE id % 5 = 0 ORDER BY s DESC`,
	`SELECT s FROM t ORDER BY id % 7 LIMIT 11000 OFFSET 1000`,
	`SELECT s, id * 2 FROM t ORDER BY s, id DESC LIMIT 9000 OFFSET 7`,
	`SELECT id % 9000, count(*), sum(id), avg(id), min(s), max(id), count(DISTINCT s) FROM t GROUP BY id % 9000`,
	`SELECT s, count(DISTINCT id) AS ids, sum(CAST(id AS float64)) FROM t GROUP BY s HAVING ids > 2 ORDER BY ids DESC LIMIT 50`,
	`SELECT count(DISTINCT id), count(DISTINCT s), sum(id), min(s) FROM t WHERE id % 5 = 0`,
}

// TestSpreadFaults lets each frame of each answer be the one at which a node
// fails: the rows are the same, of each once and in order.
func TestSpreadFaults(t *testing.T) {
	l := far(t, 0)
	opts := Options{BatchRows: 5000}
	for _, query := range farQueries {
		p := mustPlan(t, l, query, opts)
		want, _, _, err := storedBatches(p, l, format.PageAbilities)
		if err != nil {
			t.Fatal(err)
		}
		frames := countFrames(t, p, l, opts)
		for node, count := range frames {
			for frame := range count {
				if late := count - 1 - frame; frame > 2 && late > 1 && frame != count/2 || testing.Short() && frame != 1 && late > 0 {
					continue
				}
				for _, kind := range faultsAt(frame) {
					all := newNodes(l, opts, inTurn(3))
					all.fault = func(name string, _ []byte) fault {
						if name == node && all.served[name] == 1 {
							return fault{kind, frame}
						}
						return fault{}
					}
					checkSame(t, fmt.Sprintf("%s: node %s, fault %d at frame %d of %d", query, node, kind, frame, count), p, l, all, want)
					if len(all.failed) != 1 && !strings.Contains(query, "LIMIT") { // which may be met before
						t.Errorf("%s: fault %d at frame %d of node %s: failed %q; want it", query, kind, frame, node, all.failed)
					}
				}
			}
		}
	}
}

// faultsAt returns what goes wrong at a frame: everything at the first ones.
func faultsAt(frame int) []faultKind {
	if frame > 2 || testing.Short() {
		return []faultKind{[]faultKind{breaks, stops}[frame%2]}
	}
	return []faultKind{breaks, stops, repeats, skips, damages}
}

// countFrames returns how many frames each node sends where nothing fails.
func countFrames(t *testing.T, p *Plan, l *lake, opts Options) map[string]int {
	t.Helper()
	all := newNodes(l, opts, inTurn(3))
	counts := &counted{nodes: all, frames: map[string]int{}}
	if _, _, _, err := decoded(p, p.RunSpread(t.Context(), shelf{l}, format.PageAbilities, Spread{Nodes: counts})); err != nil {
		t.Fatal(err)
	}
	if len(counts.frames) != 2 {
		t.Fatalf("answers by node: %v; want two nodes", counts.frames)
	}
	return counts.frames
}

type counted struct {
	*nodes
	frames map[string]int
}

func (c *counted) Scan(ctx context.Context, node string, request []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for frame, err := range c.nodes.Scan(ctx, node, request) {
			c.mu.Lock()
			c.frames[node]++
			c.mu.Unlock()
			if !yield(frame, err) {
				return
			}
		}
	}
}

// checkSame runs p over several nodes, in batches and with blocks as they are
// stored.
func checkSame(t *testing.T, what string, p *Plan, l *lake, all *nodes, want []arrow.RecordBatch) {
	t.Helper()
	got, _, _, err := decoded(p, p.RunSpread(t.Context(), shelf{l}, format.PageAbilities, Spread{Nodes: all}))
	if err != nil || !sameRows(t, p.Schema(), got, want) {
		t.Fatalf("%s: %d batches, %v; want the rows of one node (failed %q)", what, len(got), err, all.failed)
	}
}

// TestSpreadStored: blocks as they are stored pass through, each segment's
// dictionaries with the first of its blocks.
func TestSpreadStored(t *testing.T) {
	l := far(t, 0)
	p := mustPlan(t, l, `SELECT * FROM t`, Options{})
	want, _, blocks, err := storedBatches(p, l, format.PageAbilities)
	if err != nil {
		t.Fatal(err)
	}
	all := newNodes(l, Options{}, inTurn(3))
	got, _, spread, err := decoded(p, p.RunSpread(t.Context(), shelf{l}, format.PageAbilities, Spread{Nodes: all}))
	if err != nil || spread != blocks || !sameRows(t, p.Schema(), got, want) {
		t.Errorf("%d blocks, %v; want the rows of one node in %d", spread, err, blocks)
	}
	got, _, spread, err = decoded(p, p.RunSpread(t.Context(), shelf{l}, 0, Spread{Nodes: all}))
	if err != nil || spread != 0 || !sameRows(t, p.Schema(), got, want) {
		t.Errorf("for a client that takes none: %d blocks, %v; want the rows of one node in batches", spread, err)
	}
}

// TestSpreadOtherRows: a node that takes over with other rows than those that
// were handed on ends the scan.
func TestSpreadOtherRows(t *testing.T) {
	l, other := far(t, 0), far(t, 1)
	for _, query := range []string{farQueries[0], farQueries[1], farQueries[3]} {
		p := mustPlan(t, l, query, Options{BatchRows: 5000})
		all := newNodes(l, Options{BatchRows: 5000}, func(*catalog.Segment) string { return "n1" })
		all.served["n2"] = 1
		all.fault = func(node string, _ []byte) fault {
			if node == "n2" {
				all.lake = other
				return fault{}
			}
			return fault{breaks, 3}
		}
		_, rows, _, err := decoded(p, p.RunSpread(t.Context(), shelf{l}, format.PageAbilities, Spread{Nodes: all}))
		if !wire.IsCode(err, wire.Internal) || !strings.Contains(err.Error(), errDiffers.Error()) {
			t.Errorf("%s: %d rows, %v; want an error that tells of other rows", query, rows, err)
		}
	}
}

// TestSpreadQueryFails: an error of the query itself is the query's, at once;
// and not, where the rows before it are enough.
func TestSpreadQueryFails(t *testing.T) {
	l := newLake(t, "id int64", "s string")
	l.addJSON(t, `[{"id": 1, "s": "7"}, {"id": 2, "s": "8"}]`)
	l.addJSON(t, `[{"id": 3, "s": "no number"}]`)
	l.addJSON(t, `[{"id": 4, "s": "9"}]`)
	tests := []struct {
		query string
		want  string // rows, or the error's text
	}{
		{`SELECT CAST(s AS int64) FROM t LIMIT 2`, `7 8`},
		{`SELECT CAST(s AS int64) FROM t LIMIT 3`, `"no number" of type string cannot be cast`},
		{`SELECT CAST(s AS int64) FROM t ORDER BY id LIMIT 2`, `7 8`},
		{`SELECT CAST(s AS int64) FROM t ORDER BY id DESC LIMIT 1`, `9`},
		{`SELECT CAST(s AS int64) FROM t ORDER BY id DESC LIMIT 1 OFFSET 2`, `8`},
		{`SELECT CAST(s AS int64) FROM t ORDER BY id LIMIT 1 OFFSET 2`, `"no number" of type string cannot be cast`},
		{`SELECT sum(CAST(s AS int64)) FROM t`, `"no number" of type string cannot be cast`},
		{`SELECT sum(id + 9223372036854775000 + id * 700) FROM t`, `overflows`},
		{`SELECT sum(9223372036854775807 - id) FROM t`, `overflows`},
	}
	for _, test := range tests {
		for count := 1; count <= 3; count++ {
			all := newNodes(l, Options{}, func(seg *catalog.Segment) string { return nodeName(1 + int(seg.ID&0xffff)%count) })
			rows, err := spreadRows(l, parse(t, test.query), Options{}, all)
			got := strings.Join(rows, " ")
			if err != nil {
				got = err.Error()
			}
			if !strings.HasPrefix(got, test.want) && !(err != nil && strings.Contains(got, test.want)) || err != nil && !wire.IsCode(err, wire.InvalidArgument) {
				t.Errorf("%s on %d nodes: got %s; want %s", test.query, count, got, test.want)
			}
			if len(all.failed) > 0 {
				t.Errorf("%s: nodes %q were replaced; want none, for it is the query that fails", test.query, all.failed)
			}
		}
	}
}

// TestSpreadLimits: what this node has to hold counts, and is given back.
func TestSpreadLimits(t *testing.T) {
	l := far(t, 0)
	pool := NewPool(1<<40, 2)
	opts := Options{MemoryBytes: 1 << 20, Pool: pool}
	p := mustPlan(t, l, `SELECT id, count(*) FROM t GROUP BY id`, opts)
	all := newNodes(l, Options{}, inTurn(3))
	_, rows, _, err := decoded(p, p.RunSpread(t.Context(), shelf{l}, 0, Spread{Nodes: all}))
	if !wire.IsCode(err, wire.LimitExceeded) || len(all.failed) > 0 {
		t.Errorf("%d rows, %v, failed %q; want LIMIT_EXCEEDED", rows, err, all.failed)
	}
	for _, query := range farQueries {
		p := mustPlan(t, l, query, Options{Pool: pool})
		for part, err := range p.RunSpread(t.Context(), shelf{l}, format.PageAbilities, Spread{Nodes: newNodes(l, Options{}, inTurn(3))}) {
			if err != nil {
				t.Fatal(err)
			}
			if part.Rows > 0 {
				break // and leave the rest
			}
		}
	}
	if held := pool.held(); held != 0 {
		t.Errorf("the pool holds %d bytes when all queries have ended; want none", held)
	}
}

// silent are nodes that never answer.
type silent struct{ *nodes }

func (s silent) Scan(ctx context.Context, _ string, _ []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		<-ctx.Done()
		yield(nil, ctx.Err())
	}
}

// TestSpreadCanceled: a query that is canceled ends, and leaves nothing behind.
func TestSpreadCanceled(t *testing.T) {
	l := far(t, 0)
	for _, query := range farQueries {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			p := mustPlan(t, l, query, Options{Pool: NewPool(math.MaxInt64, 2)})
			nodes := silent{newNodes(l, Options{}, inTurn(3))}
			failed := make(chan error, 1)
			go func() {
				_, _, _, err := decoded(p, p.RunSpread(ctx, shelf{l}, 0, Spread{Nodes: nodes}))
				failed <- err
			}()
			synctest.Wait()
			cancel()
			if err := <-failed; !wire.IsCode(err, wire.Canceled) {
				t.Errorf("%s: got %v; want CANCELED", query, err)
			}
			if len(nodes.failed) > 0 {
				t.Errorf("%s: nodes %q were replaced; want none", query, nodes.failed)
			}
		})
	}
}

// TestSpreadHoldsLittle: while the rows of one node are not taken, others send
// a frame beyond the limit, and no more.
func TestSpreadHoldsLittle(t *testing.T) {
	l := newLake(t, "id int64", "s string")
	for i := range 40 {
		l.addPlain(t, texts(i*10_000, 2000))
	}
	synctest.Test(t, func(t *testing.T) {
		p := mustPlan(t, l, `SELECT * FROM t WHERE id % 2 = 0`, Options{MemoryBytes: 8 << 10, Pool: NewPool(math.MaxInt64, 2)})
		all := newNodes(l, Options{}, func(seg *catalog.Segment) string { return nodeName(1 + int(seg.ID&0xffff)/20) })
		counts := &counted{nodes: all, frames: map[string]int{}}
		for _, err := range p.RunSpread(t.Context(), shelf{l}, 0, Spread{Nodes: counts}) {
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if late := counts.frames["n2"]; late > 3 { // the beginning, one that is held, one that waits to be
				t.Errorf("%d frames of the later node when the first rows were taken; want 3 at most", late)
			}
			break
		}
	})
}

// TestSpreadHere: what needs no other node asks none.
func TestSpreadHere(t *testing.T) {
	l := far(t, 0)
	here := func(*catalog.Segment) string { return "" }
	for query, place := range map[string]func(*catalog.Segment) string{
		`SELECT id FROM t`:                              here,
		`SELECT count(*), min(id) FROM t`:               inTurn(3), // the catalog knows
		`SELECT id FROM t WHERE id < 0`:                 inTurn(3),
		`SELECT id FROM t LIMIT 0`:                      inTurn(3),
		`SELECT max(id) FROM t WHERE id > 100000000000`: inTurn(3),
	} {
		all := newNodes(l, Options{}, place)
		got, err := spreadRows(l, parse(t, query), Options{}, all)
		want, err2 := l.query(parse(t, query), Options{})
		if err != nil || err2 != nil || !slices.Equal(got, want) || len(all.served) > 0 {
			t.Errorf("%s: %d rows, %v, asked %v; want %d rows, and nobody asked", query, len(got), err, slices.Collect(maps.Keys(all.served)), len(want))
		}
	}
}

// TestSpreadFloats: however a sum of floats is divided, it is right to the last
// digit or the one beside it, and dividing it in the same way gives the same.
func TestSpreadFloats(t *testing.T) {
	rng := rand.New(rand.NewPCG(107, 1))
	l := newLake(t, "g int64", "f float64")
	exact := make([]*big.Float, 3)
	for i := range exact {
		exact[i] = new(big.Float).SetPrec(2000)
	}
	for range 12 {
		b := array.NewRecordBuilder(mem, l.snap.Schema.Arrow())
		for range 700 {
			g, f := rng.Int64N(3), rng.NormFloat64()*math.Pow(10, float64(rng.IntN(30)))
			b.Field(0).(*array.Int64Builder).Append(g)
			b.Field(1).(*array.Float64Builder).Append(f)
			exact[g].Add(exact[g], big.NewFloat(f))
		}
		l.addPlain(t, b.NewRecordBatch())
	}
	p := mustPlan(t, l, `SELECT sum(f) FROM t GROUP BY g ORDER BY g`, Options{})
	sums := func(place func(*catalog.Segment) string) (out []float64) {
		batches, _, _, err := decoded(p, p.RunSpread(t.Context(), shelf{l}, 0, Spread{Nodes: newNodes(l, Options{}, place)}))
		if err != nil {
			t.Fatal(err)
		}
		return batches[0].Column(0).(*array.Float64).Float64Values()
	}
	for range 20 {
		place := spread(rng)
		got := sums(place)
		for g, sum := range got {
			want, _ := exact[g].Float64()
			if sum != want && sum != math.Nextafter(want, math.Inf(1)) && sum != math.Nextafter(want, math.Inf(-1)) {
				t.Errorf("group %d: got %v; want %v, or its neighbour", g, sum, want)
			}
		}
		if again := sums(place); !slices.Equal(again, got) {
			t.Errorf("divided in the same way: %v, then %v", got, again)
		}
	}
}

func TestSpreadExplain(t *testing.T) {
	l := far(t, 0)
	tests := []struct{ query, want string }{
		{`SELECT id FROM t WHERE id < 1000000`, `gather rows of 6 segments: 2 on node n1, 2 on node n2, 2 here`},
		{`SELECT s, count(*) FROM t WHERE id > 250000 GROUP BY s`, `gather groups of 3 segments: 1 on node n1, 1 on node n2, 1 here`},
		{`SELECT s FROM t ORDER BY id LIMIT 3`, `gather top of 6 segments: 2 on node n1, 2 on node n2, 2 here`},
		{`SELECT count(*) FROM t`, ``},
	}
	for _, test := range tests {
		p := mustPlan(t, l, test.query, Options{})
		e, err := p.Explain(t.Context(), l, Spread{Nodes: newNodes(l, Options{}, inTurn(3))})
		if err != nil {
			t.Fatal(err)
		}
		got := slices.DeleteFunc(slices.Clone(e.Plan), func(line string) bool { return !strings.HasPrefix(line, "gather") })
		if strings.Join(got, "\n") != test.want {
			t.Errorf("%s: got %q; want %q", test.query, e.Plan, test.want)
		}
	}
}
