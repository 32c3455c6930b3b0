package scan

import (
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/tarnlake/tarn/format/kern"
)

// exactSum is sum and avg of integers and decimals. The sum itself never
// overflows; only a result that its type does not hold is an error.
type exactSum struct {
	arg, out arrow.DataType
	mean     bool
	text     string
	sums     []wide
	counts   []int64
}

func (s *exactSum) grow(n int)   { s.sums, s.counts = extend(s.sums, n), extend(s.counts, n) }
func (s *exactSum) empty()       { s.sums, s.counts = s.sums[:0], s.counts[:0] }
func (s *exactSum) bytes() int64 { return int64(len(s.sums)) * 32 }

func (s *exactSum) add(groups []int32, n int, v *vec) {
	if ints := wholeInts(v); ints != nil {
		s.addInts(groups, ints)
		return
	}
	switch laneOf(v.typ) {
	case laneInt:
		each(groups, n, v, func(g int32, i int) { s.put(g, wideOfInt(v.ints[i])) })
	case laneUint:
		each(groups, n, v, func(g int32, i int) { s.put(g, wide{lo: v.uints[i]}) })
	case laneDec:
		if v.small != nil {
			each(groups, n, v, func(g int32, i int) { s.put(g, wideOfInt(v.small[i])) })
			return
		}
		each(groups, n, v, func(g int32, i int) { s.put(g, wideOfDec(v.decs[i])) })
	}
}

// wholeInts returns the values of v as integers if there is one for each row
// and none is null; else nil.
func wholeInts(v *vec) []int64 {
	switch {
	case v.valid != nil || v.one:
		return nil
	case laneOf(v.typ) == laneInt:
		return v.ints
	}
	return v.small
}

// addInts adds a value for each row. Within one block the sums of most columns
// fit 64 bits; the bounds of the values tell.
func (s *exactSum) addInts(groups []int32, values []int64) {
	if groups == nil {
		s.sums[0] = s.sums[0].plus(sumInts(values))
		s.counts[0] += int64(len(values))
		return
	}
	if most := magnitudeOf(values); most > math.MaxInt64/uint64(max(1, len(values))) {
		for i, g := range groups {
			s.put(g, wideOfInt(values[i]))
		}
		return
	}
	sums := make([]int64, len(s.sums))
	for i, g := range groups {
		sums[g] += values[i]
		s.counts[g]++
	}
	for g, sum := range sums {
		s.sums[g] = s.sums[g].plus(wideOfInt(sum))
	}
}

// magnitudeOf returns the largest |v|.
func magnitudeOf(values []int64) uint64 {
	var lo, hi int64
	for ; len(values) >= kern.Vector; values = values[kern.Vector:] {
		l, h, _ := kern.MinMaxOf((*[kern.Vector]int64)(values), &everyRow)
		lo, hi = min(lo, l), max(hi, h)
	}
	for _, v := range values {
		lo, hi = min(lo, v), max(hi, v)
	}
	return max(uint64(hi), -uint64(lo))
}

var everyRow = func() (m kern.Mask) {
	m.Fill(true)
	return m
}()

func (s *exactSum) put(g int32, w wide) {
	s.sums[g] = s.sums[g].plus(w)
	s.counts[g]++
}

// sumInts adds the halves of the values apart: neither sum can overflow in
// the 2^31 values that an array holds at most.
func sumInts(values []int64) wide {
	var high, low int64
	for _, v := range values {
		high += v >> 32
		low += v & math.MaxUint32
	}
	h := wideOfInt(high)
	shifted := wide{h.lo << 32, h.mid<<32 | h.lo>>32, h.hi<<32 | int64(h.mid>>32)}
	return shifted.plus(wideOfInt(low))
}

func (s *exactSum) merge(into []int32, from aggregate) {
	o := from.(*exactSum)
	for i, w := range o.sums {
		g := at(into, i)
		s.sums[g] = s.sums[g].plus(w)
		s.counts[g] += o.counts[i]
	}
}

// wideType is that of a wide in a column: its words, little-endian.
var wideType = &arrow.FixedSizeBinaryType{ByteWidth: 24}

