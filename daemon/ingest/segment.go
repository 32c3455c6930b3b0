package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
	"github.com/tarnlake/tarn/tiering"
)

// writeSegment writes the rows of batches, all of one partition, as one
// durable segment, sorted by the table's sort key. The segment is not part of
// the table until it is committed.
func (g *Ingester) writeSegment(ctx context.Context, t *catalog.Snapshot, values []schema.PartitionValue, batches []arrow.RecordBatch) (*newSegment, error) {
	s, err := g.openSegment(t, values)
	if err != nil {
		return nil, err
	}
	defer s.abort()
	if err := s.write(ctx, batches); err != nil {
		return nil, err
	}
	return s.commit()
}

// placeSegment is writeSegment, tried again in other groups when disks fail
// under it and others would take it.
func (g *Ingester) placeSegment(ctx context.Context, t *catalog.Snapshot, values []schema.PartitionValue, batches []arrow.RecordBatch) (s *newSegment, err error) {
	for range placesTried {
		s, err = g.writeSegment(ctx, t, values, batches)
		if !wire.IsCode(err, wire.Unavailable) || ctx.Err() != nil || !g.Members.TakesFresh(g.Catalog.View()) {
			break
		}
		g.Logger.Info("a segment is written again to other disks", "table", t.Name, "error", err)
	}
	return s, err
}

// placesTried is how often a segment is begun.
const placesTried = 3

// openSegment is a segment of one partition in the making. It is not safe for
// concurrent use; end it with commit or abort. A panic on the way is a bug of
// ours that its rows have met: it fails their commit, and the node goes on.
type openSegment struct {
	g      *Ingester
	table  *catalog.Snapshot
	values []schema.PartitionValue
	id     catalog.SegmentID
	file   *members.Writer
	rows   *format.Writer
}

func (g *Ingester) openSegment(t *catalog.Snapshot, values []schema.PartitionValue) (*openSegment, error) {
	id, err := g.NewSegmentID()
	if err != nil {
		return nil, err
	}
	file, err := g.create(id)
	if err != nil {
		return nil, storeError(err)
	}
	s := &openSegment{g: g, table: t, values: values, id: id, file: file}
	s.rows, err = NewSegmentWriter(file, t, t.Origin(values, nil), id, runtime.GOMAXPROCS(0))
	if err != nil {
		s.abort()
		return nil, storeError(err)
	}
	return s, nil
}

// create begins the file of a segment. Where a second node has only just come it
// waits until there is a place on it.
func (g *Ingester) create(id catalog.SegmentID) (*members.Writer, error) {
	file, err := g.Members.Create(g.Catalog.View(), id)
	if !errors.Is(err, members.ErrUnplaced) {
		return file, err
	}
	ctx, cancel := context.WithTimeout(g.ctx, placeWait)
	defer cancel()
	for {
		changed := g.Catalog.Changed()
		if file, err = g.Members.Create(g.Catalog.View(), id); !errors.Is(err, members.ErrUnplaced) {
			return file, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, err
		}
	}
}

// placeWait is how long a segment waits for its place.
const placeWait = 10 * time.Second

// NewSegmentWriter begins a segment of t, encoded and indexed as the table's
// options say, by so many goroutines.
func NewSegmentWriter(to io.Writer, t *catalog.Snapshot, from catalog.Origin, id catalog.SegmentID, goroutines int) (*format.Writer, error) {
	profile, ok := codec.ParseProfile(t.Options.Profile)
	if !ok {
		panic(fmt.Sprintf("BUG: ingest: the catalog let profile %q pass", t.Options.Profile))
	}
	info := format.Info{
		Segment: id.String(), Table: strconv.FormatInt(int64(t.ID), 10),
		Properties: segmentProperties(t, from),
	}
	return format.NewWriter(to, t.Schema, info, format.Options{
		Lookup: fieldIDs(t.Schema, t.Options.Lookup), Text: fieldIDs(t.Schema, t.Options.Text),
		Profile: profile, Goroutines: goroutines,
	})
}

// abort gives the segment up; after commit it does nothing.
func (s *openSegment) abort() {
	if err := s.file.Abort(); err != nil {
		s.g.Logger.Warn("file of a segment given up stays until the next start", "segment", s.id, "error", err)
	}
}

// write adds rows, sorted among themselves by the table's sort key.
func (s *openSegment) write(ctx context.Context, batches []arrow.RecordBatch) (err error) {
	defer s.recover(&err)
	if batches, err = sortRows(ctx, s.table, batches); err != nil {
		return err
	}
	for _, b := range batches {
		if err := s.rows.Write(b); err != nil {
			return storeError(err)
		}
	}
	return nil
}

// progress returns how far the segment is.
func (s *openSegment) progress() progress {
	return progress{held: s.rows.Held(), size: s.rows.Size(), rows: s.rows.Rows()}
}

