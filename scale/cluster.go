package main

import (
	"fmt"

	"github.com/tarnlake/tarn/tiering"
)

// What every table assumes of the hardware.
const (
	disksPerNode = 24
	diskBytes    = 20e12
	filled       = 0.7 // of its capacity
	slotsPerDisk = 64  // as tiering gives it: placementTables checks that

	usedPerDisk = filled * diskBytes
	usedPerNode = usedPerDisk * disksPerNode

	memberBytes = 256 << 20 // of a segment that is merged for good
)

// cluster is a shape that is simulated.
type cluster struct {
	nodes   int
	perNode int // disks
	mix     mix
}

// mix is how sizes of disks differ: a third each of 10, 20 and 30 TB.
type mix string

const (
	equal      mix = ""
	mixedDisks mix = ", mixed disks" // in every node
	mixedNodes mix = ", mixed nodes" // all of a node the same
)

// upTo returns the clusters to simulate that have so many nodes at most.
func upTo(nodes int) []cluster {
	var all []cluster
	for _, c := range []cluster{
		{10, 24, equal}, {10, 24, mixedDisks}, {10, 24, mixedNodes}, {100, 24, equal}, {100, 24, mixedNodes}, {1000, 4, equal}, // with 24, planning would take minutes
	} {
		if c.nodes <= nodes {
			all = append(all, c)
		}
	}
	return all
}

func (c cluster) String() string { return count(float64(c.nodes)) + string(c.mix) }

func (c cluster) disks() []tiering.Disk {
	var all []tiering.Disk
	for n := range c.nodes {
		all = append(all, c.node(n)...)
	}
	return all
}

// node returns the disks of the n-th node.
func (c cluster) node(n int) []tiering.Disk {
	disks := make([]tiering.Disk, c.perNode)
	for i := range disks {
		size := int64(diskBytes)
		switch c.mix {
		case mixedDisks:
			size = diskBytes / 2 * int64(1+i%3)
		case mixedNodes:
			size = diskBytes / 2 * int64(1+n%3)
		}
		disks[i] = tiering.Disk{ID: fmt.Sprintf("disk-%d-%d", n, i), Node: fmt.Sprint("node-", n), Tier: "hot", Weight: size}
	}
	return disks
}

// schemeOf returns what merged segments of a cluster of so many such nodes get.
func schemeOf(nodes int) tiering.Scheme {
	return tiering.DefaultSchemes(tiering.Shape{Zones: 1, Nodes: nodes, DisksPerNode: disksPerNode}).Merged
}
