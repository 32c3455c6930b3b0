package schema_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/zeebo/xxh3"
	"pgregory.net/rapid"

	"github.com/tarnlake/tarn/schema"
)

// bigOf reads the number behind an integer, decimal, date or timestamp.
func bigOf(a arrow.Array, i int) *big.Int {
	switch a := a.(type) {
	case *array.Decimal128:
		return a.Value(i).BigInt()
	case *array.Date32:
		return big.NewInt(int64(a.Value(i)))
	case *array.Timestamp:
		return big.NewInt(int64(a.Value(i)))
	}
	n, ok := new(big.Int).SetString(a.ValueStr(i), 10)
	if !ok {
		panic(a.ValueStr(i))
	}
	return n
}

func timeOf(a arrow.Array, i int) time.Time {
	if d, ok := a.(*array.Date32); ok {
		return time.Unix(int64(d.Value(i))*86400, 0).UTC()
	}
	return a.(*array.Timestamp).Value(i).ToTime(a.DataType().(*arrow.TimestampType).Unit)
}

// naive computes one partition value the slow way, from big numbers.
func naive(t schema.Transform, a arrow.Array, i int) string {
	switch t.Kind {
	case schema.Year:
		return timeOf(a, i).Format("2006")
	case schema.Month:
		return timeOf(a, i).Format("2006-01")
	case schema.Day:
		return timeOf(a, i).Format("2006-01-02")
	case schema.Hour:
		return timeOf(a, i).Format("2006-01-02-15")
	case schema.Bucket:
		return fmt.Sprint(xxh3.Hash(naiveBytes(a, i)) % uint64(t.N))
	case schema.Truncate:
		if s, ok := a.(*array.String); ok {
			runes := []rune(s.Value(i))
			return string(runes[:min(int64(len(runes)), t.N)])
		}
		return naiveTruncate(t.N, a, i)
	}
	switch a := a.(type) {
	case *array.String:
		return a.Value(i)
	case *array.Boolean:
		return fmt.Sprint(a.Value(i))
	case *array.Date32:
		return timeOf(a, i).Format("2006-01-02")
	case *array.Timestamp:
		if a.DataType().(*arrow.TimestampType).TimeZone != "" {
			return timeOf(a, i).Format("2006-01-02T15:04:05.999999999Z")
		}
		return timeOf(a, i).Format("2006-01-02 15:04:05.999999999")
	case *array.Decimal128:
		return rat(bigOf(a, i), a.DataType().(*arrow.Decimal128Type).Scale)
	}
	return bigOf(a, i).String()
}

// rat writes v·10^-scale with scale digits after the point.
func rat(v *big.Int, scale int32) string {
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(scale, -scale))), nil)
	if scale < 0 {
		return new(big.Int).Mul(v, ten).String()
	}
	return new(big.Rat).SetFrac(v, ten).FloatString(int(scale))
}

func naiveTruncate(n int64, a arrow.Array, i int) string {
	step, bottom := big.NewInt(n), new(big.Int).Lsh(big.NewInt(-1), 63)
	scale := int32(0)
	if d, ok := a.DataType().(*arrow.Decimal128Type); ok {
		scale, bottom = d.Scale, new(big.Int).Lsh(big.NewInt(-1), 127)
		step.Mul(step, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(scale, 0))), nil))
	}
	v := bigOf(a, i)
	down := new(big.Int).Sub(v, new(big.Int).Mod(v, step)) // Mod is never negative
	if down.Cmp(bottom) < 0 {
		down = bottom
	}
	return rat(down, scale)
}

