package health

import (
	"fmt"
	"time"

	"github.com/tarnlake/tarn/daemon/repair"
)

// nextLoss says in words what is lost if one more disk fails.
func nextLoss(h repair.Health) string {
	if h.Stripes == 0 || h.Spare.Disks > 0 {
		return "if one more disk fails, nothing is lost"
	}
	for _, c := range h.Classes {
		if c.Spare == 0 {
			return fmt.Sprintf("if one more disk fails, up to %s are lost", amount(c))
		}
	}
	return "if one more disk fails, more rows may be lost"
}

// StillHolds says in words what keeps a disk or a node from being taken out.
// leaves: it is on its way to others, at a rate in bytes a second.
func StillHolds(what string, held repair.Held, leaves bool, rate int64) string {
	text := fmt.Sprintf("%s still has places in %s, with %s", what, count(int64(held.Slots), "placement group", "placement groups"), Bytes(held.Bytes))
	switch {
	case !leaves:
		return text + " that are not on their way elsewhere"
	case held.Bytes == 0:
		return text + " left to move: the last of it is under way"
	case rate <= 0:
		return text + " left to move: nothing has moved for a minute"
	}
	return fmt.Sprintf("%s left to move: about %v at %s/s", text, time.Duration(seconds(held.Bytes, rate))*time.Second, Bytes(rate))
}

func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Bytes writes a size for people: 12.3 MiB.
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if v /= 1024; v < 1024 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", v, unit)
}
