package schema

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// The text of a type, used in the catalog, in segment footers, on the command
// line and in messages. It reaches disk: spellings may be added, never changed.
//
//	type   = name | name "[" args "]" | "decimal(" p "," s ")"
//	       | "list<" type ">" | "map<" type "," type ">"
//	       | "struct<" field {"," field} ">"        field = name ":" type
//	name   = bool int8…int64 uint8…uint64 float16 float32 float64 string
//	         binary date
//	args   = fixed[n] · time[s|ms|us|ns] · duration[unit] ·
//	         timestamp[unit] · timestamp[unit, zone]
//
// A struct field name that is not a plain identifier stands in double quotes,
// with Go escapes.

var plainTypes = map[string]arrow.DataType{
	"bool": arrow.FixedWidthTypes.Boolean,
	"int8": arrow.PrimitiveTypes.Int8, "int16": arrow.PrimitiveTypes.Int16,
	"int32": arrow.PrimitiveTypes.Int32, "int64": arrow.PrimitiveTypes.Int64,
	"uint8": arrow.PrimitiveTypes.Uint8, "uint16": arrow.PrimitiveTypes.Uint16,
	"uint32": arrow.PrimitiveTypes.Uint32, "uint64": arrow.PrimitiveTypes.Uint64,
	"float16": arrow.FixedWidthTypes.Float16, "float32": arrow.PrimitiveTypes.Float32,
	"float64": arrow.PrimitiveTypes.Float64,
	"string":  arrow.BinaryTypes.String, "binary": arrow.BinaryTypes.Binary,
	"date": arrow.FixedWidthTypes.Date32,
}

// typeAliases are spellings that people bring from SQL and Arrow. They are
// read and never written.
var typeAliases = map[string]string{
	"boolean": "bool", "tinyint": "int8", "smallint": "int16", "int": "int32", "integer": "int32",
	"bigint": "int64", "float": "float32", "real": "float32", "double": "float64",
	"varchar": "string", "text": "string", "utf8": "string", "blob": "binary", "date32": "date",
	"datetime": "timestamp",
}

// TypeText returns the text of a canonical type. It panics on any other type:
// such a type never gets past Canonical.
func TypeText(t arrow.DataType) string {
	switch t := t.(type) {
	case *arrow.FixedSizeBinaryType:
		return fmt.Sprintf("fixed[%d]", t.ByteWidth)
	case *arrow.Decimal128Type:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case *arrow.Time32Type:
		return fmt.Sprintf("time[%s]", t.Unit)
	case *arrow.Time64Type:
		return fmt.Sprintf("time[%s]", t.Unit)
	case *arrow.DurationType:
		return fmt.Sprintf("duration[%s]", t.Unit)
	case *arrow.TimestampType:
		if t.TimeZone == "" {
			return fmt.Sprintf("timestamp[%s]", t.Unit)
		}
		return fmt.Sprintf("timestamp[%s, %s]", t.Unit, t.TimeZone)
	case *arrow.MapType:
		return fmt.Sprintf("map<%s, %s>", TypeText(t.KeyType()), TypeText(t.ItemType()))
	case *arrow.ListType:
		return fmt.Sprintf("list<%s>", TypeText(t.Elem()))
	case *arrow.StructType:
		parts := make([]string, t.NumFields())
		for i, f := range t.Fields() {
			parts[i] = quoteName(f.Name) + ": " + TypeText(f.Type)
		}
		return "struct<" + strings.Join(parts, ", ") + ">"
	}
	for name, plain := range plainTypes {
		if arrow.TypeEqual(plain, t) {
			return name
		}
	}
	panic(fmt.Sprintf("BUG: type %s is not canonical", t))
}

func quoteName(s string) string {
	for i, r := range s {
		if !identRune(r, i) {
			return strconv.Quote(s)
		}
	}
	return s
}

func identRune(r rune, i int) bool {
	return r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || i > 0 && '0' <= r && r <= '9'
}

// MaxTypeText bounds the text of a type, in bytes.
const MaxTypeText = 1 << 20

// ParseType reads the text of a type. The result is canonical.
func ParseType(text string) (arrow.DataType, error) {
	if len(text) > MaxTypeText {
		return nil, fmt.Errorf("type %.80q…: longer than %d bytes", text, MaxTypeText)
	}
	p := typeParser{in: text}
	t, err := p.whole()
	if err == nil {
		t, err = Canonical(t) // the grammar lets odd parameters and names through
	}
	if err != nil {
		return nil, fmt.Errorf("type %.80q: %w", text, err)
	}
	return t, nil
}

