package source

import (
	"bytes"
	"math"
	"math/bits"
	"strconv"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// These parsers read a value from the bytes of a file without allocating.
// They are exact: a value that the type cannot carry unchanged is refused,
// never rounded (floats excepted, which are the nearest float).

// A numeral is a number in fixed notation, taken apart.
type numeral struct {
	negative    bool
	whole, frac []byte // digits before and after the point
}

// splitNumeral reads [+-]digits[.digits], with at least one digit.
func splitNumeral(b []byte) (n numeral, ok bool) {
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		n.negative = b[0] == '-'
		b = b[1:]
	}
	i := digits(b)
	n.whole = b[:i]
	if i < len(b) && b[i] == '.' {
		n.frac = b[i+1:]
		i += 1 + digits(n.frac)
	}
	return n, i == len(b) && len(n.whole)+len(n.frac) > 0
}

// digits counts the digits from the first that is not zero.
func (n numeral) digits() int {
	if whole := bytes.TrimLeft(n.whole, "0"); len(whole) > 0 {
		return len(whole) + len(n.frac)
	}
	return len(bytes.TrimLeft(n.frac, "0"))
}

// digits counts the digits that b begins with.
func digits(b []byte) int {
	for i, c := range b {
		if c < '0' || c > '9' {
			return i
		}
	}
	return len(b)
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != '0' {
			return false
		}
	}
	return true
}

// parseUint reads digits.
func parseUint(b []byte) (v uint64, ok bool) {
	for _, c := range b {
		d := uint64(c - '0')
		hi, lo := bits.Mul64(v, 10)
		sum, carry := bits.Add64(lo, d, 0)
		if d > 9 || hi != 0 || carry != 0 {
			return 0, false
		}
		v = sum
	}
	return v, len(b) > 0
}

// parseInt64 reads a whole number. A fraction of zeros, as programs write
// that keep whole numbers in floats, is let through: 17850.0.
func parseInt64(b []byte) (int64, bool) {
	n, ok := splitNumeral(b)
	if !ok || !allZero(n.frac) {
		return 0, false
	}
	v, ok := parseUint(n.whole)
	switch {
	case !ok:
		return 0, false
	case n.negative && v <= 1<<63:
		return -int64(v), true
	}
	return int64(v), v <= math.MaxInt64 && !n.negative
}

func parseUint64(b []byte) (uint64, bool) {
	n, ok := splitNumeral(b)
	if !ok || !allZero(n.frac) {
		return 0, false
	}
	v, ok := parseUint(n.whole)
	return v, ok && (!n.negative || v == 0)
}

// parseFloat reads fixed and scientific notation, inf and nan. A number too
// large for the type is refused.
func parseFloat(b []byte, bitSize int) (float64, bool) {
	if len(b) == 0 || b[len(b)-1] == 'x' {
		return 0, false
	}
	for _, c := range b {
		if c == '_' || c == 'x' || c == 'X' || c == 'p' || c == 'P' { // Go's own spellings
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(unsafe.String(&b[0], len(b)), bitSize)
	return v, err == nil
}

// parseDecimal reads a number as decimal(precision, scale). Digits that do
// not fit are refused unless they are zeros.
func parseDecimal(b []byte, precision, scale int32) (decimal128.Num, bool) {
	n, ok := splitNumeral(b)
	if !ok {
		return decimal128.Num{}, false
	}
	whole, frac, pad := n.whole, n.frac, 0
	switch {
	case scale < 0: // digits left of the point go too
		cut := max(0, len(whole)+int(scale))
		if !allZero(whole[cut:]) || !allZero(frac) {
			return decimal128.Num{}, false
		}
		whole, frac = whole[:cut], nil
	case len(frac) > int(scale):
		if !allZero(frac[scale:]) {
			return decimal128.Num{}, false
		}
		frac = frac[:scale]
	default:
		pad = int(scale) - len(frac)
	}
	return unscaled(n.negative, whole, frac, pad, precision)
}

// unscaled makes one integer of the digits and pad zeros behind them.
func unscaled(negative bool, whole, frac []byte, pad int, precision int32) (decimal128.Num, bool) {
	for len(whole) > 0 && whole[0] == '0' {
		whole = whole[1:]
	}
	if len(whole)+len(frac)+pad > 38 {
		return decimal128.Num{}, false
	}
	var hi, lo uint64
	push := func(d uint64) {
		carry, low := bits.Mul64(lo, 10)
		hi = hi*10 + carry
		lo, carry = bits.Add64(low, d, 0)
		hi += carry
	}
	for _, c := range whole {
		push(uint64(c - '0'))
	}
	for _, c := range frac {
		push(uint64(c - '0'))
	}
	for range pad {
		push(0)
	}
	v := decimal128.New(int64(hi), lo)
	if negative {
		v = v.Negate()
	}
	return v, v.FitsInPrecision(precision)
}
