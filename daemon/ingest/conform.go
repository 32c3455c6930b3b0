package ingest

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

// check refuses, with wire.BadInput, a batch whose buffers contradict each
// other.
func check(batch arrow.RecordBatch) error {
	if n := batch.NumRows(); n > maxBatchRows {
		return wire.Errorf(wire.LimitExceeded, "a batch of %d rows; a batch has at most %d", n, maxBatchRows).WithHint("send smaller batches")
	}
	for i, col := range batch.Columns() {
		if err := validate(col); err != nil {
			return wire.Errorf(wire.BadInput, "column %q: %w", batch.ColumnName(i), err)
		}
	}
	return nil
}

// conform returns the columns of a sound batch as the table wants them: in
// the order of s, of its types, with nulls for columns that the batch leaves
// out. A batch that does not fit is refused with wire.SchemaMismatch.
func conform(mem memory.Allocator, table string, s *schema.Schema, batch arrow.RecordBatch) ([]arrow.Array, error) {
	from, err := sourceColumns(table, s, batch.Schema())
	if err != nil {
		return nil, err
	}
	cols := make([]arrow.Array, len(s.Fields))
	for i, f := range s.Fields {
		if from[i] < 0 {
			cols[i] = array.MakeArrayOfNull(mem, f.Type, int(batch.NumRows()))
		} else if cols[i], err = conformColumn(mem, table, f, batch.Column(from[i])); err != nil {
			return nil, err
		}
		if !f.Nullable && cols[i].NullN() > 0 {
			return nil, wire.Errorf(wire.SchemaMismatch, "table %q: column %q is NOT NULL and %d of the batch's %d rows have no value",
				table, f.Name, cols[i].NullN(), batch.NumRows())
		}
	}
	return cols, nil
}

// sourceColumns returns, for each field of s, the column of the batch that
// feeds it, or -1.
func sourceColumns(table string, s *schema.Schema, batch *arrow.Schema) ([]int, error) {
	from := make([]int, len(s.Fields))
	for i := range from {
		from[i] = -1
	}
	for i, f := range batch.Fields() {
		at := s.Index(f.Name)
		if at < 0 {
			return nil, wire.Errorf(wire.SchemaMismatch, "table %q has no column %q%s", table, f.Name, wire.DidYouMean(f.Name, s.Names())).
				WithHint("tarn table alter %s add '%s TYPE'", table, f.Name)
		}
		if from[at] >= 0 {
			return nil, wire.Errorf(wire.SchemaMismatch, "the batch has column %q twice", s.Fields[at].Name)
		}
		from[at] = i
	}
	return from, nil
}

func conformColumn(mem memory.Allocator, table string, f schema.Field, col arrow.Array) (arrow.Array, error) {
	plain, err := schema.Canonicalize(mem, col)
	if err != nil {
		return nil, wire.Errorf(wire.SchemaMismatch, "column %q: %w", f.Name, err)
	}
	if plain.NullN() == plain.Len() {
		return array.MakeArrayOfNull(mem, f.Type, plain.Len()), nil
	}
	wide, err := schema.WidenArray(mem, plain, f.Type)
	if err != nil {
		return nil, wire.Errorf(wire.SchemaMismatch, "table %q: column %q is %s, and the batch has %s",
			table, f.Name, schema.TypeText(f.Type), schema.TypeText(plain.DataType())).
			WithHint("send %s, or widen the column with: tarn table alter %s widen %s TYPE", schema.TypeText(f.Type), table, f.Name)
	}
	return wide, nil
}

// validate checks what a batch from outside may get wrong: buffers that are
// too short, offsets and indices that point outside, a null count that is
// not true, strings that are not UTF-8. Arrow's own check reports most of it
// and panics on some.
func validate(a arrow.Array) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("its buffers contradict each other: %v", p)
		}
	}()
	if texts, ok := a.(*array.String); ok && validTexts(texts) {
		return nil
	}
	if err := array.ValidateFull(withNullBuffers(a)); err != nil {
		return err
	}
	if d, ok := a.(*array.Dictionary); ok {
		return validate(d.Dictionary())
	}
	return nil
}

// validTexts reports whether Arrow's check would pass texts. It looks at all
// bytes together, which takes a fraction of the time of one text after the
// other, and at where each text begins.
func validTexts(texts *array.String) bool {
	d := texts.Data()
	bytes := array.NewData(arrow.BinaryTypes.Binary, d.Len(), d.Buffers(), nil, d.NullN(), d.Offset())
	defer bytes.Release()
	values := array.NewBinaryData(bytes)
	defer values.Release()
	if array.ValidateFull(values) != nil {
		return false
	}
	if d.Len() == 0 {
		return true
	}
	offsets, data := values.ValueOffsets(), values.ValueBytes() // from the first of offsets on
	for _, at := range offsets {
		if at -= offsets[0]; int(at) < len(data) && !utf8.RuneStart(data[at]) {
			return false
		}
	}
	return utf8.Valid(data)
}

// withNullBuffers returns a with the empty buffer that Arrow's check wants of
// null arrays, and that its reader does not give them.
func withNullBuffers(a arrow.Array) arrow.Array {
	if !holdsNull(a.DataType()) {
		return a
	}
	return array.MakeFromData(nullBuffers(a.Data()))
}

func holdsNull(t arrow.DataType) bool {
	if nested, ok := t.(arrow.NestedType); ok {
		return slices.ContainsFunc(nested.Fields(), func(f arrow.Field) bool { return holdsNull(f.Type) })
	}
	return t.ID() == arrow.NULL
}

func nullBuffers(d arrow.ArrayData) arrow.ArrayData {
	if d.DataType().ID() == arrow.NULL {
		return array.NewData(d.DataType(), d.Len(), []*memory.Buffer{nil}, nil, d.Len(), d.Offset())
	}
	children := make([]arrow.ArrayData, len(d.Children()))
	for i, c := range d.Children() {
		children[i] = nullBuffers(c)
	}
	return array.NewData(d.DataType(), d.Len(), d.Buffers(), children, d.NullN(), d.Offset())
}
