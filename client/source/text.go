package source

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"unicode/utf8"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/tarnlake/tarn/schema"
)

// An appender adds the value that a text spells to its builder: exactly one
// value in any case, which is null where it returns an error. The error says
// what is wrong with the text and nothing of where it stands.
type appender func(text []byte) error

// newTextAppender returns the appender of a column of text. Nested types are
// spelled as JSON.
func newTextAppender(b array.Builder) appender {
	t := b.Type()
	switch b := b.(type) {
	case *array.StringBuilder:
		return stringAppender(b)
	case *array.BooleanBuilder:
		return scalar(b, t, parseBool)
	case *array.Int8Builder:
		return scalar(b, t, signed[int8])
	case *array.Int16Builder:
		return scalar(b, t, signed[int16])
	case *array.Int32Builder:
		return scalar(b, t, signed[int32])
	case *array.Int64Builder:
		return scalar(b, t, parseInt64)
	case *array.Uint8Builder:
		return scalar(b, t, unsigned[uint8])
	case *array.Uint16Builder:
		return scalar(b, t, unsigned[uint16])
	case *array.Uint32Builder:
		return scalar(b, t, unsigned[uint32])
	case *array.Uint64Builder:
		return scalar(b, t, parseUint64)
	case *array.Float16Builder:
		return scalar(b, t, parseFloat16)
	case *array.Float32Builder:
		return scalar(b, t, func(text []byte) (float32, bool) { v, ok := parseFloat(text, 32); return float32(v), ok })
	case *array.Float64Builder:
		return scalar(b, t, func(text []byte) (float64, bool) { return parseFloat(text, 64) })
	case *array.Decimal128Builder:
		d := t.(*arrow.Decimal128Type)
		return scalar(b, t, func(text []byte) (decimal128.Num, bool) { return parseDecimal(text, d.Precision, d.Scale) })
	case *array.BinaryBuilder:
		return scalar(b, t, parseHex)
	case *array.FixedSizeBinaryBuilder:
		return scalar(b, t, fixedHex(t.(*arrow.FixedSizeBinaryType).ByteWidth))
	case *array.Date32Builder:
		return scalar(b, t, parseDate)
	case *array.Time32Builder:
		return scalar(b, t, clockParser[arrow.Time32](t.(*arrow.Time32Type).Unit))
	case *array.Time64Builder:
		return scalar(b, t, clockParser[arrow.Time64](t.(*arrow.Time64Type).Unit))
	case *array.DurationBuilder:
		return scalar(b, t, durationParser(t.(*arrow.DurationType).Unit))
	case *array.TimestampBuilder:
		return stampAppender(b, t.(*arrow.TimestampType))
	}
	return jsonTextAppender(b)
}

// scalar makes an appender of a parser.
func scalar[T any](b interface {
	Append(T)
	AppendNull()
}, t arrow.DataType, parse func([]byte) (T, bool)) appender {
	return func(text []byte) error {
		v, ok := parse(text)
		if !ok {
			b.AppendNull()
			return misfit(text, t)
		}
		b.Append(v)
		return nil
	}
}

// misfit says that text is no value of type t.
func misfit(text []byte, t arrow.DataType) error {
	return fmt.Errorf("%s is no %s", quoted(text), schema.TypeText(t))
}

// quoted returns text for a message: short and printable.
func quoted(text []byte) string {
	if len(text) > 60 {
		return fmt.Sprintf("%q…", text[:60])
	}
	return fmt.Sprintf("%q", text)
}

func stringAppender(b *array.StringBuilder) appender {
	return func(text []byte) error {
		if !utf8.Valid(text) {
			b.AppendNull()
			return fmt.Errorf("%s is not valid UTF-8", quoted(text))
		}
		b.BinaryBuilder.Append(text)
		return nil
	}
}

func parseBool(text []byte) (v, ok bool) {
	switch len(text) {
	case 1:
		switch text[0] {
		case 't', 'T', '1':
			return true, true
		case 'f', 'F', '0':
			return false, true
		}
	case 4:
		return true, bytes.EqualFold(text, []byte("true"))
	case 5:
		return false, bytes.EqualFold(text, []byte("false"))
	}
	return false, false
}

func signed[T int8 | int16 | int32](text []byte) (T, bool) {
	v, ok := parseInt64(text)
	return T(v), ok && int64(T(v)) == v
}

