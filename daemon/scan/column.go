package scan

import (
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// growing is a column that values are appended to, such as the keys of groups.
// It keeps no memory of what it was filled from.
type growing struct {
	v     vec
	valid bits // always kept, one bit a value
	bytes int64
}

func newColumn(t arrow.DataType) *growing { return &growing{v: vec{typ: t}} }

// append copies all values of v.
func (g *growing) append(v *vec) {
	for i := range v.n {
		g.appendAt(v, i)
	}
}

// appendAt copies value i of v.
func (g *growing) appendAt(v *vec, i int) {
	at := g.v.n
	g.v.n++
	if at&63 == 0 {
		g.valid = append(g.valid, 0)
		g.v.bools = append(g.v.bools, 0)
	}
	null := v.null(i)
	if !null {
		g.valid.set(at)
	}
	i &= v.step()
	g.bytes += 8
	switch laneOf(g.v.typ) {
	case laneInt:
		g.v.ints = append(g.v.ints, v.ints[i])
	case laneUint:
		g.v.uints = append(g.v.uints, v.uints[i])
	case laneFloat:
		g.v.floats = append(g.v.floats, v.floats[i])
	case laneDec:
		g.v.decs = append(g.v.decs, v.wides()[i])
		g.bytes += 8
	case laneStr:
		s := ""
		if !null {
			s = strings.Clone(v.strs[i])
		}
		g.v.strs = append(g.v.strs, s)
		g.bytes += 8 + int64(len(s))
	case laneBool:
		if v.bools.has(i) {
			g.v.bools.set(at)
		}
	}
}

// appendText appends a string that is kept elsewhere.
func (g *growing) appendText(s string) {
	at := g.v.n
	g.v.n++
	if at&63 == 0 {
		g.valid = append(g.valid, 0)
		g.v.bools = append(g.v.bools, 0)
	}
	g.valid.set(at)
	g.v.strs = append(g.v.strs, s)
	g.bytes += 16
}

// vec returns what was appended so far; it is good until the next append.
func (g *growing) vec() *vec {
	out := g.v
	out.valid = g.valid
	if g.valid.count() == out.n {
		out.valid = nil
	}
	return &out
}
