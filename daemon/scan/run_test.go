package scan

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/schema"
)

// numbers is a table of segments of n rows each: id counts through them all,
// k is id modulo 10, s is text of it.
func numbers(t testing.TB, segments, n int) *lake {
	l := newLake(t, "id int64", "k int32", "s string")
	for seg := range segments {
		b := array.NewRecordBuilder(mem, l.snap.Schema.Arrow())
		for i := seg * n; i < (seg+1)*n; i++ {
			b.Field(0).(*array.Int64Builder).Append(int64(i))
			b.Field(1).(*array.Int32Builder).Append(int32(i % 10))
			b.Field(2).(*array.StringBuilder).Append(fmt.Sprintf("text %d", i))
		}
		l.add(t, b.NewRecordBatch())
	}
	return l
}

func mustPlan(t testing.TB, l *lake, query string, opts Options) *Plan {
	t.Helper()
	p, err := New(l.snap, parse(t, query), opts)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return p
}

// openerFunc lets a test stand in the way of reading.
type openerFunc func(context.Context, *catalog.Segment) (*format.Reader, error)

func (f openerFunc) OpenSegment(ctx context.Context, seg *catalog.Segment) (*format.Reader, error) {
	return f(ctx, seg)
}

// TestManyBlocks crosses the blocks of a segment.
func TestManyBlocks(t *testing.T) {
	n := 2*format.BlockRows + 1000
	l := numbers(t, 1, n)
	sum := n * (n - 1) / 2
	tests := []struct{ query, want string }{
		{`SELECT count(*), sum(id), count(DISTINCT k), max(s) FROM t WHERE id >= 0 AND s != ''`, fmt.Sprintf("%d|%d|10|text 99999", n, sum)},
		{`SELECT id FROM t WHERE id % 65536 = 1`, "1, 65537, 131073"},
		{`SELECT id, s FROM t ORDER BY id DESC LIMIT 2`, fmt.Sprintf("%d|text %d, %d|text %d", n-1, n-1, n-2, n-2)},
		{`SELECT id FROM t ORDER BY k, id LIMIT 3 OFFSET 7000`, "70000, 70010, 70020"},
		{`SELECT k, count(*) FROM t WHERE id < 70003 GROUP BY k`, "0|7001, 1|7001, 2|7001, 3|7000, 4|7000, 5|7000, 6|7000, 7|7000, 8|7000, 9|7000"},
		{`SELECT s FROM t LIMIT 2 OFFSET 65535`, "text 65535, text 65536"},
		{`SELECT s FROM t WHERE id > 131000 LIMIT 1`, "text 131001"},
	}
	for _, test := range tests {
		for _, opts := range []Options{{Pool: NewPool(math.MaxInt64, 1)}, {Pool: NewPool(math.MaxInt64, 4)}, {Pool: NewPool(math.MaxInt64, 4), NoPrune: true}} {
			rows, err := rowsOf(mustPlan(t, l, test.query, opts), l)
			if got := strings.Join(rows, ", "); err != nil || got != test.want {
				t.Errorf("%s %+v:\n got %s, %v\nwant %s", test.query, opts, got, err, test.want)
			}
		}
	}
}

func TestBatchSizes(t *testing.T) {
	l := numbers(t, 5, 30)
	sizes := func(query string) (out []int64) {
		for rec, err := range mustPlan(t, l, query, Options{BatchRows: 40}).Run(t.Context(), l) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, rec.NumRows())
		}
		return out
	}
	if got := fmt.Sprint(sizes(`SELECT id FROM t`)); got != "[40 20 40 20 30]" {
		t.Errorf("got batches of %s rows; want small pieces joined, none above 40", got)
	}
	if got := fmt.Sprint(sizes(`SELECT id FROM t ORDER BY k`)); got != "[40 40 40 30]" {
		t.Errorf("sorted: got batches of %s rows; want [40 40 40 30]", got)
	}
}

