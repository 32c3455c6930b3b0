package main

import (
	"fmt"
	"math"

	"github.com/tarnlake/tarn/tiering"
)

// What the chain assumes.
const (
	hoursPerYear = 8760
	lossRate     = 0.02  // of a slot, per year: disks die at 1.5 %, nodes for good at 0.5 %
	bitErrors    = 1e-15 // unreadable bits per bit read
)

// chain is a group of n slots of which m may be lost, as a Markov chain over how many are:
// each is lost at rate lossRate and rebuilt at rate 1/mttr, all lost ones at a time.
type chain struct {
	tiering.Scheme
	mttr float64 // hours
}

// lossPerYear returns the probability that more slots than m are lost within a
// year, once the chain has run a while.
func (c chain) lossPerYear() float64 { return -math.Expm1(-1 / c.yearsTo(c.Parity+1)) }

// yearsTo returns the mean time from none lost to so many lost. It is the sum
// of the times from j to j+1: up directly, or first down and back again.
func (c chain) yearsTo(lost int) float64 {
	repair := hoursPerYear / c.mttr
	step, sum := 0.0, 0.0
	for j := range lost {
		up, down := float64(c.Width()-j)*lossRate, float64(j)*repair
		step = (1 + down*step) / up
		sum += step
	}
	return sum
}

// sectorPerYear returns the probability that a stripe has lost m members within
// a year and one of the k that are left cannot be read where it has to be.
func (c chain) sectorPerYear(member float64) float64 {
	bad := -math.Expm1(float64(c.Data) * member * 8 * math.Log1p(-bitErrors))
	return -math.Expm1(-bad / c.yearsTo(c.Parity))
}

func nineCount(p float64) string { return fmt.Sprintf("%.1f", -math.Log10(p)) }

func ninesTables() ([]table, error) { return []table{stripeNines(), clusterNines()}, nil }

// stripeNines is the table by scheme and repair time: both causes together,
// and in brackets that of bad sectors alone.
func stripeNines() table {
	t := table{name: "nines", head: []string{"scheme", "overhead"}}
	times := []float64{1, 12, 72, 24 * 30}
	for _, h := range times {
		t.head = append(t.head, hours(h))
	}
	for _, s := range []tiering.Scheme{{Data: 1, Parity: 1}, {Data: 1, Parity: 2}, {Data: 2, Parity: 2}, {Data: 3, Parity: 2}, {Data: 4, Parity: 2}, {Data: 6, Parity: 3}, {Data: 10, Parity: 4}} {
		cells := []string{s.String(), fmt.Sprintf("%.2f", s.Overhead())}
		for _, h := range times {
			c := chain{s, h}
			sector := c.sectorPerYear(memberBytes)
			cells = append(cells, fmt.Sprintf("%s (%s)", nineCount(c.lossPerYear()+sector), nineCount(sector)))
		}
		t.add(cells...)
	}
	return t
}

// lake is an amount of rows and the cluster that holds it.
type lake struct {
	name    string
	logical float64
	nodes   int
	scheme  tiering.Scheme
	used    float64 // of a disk, bytes
}

// lakeOf takes as many nodes as the bytes need, ten at least.
func lakeOf(name string, logical float64) lake {
	l := lake{name: name, logical: logical, nodes: 10}
	for {
		l.scheme = schemeOf(l.nodes)
		need := int(math.Ceil(logical * l.scheme.Overhead() / usedPerNode))
		if need <= l.nodes {
			break
		}
		l.nodes = need
	}
	l.used = logical * l.scheme.Overhead() / float64(l.nodes*disksPerNode)
	return l
}

func lakes() []lake {
	return []lake{lakeOf("1 PB", 1e15), lakeOf("100 PB", 1e17), lakeOf("1 EB", 1e18)}
}

func (l lake) groups() float64 {
	return float64(l.nodes*disksPerNode*slotsPerDisk) / float64(l.scheme.Width())
}

func (l lake) stripes(member float64) float64 { return l.logical / float64(l.scheme.Data) / member }

// clusterNines is the table of lakes: slots of a group are lost together, so
// deaths count by group; bad sectors count by stripe.
func clusterNines() table {
	t := table{name: "lakes", head: []string{"rows", "nodes", "scheme", "groups", "stripes", "rebuilt in", "deaths a year", "bad sectors", "both, nines"}}
	for _, l := range lakes() {
		for _, bandwidth := range bandwidths {
			c := chain{l.scheme, detection + repairHours(l.scheme, l.used*disksPerNode, slotsPerDisk*disksPerNode, l.nodes, bandwidth)}
			deaths, sectors := l.groups()*c.lossPerYear(), l.stripes(memberBytes)*c.sectorPerYear(memberBytes)
			t.add(fmt.Sprintf("%s at %s/s", l.name, scaled(bandwidth)), count(float64(l.nodes)), l.scheme.String(), count(l.groups()), count(l.stripes(memberBytes)),
				hours(c.mttr), power(deaths), power(sectors), nineCount(deaths+sectors))
		}
	}
	return t
}
