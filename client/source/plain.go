package source

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// A plainColumn adds the fields of one column of a stretch to its builder,
// from a row on, until one is not plain: a null, or a spelling that is rare.
// It returns how many it has added. What it takes, the column's appender
// would take for the same value.
type plainColumn func(s *stretch, column, row int) int

// newPlainColumn returns nil for a type without a way that is faster.
func newPlainColumn(b array.Builder) plainColumn {
	switch b := b.(type) {
	case *array.StringBuilder:
		return plainTexts(b)
	case *array.Int8Builder:
		return plainValues(b, plainInt[int8])
	case *array.Int16Builder:
		return plainValues(b, plainInt[int16])
	case *array.Int32Builder:
		return plainValues(b, plainInt[int32])
	case *array.Int64Builder:
		return plainValues(b, plainInt[int64])
	case *array.Float64Builder:
		return plainValues(b, func(s *stretch, at span) (float64, bool) { return parseFloat(s.data[at.from:at.to], 64) })
	case *array.Decimal128Builder:
		return plainDecimals(b, b.Type().(*arrow.Decimal128Type))
	case *array.Date32Builder:
		return plainValues(b, plainDate)
	case *array.TimestampBuilder:
		return plainStamps(b, b.Type().(*arrow.TimestampType))
	}
	return nil
}

// plainValues makes a plainColumn of a parser.
func plainValues[T any](b interface {
	AppendValues([]T, []bool)
}, parse func(s *stretch, at span) (T, bool)) plainColumn {
	var values []T
	return func(s *stretch, column, row int) int {
		values = slices.Grow(values[:0], s.rows()-row)
		for at := row*s.fields + column; at < len(s.spans); at += s.fields {
			v, ok := parse(s, s.spans[at])
			if !ok {
				break
			}
			values = append(values, v)
		}
		b.AppendValues(values, nil)
		return len(values)
	}
}

// plainTexts takes what is not empty: whether nothing is a null depends.
func plainTexts(b *array.StringBuilder) plainColumn {
	return func(s *stretch, column, row int) int {
		if !s.texts {
			return 0
		}
		n, size := 0, 0
		for at := row*s.fields + column; at < len(s.spans) && s.spans[at].from < s.spans[at].to; at += s.fields {
			size += int(s.spans[at].to - s.spans[at].from)
			n++
		}
		b.Reserve(n)
		if b.DataLen()+size > b.DataCap() { // which grows by no more than what is asked for
			b.ReserveData(max(size, b.DataLen()))
		}
		for i := range n {
			at := s.spans[(row+i)*s.fields+column]
			b.BinaryBuilder.UnsafeAppend(s.data[at.from:at.to])
		}
		return n
	}
}

// zeroes is what eight digits have in common.
const zeroes = lowBits * '0'

// digitsAt returns the value of n digits, from 1 to 8, at the start of b.
func digitsAt(b []byte, n int) (uint64, bool) {
	if len(b) < 8 {
		v, ok := parseUint(b[:n])
		return v, ok
	}
	return eightDigits((binary.LittleEndian.Uint64(b) ^ zeroes) << (64 - 8*n))
}

// eightDigits returns the number that the bytes of w spell, the lowest first,
// each a digit less '0'.
func eightDigits(w uint64) (uint64, bool) {
	ok := (w+lowBits*(0x80-10)|w)&highBits == 0
	w = w*10 + w>>8 // in each second byte a number of two digits
	const mask = 0x000000ff000000ff
	return ((w&mask)*(100+1000000<<32) + (w>>16&mask)*(1+10000<<32)) >> 32, ok
}

// plainUint reads 1 to 16 digits.
func plainUint(s *stretch, at span) (uint64, bool) {
	n := int(at.to - at.from)
	if n-1 < 8 {
		if n == 0 {
			return 0, false
		}
		return digitsAt(s.data[at.from:], n)
	}
	if n > 16 {
		return 0, false
	}
	high, ok := digitsAt(s.data[at.from:], n-8)
	low, ok2 := digitsAt(s.data[at.to-8:], 8)
	return high*1e8 + low, ok && ok2
}

// cutSign takes a minus sign away.
func cutSign(s *stretch, at span) (span, bool) {
	negative := at.from < at.to && s.data[at.from] == '-'
	if negative {
		at.from++
	}
	return at, negative
}

func plainInt[T int8 | int16 | int32 | int64](s *stretch, at span) (T, bool) {
	at, negative := cutSign(s, at)
	u, ok := plainUint(s, at)
	v := int64(u)
	if negative {
		v = -v
	}
	return T(v), ok && int64(T(v)) == v
}

// powers of ten that are uint64.
var powers = func() (p [20]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = 10 * p[i-1]
	}
	return p
}()