// TestLimitStopsReading: LIMIT opens no more segments than run ahead of it.
func TestLimitStopsReading(t *testing.T) {
	l := numbers(t, 100, 10)
	if _, err := rowsOf(mustPlan(t, l, `SELECT id FROM t LIMIT 5`, Options{Pool: NewPool(math.MaxInt64, 1)}), l); err != nil {
		t.Fatal(err)
	}
	if got := len(l.opened); got > 10 {
		t.Errorf("LIMIT 5 opened %d segments; want a few", got)
	}
	l.opened = map[catalog.SegmentID]int{}
	if _, err := rowsOf(mustPlan(t, l, `SELECT id FROM t LIMIT 0`, Options{}), l); err != nil || len(l.opened) > 0 {
		t.Errorf("LIMIT 0 opened %d segments, %v; want none", len(l.opened), err)
	}
}

// TestZonesAnswer: what the catalog knows is not read.
func TestZonesAnswer(t *testing.T) {
	l := numbers(t, 3, 10)
	for _, query := range []string{
		`SELECT count(*), min(id), max(s), count(k) FROM t`,
		`SELECT count(*) FROM t WHERE id >= 10`,
		`SELECT max(id) FROM t WHERE id BETWEEN 10 AND 19 AND k IS NOT NULL`,
	} {
		if _, err := rowsOf(mustPlan(t, l, query, Options{}), l); err != nil {
			t.Fatal(err)
		}
		if len(l.opened) > 0 {
			t.Errorf("%s opened %d segments; want none", query, len(l.opened))
		}
	}
	if _, err := rowsOf(mustPlan(t, l, `SELECT count(*) FROM t WHERE id >= 11`, Options{}), l); err != nil || len(l.opened) != 1 {
		t.Errorf("a filter that cuts one segment opened %d, %v; want 1", len(l.opened), err)
	}
}

func TestConsumerStops(t *testing.T) {
	l := numbers(t, 20, 50)
	seen := 0
	for _, err := range mustPlan(t, l, `SELECT id FROM t`, Options{BatchRows: 10}).Run(t.Context(), l) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 3 {
			break
		}
	}
	if seen != 3 {
		t.Errorf("got %d batches; want 3", seen)
	}
}

