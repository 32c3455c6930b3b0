package e2e

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/schema"
)

// diffColumns are the columns of every table of TestDifferential. All of
// the types that Tarn and DuckDB share are there; what is special about the
// values of a column is said in rowMaker.
var diffColumns = []string{
	"id int64", "seq int32", "p string", "k int32", "c int16", "z string", "b bool",
	"i8 int8", "i16 int16", "i32 int32", "i64 int64", "u8 uint8", "u16 uint16", "u32 uint32", "u64 uint64", "n int64",
	"f32 float32", "f64 float64", "e float64", "g float64", "d10 decimal(10,2)", "d38 decimal(38,6)",
	"s string", "w string", "x binary", "dt date", "ts timestamp[us]", "tz timestamp[us, UTC]", "tm time[us]",
}

func diffFields() []schema.Field { return fieldsOf(diffColumns) }

// fieldsOf reads columns, each a name and a type.
func fieldsOf(columns []string) []schema.Field {
	fields := make([]schema.Field, len(columns))
	for i, c := range columns {
		name, text, _ := strings.Cut(c, " ")
		t, err := schema.ParseType(text)
		if err != nil {
			panic(err)
		}
		fields[i] = schema.Field{ID: int32(i + 1), Name: name, Type: t, Nullable: true}
	}
	return fields
}

// diffTable is one table: its rows as the batches in which they are committed.
type diffTable struct {
	name        string
	partitionBy []string
	sortBy      []string
	batches     []arrow.RecordBatch

	columns []string                         // nil: diffColumns
	options func(segment int) format.Options // in a diffLake; nil: all indexes for lookups
}

func (t *diffTable) schema() *schema.Schema {
	if t.columns == nil {
		return &schema.Schema{ID: 1, Fields: diffFields()}
	}
	return &schema.Schema{ID: 1, Fields: fieldsOf(t.columns)}
}

// ids are the field ids of columns.
func (t *diffTable) ids(names ...string) (ids []int32) {
	for _, f := range t.schema().Fields {
		if slices.Contains(names, f.Name) {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// diffTables makes the tables of a seed.
func diffTables(rng *rand.Rand) []*diffTable {
	m := &rowMaker{Rand: rng, schema: &schema.Schema{ID: 1, Fields: diffFields()}}
	many := &diffTable{name: "many", partitionBy: []string{"p"}, sortBy: []string{"seq"}}
	many.batches = m.batches(10, 100_000, 700, 300) // more than a block in one partition
	parts := &diffTable{name: "parts", partitionBy: []string{"truncate(100, k)", "bucket(3, s)"}}
	parts.batches = m.batches(6, 900, 500)
	small := &diffTable{name: "small", partitionBy: []string{"p"}} // segments of which most values are the bounds
	small.batches = m.batches(6, 1, 2, 1, 3, 1, 4, 2, 1, 5, 2, 1, 3, 7, 1, 2, 9, 30)
	m.long = true
	long := &diffTable{name: "long", batches: m.batches(20, 50, 30, 2, 1)} // bounds that zones cut short
	m.long = false
	plain := &diffTable{name: "plain", sortBy: []string{"dt desc", "w"}}
	plain.batches = m.batches(3, 400, 100)
	few := &diffTable{name: "few", batches: m.batches(4, 9)}
	gone := &diffTable{name: "gone", batches: m.batches(1, 60)} // nulls but for the id
	none := &diffTable{name: "none", batches: m.batches(5, 0)}
	return []*diffTable{many, parts, small, long, plain, few, gone, none}
}

func (t *diffTable) rows() (n int) {
	for _, b := range t.batches {
		n += int(b.NumRows())
	}
	return n
}

// rowMaker makes rows.
type rowMaker struct {
	*rand.Rand
	schema *schema.Schema
	row    int
	long   bool // all strings and bytes are longer than what zones keep
}

// batches makes batches of so many rows; one value in nullRate is null.
func (m *rowMaker) batches(nullRate int, sizes ...int) []arrow.RecordBatch {
	m.row = 0
	var out []arrow.RecordBatch
	for _, size := range sizes {
		b := array.NewRecordBuilder(memory.DefaultAllocator, m.schema.Arrow())
		for range size {
			for i, f := range m.schema.Fields {
				if f.Name == "id" || m.IntN(nullRate) > 0 && f.Name != "z" {
					m.append(f.Name, b.Field(i))
				} else {
					b.Field(i).AppendNull()
				}
			}
			m.row++
		}
		out = append(out, b.NewRecordBatch())
	}
	return out
}

func (m *rowMaker) append(name string, b array.Builder) {
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(m.IntN(3) == 0)
	case *array.Int8Builder:
		b.Append(int8(m.integer(8)))
	case *array.Int16Builder:
		b.Append(int16(m.named(name, 16)))
	case *array.Int32Builder:
		b.Append(int32(m.named(name, 32)))
	case *array.Int64Builder:
		b.Append(m.named(name, 64))
	case *array.Uint8Builder:
		b.Append(uint8(m.integer(8)))
	case *array.Uint16Builder:
		b.Append(uint16(m.integer(16)))
	case *array.Uint32Builder:
		b.Append(uint32(m.integer(32)))
	case *array.Uint64Builder:
		b.Append(uint64(m.integer(64)))
	case *array.Float32Builder:
		b.Append(float32(m.float("e")))
	case *array.Float64Builder:
		b.Append(m.float(name))
	case *array.Decimal128Builder:
		b.Append(m.decimal(name))
	case *array.StringBuilder:
		b.Append(m.text(name))
	case *array.BinaryBuilder:
		b.Append([]byte(m.bytes()))
	case *array.Date32Builder:
		b.Append(arrow.Date32(m.day()))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(m.day()*86_400_000_000 + m.clock()))
	case *array.Time64Builder:
		b.Append(arrow.Time64(m.clock()))
	default:
		panic(fmt.Sprintf("no values for %T", b))
	}
}

// named makes an integer for a column that is special, or any integer.
func (m *rowMaker) named(name string, bits int) int64 {
	switch name {
	case "id": // unique, in the order of the rows
		return int64(m.row)*3 - 1000
	case "seq": // nearly sorted, in runs: zones can say much about it
		return int64(m.row/400) + int64(m.IntN(2))
	case "k": // few values
		return int64(m.IntN(301) - 150)
	case "c":
		return 7
	case "n": // sums of these do not overflow
		return m.Int64N(1<<(1+m.IntN(40))) - 500
	}
	return m.integer(bits)
}

// integer makes a signed integer of that many bits: small, anything, or at
// the edge. Cast to unsigned, it is an edge of that type.
func (m *rowMaker) integer(bits int) int64 {
	switch m.IntN(4) {
	case 0:
		return int64(m.IntN(7) - 3)
	case 1:
		edge := int64(-1) << (bits - 1)
		return []int64{edge, edge + 1, -edge - 1, -edge - 2}[m.IntN(4)]
	case 2:
		return m.Int64N(100)
	}
	return int64(m.Uint64()) >> (64 - bits)
}

var diffSpecials = []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0}

