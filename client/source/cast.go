package source

import (
	"fmt"
	"math/bits"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/schema"
)

// A caster turns an array of one canonical type into another, exactly: a
// value that the other type cannot carry is an error.
type caster func(arrow.Array) (arrow.Array, error)

// newCaster returns nil where there is no exact way between the types.
func newCaster(from, to arrow.DataType) caster {
	switch {
	case arrow.TypeEqual(from, to):
		return func(a arrow.Array) (arrow.Array, error) { return a, nil }
	case schema.Widens(from, to):
		return func(a arrow.Array) (arrow.Array, error) { return schema.WidenArray(mem, a, to) }
	case from.ID() == arrow.STRING:
		return textCaster(to)
	case from.ID() == arrow.BINARY && to.ID() == arrow.STRING:
		return bytesToString
	case from.ID() == arrow.DECIMAL128 && to.ID() == arrow.DECIMAL128:
		return rescale(from.(*arrow.Decimal128Type), to.(*arrow.Decimal128Type))
	case arrow.IsInteger(from.ID()) && to.ID() == arrow.DECIMAL128:
		return integerToText(to)
	case arrow.IsInteger(from.ID()) && arrow.IsInteger(to.ID()):
		return integerToText(to)
	case from.ID() == arrow.INT64 && to.ID() == arrow.DURATION:
		return func(a arrow.Array) (arrow.Array, error) { return relabel(a, to), nil }
	case nested(from) && from.ID() == to.ID():
		return nestedCaster(from, to)
	}
	return unitCaster(from, to)
}

func relabel(a arrow.Array, t arrow.DataType) arrow.Array {
	d := a.Data()
	return array.MakeFromData(array.NewData(t, d.Len(), d.Buffers(), d.Children(), d.NullN(), d.Offset()))
}

// convert builds an array of type t, value by value.
func convert(a arrow.Array, t arrow.DataType, value func(b array.Builder, i int) error) (arrow.Array, error) {
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

// textCaster reads the strings of a file as CSV cells are read.
func textCaster(to arrow.DataType) caster {
	return func(a arrow.Array) (arrow.Array, error) {
		var add appender
		s := a.(*array.String)
		return convert(a, to, func(b array.Builder, i int) error {
			if add == nil {
				add = newTextAppender(b)
			}
			return add(view(s.Value(i)))
		})
	}
}

// integerToText goes by way of the digits: rare, and right for every pair.
func integerToText(to arrow.DataType) caster {
	return func(a arrow.Array) (arrow.Array, error) {
		var add appender
		return convert(a, to, func(b array.Builder, i int) error {
			if add == nil {
				add = newTextAppender(b)
			}
			return add(view(a.ValueStr(i)))
		})
	}
}

func bytesToString(a arrow.Array) (arrow.Array, error) {
	s := a.(*array.Binary)
	for i := range s.Len() {
		if s.IsValid(i) && !utf8.Valid(s.Value(i)) {
			return nil, fmt.Errorf("row %d: %s is not valid UTF-8", i, quoted(s.Value(i)))
		}
	}
	return relabel(a, arrow.BinaryTypes.String), nil
}

func rescale(from, to *arrow.Decimal128Type) caster {
	return func(a arrow.Array) (arrow.Array, error) {
		d := a.(*array.Decimal128)
		return convert(a, to, func(b array.Builder, i int) error {
			v, err := d.Value(i).Rescale(from.Scale, to.Scale)
			if err != nil || !v.FitsInPrecision(to.Precision) {
				return misfit(view(d.ValueStr(i)), to)
			}
			b.(*array.Decimal128Builder).Append(v)
			return nil
		})
	}
}

// unitCaster changes the unit of timestamps, times and durations. Between
// timestamps with and without a zone there is no way.
func unitCaster(from, to arrow.DataType) caster {
	fromUnit, fromClass, ok1 := unitOf(from)
	toUnit, toClass, ok2 := unitOf(to)
	if !ok1 || !ok2 || fromClass != toClass {
		return nil
	}
	f, t := int64(fromUnit.Multiplier()), int64(toUnit.Multiplier())
	return func(a arrow.Array) (arrow.Array, error) {
		return convert(a, to, func(b array.Builder, i int) error {
			v, ok := inUnit(count64(a, i), f, t)
			if !ok || !appendCount(b, v) {
				return misfit(view(a.ValueStr(i)), to)
			}
			return nil
		})
	}
}

// unitOf returns the unit of a type that counts time, and what it counts.
func unitOf(t arrow.DataType) (arrow.TimeUnit, string, bool) {
	switch t := t.(type) {
	case *arrow.TimestampType:
		if t.TimeZone == "" {
			return t.Unit, "wall clock", true
		}
		return t.Unit, "instant", true
	case *arrow.Time32Type:
		return t.Unit, "time of day", true
	case *arrow.Time64Type:
		return t.Unit, "time of day", true
	case *arrow.DurationType:
		return t.Unit, "duration", true
	}
	return 0, "", false
}

// inUnit turns v units of from nanoseconds into units of to nanoseconds.
func inUnit(v, from, to int64) (int64, bool) {
	if from < to {
		return v / (to / from), v%(to/from) == 0
	}
	factor := from / to
	hi, lo := bits.Mul64(uint64(max(v, -v)), uint64(factor))
	out := v * factor
	return out, hi == 0 && lo <= 1<<63-1
}

func count64(a arrow.Array, i int) int64 {
	switch a := a.(type) {
	case *array.Timestamp:
		return int64(a.Value(i))
	case *array.Time32:
		return int64(a.Value(i))
	case *array.Time64:
		return int64(a.Value(i))
	case *array.Duration:
		return int64(a.Value(i))
	}
	panic("BUG: no count of time in type " + a.DataType().String())
}

func appendCount(b array.Builder, v int64) bool {
	switch b := b.(type) {
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v))
	case *array.Time32Builder:
		b.Append(arrow.Time32(v))
		return int64(int32(v)) == v
	case *array.Time64Builder:
		b.Append(arrow.Time64(v))
	case *array.DurationBuilder:
		b.Append(arrow.Duration(v))
	}
	return true
}