func naiveBytes(a arrow.Array, i int) []byte {
	switch a := a.(type) {
	case *array.String:
		return []byte(a.Value(i))
	case *array.Binary:
		return a.Value(i)
	case *array.FixedSizeBinary:
		return a.Value(i)
	}
	size := 8
	if a.DataType().ID() == arrow.DECIMAL128 {
		size = 16
	}
	v := bigOf(a, i)
	if v.Sign() < 0 {
		v.Add(v, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	b := v.FillBytes(make([]byte, size))
	for l, r := 0, len(b)-1; l < r; l, r = l+1, r-1 {
		b[l], b[r] = b[r], b[l]
	}
	return b
}

var kinds = []schema.TransformKind{schema.Identity, schema.Year, schema.Month, schema.Day, schema.Hour, schema.Bucket, schema.Truncate}

// partitionTypes are the types that some transform takes.
var partitionTypes = append([]arrow.DataType{
	&arrow.Decimal128Type{Precision: 5, Scale: 2}, &arrow.Decimal128Type{Precision: 38, Scale: 0},
	&arrow.Decimal128Type{Precision: 38, Scale: 18}, &arrow.Decimal128Type{Precision: 9, Scale: -3}, &arrow.FixedSizeBinaryType{ByteWidth: 3},
	arrow.FixedWidthTypes.Timestamp_us, &arrow.TimestampType{Unit: arrow.Millisecond}, &arrow.TimestampType{Unit: arrow.Nanosecond},
}, leafTypes...)

func takes(tr schema.Transform, typ arrow.DataType) bool {
	_, err := tr.Apply(array.MakeArrayOfNull(mem, typ, 0))
	return err == nil
}

// tooEarly reports timestamps that the naive way gets wrong, because
// time.Time does: see TestFarTimes.
func tooEarly(a arrow.Array, i int) bool {
	ts, ok := a.DataType().(*arrow.TimestampType)
	return ok && ts.Unit == arrow.Second && a.(*array.Timestamp).Value(i) < math.MinInt64+100_000_000_000
}

func TestApplyAgainstNaive(t *testing.T) {
	pairs := 0
	for _, kind := range kinds {
		for _, typ := range partitionTypes {
			if !takes(schema.Transform{Kind: kind, N: 7}, typ) {
				continue
			}
			pairs++
			t.Run(fmt.Sprintf("%s of %s", kind, schema.TypeText(typ)), func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) { checkApply(t, kind, typ) })
			})
		}
	}
	if want := 89; pairs != want {
		t.Errorf("%d pairs of transform and type work; want %d", pairs, want)
	}
}

func checkApply(t *rapid.T, kind schema.TransformKind, typ arrow.DataType) {
	tr := schema.Transform{Kind: kind}
	switch kind {
	case schema.Bucket:
		tr.N = rapid.Int64Range(1, 1<<16).Draw(t, "buckets")
	case schema.Truncate:
		tr.N = rapid.OneOf(rapid.Int64Range(1, 20), rapid.Int64Min(1)).Draw(t, "width")
	}
	if !takes(tr, typ) { // a step of too many digits
		tr.N = 3
	}
	n := rapid.IntRange(0, 10).Draw(t, "rows")
	cut := rapid.IntRange(0, n).Draw(t, "cut")
	a := array.NewSlice(drawArray(t, typ, n), int64(cut), int64(n))
	got, err := tr.Apply(a)
	if err != nil {
		t.Fatalf("%v", err)
	}
	for i := range a.Len() {
		want := schema.PartitionValue{Null: true}
		if tooEarly(a, i) {
			continue
		}
		if a.IsValid(i) {
			want = schema.PartitionValue{Text: naive(tr, a, i)}
		}
		if got[i] != want {
			t.Fatalf("%s(%d) of %s: got %+v; want %+v", tr.Kind, tr.N, a.ValueStr(i), got[i], want)
		}
	}
}