// commit makes the segment durable.
func (s *openSegment) commit() (_ *newSegment, err error) {
	defer s.recover(&err)
	summary, err := s.rows.Close()
	if err != nil {
		return nil, storeError(err)
	}
	stripe, err := s.file.Commit()
	if err != nil {
		return nil, storeError(err)
	}
	return &newSegment{NewSegment(s.table, s.values, stripe.Data[0], summary), stripe}, nil
}

// NewSegment returns the catalog's entry of a segment that is durable as a
// member.
func NewSegment(t *catalog.Snapshot, values []schema.PartitionValue, m catalog.Member, s format.Summary) catalog.Segment {
	return catalog.Segment{
		ID: m.Segment, SchemaID: t.Schema.ID, Partition: values,
		Rows: s.Rows, Bytes: m.Bytes, Hash: m.Hash, Zones: zonesOf(s),
	}
}

// recover makes an error of a panic.
func (s *openSegment) recover(err *error) {
	if p := recover(); p != nil {
		s.g.Logger.Error("panic while writing a segment", "table", s.table.Name, "panic", p, "stack", string(debug.Stack()))
		*err = wire.Errorf(wire.Internal, "the node met a bug of its own while writing these rows: %v", p)
	}
}

// fieldIDs returns the ids of columns; one that the schema does not have, for
// the table has changed since, is left out.
func fieldIDs(s *schema.Schema, names []string) []int32 {
	var ids []int32
	for _, name := range names {
		if i := s.Index(name); i >= 0 {
			ids = append(ids, s.Fields[i].ID)
		}
	}
	return ids
}

// segmentProperties is what a catalog can be made of when it is lost, and the
// same for people.
func segmentProperties(t *catalog.Snapshot, from catalog.Origin) map[string]string {
	p := map[string]string{"table_name": t.Name, catalog.OriginProperty: from.String()}
	for i, v := range from.Partition {
		text := "=" + v.Text
		if v.Null {
			text = "" // null, apart from the empty text
		}
		p["partition."+t.PartitionBy[i].Text(t.Schema)] = text
	}
	return p
}

func zonesOf(s format.Summary) map[int32]index.Zone {
	zones := make(map[int32]index.Zone, len(s.Columns))
	for _, c := range s.Columns {
		zones[c.FieldID] = c.Zone
	}
	return zones
}

// sortRows returns the rows of batches in the order of the table's sort key;
// equal rows keep their order. Without a key it returns batches.
func sortRows(ctx context.Context, t *catalog.Snapshot, batches []arrow.RecordBatch) ([]arrow.RecordBatch, error) {
	if len(t.SortBy) == 0 {
		return batches, nil
	}
	all, err := concat(batches)
	if err != nil {
		return nil, err
	}
	keys := make([]compute.SortKey, len(t.SortBy))
	for i, k := range t.SortBy {
		keys[i] = compute.SortKey{ColumnIndex: t.Schema.ByID(k.FieldID)}
		if k.Desc {
			keys[i].Order = compute.SortOrderDescending
		}
	}
	order, err := compute.SortIndicesRecordBatch(ctx, all, keys)
	if err != nil {
		return nil, fmt.Errorf("sorting by the table's sort key: %w", err)
	}
	cols := make([]arrow.Array, all.NumCols())
	for i, col := range all.Columns() {
		if cols[i], err = compute.TakeArray(ctx, col, order); err != nil {
			return nil, err
		}
	}
	return []arrow.RecordBatch{array.NewRecordBatch(all.Schema(), cols, all.NumRows())}, nil
}

func concat(batches []arrow.RecordBatch) (arrow.RecordBatch, error) {
	if len(batches) == 1 {
		return batches[0], nil
	}
	first := batches[0]
	cols, rows := make([]arrow.Array, first.NumCols()), int64(0)
	for _, b := range batches {
		rows += b.NumRows()
	}
	for i := range cols {
		chunks := make([]arrow.Array, len(batches))
		for j, b := range batches {
			chunks[j] = b.Column(i)
		}
		var err error
		if cols[i], err = array.Concatenate(chunks, memAllocator); err != nil {
			return nil, err
		}
	}
	return array.NewRecordBatch(first.Schema(), cols, rows), nil
}

// storeError gives an error of the medium its kind.
func storeError(err error) error {
	switch {
	case errors.Is(err, tiering.ErrDiskFull):
		return wire.Errorf(wire.DiskFull, "no rows were taken: %w", err).WithHint("tarn disk list shows which; add a disk or a node, or drop what is not needed: reads and deletes still work")
	case errors.Is(err, tiering.ErrSuspect):
		return wire.Errorf(wire.Unavailable, "no rows were taken: %w", err).WithHint("check the disk (kernel log), then restart the node")
	}
	return err
}