func nested(t arrow.DataType) bool {
	return t.ID() == arrow.LIST || t.ID() == arrow.STRUCT || t.ID() == arrow.MAP
}

// nestedCaster casts the children. Structs are matched by field name, and
// fields that the file lacks are null.
func nestedCaster(from, to arrow.DataType) caster {
	var children []conformed
	if from.ID() == arrow.STRUCT {
		children = structCasters(from.(*arrow.StructType), to.(*arrow.StructType))
	} else if c := newCaster(elemOf(from), elemOf(to)); c != nil {
		children = []conformed{{field: schema.Field{Type: elemOf(to)}, cast: c}}
	}
	if children == nil {
		return nil
	}
	return func(a arrow.Array) (arrow.Array, error) {
		d := a.Data()
		out := make([]arrow.ArrayData, len(children))
		for i, c := range children {
			if c.from < 0 {
				out[i] = array.MakeArrayOfNull(mem, c.field.Type, d.Offset()+d.Len()).Data()
				continue
			}
			child, err := c.cast(array.MakeFromData(d.Children()[c.from]))
			if err != nil {
				return nil, err
			}
			out[i] = child.Data()
		}
		return array.MakeFromData(array.NewData(to, d.Len(), d.Buffers(), out, d.NullN(), d.Offset())), nil
	}
}

func elemOf(t arrow.DataType) arrow.DataType {
	if m, ok := t.(*arrow.MapType); ok {
		return m.Elem() // the struct of key and value
	}
	return t.(arrow.ListLikeType).Elem()
}

func structCasters(from, to *arrow.StructType) []conformed {
	for _, f := range from.Fields() {
		if _, ok := to.FieldIdx(f.Name); !ok {
			return nil // a field that would be lost
		}
	}
	children := make([]conformed, to.NumFields())
	for i, f := range to.Fields() {
		children[i] = conformed{field: schema.Field{Type: f.Type}, from: -1}
		if at, ok := from.FieldIdx(f.Name); ok {
			children[i].from, children[i].cast = at, newCaster(from.Field(at).Type, f.Type)
			if children[i].cast == nil {
				return nil
			}
		}
	}
	return children
}
