package scan

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
)

// The scalar functions of expr.Functions, but for abs, which is arithmetic.

// partNode is year, month, day or hour of a date or timestamp, in the zone of
// the timestamp.
type partNode struct {
	x    node
	name string
	zone *time.Location
}

func (p *partNode) typ() arrow.DataType { return arrow.PrimitiveTypes.Int64 }

func (p *partNode) eval(b *batch, live bits) (*vec, error) {
	x, err := p.x.eval(b, live)
	if err != nil {
		return nil, err
	}
	part := map[string]func(time.Time) int{
		"year": time.Time.Year, "month": func(t time.Time) int { return int(t.Month()) },
		"day": time.Time.Day, "hour": time.Time.Hour,
	}[p.name]
	out := &vec{typ: p.typ(), n: x.n, one: x.one, valid: x.valid}
	out.ints = convert(x.ints, func(v int64) int64 {
		return int64(part(time.Unix(instantIn(x.typ, v).sec, 0).In(p.zone)))
	})
	return out, nil
}

// dateNode is the day of a timestamp in its zone.
type dateNode struct {
	x    node
	zone *time.Location
}

func (d *dateNode) typ() arrow.DataType { return arrow.FixedWidthTypes.Date32 }

func (d *dateNode) eval(b *batch, live bits) (*vec, error) {
	x, err := d.x.eval(b, live)
	if err != nil {
		return nil, err
	}
	out := &vec{typ: d.typ(), n: x.n, one: x.one, valid: x.valid}
	out.ints = convert(x.ints, func(v int64) int64 {
		sec := instantIn(x.typ, v).sec
		_, offset := time.Unix(sec, 0).In(d.zone).Zone()
		return floorDiv(sec+int64(offset), secondsPerDay)
	})
	return out, nil
}

// textNode is lower, upper or length of a string.
type textNode struct {
	x    node
	name string
}

func (t *textNode) typ() arrow.DataType {
	if t.name == "length" {
		return arrow.PrimitiveTypes.Int64
	}
	return arrow.BinaryTypes.String
}

func (t *textNode) eval(b *batch, live bits) (*vec, error) {
	x, err := t.x.eval(b, live)
	if err != nil {
		return nil, err
	}
	out := &vec{typ: t.typ(), n: x.n, one: x.one, valid: x.valid}
	switch t.name {
	case "lower":
		out.strs = convert(x.strs, strings.ToLower)
	case "upper":
		out.strs = convert(x.strs, strings.ToUpper)
	default:
		out.ints = convert(x.strs, func(s string) int64 { return int64(utf8.RuneCountInString(s)) })
	}
	return out, nil
}

// coalesceNode is the first of its operands, all of one type, that is not null.
type coalesceNode struct{ x, y node }

func (c *coalesceNode) typ() arrow.DataType { return c.x.typ() }

func (c *coalesceNode) eval(b *batch, live bits) (*vec, error) {
	x, err := c.x.eval(b, live)
	if err != nil || x.valid == nil {
		return x, err
	}
	missing := minus(nil, x.validity(), x.n)
	y, err := c.y.eval(b, intersect(live, missing))
	if err != nil {
		return nil, err
	}
	rows := make([]int32, x.n) // of x, then of y
	for i := range rows {
		rows[i] = int32(i)
		if missing.has(i) {
			rows[i] += int32(x.n)
		}
	}
	all := newColumn(x.typ)
	all.append(x)
	all.append(y)
	return all.vec().take(rows), nil
}