func (s *exactSum) columns() []arrow.DataType {
	return []arrow.DataType{wideType, arrow.PrimitiveTypes.Int64}
}

func (s *exactSum) save(from, to int) ([]arrow.Array, error) {
	sums := &vec{typ: wideType, n: to - from, strs: convert(s.sums[from:to], wide.text)}
	return []arrow.Array{sums.array(), intArray(s.counts[from:to])}, nil
}

func (s *exactSum) load(columns []arrow.Array) {
	s.sums = convert(vecOf(columns[0]).strs, wideOfText)
	s.counts = vecOf(columns[1]).ints
}

func (s *exactSum) result() (*vec, error) {
	n := len(s.sums)
	out := &vec{typ: s.out, n: n, valid: fill(n, func(i int) bool { return s.counts[i] > 0 })}
	out.alloc(n)
	for i, w := range s.sums {
		if s.counts[i] > 0 && !s.finish(out, i, w) {
			return nil, overflow(s.text, s.out)
		}
	}
	return out, nil
}

func (s *exactSum) finish(out *vec, i int, w wide) (ok bool) {
	if s.mean {
		scale := int32(0)
		if d, ok := s.arg.(*arrow.Decimal128Type); ok {
			scale = d.Scale
		}
		out.floats[i] = w.mean(scale, s.counts[i])
		return true
	}
	switch laneOf(s.out) {
	case laneInt:
		out.ints[i], ok = w.int()
	case laneUint:
		out.uints[i], ok = w.lo, w.mid == 0 && w.hi == 0
	default:
		var d decimal128.Num
		d, ok = w.decimal()
		out.decs[i] = d
	}
	return ok
}

// floatSum is sum and avg of floats, by Neumaier's summation: the error does
// not grow with the number of rows.
type floatSum struct {
	mean   bool
	sums   []float64
	errs   []float64 // what rounding has taken from sums
	counts []int64
}

func (s *floatSum) grow(n int) {
	s.sums, s.errs, s.counts = extend(s.sums, n), extend(s.errs, n), extend(s.counts, n)
}

func (s *floatSum) bytes() int64 { return int64(len(s.sums)) * 24 }

func (s *floatSum) add(groups []int32, n int, v *vec) {
	each(groups, n, v, func(g int32, i int) {
		s.put(g, v.floats[i])
		s.counts[g]++
	})
}

func (s *floatSum) put(g int32, v float64) {
	sum := s.sums[g]
	t := sum + v
	if math.Abs(sum) >= math.Abs(v) {
		s.errs[g] += (sum - t) + v
	} else {
		s.errs[g] += (v - t) + sum
	}
	s.sums[g] = t
}

func (s *floatSum) merge(into []int32, from aggregate) {
	o := from.(*floatSum)
	for i, v := range o.sums {
		g := at(into, i)
		s.put(g, v)
		s.errs[g] += o.errs[i]
		s.counts[g] += o.counts[i]
	}
}

func (s *floatSum) columns() []arrow.DataType {
	return []arrow.DataType{arrow.PrimitiveTypes.Float64, arrow.PrimitiveTypes.Float64, arrow.PrimitiveTypes.Int64}
}

func (s *floatSum) save(from, to int) ([]arrow.Array, error) {
	return []arrow.Array{floatArray(s.sums[from:to]), floatArray(s.errs[from:to]), intArray(s.counts[from:to])}, nil
}

func (s *floatSum) load(columns []arrow.Array) {
	s.sums, s.errs, s.counts = vecOf(columns[0]).floats, vecOf(columns[1]).floats, vecOf(columns[2]).ints
}

func (s *floatSum) result() (*vec, error) {
	n := len(s.sums)
	out := &vec{typ: arrow.PrimitiveTypes.Float64, n: n, floats: make([]float64, n)}
	out.valid = fill(n, func(i int) bool { return s.counts[i] > 0 })
	for i, sum := range s.sums {
		if !math.IsInf(sum, 0) && !math.IsNaN(sum) {
			sum += s.errs[i] // of an infinite sum the error is NaN
		}
		if s.mean {
			sum /= float64(max(1, s.counts[i]))
		}
		out.floats[i] = sum
	}
	return out, nil
}
