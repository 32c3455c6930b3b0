package scan

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
)

// relation says where a literal lies in the domain of a type.
type relation uint8

const (
	exactly  relation = iota // the literal is the value
	justOver                 // above the value and below the next one, as 2.5 is between 2 and 3
	underAll                 // below every value of the type
	overAll                  // above every value of the type
)

// placed is a literal in the domain of a type: a value of the type, and how
// the literal lies to it. No literal is ever rounded silently.
type placed struct {
	value *vec // one value; meaningless for underAll and overAll
	rel   relation
}

// place puts a literal that is not null into the domain of t.
func place(lit *expr.Value, t arrow.DataType) (placed, error) {
	p := placed{value: &vec{typ: t, n: 1, one: true}}
	var err error
	switch l := laneOf(t); {
	case lit.Kind == expr.Null:
		panic("BUG: a null literal has no place")
	case l == laneBool:
		err = p.placeBool(lit)
	case l == laneStr:
		err = p.placeText(lit, t)
	case l == laneFloat:
		err = p.placeFloat(lit, t)
	case l == laneNested:
		err = fmt.Errorf("values of type %s cannot be compared", schema.TypeText(t))
	case isTemporal(t):
		err = p.placeTime(lit, t)
	default:
		err = p.placeNumber(lit, t)
	}
	return p, err
}

func isTemporal(t arrow.DataType) bool {
	_, ok := unitOf(t)
	return ok || t.ID() == arrow.DATE32
}

func misfit(lit *expr.Value, t arrow.DataType) error {
	return fmt.Errorf("%s is a %s, not a value of type %s", lit, lit.Kind, schema.TypeText(t))
}

func (p *placed) placeBool(lit *expr.Value) error {
	switch strings.ToLower(lit.Text) {
	case "true", "t":
		p.value.bools = bits{1}
	case "false", "f":
		p.value.bools = bits{0}
	default:
		return misfit(lit, p.value.typ)
	}
	if lit.Kind != expr.Bool && lit.Kind != expr.String {
		return misfit(lit, p.value.typ)
	}
	return nil
}

func (p *placed) placeText(lit *expr.Value, t arrow.DataType) error {
	text := lit.Text
	switch {
	case lit.Kind == expr.String:
	case lit.Kind == expr.Bytes && t.ID() != arrow.STRING:
		b, err := hex.DecodeString(text)
		if err != nil {
			return fmt.Errorf("x'%s' is not hexadecimal", text)
		}
		text = string(b)
	default:
		return misfit(lit, t)
	}
	p.value.strs = []string{text}
	return nil
}

func (p *placed) placeFloat(lit *expr.Value, t arrow.DataType) error {
	if lit.Kind != expr.Number && lit.Kind != expr.String {
		return misfit(lit, t)
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(lit.Text), 64)
	if err != nil {
		return fmt.Errorf("%s is not a number that a float64 holds", lit)
	}
	if single := float64(float32(f)); t.ID() != arrow.FLOAT64 && !math.IsInf(single, 0) {
		f = single // 0.1 means the float32 nearest to 0.1
	}
	p.value.floats = []float64{f}
	return nil
}

func (p *placed) placeNumber(lit *expr.Value, t arrow.DataType) error {
	n, ok := parseNumber(strings.TrimSpace(lit.Text))
	if !ok || lit.Kind != expr.Number && lit.Kind != expr.String {
		return misfit(lit, t)
	}
	_, scale := timeScale(t)
	if d, ok := t.(*arrow.Decimal128Type); ok {
		scale = d.Scale
	}
	p.settle(n.floor(scale))
	return nil
}

func (p *placed) placeTime(lit *expr.Value, t arrow.DataType) error {
	switch lit.Kind {
	case expr.String, expr.Date, expr.Timestamp:
	default:
		return misfit(lit, t)
	}
	at, err := parseInstant(t, lit.Text)
	if err != nil {
		return err
	}
	if t.ID() == arrow.DATE32 {
		day := floorDiv(at.sec, secondsPerDay)
		p.settle(bigInt(day), at == instant{sec: day * secondsPerDay})
		return nil
	}
	_, scale := timeScale(t)
	p.settle(at.number().floor(scale))
	return nil
}

// settle stores the largest value of the domain at or below the literal.
func (p *placed) settle(q *big.Int, exact bool) {
	if !exact {
		p.rel = justOver
	}
	switch laneOf(p.value.typ) {
	case laneInt:
		p.value.ints = []int64{q.Int64()}
		p.bound(q, q.IsInt64())
	case laneUint:
		p.value.uints = []uint64{q.Uint64()}
		p.bound(q, q.IsUint64())
	case laneDec:
		n, ok := fromBig(q)
		p.value.decs = []decimal128.Num{n}
		p.bound(q, ok)
	}
}

func (p *placed) bound(q *big.Int, inside bool) {
	switch {
	case inside:
	case q.Sign() < 0:
		p.rel = underAll
	default:
		p.rel = overAll
	}
}

var bigBillion = big.NewInt(1e9)

func bigInt(v int64) *big.Int { return big.NewInt(v) }

// naturalType returns the type of a literal that meets no column: the
// smaller of int64 and decimal that holds a number as written, and float64 for
// one with an exponent.
func naturalType(lit *expr.Value) (arrow.DataType, error) {
	switch lit.Kind {
	case expr.Bool:
		return arrow.FixedWidthTypes.Boolean, nil
	case expr.Date:
		return arrow.FixedWidthTypes.Date32, nil
	case expr.Timestamp:
		return timestampTypeOf(lit)
	case expr.Bytes:
		return arrow.BinaryTypes.Binary, nil
	case expr.Number:
		return numberType(lit)
	}
	return arrow.BinaryTypes.String, nil
}

func numberType(lit *expr.Value) (arrow.DataType, error) {
	n, ok := parseNumber(lit.Text)
	if !ok {
		return nil, fmt.Errorf("%q is not a number", lit.Text)
	}
	if !n.plain {
		return arrow.PrimitiveTypes.Float64, nil
	}
	if n.exp == 0 && n.digits.IsInt64() {
		return arrow.PrimitiveTypes.Int64, nil
	}
	precision, scale := n.shape()
	if precision > maxDigits {
		return nil, errLongNumber(lit.Text)
	}
	return decimalType(precision, scale), nil
}

// errLongNumber is about a number that no type but a float has room for, which
// would round it.
func errLongNumber(text string) error {
	return wire.Errorf(wire.InvalidArgument, "%.60s has more digits than the %d of a decimal", text, maxDigits).
		WithHint("write it with an exponent, such as 1.5e40, to mean a float64")
}

func timestampTypeOf(lit *expr.Value) (arrow.DataType, error) {
	at, err := parseTimestamp(lit.Text)
	if err != nil {
		return nil, err
	}
	if at.nsec%1000 != 0 {
		return &arrow.TimestampType{Unit: arrow.Nanosecond}, nil
	}
	return &arrow.TimestampType{Unit: arrow.Microsecond}, nil
}

// exactValue returns a literal as a constant of type t, or an error where t
// does not hold it.
func exactValue(lit *expr.Value, t arrow.DataType) (*vec, error) {
	if lit.Kind == expr.Null {
		return nulls(t, 1), nil
	}
	p, err := place(lit, t)
	if err == nil && p.rel != exactly {
		err = fmt.Errorf("%s is not a value of type %s", lit, schema.TypeText(t))
	}
	return p.value, err
}
