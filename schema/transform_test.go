package schema_test

import (
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"pgregory.net/rapid"

	"github.com/tarnlake/tarn/schema"
)

var events = &schema.Schema{ID: 1, Fields: []schema.Field{
	field(1, "id", arrow.PrimitiveTypes.Int64), field(2, "country", arrow.BinaryTypes.String), field(3, "ts", arrow.FixedWidthTypes.Timestamp_us),
	field(4, "day", arrow.FixedWidthTypes.Date32), field(5, "price", &arrow.Decimal128Type{Precision: 20, Scale: 10}), field(6, "ratio", arrow.PrimitiveTypes.Float64),
	field(7, "tags", arrow.ListOf(arrow.BinaryTypes.String)), field(8, "raw", arrow.BinaryTypes.Binary), field(9, "a (b), \"c\"", arrow.PrimitiveTypes.Int8),
	field(10, "ok", arrow.FixedWidthTypes.Boolean), field(11, "key", &arrow.FixedSizeBinaryType{ByteWidth: 4}), field(12, "at", arrow.FixedWidthTypes.Time32s),
}}

func TestParseTransform(t *testing.T) {
	for text, want := range map[string]struct {
		t          schema.Transform
		text, name string
	}{
		"country":                          {schema.Transform{Kind: schema.Identity, FieldID: 2}, "country", "country"},
		" COUNTRY ":                        {schema.Transform{Kind: schema.Identity, FieldID: 2}, "country", "country"},
		`"country"`:                        {schema.Transform{Kind: schema.Identity, FieldID: 2}, "country", "country"},
		"identity(ok)":                     {schema.Transform{Kind: schema.Identity, FieldID: 10}, "ok", "ok"},
		"day":                              {schema.Transform{Kind: schema.Identity, FieldID: 4}, "day", "day"},
		"day(ts)":                          {schema.Transform{Kind: schema.Day, FieldID: 3}, "day(ts)", "ts_day"},
		"Year ( day )":                     {schema.Transform{Kind: schema.Year, FieldID: 4}, "year(day)", "day_year"},
		"month(ts)":                        {schema.Transform{Kind: schema.Month, FieldID: 3}, "month(ts)", "ts_month"},
		"hour(ts)":                         {schema.Transform{Kind: schema.Hour, FieldID: 3}, "hour(ts)", "ts_hour"},
		"bucket(16,id)":                    {schema.Transform{Kind: schema.Bucket, FieldID: 1, N: 16}, "bucket(16, id)", "id_bucket"},
		"bucket(65536, key)":               {schema.Transform{Kind: schema.Bucket, FieldID: 11, N: 65536}, "bucket(65536, key)", "key_bucket"},
		"truncate( 3 , country)":           {schema.Transform{Kind: schema.Truncate, FieldID: 2, N: 3}, "truncate(3, country)", "country_truncate"},
		`truncate(3, "a (b), \"c\"")`:      {schema.Transform{Kind: schema.Truncate, FieldID: 9, N: 3}, `truncate(3, "a (b), \"c\"")`, `a (b), "c"_truncate`},
		`"a (b), \"c\""`:                   {schema.Transform{Kind: schema.Identity, FieldID: 9}, `"a (b), \"c\""`, `a (b), "c"`},
		"truncate(9999999999999999,price)": {schema.Transform{Kind: schema.Truncate, FieldID: 5, N: 9999999999999999}, "truncate(9999999999999999, price)", "price_truncate"},
	} {
		got, err := schema.ParseTransform(events, text)
		if err != nil || got != want.t {
			t.Errorf("ParseTransform(%s): got %v, %v; want %v", text, got, err, want.t)
			continue
		}
		if s := got.Text(events); s != want.text {
			t.Errorf("text of %s: got %s; want %s", text, s, want.text)
		}
		if s := got.Name(events); s != want.name {
			t.Errorf("name of %s: got %s; want %s", text, s, want.name)
		}
	}
	gone := schema.Transform{Kind: schema.Day, FieldID: 99}
	if got := gone.Name(events); got != "#99_day" {
		t.Errorf("name of a transform of no column: got %s", got)
	}
}

func TestParseTransformRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"": "no column", "town": `no column "town"; columns are id, country`, `"country`: "no column", `'country'`: "no column",
		"day(ts": "closing parenthesis", "day(ts) x": "closing parenthesis", "day()": "no column", "day(ts, id)": "no column",
		"week(ts)": `unknown function "week"`, "(ts)": `unknown function ""`,
		"bucket(id)": "want bucket(N, column)", "bucket(0, id)": "want bucket(N, column)", "bucket(-1, id)": "want bucket", "bucket(x, id)": "want bucket",
		"bucket(16)": "want bucket", "bucket(16,)": "no column", "bucket(65537, id)": "more than 65536", "bucket(99999999999999999999, id)": "want bucket",
		"truncate(0, id)": "want truncate(N, column)", "truncate(1.5, id)": "want truncate",
		"ratio": "identity does not take type float64", "tags": "does not take type list<string>", "raw": "identity does not take type binary",
		"key": "does not take type fixed[4]", "at": "does not take type time[s]",
		"bucket(4, ratio)": "does not take", "bucket(4, ok)": "does not take", "truncate(4, raw)": "does not take", "truncate(4, day)": "does not take",
		"day(id)": "does not take", "year(country)": "does not take", "hour(day)": "does not take",
	} {
		got, err := schema.ParseTransform(events, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseTransform(%s): got %v, error %v; want one with %q", text, got, err, want)
		}
	}
	wide := &schema.Schema{ID: 1, Fields: []schema.Field{field(1, "d", &arrow.Decimal128Type{Precision: 38, Scale: 30})}}
	if _, err := schema.ParseTransform(wide, "truncate(100000000, d)"); err == nil || !strings.Contains(err.Error(), "38 digits") {
		t.Errorf("a step of 39 digits: got %v", err)
	}
	if _, err := schema.ParseTransform(wide, "truncate(99999999, d)"); err != nil {
		t.Errorf("a step of 38 digits: %v", err)
	}
}

// Whatever a column is called, the text of a transform reads back.
func TestTransformTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ "'(),a\\]+`)).Filter(func(s string) bool { return s != "" }).Draw(t, "name")
		s := &schema.Schema{ID: 1, Fields: []schema.Field{field(7, name, arrow.FixedWidthTypes.Timestamp_s)}}
		want := schema.Transform{FieldID: 7, Kind: rapid.SampledFrom([]schema.TransformKind{schema.Identity, schema.Year, schema.Month, schema.Day, schema.Hour, schema.Bucket}).Draw(t, "kind")}
		if want.Kind == schema.Bucket {
			want.N = rapid.Int64Range(1, 1<<16).Draw(t, "n")
		}
		if got, err := schema.ParseTransform(s, want.Text(s)); err != nil || got != want {
			t.Fatalf("%s: got %v, %v; want %v", want.Text(s), got, err, want)
		}
	})
}
