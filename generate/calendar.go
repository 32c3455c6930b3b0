package generate

import (
	"sort"
	"time"
)

// calendar says when a shop is busy: it spreads events over two years as
// hours, weekdays, seasons and growth ask for.
type calendar struct {
	until []int64 // weight of all hours up to and with this one
}

// How much is bought at an hour (UTC), on a weekday from Sunday, in a month.
var (
	hourWeight  = [24]int64{3, 2, 1, 1, 1, 2, 4, 7, 10, 12, 13, 12, 12, 11, 11, 12, 14, 17, 20, 22, 20, 15, 9, 5}
	dayWeight   = [7]int64{9, 11, 10, 10, 11, 13, 14}
	monthWeight = [12]int64{8, 7, 8, 9, 9, 9, 8, 7, 9, 10, 15, 19}
	yearWeight  = [years]int64{10, 12}
)

const (
	years       = 2
	firstYear   = 2024
	microsecond = int64(1)
	second      = 1_000_000 * microsecond
	minute      = 60 * second
	hour        = 60 * minute
	day         = 24 * hour
)

// opening is the shop's first moment, in microseconds since 1970.
var opening = time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func newCalendar() calendar {
	var c calendar
	sum := int64(0)
	end := time.Date(firstYear+years, 1, 1, 0, 0, 0, 0, time.UTC)
	for t := time.UnixMicro(opening).UTC(); t.Before(end); t = t.Add(time.Hour) {
		sum += hourWeight[t.Hour()] * dayWeight[t.Weekday()] * monthWeight[t.Month()-1] * yearWeight[t.Year()-firstYear]
		c.until = append(c.until, sum)
	}
	return c
}

// at returns when the i-th of n events happens, in microseconds since 1970.
// Events are in order of i.
func (c calendar) at(i, n int64) int64 {
	total := c.until[len(c.until)-1]
	place, rest := mulDiv(i, total, n)
	h := sort.Search(len(c.until), func(h int) bool { return c.until[h] > place })
	from := int64(0)
	if h > 0 {
		from = c.until[h-1]
	}
	weight := c.until[h] - from
	fine, _ := mulDiv(rest, hour/weight, n) // between two places
	return opening + int64(h)*hour + (place-from)*(hour/weight) + fine
}