func (p *typeParser) whole() (arrow.DataType, error) {
	t, err := p.parse(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.pos != len(p.in) {
		return nil, p.errorf("unexpected %.40q", p.in[p.pos:])
	}
	return t, nil
}

type typeParser struct {
	in  string
	pos int
}

func (p *typeParser) errorf(format string, args ...any) error {
	return fmt.Errorf("at byte %d: %s", p.pos, fmt.Sprintf(format, args...))
}

func (p *typeParser) space() {
	for p.pos < len(p.in) && p.in[p.pos] == ' ' {
		p.pos++
	}
}

func (p *typeParser) take(s string) bool {
	p.space()
	if strings.HasPrefix(p.in[p.pos:], s) {
		p.pos += len(s)
		return true
	}
	return false
}

func (p *typeParser) want(s string) error {
	if !p.take(s) {
		return p.errorf("want %q", s)
	}
	return nil
}

func (p *typeParser) ident() string {
	p.space()
	start := p.pos
	for p.pos < len(p.in) && identRune(rune(p.in[p.pos]), p.pos-start) {
		p.pos++
	}
	return p.in[start:p.pos]
}

// until returns the trimmed text before the next byte of stop.
func (p *typeParser) until(stop string) string {
	start := p.pos
	for p.pos < len(p.in) && !strings.ContainsRune(stop, rune(p.in[p.pos])) {
		p.pos++
	}
	return strings.TrimSpace(p.in[start:p.pos])
}

func (p *typeParser) parse(depth int) (arrow.DataType, error) {
	if depth > MaxDepth {
		return nil, p.errorf("nests deeper than %d", MaxDepth)
	}
	name := strings.ToLower(p.ident())
	if alias, ok := typeAliases[name]; ok {
		name = alias
	}
	if t, ok := plainTypes[name]; ok {
		return t, nil
	}
	switch name {
	case "decimal", "numeric":
		return p.decimal()
	case "fixed":
		return p.fixed()
	case "time", "duration", "timestamp":
		return p.timed(name)
	case "list":
		return p.list(depth)
	case "map":
		return p.mapType(depth)
	case "struct":
		return p.structType(depth)
	}
	return nil, p.errorf("unknown type %.40q; known: bool, int8…int64, uint8…uint64, float16…float64, decimal(p,s), string, binary, fixed[n], date, time[unit], timestamp[unit, zone], duration[unit], list<…>, map<…>, struct<…>", name)
}

func (p *typeParser) decimal() (arrow.DataType, error) {
	t := &arrow.Decimal128Type{Precision: 18, Scale: 3}
	if !p.take("(") {
		return t, nil
	}
	var err error
	if t.Precision, err = p.number(",)"); err != nil {
		return nil, err
	}
	t.Scale = 0
	if p.take(",") {
		if t.Scale, err = p.number(")"); err != nil {
			return nil, err
		}
	}
	return t, p.want(")")
}

// number reads the number before the next byte of stop.
func (p *typeParser) number(stop string) (int32, error) {
	text := p.until(stop)
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, p.errorf("%.40q is not a number", text)
	}
	return int32(n), nil
}

var units = map[string]arrow.TimeUnit{
	"s": arrow.Second, "ms": arrow.Millisecond, "us": arrow.Microsecond, "ns": arrow.Nanosecond,
}

func (p *typeParser) fixed() (arrow.DataType, error) {
	if err := p.want("["); err != nil {
		return nil, err
	}
	n, err := p.number("]")
	if err != nil {
		return nil, err
	}
	return &arrow.FixedSizeBinaryType{ByteWidth: int(n)}, p.want("]")
}

// timed reads the unit and the zone of a type of time. Without brackets it is
// SQL's TIME or TIMESTAMP, in microseconds.
func (p *typeParser) timed(name string) (arrow.DataType, error) {
	unit, zone := arrow.Microsecond, ""
	if p.take("[") {
		text := p.until(",]")
		var ok bool
		if unit, ok = units[text]; !ok {
			return nil, p.errorf("unit %.40q is not s, ms, us or ns", text)
		}
		if name == "timestamp" && p.take(",") {
			if zone = p.until("]"); zone == "" {
				return nil, p.errorf("want a time zone")
			}
		}
		if err := p.want("]"); err != nil {
			return nil, err
		}
	}
	switch {
	case name == "timestamp":
		return &arrow.TimestampType{Unit: unit, TimeZone: zone}, nil
	case name == "duration":
		return &arrow.DurationType{Unit: unit}, nil
	case unit <= arrow.Millisecond:
		return &arrow.Time32Type{Unit: unit}, nil
	}
	return &arrow.Time64Type{Unit: unit}, nil
}

func (p *typeParser) list(depth int) (arrow.DataType, error) {
	if err := p.want("<"); err != nil {
		return nil, err
	}
	elem, err := p.parse(depth + 1)
	if err != nil {
		return nil, err
	}
	return arrow.ListOfField(arrow.Field{Name: "item", Type: elem, Nullable: true}), p.want(">")
}

func (p *typeParser) mapType(depth int) (arrow.DataType, error) {
	if err := p.want("<"); err != nil {
		return nil, err
	}
	key, err := p.parse(depth + 1)
	if err != nil {
		return nil, err
	}
	if err := p.want(","); err != nil {
		return nil, err
	}
	item, err := p.parse(depth + 1)
	if err != nil {
		return nil, err
	}
	return arrow.MapOf(key, item), p.want(">")
}

func (p *typeParser) structType(depth int) (arrow.DataType, error) {
	if err := p.want("<"); err != nil {
		return nil, err
	}
	var fields []arrow.Field
	for len(fields) == 0 || p.take(",") {
		name, err := p.fieldName()
		if err != nil {
			return nil, err
		}
		if err := p.want(":"); err != nil {
			return nil, err
		}
		t, err := p.parse(depth + 1)
		if err != nil {
			return nil, err
		}
		fields = append(fields, arrow.Field{Name: name, Type: t, Nullable: true})
	}
	return arrow.StructOf(fields...), p.want(">")
}

func (p *typeParser) fieldName() (string, error) {
	p.space()
	if p.pos < len(p.in) && p.in[p.pos] == '"' {
		quoted, err := strconv.QuotedPrefix(p.in[p.pos:])
		if err != nil {
			return "", p.errorf("field name: %v", err)
		}
		p.pos += len(quoted)
		return strconv.Unquote(quoted)
	}
	if name := p.ident(); name != "" {
		return name, nil
	}
	return "", p.errorf("want a field name")
}
