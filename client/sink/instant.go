package sink

import (
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
)

// appendDate writes days from 1970 as YYYY-MM-DD. It reaches further than
// time.Time: years beyond 9999 have more digits, those before 0 a minus.
func appendDate(dst []byte, days int64) []byte {
	// Eras of 400 years that begin in March, so that the leap day comes last.
	days += 719468
	era := floorDiv(days, 146097)
	dayOfEra := days - era*146097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	shifted := (5*dayOfYear + 2) / 153
	day, month := dayOfYear-(153*shifted+2)/5+1, shifted+3
	year := era*400 + yearOfEra
	if month > 12 {
		month, year = month-12, year+1
	}
	if year < 0 {
		dst, year = append(dst, '-'), -year
	}
	dst = appendPadded(dst, year, 4)
	dst = appendPadded(append(dst, '-'), month, 2)
	return appendPadded(append(dst, '-'), day, 2)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// appendPadded writes v, which is not negative, with at least width digits.
func appendPadded(dst []byte, v int64, width int) []byte {
	start := len(dst)
	dst = strconv.AppendInt(dst, v, 10)
	for pad := width - (len(dst) - start); pad > 0; pad-- {
		dst = append(dst, 0)
		copy(dst[start+1:], dst[start:])
		dst[start] = '0'
	}
	return dst
}

// unitDigits is how many digits of fraction a unit has.
var unitDigits = map[arrow.TimeUnit]int{arrow.Second: 0, arrow.Millisecond: 3, arrow.Microsecond: 6, arrow.Nanosecond: 9}

// appendClock writes a time of day, counted in 1/perSecond, as HH:MM:SS with
// a fraction only where there is one.
func appendClock(dst []byte, v, perSecond int64, fracDigits int) []byte {
	seconds, frac := v/perSecond, v%perSecond
	dst = appendPadded(dst, seconds/3600, 2)
	dst = appendPadded(append(dst, ':'), seconds/60%60, 2)
	dst = appendPadded(append(dst, ':'), seconds%60, 2)
	if frac != 0 {
		dst = appendPadded(append(dst, '.'), frac, fracDigits)
	}
	return dst
}

// appendStamp writes a timestamp. One with a zone is an instant and is
// written in UTC with a Z: local time would need a zone database, and those
// differ between hosts.
func appendStamp(dst []byte, v, perSecond int64, fracDigits int, zoned bool) []byte {
	days := floorDiv(v, 86400*perSecond)
	dst = append(appendDate(dst, days), ' ')
	dst = appendClock(dst, v-days*86400*perSecond, perSecond, fracDigits)
	if zoned {
		dst = append(dst, 'Z')
	}
	return dst
}
