package e2e

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/schema"
)

// shape is a column whose values look like one kind of real data, so that one
// of the encodings or indexes is the best for it. value gives nil for null.
type shape struct {
	column string // name and type
	value  func(m *shapeMaker) any
}

// shapeMaker makes the rows of tables of shapes, one row at a time.
type shapeMaker struct {
	*rand.Rand
	row   int
	walk  int64 // of wave
	clock int64 // of ts
	long  bool  // rows are enough for runs of them
}

// shapes are the columns of the tables of TestShapes.
var shapes = []shape{
	{"id int64", func(m *shapeMaker) any { return int64(m.row) }},

	// Sorted, in runs, one step after another.
	{"ts timestamp[us]", func(m *shapeMaker) any {
		m.clock += m.Int64N(2_000_000)
		return 1_600_000_000_000_000 + m.clock
	}},
	{"dt date", func(m *shapeMaker) any { return int64(18_000 + m.row/m.run(3000)) }},
	{"hour int32", func(m *shapeMaker) any { return int64(m.row / m.run(700) % 24) }},
	{"wave int32", func(m *shapeMaker) any { m.walk += m.Int64N(41) - 20; return m.walk }},

	// Numbers of so many bits.
	{"code int32", func(m *shapeMaker) any { return m.Int64N(1000) }},
	{"w8 int8", func(m *shapeMaker) any { return m.Int64N(256) - 128 }},
	{"u8 uint8", func(m *shapeMaker) any { return m.seldom(5000, m.Int64N(256)) }},
	{"i16 int16", func(m *shapeMaker) any { return int64(int16(m.Uint32())) }},
	{"u16 uint16", func(m *shapeMaker) any { return m.Int64N(6) * 10_000 }},
	{"u32 uint32", func(m *shapeMaker) any { return int64(m.Uint32()) }},
	{"i64 int64", func(m *shapeMaker) any { return m.seldom(50, int64(m.Uint64())) }},
	{"spike int64", func(m *shapeMaker) any {
		if m.IntN(100) == 0 {
			return int64(m.Uint64()) >> m.IntN(50)
		}
		return m.Int64N(256)
	}},
	{"even int64", func(m *shapeMaker) any { return m.Int64N(1_000_000) * 3_600_000 }},

	// Few values, rare values, hardly any values.
	{"few int64", func(m *shapeMaker) any {
		return []int64{math.MinInt64, -1 << 40, -7, 0, 1, 999_999_999_999, 1 << 62, math.MaxInt64}[m.skewed(8)]
	}},
	{"fewu uint64", func(m *shapeMaker) any {
		return m.seldom(20, []uint64{0, 1, 1 << 63, math.MaxUint64 - 1, math.MaxUint64}[m.IntN(5)])
	}},
	{"rare int32", func(m *shapeMaker) any {
		if m.IntN(300) == 0 {
			return m.Int64N(100)
		}
		return int64(5)
	}},
	{"gaps int64", func(m *shapeMaker) any {
		if m.IntN(400) > 0 {
			return nil
		}
		return m.Int64N(1 << 30)
	}},
	{"one int64", func(*shapeMaker) any { return int64(-42) }},
	{"none string", func(*shapeMaker) any { return nil }},
	{"flag bool", func(m *shapeMaker) any { return m.seldom(10, m.IntN(3) == 0) }},
	{"shift bool", func(m *shapeMaker) any { return m.row/m.run(2500)%2 == 0 }},
	{"alarm bool", func(m *shapeMaker) any { return m.IntN(2000) == 0 }},

	// Floats and decimals.
	{"price float64", func(m *shapeMaker) any { return float64(m.IntN(1_000_000)) / 100 }},
	{"p32 float32", func(m *shapeMaker) any { return m.seldom(100, float64(float32(m.IntN(10_000))/10)) }},
	{"digits float64", func(m *shapeMaker) any {
		return float64(m.Int64N(1e14)) / math.Pow10(m.IntN(12))
	}},
	{"wild float64", func(m *shapeMaker) any {
		if m.IntN(50) == 0 {
			return diffSpecials[m.IntN(len(diffSpecials))]
		}
		return m.seldom(50, m.NormFloat64())
	}},
	{"dec decimal(12,2)", func(m *shapeMaker) any { return m.seldom(30, big.NewInt(m.Int64N(10_000_000)-2_000_000)) }},
	{"wide decimal(38,6)", func(m *shapeMaker) any {
		n := new(big.Int).Lsh(big.NewInt(m.Int64N(1<<40)-1<<39), uint(m.IntN(60)))
		return n.Add(n, big.NewInt(m.Int64()))
	}},

	// Text.
	{"city string", func(m *shapeMaker) any { return m.seldom(40, shapeCities[m.skewed(len(shapeCities))]) }},
	{"kind string", func(m *shapeMaker) any { return []string{"", "retail", "whole sale"}[m.skewed(3)] }},
	{"invoice string", func(m *shapeMaker) any { return fmt.Sprintf("INV-%07d-%c", m.row*7, 'a'+m.IntN(26)) }},
	{"note string", func(m *shapeMaker) any { return m.seldom(25, m.sentence()) }},
	{"hash string", func(m *shapeMaker) any { return fmt.Sprintf("%016x", m.Uint64()) }},
	{"url string", func(m *shapeMaker) any {
		return strings.Repeat("http://host.example/", 1+m.IntN(5)) + shapeCities[m.IntN(len(shapeCities))] + fmt.Sprint(m.IntN(50))
	}},
	{"bin binary", func(m *shapeMaker) any {
		b := make([]byte, m.IntN(9))
		for i := range b {
			b[i] = byte(m.IntN(3) * 127)
		}
		return string(b)
	}},
	{"tz timestamp[us, UTC]", func(m *shapeMaker) any { return 86_400_000_000 * m.Int64N(400) }},
	{"tm time[us]", func(m *shapeMaker) any { return 60_000_000 * m.Int64N(1440) }},
}

