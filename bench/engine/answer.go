package engine

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Answer is the rows of one query as text that every engine spells alike:
// decimals without zeros at the end, dates as 2006-01-02, timestamps with a
// space and no zone, and a ~ before what is a float and so not exact.
type Answer [][]string

const null = "NULL"

// Same returns an error that says where two answers differ. Rows are compared
// as they come if they are ordered, else as a set. Floats may differ in the
// tenth digit. With a tie column (from 0; -1 is none), rows that share the
// last row's value in it are compared in that column alone: a top-N may pick
// any of them.
func Same(a, b Answer, ordered bool, tie int) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d rows and %d rows", len(a), len(b))
	}
	if tie >= 0 {
		a, b = untied(a, tie), untied(b, tie)
	}
	if !ordered || tie >= 0 {
		a, b = sorted(a), sorted(b)
	}
	for i := range a {
		if !sameRow(a[i], b[i]) {
			return fmt.Errorf("row %d: %v and %v", i, a[i], b[i])
		}
	}
	return nil
}

func untied(rows Answer, tie int) Answer {
	if len(rows) == 0 {
		return rows
	}
	last := rows[len(rows)-1][tie]
	out := slices.Clone(rows)
	for i, r := range out {
		if r[tie] == last {
			out[i] = []string{last}
		}
	}
	return out
}

func sorted(rows Answer) Answer {
	out := slices.Clone(rows)
	slices.SortFunc(out, slices.Compare)
	return out
}

func sameRow(a, b []string) bool { return slices.EqualFunc(a, b, sameCell) }

func sameCell(a, b string) bool {
	if a == b {
		return true
	}
	x, inexact := strings.CutPrefix(a, "~")
	y, also := strings.CutPrefix(b, "~")
	if !inexact && !also {
		return false
	}
	f, err := strconv.ParseFloat(x, 64)
	g, err2 := strconv.ParseFloat(y, 64)
	return err == nil && err2 == nil && (math.Abs(f-g) <= 1e-10*math.Max(math.Abs(f), math.Abs(g)))
}

func decimalText(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func floatText(f float64) string { return "~" + strconv.FormatFloat(f, 'g', -1, 64) }

// timeText drops a time of day of zero: some engines widen dates.
func timeText(t time.Time) string {
	return strings.TrimSuffix(t.UTC().Format("2006-01-02 15:04:05.999999"), " 00:00:00")
}