// plainDecimals takes decimals of up to 16 digits, with no more of them behind
// the point than the column has.
func plainDecimals(b *array.Decimal128Builder, t *arrow.Decimal128Type) plainColumn {
	if t.Scale < 0 || t.Scale > t.Precision {
		return nil
	}
	scale, most := int(t.Scale), powers[min(t.Precision, 18)]
	return plainValues(b, func(s *stretch, at span) (decimal128.Num, bool) {
		at, negative := cutSign(s, at)
		v, behind, ok := plainFixed(s, at)
		if !ok || behind > scale || scale-behind > 18 {
			return decimal128.Num{}, false
		}
		over, u := bits.Mul64(v, powers[scale-behind])
		if over != 0 || u >= most {
			return decimal128.Num{}, false
		}
		if negative {
			return decimal128.FromI64(-int64(u)), true
		}
		return decimal128.FromI64(int64(u)), true
	})
}

// plainFixed reads digits, or digits, a point and digits, and tells how many
// are behind the point.
func plainFixed(s *stretch, at span) (v uint64, behind int, ok bool) {
	n := int(at.to - at.from)
	if n == 0 || n > 8 || int(at.from)+8 > len(s.data) {
		return longFixed(s, at)
	}
	w := (binary.LittleEndian.Uint64(s.data[at.from:]) ^ zeroes) << (64 - 8*n)
	point := equals(w, lowBits*('.'^'0'))
	if point == 0 {
		v, ok = eightDigits(w)
		return v, 0, ok
	}
	place := bits.TrailingZeros64(point) &^ 7 // the bits before the point
	v, ok = eightDigits(w&(1<<place-1)<<8 | w>>8>>place<<8<<place)
	return v, 7 - place/8, ok && n > 1
}

// longFixed is plainFixed for what is longer, or at the very end of the data.
func longFixed(s *stretch, at span) (v uint64, behind int, ok bool) {
	text := s.data[at.from:at.to]
	if len(text) == 0 || len(text) > 17 {
		return 0, 0, false
	}
	point := -1
	for i, c := range text {
		switch d := uint64(c - '0'); {
		case d <= 9:
			v = 10*v + d
		case c == '.' && point < 0:
			point = i
		default:
			return 0, 0, false
		}
	}
	if point < 0 {
		return v, 0, true
	}
	return v, len(text) - 1 - point, len(text) > 1
}

// Years whose months are in a table.
const (
	firstYear = 1900
	lastYear  = 2199
)

// monthStarts are days from 1970, with one more month at the end.
var monthStarts = func() (days [(lastYear-firstYear+1)*12 + 1]int32) {
	for i := range days {
		days[i] = int32(daysFrom1970(firstYear+int64(i/12), 1+int64(i%12), 1))
	}
	return days
}()

// plainDate reads YYYY-MM-DD of those years.
func plainDate(s *stretch, at span) (arrow.Date32, bool) {
	if at.to-at.from != 10 {
		return 0, false
	}
	return dateOf(s.data[at.from:][:10])
}

func dateOf(b []byte) (arrow.Date32, bool) {
	const pattern = zeroes ^ (0xff<<32|0xff<<56)&(zeroes^lowBits*'-') // "0000-00-"
	const most = lowBits*(0x80-10) | 0x09<<32 | 0x09<<56              // digits up to 9, separators 0
	w := binary.LittleEndian.Uint64(b) ^ pattern
	d1, d2 := int(b[8]-'0'), int(b[9]-'0')
	if (w+most|w)&highBits != 0 || d1 > 9 || d2 > 9 {
		return 0, false
	}
	w = w*10 + w>>8
	year, month, day := int(w&0xff)*100+int(w>>16&0xff), int(w>>40&0xff), 10*d1+d2
	if year < firstYear || year > lastYear || month < 1 || month > 12 {
		return 0, false
	}
	place := (year-firstYear)*12 + month - 1
	start := monthStarts[place]
	return arrow.Date32(int(start) + day - 1), day >= 1 && day <= int(monthStarts[place+1]-start)
}

// plainStamps reads YYYY-MM-DD HH:MM:SS, for columns in which that needs no
// offset.
func plainStamps(b *array.TimestampBuilder, t *arrow.TimestampType) plainColumn {
	if !readsUTC(t) {
		return nil
	}
	perSecond := int64(1e9) / int64(t.Unit.Multiplier())
	const most = math.MaxInt64 / (200 * 366 * 86400) // seconds of a table's year in a unit that cannot overflow
	if perSecond > most {
		return nil
	}
	return plainValues(b, func(s *stretch, at span) (arrow.Timestamp, bool) {
		if at.to-at.from != 19 {
			return 0, false
		}
		b := s.data[at.from:at.to]
		days, ok := dateOf(b[:10])
		c, rest, ok2 := takeClock(b[11:])
		ok = ok && ok2 && len(rest) == 0 && (b[10] == ' ' || b[10] == 'T')
		return arrow.Timestamp((int64(days)*86400 + c.seconds) * perSecond), ok
	})
}
