package format

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/schema"
)

// everyType has each canonical type, nested ones to some depth.
var everyType = []string{
	"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
	"float16", "float32", "float64", "string", "binary", "fixed[3]", "fixed[16]", "date",
	"time[s]", "time[ms]", "time[us]", "time[ns]", "duration[ms]",
	"timestamp[us]", "timestamp[ns, Europe/Berlin]", "decimal(10,2)", "decimal(38,-3)",
	"list<int32>", "list<string>", "struct<a: int64, b: string>", "map<string, decimal(20,4)>",
	"list<list<struct<x: list<bool>, y: map<int16, fixed[2]>>>>",
	"struct<a: struct<b: struct<c: float64>, d: list<date>>>",
}

func parseType(t testing.TB, text string) arrow.DataType {
	t.Helper()
	dt, err := schema.ParseType(text)
	if err != nil {
		t.Fatal(err)
	}
	return dt
}

// allTypes returns a schema with one nullable column of each type.
func allTypes(t testing.TB) *schema.Schema {
	s := &schema.Schema{ID: 3}
	for i, text := range everyType {
		s.Fields = append(s.Fields, schema.Field{ID: int32(100 - i), Name: fmt.Sprintf("c%d", i), Type: parseType(t, text), Nullable: true})
	}
	return s
}

// mood says what random values look like, so that every encoding gets its turn.
type mood int

const (
	wild     mood = iota // any value of the type, edges included
	few                  // a handful of distinct values
	runny                // long runs
	same                 // one value
	near                 // a narrow range
	slow                 // each a little above the last
	coarse               // multiples of a large number
	outliers             // narrow, with exceptions
	sparse               // one value, with exceptions

	moods    = 9
	moods10  = 5 // those that the golden file of 1.0 has
	nullRate = 5 // one in so many is null, where nulls are wanted
)

// random makes arrays from a seed. Its numbers are its own (splitmix64), so
// that golden files stay true whatever happens to other generators.
type random struct {
	state uint64
	mood  mood
	nulls bool
	last  uint64
}

func newRandom(seed uint64, m mood, nulls bool) *random {
	return &random{state: seed, mood: m, nulls: nulls}
}

func (r *random) Uint64() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (r *random) IntN(n int) int { return int(r.Uint64() % uint64(n)) }

// bits returns the next 64 bits to make a value from.
func (r *random) bits() uint64 {
	switch r.mood {
	case wild:
		return [4]uint64{r.Uint64(), 0, math.MaxUint64, 1 << 63}[min(r.IntN(20), 3)]
	case few:
		return uint64(r.IntN(9)) * 0x1234567
	case runny:
		if r.IntN(40) == 0 {
			r.last = r.Uint64()
		}
		return r.last
	case same:
		return 42
	}
	if r.mood == near {
		return 1<<40 + uint64(r.IntN(100))
	}
	return r.newer()
}

// newer are the moods that came with the encodings of 1.1.
func (r *random) newer() uint64 {
	exception := r.IntN(50) == 0
	switch {
	case r.mood == slow:
		r.last += uint64(r.IntN(4)) * 60
		return r.last
	case r.mood == coarse:
		return uint64(r.IntN(1000)) * 86400
	case r.mood == outliers && exception:
		return r.Uint64() >> r.IntN(64)
	case r.mood == sparse && !exception:
		return 7
	case r.mood == sparse:
		return uint64(r.IntN(5000))
	}
	return 1<<40 + uint64(r.IntN(100))
}

// float is a number that people would write, in the moods that have them.
func (r *random) float() float64 {
	if r.mood <= near {
		return math.Float64frombits(r.bits())
	}
	return float64(int64(r.bits())) / 100
}

func (r *random) array(t arrow.DataType, n int) arrow.Array {
	b := array.NewBuilder(memory.DefaultAllocator, t)
	defer b.Release()
	for range n {
		r.append(b)
	}
	return b.NewArray()
}

