package scan

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
)

// Dates and times as text. Seconds and nanoseconds are kept apart, so that no
// year overflows.

// instant is a point in time, or a time of day since midnight.
type instant struct {
	sec  int64
	nsec int64 // 0 … 999,999,999
}

const secondsPerDay = 24 * 60 * 60

// timestampLayouts are the forms that a timestamp may have. Go takes a
// fraction after the seconds of each of them.
var timestampLayouts = []string{
	"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z07", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05",
	"2006-01-02 15:04Z07:00", "2006-01-02 15:04", "2006-01-02",
}

// parseTimestamp reads a date, a time of day behind a blank or a T, and
// perhaps an offset from UTC. Without an offset the text is taken in UTC.
func parseTimestamp(text string) (instant, error) {
	s := strings.TrimSpace(text)
	if len(s) > 10 && (s[10] == 'T' || s[10] == 't') {
		s = s[:10] + " " + s[11:]
	}
	s = strings.TrimSuffix(s, " UTC")
	for _, layout := range timestampLayouts {
		t, err := time.Parse(layout, s)
		if err == nil {
			return instant{t.Unix(), int64(t.Nanosecond())}, nil
		}
		var wrong *time.ParseError
		if errors.As(err, &wrong) && strings.HasSuffix(wrong.Message, " out of range") {
			return instant{}, fmt.Errorf("%q is no date or time of the calendar%s", text, wrong.Message)
		}
	}
	return instant{}, fmt.Errorf("%q is not a date or timestamp such as 2006-01-02, 2006-01-02 15:04:05.999 or 2006-01-02T15:04:05Z", text)
}

// parseTimeOfDay reads 15:04:05 with an optional fraction.
func parseTimeOfDay(text string) (instant, error) {
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return instant{int64(t.Hour()*3600 + t.Minute()*60 + t.Second()), int64(t.Nanosecond())}, nil
		}
	}
	return instant{}, fmt.Errorf("%q is not a time of day such as 15:04:05.999", text)
}

// parseDuration reads what Go writes, such as 1h30m or 250ms.
func parseDuration(text string) (instant, error) {
	d, err := time.ParseDuration(strings.TrimSpace(text))
	if err != nil {
		return instant{}, fmt.Errorf("%q is not a duration such as 1h30m or 250ms", text)
	}
	sec := floorDiv(int64(d), int64(time.Second))
	return instant{sec, int64(d) - sec*int64(time.Second)}, nil
}

// parseInstant reads text as a value of the temporal type t.
func parseInstant(t arrow.DataType, text string) (instant, error) {
	switch t.ID() {
	case arrow.TIME32, arrow.TIME64:
		return parseTimeOfDay(text)
	case arrow.DURATION:
		return parseDuration(text)
	}
	return parseTimestamp(text)
}

// number returns at as an exact number of seconds.
func (at instant) number() number {
	n, _ := parseNumber(fmt.Sprintf("%d", at.sec))
	n.digits.Mul(n.digits, bigBillion).Add(n.digits, bigInt(at.nsec))
	n.exp = -9
	return n
}

// instantIn returns the point in time that v counts to in type t.
func instantIn(t arrow.DataType, v int64) instant {
	if t.ID() == arrow.DATE32 {
		return instant{sec: v * secondsPerDay}
	}
	unit, _ := unitOf(t)
	per := perSecond(unit)
	sec := floorDiv(v, per)
	return instant{sec, (v - sec*per) * (1e9 / per)}
}

func perSecond(u arrow.TimeUnit) int64 {
	return [...]int64{arrow.Second: 1, arrow.Millisecond: 1e3, arrow.Microsecond: 1e6, arrow.Nanosecond: 1e9}[u]
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// zoneOf returns the zone in which values of t are shown and cut into parts.
func zoneOf(t arrow.DataType) (*time.Location, error) {
	ts, ok := t.(*arrow.TimestampType)
	if !ok || ts.TimeZone == "" {
		return time.UTC, nil
	}
	return ts.GetZone()
}

// temporalText returns the value v of the temporal type t as text.
func temporalText(t arrow.DataType, v int64, zone *time.Location) string {
	at := instantIn(t, v)
	clock := time.Unix(at.sec, at.nsec).In(zone)
	switch t.ID() {
	case arrow.DATE32:
		return clock.Format("2006-01-02")
	case arrow.TIME32, arrow.TIME64:
		return clock.Format("15:04:05.999999999")
	case arrow.DURATION:
		return time.Duration(at.sec*1e9 + at.nsec).String()
	}
	text := clock.Format("2006-01-02 15:04:05.999999999")
	if t.(*arrow.TimestampType).TimeZone != "" {
		text += clock.Format("Z07:00")
		text = strings.Replace(text, "Z", "+00:00", 1)
	}
	return text
}
