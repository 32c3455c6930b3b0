package source

import (
	"math"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
)

// Dates are YYYY-MM-DD; times HH:MM[:SS[.fraction]]; timestamps a date, a
// space or T, a time, and perhaps Z or ±HH[:MM]. Years have four digits or
// more and may be negative, so that everything that Tarn writes reads back.

// takeNumber reads exactly n digits.
func takeNumber(b []byte, n int) (v int64, rest []byte, ok bool) {
	if len(b) < n || digits(b[:n]) != n {
		return 0, nil, false
	}
	for _, c := range b[:n] {
		v = v*10 + int64(c-'0')
	}
	return v, b[n:], true
}

// takeSeparated reads a separator and then n digits.
func takeSeparated(b []byte, sep byte, n int) (int64, []byte, bool) {
	if len(b) == 0 || b[0] != sep {
		return 0, nil, false
	}
	return takeNumber(b[1:], n)
}

// takeDate reads a date as days from 1970.
func takeDate(b []byte) (days int64, rest []byte, ok bool) {
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		b = b[1:]
	}
	n := digits(b)
	if n < 4 || n > 12 {
		return 0, nil, false
	}
	year, b, _ := takeNumber(b, n)
	if negative {
		year = -year
	}
	month, b, ok := takeSeparated(b, '-', 2)
	if !ok || month < 1 || month > 12 {
		return 0, nil, false
	}
	day, b, ok := takeSeparated(b, '-', 2)
	if !ok || day < 1 || day > daysIn(year, month) {
		return 0, nil, false
	}
	return daysFrom1970(year, month, day), b, true
}

func daysIn(year, month int64) int64 {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysFrom1970 counts by eras of 400 years that begin in March, so that the
// leap day is the last of its year.
func daysFrom1970(year, month, day int64) int64 {
	if month <= 2 {
		year--
	}
	era := year / 400
	if year%400 < 0 {
		era--
	}
	yearOfEra := year - era*400
	dayOfYear := (153*((month+9)%12)+2)/5 + day - 1
	dayOfEra := yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear
	return era*146097 + dayOfEra - 719468
}

// A clock is a time of day.
type clock struct {
	seconds int64
	nanos   int64
}

// takeClock reads HH:MM[:SS[.fraction]] with up to nine digits of fraction.
func takeClock(b []byte) (c clock, rest []byte, ok bool) {
	hour, b, ok := takeNumber(b, 2)
	if !ok || hour > 23 {
		return c, nil, false
	}
	minute, b, ok := takeSeparated(b, ':', 2)
	if !ok || minute > 59 {
		return c, nil, false
	}
	c.seconds = hour*3600 + minute*60
	if len(b) == 0 || b[0] != ':' {
		return c, b, true
	}
	second, b, ok := takeSeparated(b, ':', 2)
	if !ok || second > 59 {
		return c, nil, false
	}
	c.seconds += second
	if len(b) == 0 || b[0] != '.' {
		return c, b, true
	}
	n := digits(b[1:])
	if n < 1 || n > 9 {
		return c, nil, false
	}
	frac, b, _ := takeNumber(b[1:], n)
	for range 9 - n {
		frac *= 10
	}
	c.nanos = frac
	return c, b, true
}

// takeZone reads Z, ±HH, ±HHMM or ±HH:MM as seconds east of Greenwich.
func takeZone(b []byte) (offset int64, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	if b[0] == 'Z' || b[0] == 'z' {
		return 0, b[1:], true
	}
	if b[0] != '+' && b[0] != '-' {
		return 0, nil, false
	}
	sign := int64(1)
	if b[0] == '-' {
		sign = -1
	}
	hours, b, ok := takeNumber(b[1:], 2)
	if !ok || hours > 23 {
		return 0, nil, false
	}
	if len(b) > 0 && b[0] == ':' {
		b = b[1:]
	}
	minutes := int64(0)
	if len(b) > 0 {
		if minutes, b, ok = takeNumber(b, 2); !ok || minutes > 59 {
			return 0, nil, false
		}
	}
	return sign * (hours*3600 + minutes*60), b, true
}

// A stamp is a timestamp as its text has it.
type stamp struct {
	days  int64
	clock clock
	zoned bool
	east  int64 // of Greenwich, in seconds
}

// parseStamp reads a timestamp; a date alone is its midnight.
func parseStamp(b []byte) (s stamp, ok bool) {
	if s.days, b, ok = takeDate(b); !ok {
		return s, false
	}
	if len(b) == 0 {
		return s, true
	}
	if b[0] != ' ' && b[0] != 'T' && b[0] != 't' {
		return s, false
	}
	if s.clock, b, ok = takeClock(b[1:]); !ok {
		return s, false
	}
	if len(b) > 1 && b[0] == ' ' { // "2010-12-01 08:26:00 +01:00"
		b = b[1:]
	}
	if len(b) == 0 {
		return s, true
	}
	s.zoned = true
	s.east, b, ok = takeZone(b)
	return s, ok && len(b) == 0
}

// in returns the instant as a count of units from 1970 in UTC. It fails where
// the unit cannot carry the instant exactly.
func (s stamp) in(unit arrow.TimeUnit) (int64, bool) {
	frac, ok := s.clock.fraction(unit)
	if !ok {
		return 0, false
	}
	perSecond := int64(1e9) / int64(unit.Multiplier())
	seconds, ok := mulAdd(s.days, 86400, s.clock.seconds-s.east)
	if !ok {
		return 0, false
	}
	return mulAdd(seconds, perSecond, frac)
}

// fraction returns the part below a second as a count of units.
func (c clock) fraction(unit arrow.TimeUnit) (int64, bool) {
	nanos := int64(unit.Multiplier())
	return c.nanos / nanos, c.nanos%nanos == 0
}

// mulAdd returns a*b+c, and whether that fits, for b > 0. Where only the sum
// fits (the lowest int64 with a positive c) that is fine too.
func mulAdd(a, b, c int64) (int64, bool) {
	if a < 0 { // borrow, so that the product does not overflow when the sum does not
		a, c = a+1, c-b
	}
	hi, lo := bits.Mul64(uint64(max(a, -a)), uint64(b))
	if hi != 0 || lo > math.MaxInt64 {
		return 0, false
	}
	product := int64(lo)
	if a < 0 {
		product = -product
	}
	sum := product + c
	return sum, (c >= 0) == (sum >= product)
}
