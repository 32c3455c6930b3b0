package scan

import (
	"math/big"
	"strconv"
	"strings"
)

// number is a number literal as it was written: digits × 10^exp, exactly.
type number struct {
	digits *big.Int
	exp    int
	plain  bool // written without an exponent
}

// A literal is short text; these bounds keep a hostile one from costing more.
const (
	maxNumberText = 1000
	maxExponent   = 10_000
)

func parseNumber(text string) (number, bool) {
	n := number{digits: new(big.Int), plain: true}
	if len(text) > maxNumberText {
		return n, false
	}
	mantissa := text
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		exp, err := strconv.Atoi(text[i+1:])
		if err != nil || exp > maxExponent || exp < -maxExponent {
			return n, false
		}
		mantissa, n.exp, n.plain = text[:i], exp, false
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	n.exp -= len(fraction)
	body := strings.TrimLeft(whole, "+-")
	if len(whole)-len(body) > 1 || strings.Trim(body+fraction, "0123456789") != "" {
		return n, false
	}
	_, ok := n.digits.SetString(whole+fraction, 10)
	return n, ok
}

// floor returns the largest integer q with q × 10^-scale at or below n, and
// whether that is n itself.
func (n number) floor(scale int32) (q *big.Int, exact bool) {
	by := n.exp + int(scale)
	ten := big.NewInt(10)
	if by >= 0 {
		return new(big.Int).Mul(n.digits, ten.Exp(ten, big.NewInt(int64(by)), nil)), true
	}
	unit := ten.Exp(ten, big.NewInt(int64(-by)), nil)
	q, rem := new(big.Int).DivMod(n.digits, unit, new(big.Int)) // Euclidean: rounds down, as unit > 0
	return q, rem.Sign() == 0
}

// shape returns the precision and scale of the smallest decimal type that
// holds n as it was written.
func (n number) shape() (precision, scale int32) {
	digits := int32(len(new(big.Int).Abs(n.digits).String()))
	if n.exp >= 0 {
		return digits + int32(n.exp), 0
	}
	return max(digits, int32(-n.exp)), int32(-n.exp)
}
