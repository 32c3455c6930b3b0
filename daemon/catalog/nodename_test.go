package catalog

import (
	"strings"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
)

var misnomers = []string{" ", "x\ny", "\x1b[31mred", "-x", "*", "a b", "a/b", "é", ".", strings.Repeat("x", 65)}

// TestNodeNames: the catalog knows nodes and zones by words that can be typed.
func TestNodeNames(t *testing.T) {
	w := newWorld(t)
	w.must(Command{RegisterNode: &RegisterNode{Node: "a", Name: "rack-1.Example_2@x", Zone: "eu-west-1a"}})
	for _, bad := range append(misnomers, "") {
		w.refuse(Command{RegisterNode: &RegisterNode{Node: "b", Name: bad}}, wire.InvalidArgument)
	}
	for _, bad := range misnomers {
		w.refuse(Command{RegisterNode: &RegisterNode{Node: "b", Name: "b", Zone: bad}}, wire.InvalidArgument)
	}
	w.must(Command{RegisterNode: &RegisterNode{Node: "b", Name: strings.Repeat("x", 64)}})
}
