package fuse

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
)

// fakeLake keeps tables in memory, every version of them.
type fakeLake struct {
	mu     sync.Mutex
	tables map[string]*fakeTable
	nextID int
	down   error // what every call answers while set

	scans   atomic.Int64
	started chan string   // where set, gets the segment of every scan
	hold    chan struct{} // where set, scans wait until it is closed
	extra   atomic.Int64  // scans give the first row this many times more
}

type fakeTable struct {
	versions []wire.TableInfo // version 1 first
	segments []fakeSegment
}

type fakeSegment struct {
	wire.Segment
	removed int64 // version, 0: live
	rows    arrow.RecordBatch
}

func newFakeLake() *fakeLake { return &fakeLake{tables: map[string]*fakeTable{}} }

var epoch = time.Date(2025, 3, 1, 12, 0, 0, 123456789, time.UTC)

// create makes a table; a field is "name type". Bad texts panic.
func (l *fakeLake) create(name string, partitionBy []string, fields ...string) {
	s := &schema.Schema{ID: 1}
	for i, text := range fields {
		cut := strings.LastIndexByte(text, ' ')
		dt, err := schema.ParseType(text[cut+1:])
		if err != nil {
			panic(err)
		}
		s.Fields = append(s.Fields, schema.Field{ID: int32(i + 1), Name: text[:cut], Type: dt, Nullable: true})
	}
	var by []schema.Transform
	for _, text := range partitionBy {
		tr, err := schema.ParseTransform(s, text)
		if err != nil {
			panic(err)
		}
		by = append(by, tr)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nextID++
	l.tables[name] = &fakeTable{versions: []wire.TableInfo{{
		Name: name, ID: fmt.Sprint(l.nextID), Schema: wire.SchemaInfo{ID: 1, Fields: s.Fields},
		PartitionBy: by, Version: 1, Committed: epoch,
	}}}
}

func (f *fakeTable) newest() wire.TableInfo { return f.versions[len(f.versions)-1] }

// commit adds a version that change has edited.
func (f *fakeTable) commit(change func(*wire.TableInfo)) int64 {
	info := f.newest()
	info.Version++
	info.Committed = epoch.Add(time.Duration(info.Version) * time.Second)
	if change != nil {
		change(&info)
	}
	f.versions = append(f.versions, info)
	return info.Version
}

// add appends one segment of n rows to a table and returns its id.
func (l *fakeLake) add(name string, n int, partition ...schema.PartitionValue) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.tables[name]
	v := f.commit(nil)
	info := f.newest()
	seg := wire.Segment{
		ID: fmt.Sprintf("%08x-%08x", 1, len(f.segments)+1), Partition: partition, Rows: int64(n), Bytes: int64(n) * 8,
		SchemaID: info.Schema.ID, Added: v, Committed: info.Committed, Hash: fmt.Sprintf("%032x", int(v)*1000+n),
	}
	f.segments = append(f.segments, fakeSegment{Segment: seg, rows: makeRows(info.Schema.Schema().Arrow(), n, int(v))})
	return seg.ID
}

// remove takes segments out of the newest version, as a merge would.
func (l *fakeLake) remove(name string, ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.tables[name]
	v := f.commit(nil)
	for i := range f.segments {
		if slices.Contains(ids, f.segments[i].ID) {
			f.segments[i].removed = v
		}
	}
}

// addColumn evolves a table's schema.
func (l *fakeLake) addColumn(name, column string, dt arrow.DataType) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tables[name].commit(func(info *wire.TableInfo) {
		id := int32(len(info.Schema.Fields) + 1)
		info.Schema.Fields = append(slices.Clone(info.Schema.Fields), schema.Field{ID: id, Name: column, Type: dt, Nullable: true})
		info.Schema.ID++
	})
}

func (l *fakeLake) drop(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tables, name)
}

func (l *fakeLake) setDown(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = err
}

