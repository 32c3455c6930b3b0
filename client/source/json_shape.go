package source

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/schema"
)

// A shape gathers what the sampled JSON values of one place look like.
type shape struct {
	seen    [nodeObject + 1]int64
	first   [nodeObject + 1]sighting
	strings guess // for dates and times
	numbers guess
	elem    *shape // of arrays
	keys    []string
	fields  map[string]*shape // of objects
}

const (
	maxNestedKeys  = 500 // an object with more is a map with data in its keys: kept as JSON text
	maxShapedDepth = 24  // what nests deeper is kept as JSON text
)

var nodeNames = [...]string{"null", "bool", "number", "string", "array", "object"}

// see adds the value that begins at node i.
func (s *shape) see(v *value, i int32, line int64, depth int) {
	n := v.nodes[i]
	if s.seen[n.kind]++; s.seen[n.kind] == 1 {
		s.first[n.kind] = sighting{line, string(n.raw[:min(len(n.raw), 40)])}
	}
	switch n.kind {
	case nodeNumber:
		s.numbers.see(n.text, line)
	case nodeString:
		s.strings.see(n.text, line)
	case nodeArray:
		s.seeArray(v, i, line, depth)
	case nodeObject:
		s.seeObject(v, i, line, depth)
	}
}

func (s *shape) seeArray(v *value, i int32, line int64, depth int) {
	if s.elem == nil {
		s.elem = &shape{}
	}
	if depth >= maxShapedDepth {
		return
	}
	for at := i + 1; at < v.nodes[i].end; at = v.nodes[at].end {
		s.elem.see(v, at, line, depth+1)
	}
}

func (s *shape) seeObject(v *value, i int32, line int64, depth int) {
	if s.fields == nil {
		s.fields = map[string]*shape{}
	}
	if depth >= maxShapedDepth || depth > 0 && len(s.keys) > maxNestedKeys {
		return
	}
	for at := i + 1; at < v.nodes[i].end; at = v.nodes[at+1].end {
		key := v.nodes[at].text
		f := s.fields[string(key)]
		if f == nil {
			if len(s.keys) > maxColumns {
				return // too many anyway
			}
			f = &shape{}
			s.keys = append(s.keys, string(key))
			s.fields[string(key)] = f
		}
		f.see(v, at+1, line, depth+1)
	}
}

// only reports whether all values but nulls are of one kind.
func (s *shape) only(k nodeKind) bool { return s.seen[k] > 0 && s.seen[k] == s.typed() }

func (s *shape) typed() (n int64) {
	for _, seen := range s.seen[nodeBool:] {
		n += seen
	}
	return n
}

// decide returns the type of the values, and why.
func (s *shape) decide(depth int) (arrow.DataType, string) {
	all := fmt.Sprintf("all %s sampled values", count(s.typed()))
	switch {
	case s.typed() == 0:
		return arrow.BinaryTypes.String, NoValue
	case depth >= maxShapedDepth:
		return arrow.BinaryTypes.String, "nests deep: JSON text"
	case s.only(nodeBool):
		return arrow.FixedWidthTypes.Boolean, all
	case s.only(nodeNumber):
		return s.numbers.decide()
	case s.only(nodeString):
		return s.decideString()
	case s.only(nodeArray):
		elem, why := s.elem.decide(depth + 1)
		return arrow.ListOfField(arrow.Field{Name: "item", Type: elem, Nullable: true}), "elements: " + why
	case s.only(nodeObject):
		return s.decideObject(all, depth)
	}
	return arrow.BinaryTypes.String, s.whyMixed()
}

// decideString takes strings that are all dates or times as such; any other
// string stays one, also "17" and "true".
func (s *shape) decideString() (arrow.DataType, string) {
	g := &s.strings
	if g.only(kindDate) || g.only(kindDate, kindStamp) || g.only(kindZoned) {
		if g.seen[kindNull] == 0 && g.seen[kindToken] == 0 {
			return g.decide()
		}
	}
	return arrow.BinaryTypes.String, fmt.Sprintf("text, such as %s", s.first[nodeString].text)
}

func (s *shape) decideObject(all string, depth int) (arrow.DataType, string) {
	switch {
	case len(s.keys) == 0:
		return arrow.BinaryTypes.String, "objects without keys: JSON text"
	case len(s.keys) > maxNestedKeys:
		return arrow.BinaryTypes.String, fmt.Sprintf("objects with more than %d different keys: JSON text", maxNestedKeys)
	}
	fields := make([]arrow.Field, len(s.keys))
	for i, key := range s.keys {
		t, _ := s.fields[key].decide(depth + 1)
		fields[i] = arrow.Field{Name: key, Type: t, Nullable: true}
	}
	t := arrow.StructOf(fields...)
	if _, err := schema.Canonical(t); err != nil { // a key that no field can have as its name
		return arrow.BinaryTypes.String, fmt.Sprintf("JSON text: %v", err)
	}
	return t, all
}

func (s *shape) whyMixed() string {
	var parts []string
	for k, n := range s.seen {
		if nodeKind(k) != nodeNull && n > 0 {
			parts = append(parts, fmt.Sprintf("%s (line %d: %s)", nodeNames[k], s.first[k].line, s.first[k].text))
		}
	}
	return "a mix of " + join(parts) + ": JSON text"
}
