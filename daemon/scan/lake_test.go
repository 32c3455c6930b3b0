package scan

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/client/sql"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

// lake is a table in memory: real segments, no daemon.
type lake struct {
	snap    *catalog.Snapshot
	cache   *format.Cache // too small for all
	readers map[catalog.SegmentID]*format.Reader
	opened  map[catalog.SegmentID]int
}

func (l *lake) OpenSegment(ctx context.Context, seg *catalog.Segment) (*format.Reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.opened[seg.ID]++ // segments are opened by one goroutine, see tasks
	return l.readers[seg.ID], nil
}

// newLake makes an empty table t from "name type, …"; ids count from 1.
func newLake(t testing.TB, columns ...string) *lake {
	t.Helper()
	s := &schema.Schema{ID: 1}
	for i, c := range columns {
		name, text, _ := strings.Cut(c, " ")
		dt, err := schema.ParseType(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Fields = append(s.Fields, schema.Field{ID: int32(i + 1), Name: name, Type: dt, Nullable: true})
	}
	return &lake{
		snap:  &catalog.Snapshot{ID: 1, Name: "t", Version: 7, Schema: s, Schemas: map[int]*schema.Schema{1: s}},
		cache: format.NewCache(16 << 10), readers: map[catalog.SegmentID]*format.Reader{}, opened: map[catalog.SegmentID]int{},
	}
}

// evolve gives the table another schema; segments written before keep theirs.
func (l *lake) evolve(fields ...schema.Field) {
	s := &schema.Schema{ID: l.snap.Schema.ID + 1, Fields: fields}
	l.snap.Schema = s
	l.snap.Schemas[s.ID] = s
}

// addJSON adds a segment of the rows [{"a": 1, …}, …].
func (l *lake) addJSON(t testing.TB, rows string) *catalog.Segment {
	t.Helper()
	rec, _, err := array.RecordFromJSON(mem, l.snap.Schema.Arrow(), strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	return l.add(t, rec)
}

// add adds a segment of a batch.
func (l *lake) add(t testing.TB, rec arrow.RecordBatch) *catalog.Segment {
	t.Helper()
	return l.addAll(t, slices.Values([]arrow.RecordBatch{rec}), allIndexes(l.snap.Schema))
}

// addAll adds a segment of some batches.
func (l *lake) addAll(t testing.TB, recs iter.Seq[arrow.RecordBatch], opts format.Options) *catalog.Segment {
	t.Helper()
	var file bytes.Buffer
	w, err := format.NewWriter(&file, l.snap.Schema, format.Info{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	for rec := range recs {
		if err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
	}
	sum, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	id := catalog.NewSegmentID(1, uint32(len(l.snap.Segments)+1))
	r, err := l.cache.Open(uint64(id), bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	seg := &catalog.Segment{
		ID: id, SchemaID: l.snap.Schema.ID,
		Rows: sum.Rows, Bytes: sum.Bytes, Zones: map[int32]index.Zone{},
	}
	for _, c := range sum.Columns {
		seg.Zones[c.FieldID] = c.Zone
	}
	l.snap.Segments = append(l.snap.Segments, seg)
	l.readers[seg.ID] = r
	return seg
}

func parse(t testing.TB, text string) *expr.Query {
	t.Helper()
	q, err := sql.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return q
}

// query runs a query and returns its rows as text.
func (l *lake) query(q *expr.Query, opts Options) ([]string, error) {
	p, err := New(l.snap, q, opts)
	if err != nil {
		return nil, err
	}
	return rowsOf(p, l)
}

func rowsOf(p *Plan, o Opener) ([]string, error) {
	return textRows(p, p.RunStored(context.Background(), o, 0))
}

// textRows returns the rows of batches as text.
func textRows(p *Plan, parts iter.Seq2[Part, error]) ([]string, error) {
	rows := []string{}
	for part, err := range parts {
		if err != nil {
			return nil, err
		}
		rec := part.Batch
		if !rec.Schema().Equal(p.Schema()) {
			return nil, fmt.Errorf("batch has schema %v; plan says %v", rec.Schema(), p.Schema())
		}
		for i := range int(rec.NumRows()) {
			row := make([]string, rec.NumCols())
			for j, col := range rec.Columns() {
				if row[j] = cellText(col, i); row[j] == "-0.0" {
					row[j] = "0.0" // which of the two a zero shows is not promised
				}
			}
			rows = append(rows, strings.Join(row, "|"))
		}
	}
	return rows, nil
}

// cellText writes a value as CAST to string does; nested ones as Arrow does.
func cellText(a arrow.Array, i int) string {
	if a.IsNull(i) {
		return "∅"
	}
	if laneOf(a.DataType()) == laneNested {
		return a.ValueStr(i)
	}
	return textOf(vecOf(array.NewSlice(a, int64(i), int64(i+1))))(0)
}