// makeRows fills int, string and other columns with values that depend on
// the row and the seed.
func makeRows(s *arrow.Schema, n, seed int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for i := range s.Fields() {
		for row := range n {
			v := seed*1_000_000 + row*7 + i
			switch fb := b.Field(i).(type) {
			case *array.Int64Builder:
				fb.Append(int64(v))
			case *array.Float64Builder:
				fb.Append(float64(v) / 4)
			case *array.StringBuilder:
				if v%5 == 0 {
					fb.AppendNull()
				} else {
					fb.Append(fmt.Sprintf("value, %d \"quoted\" ü", v))
				}
			default:
				fb.AppendNull()
			}
		}
	}
	return b.NewRecordBatch()
}

// at returns a table and one version of it.
func (l *fakeLake) at(name string, at expr.At) (*fakeTable, wire.TableInfo, error) {
	if l.down != nil {
		return nil, wire.TableInfo{}, l.down
	}
	f := l.tables[name]
	if f == nil {
		return nil, wire.TableInfo{}, wire.Errorf(wire.TableNotFound, "no table %q", name)
	}
	if at.Version == 0 {
		return f, f.newest(), nil
	}
	if at.Version > int64(len(f.versions)) {
		return nil, wire.TableInfo{}, wire.Errorf(wire.VersionNotFound, "table %q has no version %d", name, at.Version)
	}
	return f, f.versions[at.Version-1], nil
}

func (f *fakeTable) live(version int64) []fakeSegment {
	var live []fakeSegment
	for _, s := range f.segments {
		if s.Added <= version && (s.removed == 0 || version < s.removed) {
			live = append(live, s)
		}
	}
	return live
}

func (l *fakeLake) Tables(context.Context) ([]wire.TableInfo, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var infos []wire.TableInfo
	for _, f := range l.tables {
		infos = append(infos, f.newest())
	}
	return infos, l.down
}

func (l *fakeLake) Table(_ context.Context, name string, at expr.At) (wire.TableInfo, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, info, err := l.at(name, at)
	return info, err
}

func (l *fakeLake) Segments(_ context.Context, name string, at expr.At) (wire.SegmentList, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, info, err := l.at(name, at)
	if err != nil {
		return wire.SegmentList{}, err
	}
	list := wire.SegmentList{Version: info.Version}
	for _, s := range f.live(info.Version) {
		list.Segments = append(list.Segments, s.Segment)
	}
	return list, nil
}

func (l *fakeLake) Scan(ctx context.Context, q *expr.Query) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		l.scans.Add(1)
		if l.started != nil {
			l.started <- q.Segments[0]
		}
		if l.hold != nil {
			select {
			case <-l.hold:
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			}
		}
		batch, err := l.read(q)
		if err != nil {
			yield(nil, err)
			return
		}
		for range l.extra.Load() {
			batch := batch.NewSlice(0, 1)
			if !yield(batch, nil) {
				return
			}
		}
		half := batch.NumRows() / 2
		if yield(batch.NewSlice(0, half), nil) {
			yield(batch.NewSlice(half, batch.NumRows()), nil)
		}
	}
}

// read returns the rows of one segment under the schema of the version.
func (l *fakeLake) read(q *expr.Query) (arrow.RecordBatch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, info, err := l.at(q.Table, q.At)
	if err != nil {
		return nil, err
	}
	for _, s := range f.live(info.Version) {
		if s.ID != q.Segments[0] {
			continue
		}
		want := info.Schema.Schema().Arrow()
		columns := s.rows.Columns()
		for i := len(columns); i < want.NumFields(); i++ {
			columns = append(columns, array.MakeArrayOfNull(memory.DefaultAllocator, want.Field(i).Type, int(s.rows.NumRows())))
		}
		plain := arrow.NewSchema(stripMetadata(want.Fields()), nil) // as a scan may give it
		return array.NewRecordBatch(plain, columns, s.rows.NumRows()), nil
	}
	return nil, wire.Errorf(wire.InvalidArgument, "segment %s is not in version %d of table %q", q.Segments[0], info.Version, q.Table)
}

func stripMetadata(fields []arrow.Field) []arrow.Field {
	plain := slices.Clone(fields)
	for i := range plain {
		plain[i].Metadata = arrow.Metadata{}
	}
	return plain
}

func val(text string) schema.PartitionValue { return schema.PartitionValue{Text: text} }

var null = schema.PartitionValue{Null: true}
