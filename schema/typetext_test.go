package schema_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"pgregory.net/rapid"

	"github.com/tarnlake/tarn/schema"
)

// leafTypes are canonical types without parameters, or with usual ones.
var leafTypes = []arrow.DataType{
	arrow.FixedWidthTypes.Boolean,
	arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64,
	arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64,
	arrow.FixedWidthTypes.Float16, arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64,
	arrow.BinaryTypes.String, arrow.BinaryTypes.Binary, arrow.FixedWidthTypes.Date32,
	arrow.FixedWidthTypes.Time32s, arrow.FixedWidthTypes.Time32ms, arrow.FixedWidthTypes.Time64us, arrow.FixedWidthTypes.Time64ns,
	arrow.FixedWidthTypes.Duration_s, arrow.FixedWidthTypes.Duration_ns,
	&arrow.TimestampType{Unit: arrow.Second}, &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "Europe/Berlin"},
	&arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "+05:30"}, &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"},
}

// drawType draws any canonical type.
func drawType(t *rapid.T, depth int) arrow.DataType {
	kinds := 6
	if depth == 0 {
		kinds = 3
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 1:
		p := rapid.Int32Range(1, 38).Draw(t, "precision")
		return &arrow.Decimal128Type{Precision: p, Scale: rapid.Int32Range(-38, p).Draw(t, "scale")}
	case 2:
		return &arrow.FixedSizeBinaryType{ByteWidth: rapid.IntRange(1, 40).Draw(t, "width")}
	case 3:
		return arrow.ListOfField(arrow.Field{Name: "item", Type: drawType(t, depth-1), Nullable: true})
	case 4:
		return arrow.MapOf(drawType(t, depth-1), drawType(t, depth-1))
	case 5:
		names := rapid.SliceOfNDistinct(rapid.OneOf(rapid.StringMatching(`[a-z]+`), rapid.StringN(1, 8, 40)), 1, 4, rapid.ID).
			Filter(func(names []string) bool { return !strings.Contains(strings.Join(names, ""), "\x00") }).Draw(t, "names")
		fields := make([]arrow.Field, len(names))
		for i, name := range names {
			fields[i] = arrow.Field{Name: name, Type: drawType(t, depth-1), Nullable: true}
		}
		return arrow.StructOf(fields...)
	}
	return rapid.SampledFrom(leafTypes).Draw(t, "leaf")
}

func TestTypeTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawType(t, 3)
		text := schema.TypeText(want)
		got, err := schema.ParseType(text)
		if err != nil || !arrow.TypeEqual(got, want) {
			t.Fatalf("ParseType(%q): got %v, %v; want %v", text, got, err, want)
		}
		if c, err := schema.Canonical(want); err != nil || !arrow.TypeEqual(c, want) {
			t.Fatalf("Canonical(%v): got %v, %v; want the same", want, c, err)
		}
	})
}

// The text of a type reaches disk: these spellings stay.
func TestTypeTextSpelling(t *testing.T) {
	for text, spelling := range map[string]string{
		"bool": "bool", "INT": "int32", "bigint": "int64", " double ": "float64", "varchar": "string", "blob": "binary", "date32": "date",
		"decimal": "decimal(18,3)", "numeric(7)": "decimal(7,0)", "decimal( 5 , -2 )": "decimal(5,-2)",
		"fixed[16]": "fixed[16]", "time": "time[us]", "time[ms]": "time[ms]", "duration[s]": "duration[s]",
		"timestamp": "timestamp[us]", "datetime": "timestamp[us]", "timestamp[ns,UTC]": "timestamp[ns, UTC]",
		"list<list<int8>>": "list<list<int8>>", "map<string,int8>": "map<string, int8>",
		`struct<a:int8,"b c":list<date>,"é":bool>`: `struct<a: int8, "b c": list<date>, "é": bool>`,
	} {
		got, err := schema.ParseType(text)
		if err != nil {
			t.Errorf("ParseType(%q): %v", text, err)
		} else if s := schema.TypeText(got); s != spelling {
			t.Errorf("TypeText(ParseType(%q)): got %q; want %q", text, s, spelling)
		}
	}
}

func nest(n int) string { return strings.Repeat("list<", n) + "int8" + strings.Repeat(">", n) }

