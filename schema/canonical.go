package schema

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// MaxDepth bounds how deep list, struct and map may nest.
const MaxDepth = 32

// Canonical returns the type under which Tarn keeps values of t: one physical
// shape per idea. Large, view and fixed-size variants become the plain one,
// dictionaries and run-end arrays are read as their values, date64 becomes
// date32, decimal32 and decimal64 become decimal128, null becomes string, and
// an extension type becomes its storage. Types without such a shape
// (intervals, unions, decimal256) and parameters that TypeText could not carry
// (a decimal of no digits, two struct fields of one name) are refused with an
// error that names them.
func Canonical(t arrow.DataType) (arrow.DataType, error) { return canonical(t, 0) }

func canonical(t arrow.DataType, depth int) (arrow.DataType, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("type nests deeper than %d", MaxDepth)
	}
	switch t := t.(type) {
	case *arrow.BooleanType, *arrow.Int8Type, *arrow.Int16Type, *arrow.Int32Type, *arrow.Int64Type,
		*arrow.Uint8Type, *arrow.Uint16Type, *arrow.Uint32Type, *arrow.Uint64Type,
		*arrow.Float16Type, *arrow.Float32Type, *arrow.Float64Type,
		*arrow.StringType, *arrow.BinaryType, *arrow.FixedSizeBinaryType,
		*arrow.Date32Type, *arrow.Time32Type, *arrow.Time64Type, *arrow.TimestampType, *arrow.DurationType,
		*arrow.Decimal128Type:
		return t, checkParameters(t)
	case *arrow.NullType, *arrow.LargeStringType, *arrow.StringViewType:
		return arrow.BinaryTypes.String, nil
	case *arrow.LargeBinaryType, *arrow.BinaryViewType:
		return arrow.BinaryTypes.Binary, nil
	case *arrow.Date64Type:
		return arrow.FixedWidthTypes.Date32, nil
	case *arrow.Decimal32Type:
		return canonical(&arrow.Decimal128Type{Precision: t.Precision, Scale: t.Scale}, depth)
	case *arrow.Decimal64Type:
		return canonical(&arrow.Decimal128Type{Precision: t.Precision, Scale: t.Scale}, depth)
	case *arrow.DictionaryType:
		return canonical(t.ValueType, depth+1)
	case *arrow.RunEndEncodedType:
		return canonical(t.Encoded(), depth+1)
	case arrow.ExtensionType:
		return canonical(t.StorageType(), depth+1)
	case *arrow.MapType:
		return canonicalMap(t, depth)
	case *arrow.StructType:
		return canonicalStruct(t, depth)
	case arrow.ListLikeType: // list, large list, list view, fixed-size list
		elem, err := canonical(t.Elem(), depth+1)
		if err != nil {
			return nil, fmt.Errorf("list element: %w", err)
		}
		return arrow.ListOfField(arrow.Field{Name: "item", Type: elem, Nullable: true}), nil
	}
	return nil, fmt.Errorf("type %s is not stored by Tarn", t)
}

// MaxFixedWidth bounds the width of fixed[n], in bytes.
const MaxFixedWidth = 1 << 20

func checkParameters(t arrow.DataType) error {
	switch t := t.(type) {
	case *arrow.Decimal128Type:
		if t.Precision < 1 || t.Precision > 38 || t.Scale < -38 || t.Scale > t.Precision {
			return fmt.Errorf("decimal(%d,%d): precision is 1 to 38 and scale -38 to precision", t.Precision, t.Scale)
		}
	case *arrow.FixedSizeBinaryType:
		if t.ByteWidth < 1 || t.ByteWidth > MaxFixedWidth {
			return fmt.Errorf("fixed[%d]: width is 1 to %d bytes", t.ByteWidth, MaxFixedWidth)
		}
	case *arrow.Time32Type:
		if t.Unit > arrow.Millisecond {
			return fmt.Errorf("32-bit time does not count %s", t.Unit)
		}
	case *arrow.Time64Type:
		if t.Unit < arrow.Microsecond {
			return fmt.Errorf("64-bit time does not count %s", t.Unit)
		}
	case *arrow.TimestampType:
		return checkZone(t.TimeZone)
	}
	return nil
}

// checkZone lets through what time zones are made of (Europe/Berlin, +05:30,
// Etc/GMT-1) without a look at any zone database: those differ between hosts.
func checkZone(zone string) error {
	odd := func(r rune) bool { return !identRune(r, 1) && !strings.ContainsRune("/+-:", r) }
	if len(zone) > 64 || strings.ContainsFunc(zone, odd) {
		return fmt.Errorf("timestamp: %.80q is not a time zone", zone)
	}
	return nil
}

func canonicalMap(t *arrow.MapType, depth int) (arrow.DataType, error) {
	key, err := canonical(t.KeyType(), depth+1)
	if err != nil {
		return nil, fmt.Errorf("map key: %w", err)
	}
	item, err := canonical(t.ItemType(), depth+1)
	if err != nil {
		return nil, fmt.Errorf("map value: %w", err)
	}
	return arrow.MapOf(key, item), nil
}

func canonicalStruct(t *arrow.StructType, depth int) (arrow.DataType, error) {
	if t.NumFields() == 0 {
		return nil, fmt.Errorf("a struct needs at least one field")
	}
	fields, seen := make([]arrow.Field, t.NumFields()), map[string]bool{}
	for i, f := range t.Fields() {
		ft, err := canonical(f.Type, depth+1)
		if err != nil {
			return nil, fmt.Errorf("struct field %q: %w", f.Name, err)
		}
		if err := checkName(f.Name); err != nil {
			return nil, fmt.Errorf("struct field: %w", err)
		}
		if seen[f.Name] {
			return nil, fmt.Errorf("struct field %q is there twice", f.Name)
		}
		seen[f.Name] = true
		fields[i] = arrow.Field{Name: f.Name, Type: ft, Nullable: true}
	}
	return arrow.StructOf(fields...), nil
}
