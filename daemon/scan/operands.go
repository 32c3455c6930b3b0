package scan

import (
	"fmt"
	"slices"
)

// operands returns what an expression is made of.
func operands(n node) []node {
	switch n := n.(type) {
	case *colNode, *constNode:
		return nil
	case *arithNode:
		return []node{n.x, n.y}
	case *cmpNode:
		return []node{n.x, n.y}
	case *coalesceNode:
		return []node{n.x, n.y}
	case *allNode:
		return n.args
	case *anyNode:
		return n.args
	case *negNode:
		return []node{n.x}
	case *partNode:
		return []node{n.x}
	case *dateNode:
		return []node{n.x}
	case *textNode:
		return []node{n.x}
	case *castNode:
		return []node{n.x}
	case *decidedNode:
		return []node{n.x}
	case *inNode:
		return []node{n.x}
	case *likeNode:
		return []node{n.x}
	case *tokenNode:
		return []node{n.x}
	case *notNode:
		return []node{n.x}
	case *nullNode:
		return []node{n.x}
	}
	panic(fmt.Sprintf("BUG: nobody knows the operands of a %T", n))
}

// slotsOf returns the slots of the columns that an expression is about.
func slotsOf(n node) []int {
	if col, ok := n.(*colNode); ok {
		return []int{col.slot}
	}
	var out []int
	for _, o := range operands(n) {
		for _, slot := range slotsOf(o) {
			if !slices.Contains(out, slot) {
				out = append(out, slot)
			}
		}
	}
	return out
}
