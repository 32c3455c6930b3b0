package scan

import (
	"encoding/binary"
	"math/big"
	mathbits "math/bits"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// wide is an exact sum: 192 bits, two's complement. 2^63 values of 38 digits
// do not overflow it.
type wide struct {
	lo, mid uint64
	hi      int64
}

func wideOfInt(v int64) wide { return wide{uint64(v), uint64(v >> 63), v >> 63} }

func wideOfDec(v decimal128.Num) wide {
	return wide{v.LowBits(), uint64(v.HighBits()), v.HighBits() >> 63}
}

func (w wide) plus(v wide) wide {
	lo, c := mathbits.Add64(w.lo, v.lo, 0)
	mid, c := mathbits.Add64(w.mid, v.mid, c)
	return wide{lo, mid, w.hi + v.hi + int64(c)}
}

// text returns the words of w as wideOfText reads them.
func (w wide) text() string {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 24), w.lo)
	b = binary.LittleEndian.AppendUint64(b, w.mid)
	return viewString(binary.LittleEndian.AppendUint64(b, uint64(w.hi)))
}

func wideOfText(s string) wide {
	b := []byte(s)
	return wide{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), int64(binary.LittleEndian.Uint64(b[16:]))}
}

func (w wide) big() *big.Int {
	b := big.NewInt(w.hi)
	b.Lsh(b, 64).Or(b, new(big.Int).SetUint64(w.mid))
	return b.Lsh(b, 64).Or(b, new(big.Int).SetUint64(w.lo))
}

// int returns w as an int64, and whether it is one.
func (w wide) int() (int64, bool) {
	v := int64(w.lo)
	return v, w == wideOfInt(v)
}

// decimal returns w as an unscaled decimal, and whether it has 38 digits.
func (w wide) decimal() (decimal128.Num, bool) {
	v := decimal128.New(int64(w.mid), w.lo)
	return v, w == wideOfDec(v) && fits(v)
}

// mean returns w × 10^-scale / count, rounded once.
func (w wide) mean(scale int32, count int64) float64 {
	const exact = 1 << 53
	v, small := w.int()
	if small && -exact < v && v < exact && scale >= 0 && scale <= 15 && count < exact {
		if d := float64(count) * float64(pow10[scale].LowBits()); d < exact {
			return float64(v) / d
		}
	}
	den := new(big.Int).Mul(big.NewInt(count), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(scale, -scale))), nil))
	num := w.big()
	if scale < 0 {
		num.Mul(num, den.Quo(den, big.NewInt(count)))
		den = big.NewInt(count)
	}
	f, _ := new(big.Rat).SetFrac(num, den).Float64()
	return f
}
