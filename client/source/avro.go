package source

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
)

// avroReader reads Avro object container files, block after block.
type avroReader struct {
	file    *ocf.Reader
	batch   *batchBuilder
	columns []avroAppender
	names   []string // nil: the values are no records, and go to one column
	conform *conformer
	done    int64
	maxRows int
}

// maxAvroBlock bounds a block as it is stored and as it is decompressed. A
// block is in memory whole; writers make them of some 64 KiB.
const maxAvroBlock = 64 << 20

func (s *Source) startAvro(opts Options) error {
	f, err := ocf.NewReader(s.in.head, ocf.WithMaxBlockBytes(maxAvroBlock),
		ocf.WithMaxDecompressedBlockBytes(maxAvroBlock), ocf.WithSchemaOpts(rawLogicalTypes()...))
	if err != nil {
		return err
	}
	root := f.Schema().Root()
	r := &avroReader{file: f, maxRows: opts.BatchRows}
	s.rows = r
	from, err := s.avroColumns(root, r)
	if err != nil {
		return err
	}
	canonical := &schema.Schema{}
	for _, field := range from.Fields() {
		t, err := schema.Canonical(field.Type)
		if err != nil {
			return wire.Errorf(wire.Unsupported, "%s: column %q: %w", s.name, field.Name, err)
		}
		canonical.Fields = append(canonical.Fields, schema.Field{Name: field.Name, Type: t, Nullable: true})
	}
	if r.conform, err = s.conformTo(canonical.Arrow(), opts); err != nil {
		return err
	}
	r.batch = newBatchBuilder(canonical)
	for _, b := range r.batch.builders {
		r.columns = append(r.columns, newAvroAppender(b))
	}
	return nil
}

// avroColumns returns the columns of the file: the fields of its record, or
// one for values that are none.
func (s *Source) avroColumns(root *avro.SchemaNode, r *avroReader) (*arrow.Schema, error) {
	types := newAvroTypes(root)
	if root.Type != "record" {
		t, err := types.arrowType(root)
		if err != nil {
			return nil, wire.Errorf(wire.Unsupported, "%s: column %q: %w", s.name, valueColumn, err)
		}
		return arrow.NewSchema([]arrow.Field{{Name: valueColumn, Type: t, Nullable: true}}, nil), nil
	}
	types.open = append(types.open, fullName(root))
	fields := make([]arrow.Field, len(root.Fields))
	r.names = make([]string, len(fields))
	for i := range root.Fields {
		f := &root.Fields[i]
		t, err := types.arrowType(&f.Type)
		if err != nil {
			return nil, wire.Errorf(wire.Unsupported, "%s: column %q: %w", s.name, f.Name, err).
				WithHint("leave the column out, or write it as another type")
		}
		fields[i] = arrow.Field{Name: f.Name, Type: t, Nullable: true}
		r.names[i] = f.Name
	}
	return arrow.NewSchema(fields, nil), nil
}

func (r *avroReader) close() error { return r.file.Close() }

func (r *avroReader) next() (arrow.RecordBatch, error) {
	first, size := r.done+1, 0
	for r.batch.rows < r.maxRows && size < batchBytes {
		var v any
		err := r.file.Decode(&v)
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", r.done+1, err)
		}
		r.done++
		n, err := r.row(v)
		if err != nil {
			return nil, err
		}
		size += n
	}
	if r.batch.rows == 0 {
		return nil, io.EOF
	}
	r.conform.mem.Renew()
	batch, err := r.batch.finish()
	if err != nil {
		return nil, err
	}
	return r.conform.conform(batch, first)
}

