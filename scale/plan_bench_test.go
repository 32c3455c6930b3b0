package main

import (
	"fmt"
	"testing"
)

// BenchmarkPlan is how long it takes to plan: all groups of a new cluster, and
// what moves when it loses a node.
func BenchmarkPlan(b *testing.B) {
	for _, nodes := range []int{10, 100} {
		l, err := lay(cluster{nodes, disksPerNode, equal})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("new/nodes=%d", nodes), func(b *testing.B) {
			for b.Loop() {
				if _, err := lay(l.cluster); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("node-lost/nodes=%d", nodes), func(b *testing.B) {
			for b.Loop() {
				if _, err := l.with(l.disks[disksPerNode:]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
