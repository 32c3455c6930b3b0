package source

import (
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/twmb/avro"
)

// rawLogical are the logical types whose values we want as they are stored:
// integers and bytes go into Arrow exactly, time.Time and big.Rat by detours.
var rawLogical = []string{
	"date", "time-millis", "time-micros", "timestamp-millis", "timestamp-micros", "timestamp-nanos",
	"local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos", "decimal", "uuid", "duration",
}

func rawLogicalTypes() (opts []avro.SchemaOpt) {
	for _, name := range rawLogical {
		opts = append(opts, avro.CustomType{LogicalType: name})
	}
	return opts
}

// avroLogical are the logical types over int and long.
var avroLogical = map[string]arrow.DataType{
	"int date":                    arrow.FixedWidthTypes.Date32,
	"int time-millis":             arrow.FixedWidthTypes.Time32ms,
	"long time-micros":            arrow.FixedWidthTypes.Time64us,
	"long timestamp-millis":       &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"},
	"long timestamp-micros":       &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"},
	"long timestamp-nanos":        &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"},
	"long local-timestamp-millis": &arrow.TimestampType{Unit: arrow.Millisecond},
	"long local-timestamp-micros": &arrow.TimestampType{Unit: arrow.Microsecond},
	"long local-timestamp-nanos":  &arrow.TimestampType{Unit: arrow.Nanosecond},
}

var avroPlain = map[string]arrow.DataType{
	"null": arrow.BinaryTypes.String, "boolean": arrow.FixedWidthTypes.Boolean,
	"int": arrow.PrimitiveTypes.Int32, "long": arrow.PrimitiveTypes.Int64,
	"float": arrow.PrimitiveTypes.Float32, "double": arrow.PrimitiveTypes.Float64,
	"string": arrow.BinaryTypes.String, "bytes": arrow.BinaryTypes.Binary, "enum": arrow.BinaryTypes.String,
}

// avroTypes turns Avro schemas into Arrow types.
type avroTypes struct {
	named map[string]*avro.SchemaNode
	open  []string // named types around this one: a type inside itself has no end
}

func newAvroTypes(root *avro.SchemaNode) *avroTypes {
	t := &avroTypes{named: map[string]*avro.SchemaNode{}}
	t.collect(root)
	return t
}

func (t *avroTypes) collect(n *avro.SchemaNode) {
	if n.Name != "" {
		t.named[fullName(n)] = n
	}
	for i := range n.Fields {
		t.collect(&n.Fields[i].Type)
	}
	for i := range n.Branches {
		t.collect(&n.Branches[i])
	}
	for _, inner := range []*avro.SchemaNode{n.Items, n.Values} {
		if inner != nil {
			t.collect(inner)
		}
	}
}

func fullName(n *avro.SchemaNode) string {
	if n.Namespace == "" {
		return n.Name
	}
	return n.Namespace + "." + n.Name
}

// arrowType returns the type of the values of n.
func (t *avroTypes) arrowType(n *avro.SchemaNode) (arrow.DataType, error) {
	if def, ok := t.named[n.Type]; ok && n.Name == "" {
		n = def
	}
	if n.Name != "" {
		if slices.Contains(t.open, fullName(n)) {
			return nil, fmt.Errorf("Avro type %s contains itself", n.Name)
		}
		t.open = append(t.open, fullName(n))
		defer func() { t.open = t.open[:len(t.open)-1] }()
	}
	if logical, ok := avroLogical[n.Type+" "+n.LogicalType]; ok {
		return logical, nil
	}
	if n.LogicalType == "decimal" && (n.Type == "bytes" || n.Type == "fixed") {
		if n.Precision > 38 {
			return nil, fmt.Errorf("decimal(%d,%d) has more than 38 digits", n.Precision, n.Scale)
		}
		return &arrow.Decimal128Type{Precision: int32(n.Precision), Scale: int32(n.Scale)}, nil
	}
	switch n.Type {
	case "fixed":
		return &arrow.FixedSizeBinaryType{ByteWidth: n.Size}, nil
	case "array":
		elem, err := t.arrowType(n.Items)
		if err != nil {
			return nil, err
		}
		return arrow.ListOf(elem), nil
	case "map":
		item, err := t.arrowType(n.Values)
		if err != nil {
			return nil, err
		}
		return arrow.MapOf(arrow.BinaryTypes.String, item), nil
	case "record", "error":
		return t.structType(n)
	case "union":
		return t.union(n)
	}
	if plain, ok := avroPlain[n.Type]; ok {
		return plain, nil
	}
	return nil, fmt.Errorf("Avro type %s is not known", n.Type)
}

func (t *avroTypes) structType(n *avro.SchemaNode) (arrow.DataType, error) {
	fields := make([]arrow.Field, len(n.Fields))
	for i := range n.Fields {
		f := &n.Fields[i]
		ft, err := t.arrowType(&f.Type)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
		fields[i] = arrow.Field{Name: f.Name, Type: ft, Nullable: true}
	}
	return arrow.StructOf(fields...), nil
}

// union takes null and one other type as that type.
func (t *avroTypes) union(n *avro.SchemaNode) (arrow.DataType, error) {
	var others []*avro.SchemaNode
	var names []string
	for i := range n.Branches {
		if b := &n.Branches[i]; b.Type != "null" {
			others, names = append(others, b), append(names, b.Type)
		}
	}
	switch len(others) {
	case 0:
		return arrow.BinaryTypes.String, nil
	case 1:
		return t.arrowType(others[0])
	}
	return nil, fmt.Errorf("an Avro union of %s is no column type", join(names))
}
