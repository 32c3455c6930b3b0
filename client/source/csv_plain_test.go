package source

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/schema"
)

// plainTypes are read in plain rows, but for the last.
var plainTypes = []string{"string", "int8", "int16", "int32", "int64", "float64", "decimal(5,2)", "decimal(18,0)", "decimal(38,20)", "date",
	"timestamp[s]", "timestamp[ns]", "timestamp[us, UTC]", "timestamp[ms, Europe/Berlin]", "bool"}

// cells are values of those types, and what is like them.
var cells = strings.Split("|NULL|-|\\N|0|-0|+7|7|007|-12|127|128|-128|-129|32768|2147483647|2147483648|-2147483648|12345678|123456789|"+
	"1234567890123456|12345678901234567|9223372036854775807|9223372036854775808|-9223372036854775808|1:|/1|1e5|1_0|0x1|inf|nan|17850.0|"+
	"1.5|1.50|1.500|-1.25|.5|5.|.|-.|--1|1.2.3|999.99|1000.00|9999999|1234567.8|12345678.9|0.001|1234567890.12|123456789012345678.9|"+
	"2010-12-01|1900-01-01|1899-12-31|2199-12-31|2200-01-01|2000-02-29|1900-02-29|2010-13-01|2010-00-01|2010-1-011|2010-12-00|2010-12-32|2010/12/01|20I0-12-01|"+
	"2010-12-01 08:26:00|2010-12-01T23:59:59|2010-12-01t08:26:00|2010-12-01 24:00:00|2010-12-01 08:26|2010-12-01 08:26:0x|2010-12-01 08:26:00Z|2010-12-01 08:26:00.5|"+
	"2262-04-11 23:47:16|2262-04-12 00:00:00|true|T|plain words|caf\u00e9|caf\xe9|5\" pipe|\u00a0", "|")

// readBoth reads a file with rows taken together where they are plain, and
// with rows taken one by one, and fails where that can be told.
func readBoth(t *testing.T, data []byte, want *schema.Schema, opts Options) {
	t.Helper()
	opts.Want = want
	plain, slow := readAs(t, data, opts, false), readAs(t, data, opts, true)
	if plain != slow {
		t.Fatalf("%q as %s:\n%s\none by one:\n%s", data, typesOf(want), plain, slow)
	}
}

func typesOf(s *schema.Schema) (types []string) {
	for _, f := range s.Fields {
		types = append(types, schema.TypeText(f.Type))
	}
	return types
}

// readAs tells everything that a reader says of a file.
func readAs(t *testing.T, data []byte, opts Options, oneByOne bool) string {
	var out strings.Builder
	opts.OnReject = func(r Reject) { fmt.Fprintf(&out, "reject %+v\n", r) }
	s, err := OpenReader(context.Background(), bytes.NewReader(data), "x.csv", opts)
	if err != nil {
		return err.Error()
	}
	defer s.Close()
	if r, ok := s.rows.(*csvReader); ok {
		r.oneByOne = oneByOne
	}
	for b, err := range s.Batches() {
		if err != nil {
			fmt.Fprintf(&out, "error %v\n", err)
			continue
		}
		if err := array.ValidateRecordFull(b); err != nil {
			t.Fatalf("a batch that is not sound: %v", err)
		}
		fmt.Fprintf(&out, "batch of %d\n%s\n", b.NumRows(), strings.Join(rowsText([]arrow.RecordBatch{b}), "\n"))
	}
	rows, bytes, _ := s.Progress()
	fmt.Fprintf(&out, "%d rows, %d bytes, %d rejects", rows, bytes, s.Rejects())
	return out.String()
}

