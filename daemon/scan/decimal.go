package scan

import (
	"math"
	"math/big"
	mathbits "math/bits"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// A decimal is exact or it is an error: it never passes through a float.

const maxDigits = 38

// fits reports whether n has at most 38 digits.
func fits(n decimal128.Num) bool { return n.FitsInPrecision(maxDigits) }

func isSmall(n decimal128.Num) bool { return n.HighBits() == int64(n.LowBits())>>63 }

// addDec returns a+b, and whether it has at most 38 digits. Two numbers of 38
// digits cannot wrap 128 bits.
func addDec(a, b decimal128.Num) (decimal128.Num, bool) {
	sum := a.Add(b)
	return sum, isSmall(sum) || fits(sum)
}

// mulDec returns a×b, and whether it has at most 38 digits.
func mulDec(a, b decimal128.Num) (decimal128.Num, bool) {
	if isSmall(a) && isSmall(b) {
		hi, lo := mathbits.Mul64(magnitude(a), magnitude(b))
		p := decimal128.New(int64(hi), lo)
		if a.Sign()*b.Sign() < 0 {
			p = p.Negate()
		}
		return p, isSmall(p) || fits(p)
	}
	return fromBig(new(big.Int).Mul(a.BigInt(), b.BigInt()))
}

// magnitude is |n| of a small n.
func magnitude(n decimal128.Num) uint64 {
	if n.HighBits() < 0 {
		return -n.LowBits()
	}
	return n.LowBits()
}

func fromBig(b *big.Int) (decimal128.Num, bool) {
	if b.BitLen() > 127 {
		return decimal128.Num{}, false
	}
	n := decimal128.FromBigInt(b)
	return n, fits(n)
}

// pow10 holds 10^0 … 10^38.
var pow10 = func() (p [maxDigits + 1]decimal128.Num) {
	p[0] = decimal128.FromI64(1)
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1].Mul(decimal128.FromI64(10))
	}
	return p
}()

// rescale moves n from one scale to another. Digits that are lost round half
// away from zero. It reports whether the result has at most 38 digits.
func rescale(n decimal128.Num, from, to int32) (decimal128.Num, bool) {
	switch by := to - from; {
	case by == 0:
		return n, true
	case by > maxDigits:
		return n, n.Sign() == 0
	case by > 0:
		return mulDec(n, pow10[by])
	case by < -maxDigits:
		return decimal128.Num{}, true
	default:
		return roundedDiv(n, pow10[-by]), true
	}
}

func roundedDiv(n, d decimal128.Num) decimal128.Num {
	q, rem := n.Div(d)
	twice := new(big.Int).Lsh(rem.Abs().BigInt(), 1)
	if twice.CmpAbs(d.BigInt()) < 0 {
		return q
	}
	return q.Add(decimal128.FromI64(int64(n.Sign())))
}

// cmpDec compares decimals of two scales.
func cmpDec(a decimal128.Num, as int32, b decimal128.Num, bs int32) int {
	if as == bs {
		return a.Cmp(b)
	}
	if as > bs {
		return -cmpDec(b, bs, a, as)
	}
	up, ok := rescale(a, as, bs)
	if !ok {
		return a.Sign() // too large for 38 digits, and b is not
	}
	return up.Cmp(b)
}

// floatOf returns the float64 nearest to a decimal.
func floatOf(n decimal128.Num, scale int32) float64 {
	if isSmall(n) && magnitude(n) < 1<<53 && scale >= 0 && scale <= 22 {
		f := float64(int64(n.LowBits()))
		return f / math.Pow10(int(scale)) // both exact, so the quotient is rounded once
	}
	f, _ := strconv.ParseFloat(n.BigInt().String()+"e"+strconv.Itoa(int(-scale)), 64)
	return f
}

func decimalType(precision, scale int32) *arrow.Decimal128Type {
	return &arrow.Decimal128Type{Precision: max(1, min(precision, maxDigits)), Scale: scale}
}

// digitsOf is how many decimal digits an integer type needs.
func digitsOf(t arrow.DataType) int32 {
	switch t.ID() {
	case arrow.INT8, arrow.UINT8:
		return 3
	case arrow.INT16, arrow.UINT16:
		return 5
	case arrow.INT32, arrow.UINT32:
		return 10
	case arrow.UINT64:
		return 20
	}
	return 19
}

// asDecimalType returns the decimal type that holds every value of an integer
// or decimal type.
func asDecimalType(t arrow.DataType) *arrow.Decimal128Type {
	if d, ok := t.(*arrow.Decimal128Type); ok {
		return d
	}
	return decimalType(digitsOf(t), 0)
}

// decimals returns the values of an integer or decimal vec, unscaled, and
// their scale. Times count in their unit: seconds have scale 0, milliseconds
// 3, and so on, so that times of two units compare as decimals do.
func decimals(v *vec) (values []decimal128.Num, scale int32) {
	switch laneOf(v.typ) {
	case laneDec:
		return v.wides(), v.typ.(*arrow.Decimal128Type).Scale
	case laneUint:
		values = make([]decimal128.Num, len(v.uints))
		for i, x := range v.uints {
			values[i] = decimal128.FromU64(x)
		}
		return values, 0
	}
	values = make([]decimal128.Num, len(v.ints))
	factor, scale := timeScale(v.typ)
	for i, x := range v.ints {
		values[i] = decimal128.FromI64(x)
		if factor != 1 {
			values[i] = values[i].Mul(decimal128.FromI64(factor))
		}
	}
	return values, scale
}

// timeScale says how the integer of a type counts: in factor × 10^-scale
// seconds for times, as itself for integers.
func timeScale(t arrow.DataType) (factor int64, scale int32) {
	if t.ID() == arrow.DATE32 {
		return 24 * 60 * 60, 0
	}
	if u, ok := unitOf(t); ok {
		return 1, int32(u) * 3 // second, millisecond, microsecond, nanosecond
	}
	return 1, 0
}

func unitOf(t arrow.DataType) (arrow.TimeUnit, bool) {
	switch t := t.(type) {
	case *arrow.Time32Type:
		return t.Unit, true
	case *arrow.Time64Type:
		return t.Unit, true
	case *arrow.TimestampType:
		return t.Unit, true
	case *arrow.DurationType:
		return t.Unit, true
	}
	return 0, false
}