// Two values share the text of identity only where they are equal, and two
// times only within one period. Neighbours are the hard case.
func TestTextsAreInjective(t *testing.T) {
	periods := map[schema.TransformKind]int64{schema.Day: 86400, schema.Hour: 3600}
	for _, typ := range partitionTypes {
		if !takes(schema.Transform{Kind: schema.Identity}, typ) {
			continue
		}
		t.Run(schema.TypeText(typ), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				a := drawArray(t, typ, 12)
				values, err := schema.Transform{Kind: schema.Identity}.Apply(a)
				if err != nil {
					t.Fatalf("%v", err)
				}
				for i := range values {
					for j := range i {
						same := array.Equal(array.NewSlice(a, int64(i), int64(i+1)), array.NewSlice(a, int64(j), int64(j+1)))
						if (values[i] == values[j]) != same {
							t.Fatalf("%+v and %+v of %s and %s", values[i], values[j], a.ValueStr(i), a.ValueStr(j))
						}
					}
				}
			})
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		v := drawInt(t, 64)
		b := array.NewTimestampBuilder(mem, &arrow.TimestampType{Unit: arrow.Second})
		near := v ^ rapid.Int64Range(0, 1<<18).Draw(t, "distance")
		b.AppendValues([]arrow.Timestamp{arrow.Timestamp(v), arrow.Timestamp(near)}, nil)
		a := b.NewArray()
		for kind, seconds := range periods {
			got, err := schema.Transform{Kind: kind}.Apply(a)
			if err != nil {
				t.Fatalf("%v", err)
			}
			floor := func(v int64) *big.Int { return new(big.Int).Div(big.NewInt(v), big.NewInt(seconds)) } // Euclidean
			if (got[0] == got[1]) != (floor(v).Cmp(floor(near)) == 0) {
				t.Fatalf("%s of %d and %d: %+v and %+v", kind, v, near, got[0], got[1])
			}
		}
	})
}

func texts(t *testing.T, tr schema.Transform, a arrow.Array) []string {
	t.Helper()
	values, err := tr.Apply(a)
	if err != nil {
		t.Fatalf("%s of %s: %v", tr.Kind, a.DataType(), err)
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = v.Text
		if v.Null {
			out[i] = "NULL"
		}
	}
	return out
}

func timestamps(unit arrow.TimeUnit, zone string, values ...arrow.Timestamp) arrow.Array {
	b := array.NewTimestampBuilder(mem, &arrow.TimestampType{Unit: unit, TimeZone: zone})
	b.AppendValues(values, nil)
	return b.NewArray()
}

// The ends of 64-bit time, known from the literature.
func TestFarTimes(t *testing.T) {
	for _, c := range []struct {
		a    arrow.Array
		kind schema.TransformKind
		want []string
	}{
		{timestamps(arrow.Second, "UTC", math.MinInt64, math.MaxInt64), schema.Identity, []string{"-292277022657-01-27T08:29:52Z", "292277026596-12-04T15:30:07Z"}},
		{timestamps(arrow.Second, "", math.MinInt64, math.MaxInt64), schema.Year, []string{"-292277022657", "292277026596"}},
		{timestamps(arrow.Second, "", math.MinInt64, math.MaxInt64), schema.Month, []string{"-292277022657-01", "292277026596-12"}},
		{timestamps(arrow.Second, "", math.MinInt64, math.MaxInt64), schema.Day, []string{"-292277022657-01-27", "292277026596-12-04"}},
		{timestamps(arrow.Second, "", math.MinInt64, math.MaxInt64), schema.Hour, []string{"-292277022657-01-27-08", "292277026596-12-04-15"}},
		{timestamps(arrow.Nanosecond, "", math.MinInt64, -1, math.MaxInt64), schema.Identity,
			[]string{"1677-09-21 00:12:43.145224192", "1969-12-31 23:59:59.999999999", "2262-04-11 23:47:16.854775807"}},
		{timestamps(arrow.Millisecond, "Asia/Tokyo", -1, 0, 1_700_000_000_120), schema.Identity,
			[]string{"1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z", "2023-11-14T22:13:20.12Z"}},
		{timestamps(arrow.Second, "", -62167219200, -62167219201, 253402300799, 253402300800), schema.Year, []string{"0000", "-0001", "9999", "10000"}},
		{timestamps(arrow.Microsecond, "", -1, 0), schema.Hour, []string{"1969-12-31-23", "1970-01-01-00"}},
		{fromJSON(t, arrow.FixedWidthTypes.Date32, `[-1, -719529, 2147483647, -2147483648, null]`), schema.Identity,
			[]string{"1969-12-31", "-0001-12-31", "5881580-07-11", "-5877641-06-23", "NULL"}},
	} {
		if got := texts(t, schema.Transform{Kind: c.kind}, c.a); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s of %s: got %q; want %q", c.kind, c.a, got, c.want)
		}
	}
}