func TestCancel(t *testing.T) {
	l := numbers(t, 20, 50)
	for _, query := range []string{`SELECT id FROM t`, `SELECT id FROM t ORDER BY s`, `SELECT count(DISTINCT s) FROM t`} {
		ctx, cancel := context.WithCancel(t.Context())
		opens := 0
		blocking := openerFunc(func(ctx context.Context, seg *catalog.Segment) (*format.Reader, error) {
			if opens++; opens == 4 {
				cancel()
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return l.OpenSegment(ctx, seg)
		})
		_, err := rowsWith(ctx, mustPlan(t, l, query, Options{}), blocking)
		if !wire.IsCode(err, wire.Canceled) {
			t.Errorf("%s: got %v; want CANCELED", query, err)
		}
	}
}

func rowsWith(ctx context.Context, p *Plan, o Opener) (n int64, err error) {
	for rec, err := range p.Run(ctx, o) {
		if err != nil {
			return n, err
		}
		n += rec.NumRows()
	}
	return n, nil
}

func TestOpenFails(t *testing.T) {
	l := numbers(t, 20, 50)
	broken := errors.New("disk on fire")
	failing := openerFunc(func(ctx context.Context, seg *catalog.Segment) (*format.Reader, error) {
		if seg.ID == l.snap.Segments[7].ID {
			return nil, broken
		}
		return l.OpenSegment(ctx, seg)
	})
	n, err := rowsWith(t.Context(), mustPlan(t, l, `SELECT id FROM t`, Options{BatchRows: 50}), failing)
	if n != 350 || !errors.Is(err, broken) || !strings.Contains(err.Error(), l.snap.Segments[7].ID.String()) {
		t.Errorf("got %d rows, then %v; want the 350 rows before the broken segment, then its error", n, err)
	}
}

func TestMemoryLimit(t *testing.T) {
	l := numbers(t, 10, 2000)
	tight := Options{MemoryBytes: 100_000}
	for _, query := range []string{
		`SELECT s, count(*) FROM t GROUP BY s`,
		`SELECT count(DISTINCT s) FROM t`,
		`SELECT id, s FROM t ORDER BY s`,
	} {
		_, err := rowsOf(mustPlan(t, l, query, tight), l)
		if !wire.IsCode(err, wire.LimitExceeded) {
			t.Errorf("%s: got %v; want LIMIT_EXCEEDED", query, err)
		}
		if _, err := rowsOf(mustPlan(t, l, query, Options{}), l); err != nil {
			t.Errorf("%s with the default limit: %v", query, err)
		}
	}
	for _, query := range []string{`SELECT id, s FROM t`, `SELECT id, s FROM t ORDER BY s LIMIT 3`, `SELECT k, sum(id) FROM t GROUP BY k`} {
		if _, err := rowsOf(mustPlan(t, l, query, tight), l); err != nil {
			t.Errorf("%s needs little memory: %v", query, err)
		}
	}
}

func TestSegmentsOfQuery(t *testing.T) {
	l := numbers(t, 3, 2)
	q := parse(t, `SELECT id FROM t`)
	q.Segments = []string{l.snap.Segments[2].ID.String(), l.snap.Segments[0].ID.String()}
	rows, err := l.query(q, Options{})
	if got := strings.Join(rows, ", "); err != nil || got != "0, 1, 4, 5" {
		t.Errorf("got %s, %v; want 0, 1, 4, 5", got, err)
	}
	q.Segments = []string{"00000009-00000009"}
	if _, err := l.query(q, Options{}); !wire.IsCode(err, wire.InvalidArgument) || !strings.Contains(err.Error(), "00000009-00000009 is not part of table t at version 7") {
		t.Errorf("got %v; want an error that names the segment", err)
	}
}

func TestSchemaEvolution(t *testing.T) {
	l := newLake(t, "id int32", "old string", "gone int8")
	l.addJSON(t, `[{"id":1,"old":"a","gone":9},{"id":2,"old":"b","gone":9}]`)
	wide, _ := schema.ParseType("int64")
	text, _ := schema.ParseType("string")
	l.evolve(
		schema.Field{ID: 9, Name: "gone", Type: text, Nullable: true}, // another column under a dropped name
		schema.Field{ID: 2, Name: "fresh", Type: text, Nullable: true},
		schema.Field{ID: 1, Name: "id", Type: wide, Nullable: true},
	)
	l.addJSON(t, `[{"id":3000000000,"fresh":"c","gone":"x"}]`)
	tests := []struct{ query, want string }{
		{`SELECT id, fresh, gone FROM t`, "1|a|∅, 2|b|∅, 3000000000|c|x"},
		{`SELECT id FROM t WHERE gone IS NULL`, "1, 2"},
		{`SELECT id FROM t WHERE gone = 'x' OR id = 2`, "2, 3000000000"},
		{`SELECT max(id), count(gone), min(gone), sum(id) FROM t`, "3000000000|1|x|3000000003"},
		{`SELECT id FROM t WHERE gone IS NULL AND id > 2000000000`, ""},
	}
	for _, test := range tests {
		for _, opts := range []Options{{}, {NoPrune: true}} {
			rows, err := rowsOf(mustPlan(t, l, test.query, opts), l)
			if got := strings.Join(rows, ", "); err != nil || got != test.want {
				t.Errorf("%s %+v: got %s, %v; want %s", test.query, opts, got, err, test.want)
			}
		}
	}
}

func TestExplain(t *testing.T) {
	l := newLake(t, "id int64", "country string")
	l.snap.PartitionBy = []schema.Transform{{Kind: schema.Identity, FieldID: 2}, {Kind: schema.Bucket, FieldID: 1, N: 4}}
	bucket := func(id int64) schema.PartitionValue {
		v := &vec{typ: l.snap.Schema.Fields[0].Type, n: 1, ints: []int64{id}}
		values, err := l.snap.PartitionBy[1].Apply(v.array())
		if err != nil {
			t.Fatal(err)
		}
		return values[0]
	}
	for _, country := range []string{"DE", "FR"} {
		for id := range int64(4) { // each a segment of two rows of one bucket
			seg := l.addJSON(t, fmt.Sprintf(`[{"id":%d,"country":%q},{"id":%d,"country":%q}]`, id, country, id, country))
			seg.Partition = []schema.PartitionValue{{Text: country}, bucket(id)}
		}
	}
	others := 0 // segments of DE in another bucket than id 2
	for id := range int64(4) {
		if bucket(id) != bucket(2) {
			others++
		}
	}
	q := parse(t, `SELECT count(*) FROM t WHERE country = 'DE' AND id = 2 GROUP BY id`)
	p, err := New(l.snap, q, Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.Explain(t.Context(), l, Spread{})
	if err != nil {
		t.Fatal(err)
	}
	// Zones of id rule out the rest, but id is a column of the partition too.
	got := fmt.Sprintf("%d segments, %d read, %d+%d pruned, %d/%d blocks, %d/%d rows, columns %v",
		e.Segments, e.SegmentsRead, e.PrunedPartition, e.PrunedZone, e.BlocksRead, e.Blocks, e.RowsRead, e.Rows, e.Columns)
	if want := "8 segments, 1 read, 7+0 pruned, 1/1 blocks, 2/16 rows, columns [country id]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	steps := strings.Join(e.Plan, "\n")
	want := "compute count(*)\ngroup by id: count(*)\nfilter (country = 'DE') AND (id = 2)\nread 2 of 16 rows in 1 blocks of 1 segments of t, version 7\nleft out 7 of 8 segments by partition, 0 by zone map"
	if steps != want {
		t.Errorf("got\n%s\nwant\n%s", steps, want)
	}

	// Without zones the buckets alone rule out segments.
	for _, seg := range l.snap.Segments {
		seg.Zones = nil
	}
	if p, err = New(l.snap, q, Options{}); err != nil {
		t.Fatal(err)
	}
	if got, want := p.pruned.partition, 2*others; got != want || others == 0 {
		t.Errorf("buckets alone prune %d segments; want %d of them", got, want)
	}
}

func TestCorruptSegment(t *testing.T) {
	l := numbers(t, 1, 10)
	broken := openerFunc(func(context.Context, *catalog.Segment) (*format.Reader, error) {
		return nil, fmt.Errorf("open: %w", format.ErrCorrupt)
	})
	if _, err := rowsWith(t.Context(), mustPlan(t, l, `SELECT s FROM t`, Options{}), broken); !wire.IsCode(err, wire.Corrupt) {
		t.Errorf("got %v; want CORRUPT", err)
	}
}

func TestMalformedQuery(t *testing.T) {
	l := numbers(t, 1, 1)
	for _, q := range []*expr.Query{
		{}, {Table: "t", Where: &expr.Expr{Op: "nosuch"}}, {Table: "t", Where: expr.New(expr.Eq, expr.Col("id"))},
		{Table: "t", Select: []expr.Item{{}}}, {Table: "t", Offset: -1},
		{Table: "t", Where: expr.New(expr.Star)}, {Table: "t", Select: []expr.Item{{Expr: expr.New(expr.Star)}}},
		{Table: "t", Select: []expr.Item{{Expr: expr.New(expr.Sum, expr.New(expr.Star))}}},
		{Table: "t", Select: []expr.Item{{Expr: &expr.Expr{Op: expr.Cast, Name: "nosuch", Args: []*expr.Expr{expr.Col("id")}}}}},
		{Table: "t", Select: []expr.Item{{Expr: &expr.Expr{Op: expr.Cast, Name: "timestamp[s, Nowhere/Land]", Args: []*expr.Expr{expr.Str("x")}}}}},
		{Table: "t", Select: []expr.Item{{Expr: &expr.Expr{Op: expr.Call, Name: "nosuch"}}}},
		{Table: "t", Select: []expr.Item{{Expr: &expr.Expr{Op: expr.Call, Name: "coalesce", Args: []*expr.Expr{expr.Col("id")}}}}},
		{Table: "t", Where: expr.New(expr.Eq, expr.Col("id"), expr.Num("1e99999999"))},
		{Table: "t", Where: expr.New(expr.Eq, expr.Col("id"), expr.Num("12x"))},
		{Table: "t", Where: expr.New(expr.Eq, expr.Col("s"), expr.Lit(expr.Bytes, "zz"))},
		{Table: "t", Select: []expr.Item{{Expr: expr.Lit("nosuch", "x")}}},
		{Table: "t", Having: expr.Lit(expr.Bool, "true")},
	} {
		rows, err := l.query(q, Options{})
		if !wire.IsCode(err, wire.InvalidArgument) && !wire.IsCode(err, wire.Unsupported) {
			t.Errorf("%+v: got %v, %v; want INVALID_ARGUMENT or UNSUPPORTED", q, rows, err)
		}
	}
}
