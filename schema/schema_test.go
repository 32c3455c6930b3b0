package schema_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tarnlake/tarn/schema"
)

// field is a nullable field for tests.
func field(id int32, name string, t arrow.DataType) schema.Field {
	return schema.Field{ID: id, Name: name, Type: t, Nullable: true}
}

func TestValidate(t *testing.T) {
	i8 := arrow.PrimitiveTypes.Int8
	wide := make([]arrow.Field, 40_000) // its text is above MaxTypeText
	for i := range wide {
		wide[i] = arrow.Field{Name: strings.Repeat("n", 20) + string(rune('一'+i%20_000)) + string(rune('a'+i/20_000)), Type: i8, Nullable: true}
	}
	for name, c := range map[string]struct {
		fields []schema.Field
		want   string // part of the error, or nothing
	}{
		"good":            {[]schema.Field{field(1, "a", i8), field(9, "b", arrow.ListOf(i8)), field(2, strings.Repeat("x", 255), i8)}, ""},
		"no fields":       {nil, "at least one column"},
		"no name":         {[]schema.Field{field(1, "", i8)}, "no name"},
		"long name":       {[]schema.Field{field(1, strings.Repeat("x", 256), i8)}, "longer than 255"},
		"zero byte":       {[]schema.Field{field(1, "a\x00", i8)}, "zero byte"},
		"not UTF-8":       {[]schema.Field{field(1, "a\xff", i8)}, "UTF-8"},
		"doubled name":    {[]schema.Field{field(1, "a", i8), field(2, "A", i8)}, "there twice"},
		"doubled id":      {[]schema.Field{field(1, "a", i8), field(1, "b", i8)}, "used twice"},
		"id 0":            {[]schema.Field{field(0, "a", i8)}, "not positive"},
		"refused type":    {[]schema.Field{field(1, "a", &arrow.Decimal256Type{Precision: 40})}, "not stored by Tarn"},
		"no type":         {[]schema.Field{field(1, "a", nil)}, "not stored by Tarn"},
		"other spelling":  {[]schema.Field{field(1, "a", arrow.BinaryTypes.LargeString)}, "stored as string"},
		"text too long":   {[]schema.Field{field(1, "a", arrow.StructOf(wide...))}, "text of its type"},
		"strict elements": {[]schema.Field{field(1, "a", arrow.ListOfNonNullable(i8))}, "stored as list<int8>"},
	} {
		err := (&schema.Schema{ID: 1, Fields: c.fields}).Validate()
		if c.want == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got error %.200v; want one with %q", name, err, c.want)
		}
	}
}

func TestIndex(t *testing.T) {
	i8 := arrow.PrimitiveTypes.Int8
	s := &schema.Schema{ID: 1, Fields: []schema.Field{field(3, "City", i8), field(1, "id", i8), field(2, "ÉTÉ", i8)}}
	for name, want := range map[string]int{"City": 0, "city": 0, "ID": 1, "id": 1, "été": 2, "": -1, "ci": -1, " id": -1} {
		if got := s.Index(name); got != want {
			t.Errorf("Index(%q): got %d; want %d", name, got, want)
		}
	}
	for id, want := range map[int32]int{3: 0, 1: 1, 2: 2, 4: -1, 0: -1} {
		if got := s.ByID(id); got != want {
			t.Errorf("ByID(%d): got %d; want %d", id, got, want)
		}
	}
	if got := s.Names(); !slices.Equal(got, []string{"City", "id", "ÉTÉ"}) {
		t.Errorf("Names: got %q", got)
	}
	// An exact name wins over an earlier one that differs in case.
	s.Fields[0].Name = "ID"
	if got := s.Index("id"); got != 1 {
		t.Errorf("Index(id) beside ID: got %d; want 1", got)
	}
}

func TestArrowRoundTrip(t *testing.T) {
	s := &schema.Schema{ID: 5, Fields: []schema.Field{field(1, "a", arrow.PrimitiveTypes.Int8), field(2, "b", arrow.ListOf(arrow.BinaryTypes.String))}}
	a := s.Arrow()
	for i, want := range []string{"1", "2"} {
		if got, _ := a.Field(i).Metadata.GetValue(schema.FieldIDKey); got != want {
			t.Errorf("field id of %s: got %q; want %q", a.Field(i).Name, got, want)
		}
	}
	back, err := schema.FromArrow(a)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range back.Fields {
		if f.ID != s.Fields[i].ID || f.Name != s.Fields[i].Name || !f.Nullable || !arrow.TypeEqual(f.Type, s.Fields[i].Type) {
			t.Errorf("field %d: got %v; want %v", i, f, s.Fields[i])
		}
	}
}

func TestFromArrow(t *testing.T) {
	s, err := schema.FromArrow(arrow.NewSchema([]arrow.Field{
		{Name: "a", Type: arrow.BinaryTypes.LargeString}, {Name: "b", Type: arrow.Null},
	}, nil))
	if err != nil || s.ID != 1 || schema.TypeText(s.Fields[0].Type) != "string" || s.Fields[1].ID != 2 {
		t.Errorf("got %v, %v; want two strings with ids 1 and 2", s, err)
	}
	_, err = schema.FromArrow(arrow.NewSchema([]arrow.Field{{Name: "span", Type: arrow.FixedWidthTypes.MonthInterval}}, nil))
	if err == nil || !strings.Contains(err.Error(), `"span"`) || !strings.Contains(err.Error(), "month_interval") {
		t.Errorf("interval: got error %v; want one that names column and type", err)
	}
}