func (r *random) append(b array.Builder) {
	if r.nulls && r.IntN(nullRate) == 0 {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(r.bits()&1 == 1)
	case *array.Int8Builder:
		b.Append(int8(r.bits()))
	case *array.Int16Builder:
		b.Append(int16(r.bits()))
	case *array.Int32Builder:
		b.Append(int32(r.bits()))
	case *array.Int64Builder:
		b.Append(int64(r.bits()))
	case *array.Uint8Builder:
		b.Append(uint8(r.bits()))
	case *array.Uint16Builder:
		b.Append(uint16(r.bits()))
	case *array.Uint32Builder:
		b.Append(uint32(r.bits()))
	case *array.Uint64Builder:
		b.Append(r.bits())
	case *array.Float16Builder:
		b.Append(float16.FromBits(uint16(r.bits())))
	case *array.Float32Builder:
		if v := r.float(); r.mood > near {
			b.Append(float32(v))
		} else {
			b.Append(math.Float32frombits(uint32(math.Float64bits(v))))
		}
	case *array.Float64Builder:
		b.Append(r.float())
	case *array.StringBuilder:
		b.Append(r.text())
	case *array.BinaryBuilder:
		b.Append([]byte(r.text()))
	case *array.FixedSizeBinaryBuilder:
		v := fmt.Sprintf("%016x", r.bits())
		b.Append([]byte(v[:b.Type().(*arrow.FixedSizeBinaryType).ByteWidth]))
	case *array.Date32Builder:
		b.Append(arrow.Date32(r.bits()))
	case *array.Time32Builder:
		b.Append(arrow.Time32(r.bits()))
	case *array.Time64Builder:
		b.Append(arrow.Time64(r.bits()))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(r.bits()))
	case *array.DurationBuilder:
		b.Append(arrow.Duration(r.bits()))
	case *array.Decimal128Builder:
		if r.mood == wild {
			b.Append(decimal128.New(int64(r.bits()), r.bits()))
		} else {
			b.Append(decimal128.FromI64(-int64(r.bits())))
		}
	case *array.StructBuilder:
		b.Append(true)
		for i := range b.NumField() {
			r.append(b.FieldBuilder(i))
		}
	case *array.MapBuilder:
		b.Append(true)
		for range r.length() {
			nulls := r.nulls
			r.nulls = false
			r.append(b.KeyBuilder())
			r.nulls = nulls
			r.append(b.ItemBuilder())
		}
	case *array.ListBuilder:
		b.Append(true)
		for range r.length() {
			r.append(b.ValueBuilder())
		}
	default:
		panic(fmt.Sprintf("BUG: no random values of type %s", b.Type()))
	}
}

func (r *random) length() int { return int(r.bits() % 4) }

func (r *random) text() string {
	v := r.bits()
	switch r.mood {
	case slow:
		return fmt.Sprintf("order-%d/%d", v, v%7)
	case coarse, outliers:
		return fmt.Sprintf("the %d quick brown foxes [%d,%d]", v%100, v%1000, v)
	}
	return strings.Repeat(fmt.Sprintf("%x", v), int(v%5))
}

// batch returns n random rows of s; each column has a mood of its own.
func batchOf(s *schema.Schema, seed uint64, n int, nulls bool) arrow.RecordBatch {
	return batchIn(s, seed, n, nulls, moods10)
}

// batchIn takes the moods below limit.
func batchIn(s *schema.Schema, seed uint64, n int, nulls bool, limit int) arrow.RecordBatch {
	cols := make([]arrow.Array, len(s.Fields))
	for i, f := range s.Fields {
		r := newRandom(seed+uint64(i), mood((int(seed)+i)%limit), nulls && f.Nullable)
		cols[i] = r.array(f.Type, n)
	}
	return array.NewRecordBatch(s.Arrow(), cols, int64(n))
}
