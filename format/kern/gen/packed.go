package main

import (
	"fmt"
	"strings"
)

// A row of packed data is 128 bytes: two ZMM or four YMM registers. Kernels
// are straight-line code with constant shifts, which makes them two to three
// times as fast as a loop over rows with variable shifts. To keep that code
// small it is one period long, and for AVX2 one half of the lanes wide, with
// loops around. In these loops the pointers are moved, as the compiler computes
// and spills every address if they are made anew from an index.
const rowBytes, halfBytes = 128, 64

// kernel is one width of one word type.
type kernel struct {
	tier
	Bits, Width int
}

// Period is the number of rows after which the shifts repeat, at least 8 to
// make the loop around them cheap.
func (k kernel) Period() int {
	p := k.Bits
	if k.Funnel { // the kernels are bound by their vector ports: no loop is free
		return p
	}
	for p > 8 && p%2 == 0 && p/2*k.Width%k.Bits == 0 {
		p /= 2
	}
	return p
}

// Repeat is how often a period fits into a vector.
func (k kernel) Repeat() int { return k.Bits / k.Period() }

// Halves is the number of parts into which the lanes are cut.
func (k kernel) Halves() int { return rowBytes / k.span() }

func (k kernel) span() int {
	if k.Funnel {
		return rowBytes
	}
	return halfBytes
}

// Source is the number of packed bytes of a period.
func (k kernel) Source() int { return k.Period() * k.Width / k.Bits * rowBytes }

// Dest is the number of unpacked bytes of a period.
func (k kernel) Dest() int { return k.Period() * rowBytes }

// MaskStep is the size of the mask of a period.
func (k kernel) MaskStep() int { return k.Period() * k.MaskBytes() }

// MaskHalf is the size of the mask of half a row.
func (k kernel) MaskHalf() int { return k.MaskBytes() / 2 }

// MaskBytes is the size of the mask of a row.
func (k kernel) MaskBytes() int { return rowBytes * 8 / k.Bits / 8 }

// field is where a row's bits are: from bit From of word Lo to bit To
// (excluded) of word Hi.
type field struct{ Lo, Hi, From, To int }

func (k kernel) field(row int) field {
	start, end := row*k.Width, (row+1)*k.Width
	return field{start / k.Bits, (end - 1) / k.Bits, start % k.Bits, (end-1)%k.Bits + 1}
}

func (k kernel) load(word, part int) string {
	bits := max(k.Bits, 16) // bytes are shifted as pairs
	return fmt.Sprintf("load%d%s(s, %d)", bits, k.Suffix, word*rowBytes+part)
}

// Unpack returns one line of Go for each register of the rows of a period.
func (k kernel) Unpack() string {
	var b strings.Builder
	for row := range k.Period() {
		for part := 0; part < k.span(); part += k.Bytes {
			fmt.Fprintf(&b, "%s.Add(b).Store((*[%d]uint%d)(unsafe.Add(d, %d)))\n",
				k.value(k.field(row), part), k.Bytes*8/k.Bits, k.Bits, row*rowBytes+part)
		}
	}
	return b.String()
}

// value is the expression of a row's values, in the low bits of their words.
func (k kernel) value(f field, part int) string {
	lo, hi := k.load(f.Lo, part), k.load(f.Hi, part)
	ones := uint64(1)<<k.Width - 1
	switch {
	case k.Bits == 8 && f.Lo == f.Hi:
		return and(k.right(lo, f.From), bytesMask(0xff>>f.From&ones)) + k.asBytes()
	case k.Bits == 8:
		up := 8 - f.From
		return and(k.right(lo, f.From), bytesMask(0xff>>f.From&ones)) + ".Or(" + and(left(hi, up), bytesMask(0xff<<up&ones)) + ")" + k.asBytes()
	case k.Width == k.Bits:
		return lo
	case f.Lo == f.Hi:
		return and(k.right(lo, f.From), "m")
	case k.Funnel:
		return fmt.Sprintf("%s.ShiftAllRightConcat(%d, %s).And(m)", lo, f.From, hi)
	}
	return fmt.Sprintf("%s.Or(%s).And(m)", k.right(lo, f.From), left(hi, k.Bits-f.From))
}

// ALP returns one line of Go for each register: a shift that brings the field
// to the top, and one that brings it down again below the exponent of 2^52.
func (k kernel) ALP() string {
	var b strings.Builder
	for row := range k.Bits {
		for part := 0; part < rowBytes; part += k.Bytes {
			fmt.Fprintf(&b, "%s.ShiftAllRightConcat(%d, e).AsFloat64x8().Sub(c).Mul(x).Mul(y).Store((*[8]float64)(unsafe.Add(d, %d)))\n",
				k.top(k.field(row), part), k.Bits-k.Width, row*rowBytes+part)
		}
	}
	return b.String()
}

