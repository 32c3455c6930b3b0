package sink

import (
	"fmt"
	"io"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/tarnlake/tarn/client/wire"
)

// A row group is in memory until it is written.
const (
	groupRows  = 1 << 20
	groupBytes = 64 << 20 // compressed
)

// parquetSink writes Parquet with zstd and column statistics. It stores no
// Arrow schema: readers shall see what the Parquet types say and nothing else.
type parquetSink struct {
	file   *pqarrow.FileWriter
	schema *arrow.Schema // with the types that Parquet has
}

func newParquet(w io.Writer, s *arrow.Schema) (*parquetSink, error) {
	fields := make([]arrow.Field, s.NumFields())
	for i, f := range s.Fields() {
		t, err := parquetType(f.Type)
		if err != nil {
			return nil, wire.Errorf(wire.Unsupported, "column %q: %w", f.Name, err)
		}
		f.Type = t
		fields[i] = f
	}
	p := &parquetSink{schema: arrow.NewSchema(fields, nil)}
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithStats(true),
		parquet.WithVersion(parquet.V2_LATEST), parquet.WithCreatedBy("tarn"), parquet.WithMaxRowGroupLength(groupRows), parquet.WithAllocator(mem))
	var err error
	p.file, err = pqarrow.NewFileWriter(p.schema, unclosed{w}, props, pqarrow.NewArrowWriterProperties(pqarrow.WithAllocator(mem)))
	return p, err
}

// unclosed hides a Close of the writer below.
type unclosed struct{ io.Writer }

func (p *parquetSink) Write(b arrow.RecordBatch) error {
	if b.NumRows() == 0 {
		return nil
	}
	cols := make([]arrow.Array, b.NumCols())
	for i, f := range p.schema.Fields() {
		var err error
		if cols[i], err = toParquet(b.Column(i), f.Type); err != nil {
			return fmt.Errorf("column %q: %w", f.Name, err)
		}
	}
	if p.file.RowGroupTotalCompressedBytes() > groupBytes {
		if err := p.file.NewBufferedRowGroupChecked(); err != nil {
			return err
		}
	}
	return p.file.WriteBuffered(array.NewRecordBatch(p.schema, cols, b.NumRows()))
}

func (p *parquetSink) Close() error { return p.file.Close() }

// parquetType returns the type under which Parquet keeps t: it counts time in
// milliseconds at least, knows no duration, and no decimal without units.
func parquetType(t arrow.DataType) (arrow.DataType, error) {
	switch t := t.(type) {
	case *arrow.TimestampType:
		if t.Unit == arrow.Second {
			return &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: t.TimeZone}, nil
		}
	case *arrow.Time32Type:
		return arrow.FixedWidthTypes.Time32ms, nil
	case *arrow.DurationType:
		return arrow.PrimitiveTypes.Int64, nil
	case *arrow.Decimal128Type:
		if t.Scale < 0 && t.Precision-t.Scale > 38 {
			return nil, fmt.Errorf("decimal(%d,%d) does not fit Parquet, which has no negative scale", t.Precision, t.Scale)
		}
		if t.Scale < 0 {
			return &arrow.Decimal128Type{Precision: t.Precision - t.Scale}, nil
		}
	case *arrow.MapType:
		key, err := parquetType(t.KeyType())
		if err != nil {
			return nil, err
		}
		item, err := parquetType(t.ItemType())
		return arrow.MapOf(key, item), err
	case *arrow.ListType:
		elem, err := parquetType(t.Elem())
		return arrow.ListOfField(arrow.Field{Name: "element", Type: elem, Nullable: true}), err
	case *arrow.StructType:
		return parquetStruct(t)
	}
	return t, nil
}

func parquetStruct(t *arrow.StructType) (arrow.DataType, error) {
	fields := make([]arrow.Field, t.NumFields())
	for i, f := range t.Fields() {
		ft, err := parquetType(f.Type)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
		f.Type = ft
		fields[i] = f
	}
	return arrow.StructOf(fields...), nil
}

// toParquet returns a under the type that parquetType gave.
func toParquet(a arrow.Array, t arrow.DataType) (arrow.Array, error) {
	if arrow.TypeEqual(a.DataType(), t) {
		return a, nil
	}
	switch a := a.(type) {
	case *array.Timestamp:
		return rebuild(a, t, func(b array.Builder, i int) error {
			hi, lo := bits.Mul64(uint64(max(a.Value(i), -a.Value(i))), 1000)
			if hi != 0 || lo > 1<<63-1 {
				return fmt.Errorf("row %d: %s seconds from 1970 are too many milliseconds for Parquet", i, a.ValueStr(i))
			}
			b.(*array.TimestampBuilder).Append(a.Value(i) * 1000)
			return nil
		})
	case *array.Time32:
		return rebuild(a, t, func(b array.Builder, i int) error {
			b.(*array.Time32Builder).Append(a.Value(i) * 1000)
			return nil
		})
	case *array.Decimal128:
		scale := a.DataType().(*arrow.Decimal128Type).Scale
		return rebuild(a, t, func(b array.Builder, i int) error {
			b.(*array.Decimal128Builder).Append(a.Value(i).Mul(decimal128.GetScaleMultiplier(int(-scale))))
			return nil
		})
	case *array.Duration:
		return withChildren(a, t, nil)
	}
	return withChildren(a, t, func(child arrow.Array, i int) (arrow.Array, error) {
		return toParquet(child, childType(t, i))
	})
}

func rebuild(a arrow.Array, t arrow.DataType, value func(array.Builder, int) error) (arrow.Array, error) {
	b := array.NewBuilder(mem, t)
	defer b.Release()
	b.Reserve(a.Len())
	for i := range a.Len() {
		if a.IsNull(i) {
			b.AppendNull()
		} else if err := value(b, i); err != nil {
			return nil, err
		}
	}
	return b.NewArray(), nil
}

// withChildren returns a as type t with each of its children changed.
func withChildren(a arrow.Array, t arrow.DataType, change func(arrow.Array, int) (arrow.Array, error)) (arrow.Array, error) {
	d := a.Data()
	children := make([]arrow.ArrayData, len(d.Children()))
	for i, c := range d.Children() {
		child, err := change(array.MakeFromData(c), i)
		if err != nil {
			return nil, err
		}
		children[i] = child.Data()
	}
	return array.MakeFromData(array.NewData(t, d.Len(), d.Buffers(), children, d.NullN(), d.Offset())), nil
}

func childType(t arrow.DataType, i int) arrow.DataType {
	switch t := t.(type) {
	case *arrow.StructType:
		return t.Field(i).Type
	case *arrow.MapType:
		return t.Elem() // the struct of key and value
	}
	return t.(arrow.ListLikeType).Elem()
}
