package schema

import (
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// An instant is a point in time, in UTC. It reaches further than time.Time,
// whose years wrap around within the timestamps that count seconds.
type instant struct {
	sec  int64 // since 1970
	nano int64 // 0 to 999,999,999
}

const (
	secondsPerDay = 24 * 60 * 60
	secondsPerEra = 146097 * secondsPerDay // 400 years, after which the calendar repeats
)

// instantOf reads dates and timestamps.
func instantOf(a arrow.Array) func(int) instant {
	switch a := a.(type) {
	case *array.Date32:
		return func(i int) instant { return instant{sec: int64(a.Value(i)) * secondsPerDay} }
	case *array.Timestamp:
		nanos := int64(a.DataType().(*arrow.TimestampType).Unit.Multiplier())
		perSecond := int64(time.Second) / nanos
		return func(i int) instant {
			v := int64(a.Value(i))
			sec := floorDiv(v, perSecond)
			return instant{sec, (v - sec*perSecond) * nanos}
		}
	}
	panic("BUG: no instant in type " + a.DataType().String())
}

// civil returns the year, and a time that has all but the year right.
func (at instant) civil() (year int64, rest time.Time) {
	era := floorDiv(at.sec, secondsPerEra)
	rest = time.Unix(at.sec-era*secondsPerEra, at.nano).UTC()
	return int64(rest.Year()) + 400*era, rest
}

// text returns the year, of four digits or more, and the rest as layout says.
func (at instant) text(layout string) string {
	year, rest := at.civil()
	sign := ""
	if year < 0 {
		sign, year = "-", -year
	}
	return fmt.Sprintf("%s%04d%s", sign, year, rest.Format(layout))
}