// row adds a row and returns about how many bytes it takes.
func (r *avroReader) row(v any) (int, error) {
	r.batch.rows++
	if r.names == nil {
		return r.cell(0, v)
	}
	record, ok := v.(map[string]any)
	if !ok {
		return 0, fmt.Errorf("row %d: %T where a record is due", r.done, v)
	}
	total := 0
	for i, name := range r.names {
		n, err := r.cell(i, record[name])
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

func (r *avroReader) cell(i int, v any) (int, error) {
	if err := r.columns[i](v); err != nil {
		return 0, fmt.Errorf("row %d, column %q: %w", r.done, r.batch.schema.Field(i).Name, err)
	}
	return sizeOf(v), nil
}

func sizeOf(v any) (n int) {
	switch v := v.(type) {
	case string:
		return len(v)
	case []byte:
		return len(v)
	case []any:
		for _, e := range v {
			n += sizeOf(e)
		}
	case map[string]any:
		for k, e := range v {
			n += len(k) + sizeOf(e)
		}
	}
	return n + 8
}

// An avroAppender adds a decoded value to its builder.
type avroAppender func(v any) error

func newAvroAppender(b array.Builder) avroAppender {
	add := avroValue(b)
	return func(v any) error {
		if v == nil {
			b.AppendNull()
			return nil
		}
		return add(v)
	}
}

func avroValue(b array.Builder) avroAppender {
	switch b := b.(type) {
	case *array.BooleanBuilder:
		return plain(b.Append)
	case *array.Int32Builder:
		return plain(b.Append)
	case *array.Int64Builder:
		return plain(b.Append)
	case *array.Float32Builder:
		return plain(b.Append)
	case *array.Float64Builder:
		return plain(b.Append)
	case *array.StringBuilder:
		text := stringAppender(b)
		return avroBytes(text)
	case *array.BinaryBuilder:
		return avroBytes(func(v []byte) error { b.Append(v); return nil })
	case *array.FixedSizeBinaryBuilder:
		width := b.Type().(*arrow.FixedSizeBinaryType).ByteWidth
		return avroBytes(func(v []byte) error {
			if len(v) != width {
				return fmt.Errorf("%d bytes where %d are due", len(v), width)
			}
			b.Append(v)
			return nil
		})
	case *array.Decimal128Builder:
		return avroBytes(avroDecimal(b))
	case *array.Date32Builder:
		return plain(func(v int32) { b.Append(arrow.Date32(v)) })
	case *array.Time32Builder:
		return plain(func(v int32) { b.Append(arrow.Time32(v)) })
	case *array.Time64Builder:
		return plain(func(v int64) { b.Append(arrow.Time64(v)) })
	case *array.TimestampBuilder:
		return plain(func(v int64) { b.Append(arrow.Timestamp(v)) })
	case *array.MapBuilder:
		return avroMap(b)
	case *array.ListBuilder:
		return avroList(b)
	case *array.StructBuilder:
		return avroStruct(b)
	}
	panic("BUG: no Avro type becomes " + b.Type().String())
}

func plain[T any](add func(T)) avroAppender {
	return func(v any) error {
		t, ok := v.(T)
		if !ok {
			return fmt.Errorf("%T where %T is due", v, t)
		}
		add(t)
		return nil
	}
}

// avroBytes takes all that is bytes at heart.
func avroBytes(add func([]byte) error) avroAppender {
	return func(v any) error {
		switch v := v.(type) {
		case string:
			return add([]byte(v))
		case []byte:
			return add(v)
		}
		return fmt.Errorf("%T where bytes are due", v)
	}
}

// avroDecimal reads a big-endian two's complement integer.
func avroDecimal(b *array.Decimal128Builder) func([]byte) error {
	precision := b.Type().(*arrow.Decimal128Type).Precision
	return func(v []byte) error {
		var hi, lo uint64
		if len(v) > 0 && v[0] >= 0x80 {
			hi, lo = ^uint64(0), ^uint64(0)
		}
		sign := byte(hi)
		for len(v) > 16 && v[0] == sign { // a fixed may be wider than its value
			v = v[1:]
		}
		for _, c := range v {
			hi, lo = hi<<8|lo>>56, lo<<8|uint64(c)
		}
		n := decimal128.New(int64(hi), lo)
		if len(v) > 16 || !n.FitsInPrecision(precision) {
			return fmt.Errorf("a decimal of more than %d digits", precision)
		}
		b.Append(n)
		return nil
	}
}

func avroList(b *array.ListBuilder) avroAppender {
	elem := newAvroAppender(b.ValueBuilder())
	return func(v any) error {
		values, ok := v.([]any)
		if !ok {
			return fmt.Errorf("%T where an array is due", v)
		}
		b.Append(true)
		for _, e := range values {
			if err := elem(e); err != nil {
				return err
			}
		}
		return nil
	}
}

func avroMap(b *array.MapBuilder) avroAppender {
	key, item := newAvroAppender(b.KeyBuilder()), newAvroAppender(b.ItemBuilder())
	return func(v any) error {
		values, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("%T where a map is due", v)
		}
		b.Append(true)
		for _, k := range slices.Sorted(maps.Keys(values)) { // one order for ever
			if err := errors.Join(key(k), item(values[k])); err != nil {
				return err
			}
		}
		return nil
	}
}

func avroStruct(b *array.StructBuilder) avroAppender {
	t := b.Type().(*arrow.StructType)
	fields := make([]avroAppender, t.NumFields())
	for i := range fields {
		fields[i] = newAvroAppender(b.FieldBuilder(i))
	}
	return func(v any) error {
		record, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("%T where a record is due", v)
		}
		b.Append(true)
		for i, add := range fields {
			if err := add(record[t.Field(i).Name]); err != nil {
				return fmt.Errorf("field %q: %w", t.Field(i).Name, err)
			}
		}
		return nil
	}
}
