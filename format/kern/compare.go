package kern

import "unsafe"

// Number is the set of types that plain values have.
type Number interface {
	Uint | int8 | int16 | int32 | int64 | Float
}

// Float is the set of floating-point types.
type Float interface{ float32 | float64 }

// Op is a comparison.
type Op int

// The comparisons. On floats they are those of IEEE 754: with a NaN on either
// side Ne holds and the others do not, and 0 equals -0. Where a NaN has a place
// in the order, as in SQL, the caller adds it by IsNaN.
const (
	Eq Op = iota
	Ne
	Lt
	Le
	Gt
	Ge
)

// Compare sets bit i of m to whether a[i] op b[i].
func Compare[T Number](m *Mask, op Op, a, b *[Vector]T) {
	compare(m, op, operand{unsafe.Pointer(a), 64}, operand{unsafe.Pointer(b), 64}, kindOf[T]())
}

// CompareTo sets bit i of m to whether a[i] op c.
func CompareTo[T Number](m *Mask, op Op, a *[Vector]T, c T) {
	var same [64]T // as many as a register holds at most
	for i := range 64 / unsafe.Sizeof(c) {
		same[i] = c
	}
	compare(m, op, operand{unsafe.Pointer(a), 64}, operand{unsafe.Pointer(&same), 0}, kindOf[T]())
}

// IsNaN sets bit i of m to whether v[i] is not a number.
func IsNaN[T Float](m *Mask, v *[Vector]T) { Compare(m, Ne, v, v) }

// operand is one side of a comparison: a vector, read in steps of 64 bytes, or
// with step 0 one value as often as it fits into 64 bytes.
type operand struct {
	at   unsafe.Pointer
	step uintptr
}

// kind is a number type at run time: one of these, plus the logarithm of its
// bytes in the low two bits.
type kind int

const (
	unsigned kind = iota << 2
	signed
	floating
)

func kindOf[T Number]() kind {
	var v T
	size := kind(0)
	for 1<<size < unsafe.Sizeof(v) {
		size++
	}
	switch v--; {
	case T(1)/2 != 0:
		return floating | size
	case v < 0:
		return signed | size
	}
	return unsigned | size
}

// compare brings the six comparisons down to three.
func compare(m *Mask, op Op, a, b operand, k kind) {
	switch op {
	case Eq, Lt, Le:
	case Ne:
		op = Eq
		defer m.Not()
	case Gt:
		op, a, b = Lt, b, a
	case Ge:
		op, a, b = Le, b, a
	default:
		panic("BUG: kern: unknown comparison")
	}
	if !compareFast(m, op, a, b, k) {
		compareScalar(m, op, a, b, k)
	}
}

func compareScalar(m *Mask, op Op, a, b operand, k kind) {
	switch k {
	case unsigned:
		compareAs[uint8](m, op, a, b)
	case unsigned | 1:
		compareAs[uint16](m, op, a, b)
	case unsigned | 2:
		compareAs[uint32](m, op, a, b)
	case unsigned | 3:
		compareAs[uint64](m, op, a, b)
	case signed:
		compareAs[int8](m, op, a, b)
	case signed | 1:
		compareAs[int16](m, op, a, b)
	case signed | 2:
		compareAs[int32](m, op, a, b)
	case signed | 3:
		compareAs[int64](m, op, a, b)
	case floating | 2:
		compareAs[float32](m, op, a, b)
	case floating | 3:
		compareAs[float64](m, op, a, b)
	}
}

func compareAs[T Number](m *Mask, op Op, a, b operand) {
	var zero T
	size := unsafe.Sizeof(zero)
	for k := range m {
		word := uint64(0)
		for i := range 64 {
			at := uintptr(k*64+i) * size
			x, y := *(*T)(unsafe.Add(a.at, at&-(a.step/64))), *(*T)(unsafe.Add(b.at, at&-(b.step/64)))
			switch op {
			case Eq:
				word |= bit(x == y) << i
			case Lt:
				word |= bit(x < y) << i
			case Le:
				word |= bit(x <= y) << i
			}
		}
		m[k] = word
	}
}