func TestParseTypeRefuses(t *testing.T) {
	bad := []string{
		"", " ", "in t8", "int8 x", "int8,", "uint128", "interval", "null", "\x00", "é", "list", "list<", "list<>", "list<int8", "list<int8,int8>",
		"decimal(0,0)", "decimal(39,0)", "decimal(5,6)", "decimal(5,-39)", "decimal(5,", "decimal(5", "decimal()", "decimal(,2)", "decimal(a,2)",
		"decimal(99999999999999999999,1)", "decimal(4294967301,1)", "decimal(5,2,1)",
		"fixed", "fixed[]", "fixed[0]", "fixed[-1]", "fixed[1048577]", "fixed[4294967297]", "fixed[8", "fixed[8,9]", "fixed(8)",
		"time[]", "time[m]", "time[us", "time[us, UTC]", "duration[h]", "duration[s, UTC]",
		"timestamp[", "timestamp[us", "timestamp[us, ]", "timestamp[us, UTC", "timestamp[us, a b]", "timestamp[us, UTC]]",
		"timestamp[us, " + strings.Repeat("x", 65) + "]",
		"map<int8>", "map<int8,>", "map<int8,int8", "map<int8,int8,int8>",
		"struct", "struct<", "struct<>", "struct<a>", "struct<a:>", "struct<a:int8,>", "struct<a:int8,a:int8>", `struct<"":int8>`, `struct<"a:int8>`,
		`struct<"\q":int8>`, `struct<"\x00":int8>`, `struct<"\xff":int8>`, "struct<1a:int8>", "struct<'a':int8>", "struct<" + strings.Repeat("n", 256) + ":int8>",
		nest(33), nest(100_000), strings.Repeat("list<", 100_000), strings.Repeat("struct<a:", 100_000),
		"int8" + strings.Repeat(" ", schema.MaxTypeText), strings.Repeat("x", 1000), "decimal(" + strings.Repeat("9", 1000), "time[" + strings.Repeat("x", 1000) + "]",
	}
	for _, text := range bad {
		got, err := schema.ParseType(text)
		if err == nil {
			t.Errorf("ParseType(%.80q): got %s; want an error", text, got)
		} else if len(err.Error()) > 1000 {
			t.Errorf("ParseType(%.80q): the error takes %d bytes; want a short one", text, len(err.Error()))
		}
	}
	if _, err := schema.ParseType(nest(32)); err != nil {
		t.Errorf("32 lists in each other: %v", err)
	}
}

func FuzzParseType(f *testing.F) {
	for _, t := range leafTypes {
		f.Add(schema.TypeText(t))
	}
	for _, s := range []string{"decimal(5,-2)", "fixed[3]", "map<int8, struct<a: bool, \"b\\n\": list<date>>>", "timestamp[", nest(40)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		typ, err := schema.ParseType(text)
		if err != nil {
			return
		}
		again, err := schema.ParseType(schema.TypeText(typ))
		if err != nil || !arrow.TypeEqual(typ, again) {
			t.Errorf("ParseType(%q) is %s, and its text reads as %v, %v", text, typ, again, err)
		}
	})
}

func TestFieldJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := schema.Field{
			ID: rapid.Int32().Draw(t, "id"), Name: rapid.String().Draw(t, "name"), Type: drawType(t, 2),
			Nullable: rapid.Bool().Draw(t, "nullable"), Doc: rapid.String().Draw(t, "doc"),
		}
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got schema.Field
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || !arrow.TypeEqual(got.Type, want.Type) {
			t.Fatalf("got %v; want %v (through %s)", got, want, b)
		}
	})
}

// The names of the keys reach disk.
func TestFieldJSONSpelling(t *testing.T) {
	b, err := json.Marshal(schema.Field{ID: 7, Name: "a", Type: arrow.PrimitiveTypes.Int8, Nullable: true, Doc: "d"})
	if want := `{"id":7,"name":"a","type":"int8","nullable":true,"doc":"d"}`; err != nil || string(b) != want {
		t.Errorf("got %s, %v; want %s", b, err, want)
	}
	for _, bad := range []string{`{}`, `[]`, `{"id":1,"name":"a","type":"x"}`, `{"id":4294967297,"type":"int8"}`, `{"type":1}`,
		`{"type":"` + nest(50_000) + `"}`, `{"type":"` + strings.Repeat("x", 2<<20) + `"}`} {
		f := schema.Field{Name: "kept"}
		if err := json.Unmarshal([]byte(bad), &f); err == nil || f.Name != "kept" || len(err.Error()) > 1000 {
			t.Errorf("%.40s: got %v, error %.100v; want a short error and the field as it was", bad, f, err)
		}
	}
}