// Partition texts reach disk: these stay.
func TestPartitionTextSpelling(t *testing.T) {
	truncate := func(n int64) schema.Transform { return schema.Transform{Kind: schema.Truncate, N: n} }
	identity := schema.Transform{Kind: schema.Identity}
	bucket := schema.Transform{Kind: schema.Bucket, N: 1000}
	i64 := arrow.PrimitiveTypes.Int64
	for _, c := range []struct {
		tr   schema.Transform
		typ  arrow.DataType
		in   string
		want []string
	}{
		{identity, arrow.BinaryTypes.String, `["", "a", null, "b/c=d é"]`, []string{"", "a", "NULL", "b/c=d é"}},
		{identity, arrow.FixedWidthTypes.Boolean, `[true, false, null]`, []string{"true", "false", "NULL"}},
		{identity, arrow.PrimitiveTypes.Uint64, `[18446744073709551615, 0]`, []string{"18446744073709551615", "0"}},
		{identity, i64, `[-9223372036854775808, 7]`, []string{"-9223372036854775808", "7"}},
		{identity, &arrow.Decimal128Type{Precision: 5, Scale: 3}, `["-0.001", "0", "12.5"]`, []string{"-0.001", "0.000", "12.500"}},
		{identity, &arrow.Decimal128Type{Precision: 5, Scale: -2}, `["1200", "-100", "0"]`, []string{"1200", "-100", "0"}},
		{truncate(10), i64, `[-11, -10, -1, 0, 9, 10, -9223372036854775808]`, []string{"-20", "-10", "-10", "0", "0", "10", "-9223372036854775808"}},
		{truncate(math.MaxInt64), i64, `[-9223372036854775808, -1, 9223372036854775807]`, []string{"-9223372036854775808", "-9223372036854775807", "9223372036854775807"}},
		{truncate(100), arrow.PrimitiveTypes.Int8, `[-128, 127]`, []string{"-200", "100"}},
		{truncate(100), arrow.PrimitiveTypes.Uint64, `[18446744073709551615]`, []string{"18446744073709551600"}},
		{truncate(10), &arrow.Decimal128Type{Precision: 9, Scale: 2}, `["-0.01", "19.99", "-10", null]`, []string{"-10.00", "10.00", "-10.00", "NULL"}},
		{truncate(9e18), &arrow.Decimal128Type{Precision: 38, Scale: 19}, `["-9999999999999999999.9999999999999999999", "-1"]`,
			[]string{"-17014118346046923173.1687303715884105728", "-9000000000000000000.0000000000000000000"}}, // the first multiple is below any decimal
		{truncate(3), arrow.BinaryTypes.String, `["", "ab", "abcd", "日本語文", "e\u0301fgh"]`, []string{"", "ab", "abc", "日本語", "e\u0301f"}},
		{bucket, i64, `[0, 1, -1, 42]`, []string{"897", "78", "627", "720"}},
		{bucket, arrow.BinaryTypes.String, `["", "a", "tarn"]`, []string{"138", "719", "224"}},
		{bucket, &arrow.Decimal128Type{Precision: 9, Scale: 2}, `["0.42", "-0.01"]`, []string{"341", "259"}},
	} {
		if got := texts(t, c.tr, fromJSON(t, c.typ, c.in)); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s(%d) of %s %s: got %q; want %q", c.tr.Kind, c.tr.N, c.typ, c.in, got, c.want)
		}
	}
	// A decimal of 39 digits holds more than its type says, and is still exact.
	b := array.NewDecimal128Builder(mem, &arrow.Decimal128Type{Precision: 38, Scale: 1})
	b.AppendValues([]decimal128.Num{decimal128.New(math.MinInt64, 0), decimal128.New(math.MinInt64, 1)}, nil)
	want := []string{"-17014118346046923173168730371588410572.8", "-17014118346046923173168730371588410572.7"}
	if got := texts(t, identity, b.NewArray()); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("identity of 39 digits: got %q; want %q", got, want)
	}
}

