package main

import (
	"fmt"
	"math"
	"strings"
)

// table is one table of the page, between the lines `<!-- scale NAME -->` and
// `<!-- end -->`. The first column is a text, the others are numbers.
type table struct {
	name string
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// String returns the table as Markdown.
func (t table) String() string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(t.head)
	b.WriteString("|---|" + strings.Repeat("---:|", len(t.head)-1) + "\n")
	for _, r := range t.rows {
		line(r)
	}
	return b.String()
}

const endMark = "<!-- end -->"

func beginMark(name string) string { return "<!-- scale " + name + " -->\n" }

// between returns what is between the marks of a table, as two positions.
func between(page, name string) (from, to int, err error) {
	mark := beginMark(name)
	from = strings.Index(page, mark)
	if from < 0 {
		return 0, 0, fmt.Errorf("the page has no line %q", strings.TrimSpace(mark))
	}
	from += len(mark)
	n := strings.Index(page[from:], endMark)
	if n < 0 {
		return 0, 0, fmt.Errorf("table %s of the page has no line %q", name, endMark)
	}
	return from, from + n, nil
}

// fill puts the tables in their places.
func fill(page string, tables map[string]table) (string, error) {
	for name, t := range tables {
		from, to, err := between(page, name)
		if err != nil {
			return "", err
		}
		page = page[:from] + t.String() + page[to:]
	}
	return page, nil
}

// count writes a whole number with commas: 109,715.
func count(n float64) string {
	digits := fmt.Sprintf("%.0f", n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// few writes a number with three digits that count.
func few(x float64) string {
	if x == 0 || x >= 999.5 {
		return count(x)
	}
	decimals := 2 - int(math.Floor(math.Log10(x)))
	return fmt.Sprintf("%.*f", max(decimals, 0), x)
}

// percent writes a part of one: small ones as a power of ten.
func percent(x float64) string {
	switch {
	case x > 0 && x < 1e-5:
		return power(x)
	case x >= 0.9995:
		return "100 %"
	}
	return fmt.Sprintf("%.2g %%", 100*x)
}

// power writes a small number: 9e-07.
func power(x float64) string { return fmt.Sprintf("%.0e", x) }

// scaled writes bytes in units of a thousand.
func scaled(bytes float64) string {
	units := []string{"B", "KB", "MB", "GB", "TB", "PB", "EB"}
	i := 0
	for ; bytes >= 999.5 && i < len(units)-1; i++ {
		bytes /= 1000
	}
	return few(bytes) + " " + units[i]
}

// hours writes a time that is long.
func hours(h float64) string {
	switch {
	case h < 1.0/60:
		return "< 1 min"
	case h < 1:
		return few(60*h) + " min"
	case h >= 240:
		return few(h/24) + " d"
	}
	return few(h) + " h"
}