func unsigned[T uint8 | uint16 | uint32](text []byte) (T, bool) {
	v, ok := parseUint64(text)
	return T(v), ok && uint64(T(v)) == v
}

func parseFloat16(text []byte) (float16.Num, bool) {
	v, ok := parseFloat(text, 64)
	bits, fits := half(math.Abs(v))
	if math.Signbit(v) {
		bits |= 0x8000
	}
	return float16.FromBits(bits), ok && fits
}

// half returns the bits of the float16 nearest to v >= 0, and whether v is in
// its range. float16.New cuts digits off and makes small numbers zero.
func half(v float64) (bits uint16, fits bool) {
	switch {
	case math.IsNaN(v):
		return 0x7e00, true
	case math.IsInf(v, 1):
		return 0x7c00, true
	case v < 0x1p-14: // zero and subnormal
		return uint16(math.RoundToEven(v * 0x1p24)), true
	}
	frac, exp := math.Frexp(v) // v = frac * 2^exp, frac from 0.5 to 1
	if exp > 16 {
		return 0, false
	}
	bits = uint16(exp+14)<<10 + uint16(math.RoundToEven(frac*0x1p11)) - 1024 // a carry goes into the exponent, as it should
	return bits, bits < 0x7c00
}

// parseHex reads the hexadecimal digits of a binary value, with or without
// the \x or 0x that databases put in front.
func parseHex(text []byte) ([]byte, bool) {
	if len(text) >= 2 && (text[0] == '\\' || text[0] == '0') && (text[1] == 'x' || text[1] == 'X') {
		text = text[2:]
	}
	v := make([]byte, hex.DecodedLen(len(text)))
	_, err := hex.Decode(v, text)
	return v, err == nil
}

func fixedHex(width int) func([]byte) ([]byte, bool) {
	return func(text []byte) ([]byte, bool) {
		v, ok := parseHex(text)
		return v, ok && len(v) == width
	}
}

// parseDate reads a date; a timestamp at midnight is one too.
func parseDate(text []byte) (arrow.Date32, bool) {
	s, ok := parseStamp(text)
	return arrow.Date32(s.days), ok && s.clock == clock{} && !s.zoned && int64(int32(s.days)) == s.days
}

func clockParser[T arrow.Time32 | arrow.Time64](unit arrow.TimeUnit) func([]byte) (T, bool) {
	perSecond := int64(1e9) / int64(unit.Multiplier())
	return func(text []byte) (T, bool) {
		c, rest, ok := takeClock(text)
		if !ok || len(rest) > 0 {
			return 0, false
		}
		frac, ok := c.fraction(unit)
		return T(c.seconds*perSecond + frac), ok
	}
}

// durationParser reads a whole number, with or without the unit behind it.
func durationParser(unit arrow.TimeUnit) func([]byte) (arrow.Duration, bool) {
	suffix := []byte(unit.String())
	return func(text []byte) (arrow.Duration, bool) {
		v, ok := parseInt64(bytes.TrimSuffix(text, suffix))
		return arrow.Duration(v), ok
	}
}

// stampAppender reads timestamps. A column with a zone needs the offset in
// the text, but for UTC; a column without one refuses it: which of the two a
// time means is never guessed.
func stampAppender(b *array.TimestampBuilder, t *arrow.TimestampType) appender {
	utc := readsUTC(t)
	return func(text []byte) error {
		s, ok := parseStamp(text)
		v, fits := int64(0), false
		if ok {
			v, fits = s.in(t.Unit)
		}
		switch {
		case !ok || !fits:
			b.AppendNull()
			return misfit(text, t)
		case s.zoned && t.TimeZone == "":
			b.AppendNull()
			return fmt.Errorf("%s has an offset; %s has no zone", quoted(text), schema.TypeText(t))
		case !s.zoned && !utc:
			b.AppendNull()
			return fmt.Errorf("%s has no offset; %s needs one, such as Z or +01:00", quoted(text), schema.TypeText(t))
		}
		b.Append(arrow.Timestamp(v))
		return nil
	}
}

// readsUTC reports whether a time without an offset is one of t.
func readsUTC(t *arrow.TimestampType) bool {
	switch t.TimeZone {
	case "", "UTC", "Z", "Etc/UTC", "+00:00":
		return true
	}
	return false
}

// view returns the bytes of s without copying; they are not to be changed.
func view(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