// run is how long runs of a column are.
func (m *shapeMaker) run(n int) int {
	if m.long {
		return n
	}
	return 1 + n/100
}

// seldom makes one value in n null.
func (m *shapeMaker) seldom(n int, v any) any {
	if m.IntN(n) == 0 {
		return nil
	}
	return v
}

// skewed picks one of n, the first ones far more often.
func (m *shapeMaker) skewed(n int) int { return int(float64(n) * math.Pow(m.Float64(), 3)) }

var shapeCities = strings.Split("Ulm,Bonn,Köln,Reykjavík,Łódź,São Paulo,東京,Den Haag,Paris,Parma,Par,Oslo,oslo,Wien,Linz,Graz,Lyon,Nice,Rom,Bern,Basel,Genf,York,New York,Cork,Bath,Bonn am Rhein,Ål,Å,X,,50%,a_b", ",")

var shapeWords = strings.Fields("the quick brown fox jumps over lazy dogs and deposits sleep above furiously final pending accounts Fragile re-order 2nd 100% under_score naïve Ünïcode größe 日本 e-mail it's C++ back\\slash")

func (m *shapeMaker) sentence() string {
	words := make([]string, m.IntN(9))
	for i := range words {
		words[i] = shapeWords[m.skewed(len(shapeWords))]
	}
	if m.IntN(500) == 0 {
		words = append(words, fmt.Sprintf("ticket%d", m.IntN(40)))
	}
	return strings.Join(words, []string{" ", " ", ", ", "\n"}[m.IntN(4)])
}

// shapeTables are one of several blocks and segments, in every profile, and
// one whose segments end where vectors, zones and words of masks do.
func shapeTables(rng *rand.Rand) []*diffTable {
	large := &diffTable{name: "large", columns: shapeColumns()}
	large.batches = shapeBatches(rng, true, format.BlockRows+4321, format.BlockRows+1024, format.BlockRows, 5000, 1)
	edges := &diffTable{name: "edges", columns: shapeColumns()}
	edges.batches = shapeBatches(rng, false, 1, 2, 63, 64, 65, 0, 1023, 1024, 1025, 2048, 4095, 4096, 8192, 8193)
	for i, t := range []*diffTable{large, edges} {
		t.options = func(segment int) format.Options {
			return format.Options{
				Profile:   []format.Profile{format.ProfileDefault, format.ProfileCompact, format.ProfileFast}[segment%3],
				IndexRows: 1 + 4095*(1-i),
				Lookup:    t.ids("id", "code", "invoice", "city", "spike", "few", "dt", "dec", "wild"),
				Text:      t.ids("note", "city", "url"),
			}
		}
	}
	return []*diffTable{large, edges}
}

func shapeColumns() (names []string) {
	for _, s := range shapes {
		names = append(names, s.column)
	}
	return names
}

func shapeBatches(rng *rand.Rand, long bool, sizes ...int) (out []arrow.RecordBatch) {
	m := &shapeMaker{Rand: rng, long: long}
	s := &schema.Schema{ID: 1, Fields: fieldsOf(shapeColumns())}
	for _, size := range sizes {
		b := array.NewRecordBuilder(memory.DefaultAllocator, s.Arrow())
		for range size {
			for i, c := range shapes {
				appendShape(b.Field(i), c.value(m))
			}
			m.row++
		}
		out = append(out, b.NewRecordBatch())
	}
	return out
}

func appendShape(b array.Builder, v any) {
	if v == nil {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v.(bool))
	case *array.Int8Builder:
		b.Append(int8(v.(int64)))
	case *array.Int16Builder:
		b.Append(int16(v.(int64)))
	case *array.Int32Builder:
		b.Append(int32(v.(int64)))
	case *array.Int64Builder:
		b.Append(v.(int64))
	case *array.Uint8Builder:
		b.Append(uint8(v.(int64)))
	case *array.Uint16Builder:
		b.Append(uint16(v.(int64)))
	case *array.Uint32Builder:
		b.Append(uint32(v.(int64)))
	case *array.Uint64Builder:
		b.Append(v.(uint64))
	case *array.Float32Builder:
		b.Append(float32(v.(float64)))
	case *array.Float64Builder:
		b.Append(v.(float64))
	case *array.Decimal128Builder:
		b.Append(decimal128.FromBigInt(v.(*big.Int)))
	case *array.StringBuilder:
		b.Append(v.(string))
	case *array.BinaryBuilder:
		b.Append([]byte(v.(string)))
	case *array.Date32Builder:
		b.Append(arrow.Date32(v.(int64)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.(int64)))
	case *array.Time64Builder:
		b.Append(arrow.Time64(v.(int64)))
	default:
		panic(fmt.Sprintf("no values for %T", b))
	}
}