// float makes quarters for g, whose sums are exact; numbers of modest size and
// specials for e; and numbers of all sizes for f64.
func (m *rowMaker) float(name string) float64 {
	switch {
	case name == "g":
		return float64(m.IntN(4001)-2000) / 4
	case m.IntN(12) == 0:
		return diffSpecials[m.IntN(len(diffSpecials))]
	case m.IntN(2) == 0:
		return float64(m.IntN(21) - 10)
	case name == "e":
		return m.NormFloat64() * 100
	}
	return math.Ldexp(m.NormFloat64(), m.IntN(2000)-1000)
}

func (m *rowMaker) decimal(name string) decimal128.Num {
	if name == "d10" || m.IntN(2) == 0 {
		limit := []int64{10, 10_000, 9_999_999_999}[m.IntN(3)]
		return decimal128.FromI64(m.Int64N(2*limit+1) - limit)
	}
	digits := 1 + m.IntN(38)
	n := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	n.Sub(n, big.NewInt(1+m.Int64N(9))) // at the edge of its digits
	if m.IntN(2) == 0 {
		n.Neg(n)
	}
	return decimal128.FromBigInt(n)
}

// Not among the texts is ß: its upper case is itself in Tarn, as Unicode's
// table has it, and ẞ in DuckDB.
var (
	diffWords = []string{"red", "green", "Green", "blue", "", "GRÜN", "grün", "yellow"}
	diffTexts = []string{
		"", " ", "a", "A", "ab", "aB", "abc", "%", "_", "%%", "50%", "a_b", "a%b", `\`, `a\b`, `\%`, `a\_b`, "'", "it's", `"q"`, "été", "ÉTÉ",
		"e\u0301te\u0301", "日本", "日本語", "😀", "😀 smile", "ẞ", "İ", "Σας", "ﬀ", "\n", "a\nb", "\t", "\x7f", "\U0010ffff", "0", "12", "-3.5", " 7 ", "1e3",
		"2020-02-29", "NULL", "nan", "true",
	}
)

func (m *rowMaker) text(name string) string {
	switch name {
	case "p":
		return []string{"north", "north", "north", "north", "north", "north", "south"}[m.IntN(7)]
	case "w":
		return diffWords[m.IntN(len(diffWords))]
	}
	kind := m.IntN(4)
	if m.long {
		kind = 0
	}
	switch kind {
	case 0: // differs only behind what zones keep
		return strings.Repeat("long ", 14) + diffTexts[m.IntN(len(diffTexts))]
	case 1:
		return diffTexts[m.IntN(len(diffTexts))] + diffTexts[m.IntN(len(diffTexts))]
	}
	return diffTexts[m.IntN(len(diffTexts))]
}

func (m *rowMaker) bytes() string {
	if m.long {
		return strings.Repeat(string([]byte{byte(m.IntN(2) * 255)}), 70+m.IntN(10))
	}
	switch m.IntN(4) {
	case 0:
		return ""
	case 1:
		return strings.Repeat("\xff", m.IntN(80))
	case 2:
		return strings.Repeat("\x00", m.IntN(70)) + string([]byte{byte(m.IntN(256))})
	}
	return string([]byte{byte(m.IntN(3)), byte(m.IntN(256))})
}

// day makes days around the epoch, in our time, and in the years 1 to 9999.
func (m *rowMaker) day() int64 {
	switch m.IntN(4) {
	case 0:
		return int64(m.IntN(21) - 10)
	case 1:
		return int64(m.IntN(3652059) - 719162)
	}
	return int64(18000 + m.IntN(800))
}

func (m *rowMaker) clock() int64 {
	const day = 86_400_000_000
	switch m.IntN(3) {
	case 0:
		return []int64{0, 1, day / 2, day - 1}[m.IntN(4)]
	case 1:
		return m.Int64N(24) * (day / 24)
	}
	return m.Int64N(day)
}