// A column may widen under a table that is partitioned by it.
func TestPartitionsSurviveWidening(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.SampledFrom(partitionTypes).Draw(t, "from")
		a := drawArray(t, from, 10)
		for _, to := range append([]arrow.DataType{&arrow.Decimal128Type{Precision: 30, Scale: 2}, &arrow.Decimal128Type{Precision: 30, Scale: -3}}, leafTypes...) {
			for _, kind := range kinds {
				tr := schema.Transform{Kind: kind, N: 13}
				if !schema.Widens(from, to) || !takes(tr, from) {
					continue
				}
				wide, err := schema.WidenArray(mem, a, to)
				if err != nil {
					t.Fatalf("%v", err)
				}
				before, _ := tr.Apply(a)
				after, err := tr.Apply(wide)
				if err != nil || fmt.Sprint(before) != fmt.Sprint(after) {
					t.Fatalf("%s of %v as %s: got %v, %v; want %v", kind, a, to, after, err, before)
				}
			}
		}
	})
}

// Texts travel as JSON, which would fold all bytes that are not UTF-8 into
// one: such a partition is refused, and characters before them still count.
func TestApplyRefusesInvalidUTF8(t *testing.T) {
	b := array.NewStringBuilder(mem)
	b.AppendValues([]string{"ok", "ok\xff" + strings.Repeat("x", 1000)}, nil)
	a := b.NewArray()
	for _, tr := range []schema.Transform{{Kind: schema.Identity}, {Kind: schema.Truncate, N: 3}} {
		_, err := tr.Apply(a)
		if err == nil || !strings.Contains(err.Error(), "row 1") || len(err.Error()) > 300 {
			t.Errorf("%s: got error %.400v; want a short one that names row 1", tr.Kind, err)
		}
	}
	if got := texts(t, schema.Transform{Kind: schema.Truncate, N: 2}, a); got[1] != "ok" {
		t.Errorf("truncate before the bad byte: got %q", got)
	}
	if got := texts(t, schema.Transform{Kind: schema.Bucket, N: 8}, a); !utf8.ValidString(got[1]) {
		t.Errorf("bucket: got %q", got)
	}
}

// A transform may come from a damaged catalog: no panic, whatever it says.
func TestApplyRefuses(t *testing.T) {
	a := fromJSON(t, arrow.PrimitiveTypes.Int64, `[1]`)
	for _, tr := range []schema.Transform{
		{}, {Kind: "week"}, {Kind: schema.Bucket}, {Kind: schema.Bucket, N: -1}, {Kind: schema.Truncate}, {Kind: schema.Truncate, N: math.MinInt64},
		{Kind: schema.Bucket, N: 1<<16 + 1}, {Kind: schema.Day},
	} {
		if got, err := tr.Apply(a); err == nil {
			t.Errorf("%v: got %v; want an error", tr, got)
		}
	}
	if _, err := (schema.Transform{Kind: schema.Identity}).Apply(array.MakeArrayOfNull(mem, arrow.ListOf(arrow.PrimitiveTypes.Int8), 1)); err == nil {
		t.Errorf("identity of a list: got no error")
	}
}

func TestPartitionValueJSON(t *testing.T) {
	for v, want := range map[schema.PartitionValue]string{{Text: "a"}: `{"text":"a"}`, {}: `{}`, {Null: true}: `{"null":true}`} {
		b, err := json.Marshal(v)
		var back schema.PartitionValue
		if err != nil || string(b) != want || json.Unmarshal(b, &back) != nil || back != v {
			t.Errorf("%v: got %s, %v and back %v; want %s", v, b, err, back, want)
		}
	}
}

func BenchmarkApplyStrings(b *testing.B) {
	s := array.NewStringBuilder(mem)
	for i := range 1_000_000 {
		s.Append(fmt.Sprintf("country-%02d", i*7919%40))
	}
	a := s.NewArray()
	for b.Loop() {
		if _, err := (schema.Transform{Kind: schema.Identity}).Apply(a); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkApplyDays(b *testing.B) {
	s := array.NewTimestampBuilder(mem, &arrow.TimestampType{Unit: arrow.Microsecond})
	for i := range 1_000_000 {
		s.Append(arrow.Timestamp(i) * 3_000_000)
	}
	a := s.NewArray()
	for _, kind := range []schema.TransformKind{schema.Month, schema.Day} {
		b.Run(string(kind), func(b *testing.B) {
			for b.Loop() {
				if _, err := (schema.Transform{Kind: kind}).Apply(a); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