func schemaOfTypes(t testing.TB, types ...string) *schema.Schema {
	s := &schema.Schema{ID: 1}
	for i, text := range types {
		typ, err := schema.ParseType(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Fields = append(s.Fields, schema.Field{ID: int32(i + 1), Name: fmt.Sprintf("c%d", i), Type: typ, Nullable: i%4 != 3})
	}
	return s
}

// TestPlainRows reads random files, most of whose values fit.
func TestPlainRows(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	no := false
	for round := range 300 {
		var types []string
		for range 1 + r.IntN(5) {
			types = append(types, plainTypes[r.IntN(len(plainTypes))])
		}
		want := schemaOfTypes(t, types...)
		opts := Options{MaxRejects: []int64{0, 3, 1 << 40}[r.IntN(3)], BatchRows: []int{0, 1, 7}[r.IntN(3)]}
		opts.CSV.Delimiter, opts.CSV.Header = ',', &no
		if r.IntN(4) == 0 {
			opts.CSV.Null = []string{"7", "plain words"}
		}
		readBoth(t, randomCSV(r, fitting(want), r.IntN(200), 4+round), want, opts)
	}
}

// fitting returns, by column, the cells that fit it.
func fitting(s *schema.Schema) [][]string {
	out := make([][]string, len(s.Fields))
	for i, f := range s.Fields {
		add := newTextAppender(array.NewBuilder(mem, f.Type))
		out[i] = slices.DeleteFunc(slices.Clone(cells), func(c string) bool { return add([]byte(c)) != nil })
	}
	return out
}

// randomCSV makes rows of which one of oddity in many things is odd.
func randomCSV(r *rand.Rand, fits [][]string, rows, oddity int) []byte {
	var b bytes.Buffer
	odd := func() bool { return r.IntN(oddity) == 0 }
	for range rows {
		for i := range fits {
			if i > 0 && !odd() {
				b.WriteByte(',')
			}
			c := fits[i][r.IntN(len(fits[i]))]
			if odd() {
				c = cells[r.IntN(len(cells))]
			}
			switch {
			case odd():
				c = `"` + strings.ReplaceAll(c, `"`, `""`) + []string{"", "\n", "\r", `""`, ","}[r.IntN(5)] + `"`
			case r.IntN(4) == 0 && !strings.Contains(c, `"`):
				c = `"` + c + `"`
			}
			b.WriteString(c)
		}
		b.WriteString([]string{"\n", "\r\n", "\n\n", ",\n", "\"\n", "x\n"}[min(r.IntN(2)+r.IntN(2*oddity)/(2*oddity-1)*r.IntN(5), 5)])
	}
	return b.Bytes()
}

// TestPlainStretches: rows longer than a stretch, and a window that ends
// within one.
func TestPlainStretches(t *testing.T) {
	want := schemaOfTypes(t, "int64", "string", "string")
	var b bytes.Buffer
	for i := range 3000 {
		fmt.Fprintf(&b, "%d,%s,\"%s\"\n", i, strings.Repeat("x", i%1500), strings.Repeat("y", i%7*(i%13)*(i%1009)))
	}
	no := false
	opts := Options{CSV: CSVOptions{Delimiter: ',', Header: &no}}
	readBoth(t, b.Bytes(), want, opts)
	readBoth(t, bytes.TrimSuffix(b.Bytes(), newline), want, opts)
}

// TestPlainCuts counts that plain rows are what is cut: a stretch that cut
// nothing would pass every other test here.
func TestPlainCuts(t *testing.T) {
	for text, want := range map[string]int{
		"":                       0,
		"1,2":                    0,
		"1,2\n":                  1,
		"1,2\r\n\"3\",\"4\"\r\n": 2,
		"1,2\n3,4,5\n6,7\n":      1,
		"1,2\n3\n6,7\n":          1,
		"1,2\n\n6,7\n":           1,
		"1,2\n3,4\"\n":           1,
		"1,2\n3,\"4\n\"\n":       1,
		"1,2\n3,\"4\"\"\"\n":     1,
		"1,2\n3,\"4\"x\n":        1,
		"1,2\n3,\"4\"":           1,
		"1,2\n\"3,4\",5\n,\n":    3,
	} {
		s := stretch{fields: 2}
		s.cut([]byte(text), ',', '"', 100, 1<<20)
		if s.rows() != want {
			t.Errorf("%q: %d rows are plain; want %d", text, s.rows(), want)
		}
	}
}

// FuzzPlainRows reads whatever bytes as columns of one type.
func FuzzPlainRows(f *testing.F) {
	r := rand.New(rand.NewPCG(2, 1))
	for kind, name := range plainTypes {
		f.Add(randomCSV(r, fitting(schemaOfTypes(f, name, name)), 20, 10), uint8(kind), uint8(2))
	}
	f.Add([]byte("1,\"\"\n,\"2\"\r\n"), uint8(4), uint8(2))
	no := false
	f.Fuzz(func(t *testing.T, data []byte, kind, columns uint8) {
		types := slices.Repeat([]string{plainTypes[int(kind)%len(plainTypes)]}, 1+int(columns%4))
		opts := Options{MaxRejects: 1 << 40, BatchRows: 5, CSV: CSVOptions{Delimiter: ',', Header: &no}}
		readBoth(t, data, schemaOfTypes(t, types...), opts)
	})
}