// Within returns one line of Go for each half row: the values, moved to the
// top of their words, are compared with constants moved likewise, so that
// whatever lies below them needs no masking.
func (k kernel) Within() string {
	var b strings.Builder
	for row := range k.Period() {
		for half := 0; half < k.span(); half += halfBytes {
			var parts []string
			for part := half; part < half+halfBytes; part += k.Bytes {
				parts = append(parts, k.top(k.field(row), part))
			}
			at := row*k.MaskBytes() + half*8/k.Bits/8
			fmt.Fprintf(&b, "*(*uint%d)(unsafe.Add(d, %d)) = %s\n", halfBytes*8/k.Bits, at, k.compare(parts))
		}
	}
	return b.String()
}

func (k kernel) compare(parts []string) string {
	if k.Funnel {
		return parts[0] + ".Sub(lo).LessEqual(span).ToBits()"
	}
	signed := fmt.Sprintf(".Sub(lo).AsInt%dx%d()", k.Bits, k.Bytes*8/k.Bits)
	return fmt.Sprintf("bits%d(over.Greater(%s%s), over.Greater(%s%s))", k.Bits, parts[0], signed, parts[1], signed)
}

// top is the expression of a row's values in the high bits of their words.
func (k kernel) top(f field, part int) string {
	lo, hi := k.load(f.Lo, part), k.load(f.Hi, part)
	up := k.Bits - f.To
	switch {
	case k.Bits == 8 && f.Lo == f.Hi:
		return left(hi, up) + k.asBytes()
	case k.Bits == 8:
		return and(left(hi, up), bytesMask(0xff<<up)) + ".Or(" + and(k.right(lo, f.To), bytesMask(1<<up-1)) + ")" + k.asBytes()
	case f.Lo == f.Hi:
		return left(hi, up)
	case k.Funnel:
		return fmt.Sprintf("%s.ShiftAllLeftConcat(%d, %s)", hi, up, lo)
	}
	return fmt.Sprintf("%s.Or(%s)", left(hi, up), k.right(lo, f.To))
}

func (k kernel) asBytes() string { return fmt.Sprintf(".AsUint8x%d()", k.Bytes) }

// Loops wraps the code of one period in the loops that a vector needs. dest
// is how far a period moves the destination, half how far a half of the lanes
// does.
func (k kernel) Loops(code string, dest, half int) string {
	if n := k.Repeat(); n > 1 {
		code = fmt.Sprintf("for i := range %d {\nif i > 0 {\nd, s = unsafe.Add(d, %d), unsafe.Add(s, %d)\n}\n%s}\n",
			n, dest, k.Source(), code)
	}
	if n := k.Halves(); n > 1 {
		back := k.Repeat() - 1
		code = fmt.Sprintf("for half := range %d {\nif half > 0 {\nd, s = unsafe.Add(d, %d), unsafe.Add(s, %d)\n}\n%s}\n",
			n, half-back*dest, halfBytes-back*k.Source(), code)
	}
	return code
}

// Masks returns the variables for the byte masks that a kernel of 8-bit words
// needs.
func (k kernel) Masks(code string) string {
	var b strings.Builder
	for m := range 256 {
		if strings.Contains(code, bytesMask(uint64(m))+")") {
			fmt.Fprintf(&b, "%s := archsimd.BroadcastUint16x%d(%#x)\n", bytesMask(uint64(m)), k.Bytes/2, m*0x101)
		}
	}
	return b.String()
}

func bytesMask(m uint64) string { return fmt.Sprintf("m%02x", m&0xff) }

func and(x, mask string) string { return x + ".And(" + mask + ")" }

func left(x string, by int) string {
	if by == 0 {
		return x
	}
	return fmt.Sprintf("%s.ShiftAllLeft(%d)", x, by)
}

// right shifts x; what the funnel shift brings in above has to be masked. The
// compiler has no immediate form of ShiftAllRight for unsigned registers and
// makes of it a MOVQ that stalls on the switch from AVX to SSE. So AVX2 shifts
// by a register of counts, and 16-bit words, for which it cannot, are
// multiplied.
func (k kernel) right(x string, by int) string {
	bits := max(k.Bits, 16)
	switch {
	case by == 0:
		return x
	case k.Funnel:
		return fmt.Sprintf("%s.ShiftAllRightConcat(%d, %s)", x, by, x)
	case bits == 16:
		return fmt.Sprintf("%s.MulHigh(archsimd.LoadUint16x16(&right16[%d]))", x, by)
	}
	return fmt.Sprintf("%s.ShiftRight(archsimd.LoadUint%dx%d(&right%d[%d]))", x, bits, k.Lanes(bits), bits, by)
}
