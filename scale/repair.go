package main

import (
	"fmt"

	"github.com/tarnlake/tarn/tiering"
)

// detection is how long a node is silent before what it held is rebuilt:
// liveness's time for "lost". A disk that fails says so itself.
const detection = 0.25 // hours

// bandwidths are what a node gives to repair, network and disks alike.
var bandwidths = []float64{200e6, 1e9}

// repairHours returns how long it takes to rebuild bytes that were in so many
// slots, at so many bytes a second of each node. A byte costs k that are
// read and one that is written. Each slot is rebuilt by one node, so of many
// nodes only as many take part as there were slots.
func repairHours(s tiering.Scheme, bytes float64, slots, nodes int, bandwidth float64) float64 {
	cost := float64(s.Data + 1)
	if s.Copies() {
		cost = 2
	}
	return bytes * cost / (float64(min(nodes-1, slots)) * bandwidth) / 3600
}

func diskHours(s tiering.Scheme, nodes int, bandwidth float64) float64 {
	return repairHours(s, usedPerDisk, slotsPerDisk, nodes, bandwidth)
}

func nodeHours(s tiering.Scheme, nodes int, bandwidth float64) float64 {
	return repairHours(s, usedPerNode, slotsPerDisk*disksPerNode, nodes, bandwidth)
}

func repairTables() ([]table, error) {
	t := table{name: "repair", head: []string{"nodes, scheme"}}
	for _, b := range bandwidths {
		t.head = append(t.head, "disk at "+scaled(b)+"/s", "node at "+scaled(b)+"/s", "of it urgent")
	}
	for _, c := range []struct {
		nodes  int
		scheme tiering.Scheme
	}{
		{10, tiering.Scheme{Data: 1, Parity: 2}}, {10, tiering.Scheme{Data: 4, Parity: 2}}, {10, schemeOf(10)},
		{30, schemeOf(30)}, {100, tiering.Scheme{Data: 6, Parity: 3}}, {100, schemeOf(100)}, {1000, schemeOf(1000)},
	} {
		cells := []string{fmt.Sprintf("%s, %v", count(float64(c.nodes)), c.scheme)}
		for _, b := range bandwidths {
			node := nodeHours(c.scheme, c.nodes, b)
			cells = append(cells, hours(diskHours(c.scheme, c.nodes, b)), hours(node), hours(node*criticalPart(c.scheme, c.nodes)))
		}
		t.add(cells...)
	}
	return []table{t}, nil
}

// criticalPart returns, of what the m-th node to be lost held, how much is in
// stripes that have lost m-1 members before: what is repaired first.
func criticalPart(s tiering.Scheme, nodes int) float64 {
	part := 1.0
	for lost := 1; lost < s.Parity; lost++ {
		part *= float64(s.Width()-lost) / float64(nodes-lost)
	}
	return min(part, 1)
}
