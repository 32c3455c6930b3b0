package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// trials of each simulation; what happens less often than in one of them is
// not seen, only computed.
const trials = 200_000

func lossTable() table {
	return table{name: "loss", head: []string{"nodes", "at once", "of", "stripes anywhere", "in groups", "simulated", "lost on average", "lost if at all"}}
}

// losses adds what m+1 deaths at a time lose: of disks, then of nodes.
func (l *layout) losses(t *table) {
	deaths := l.scheme.Parity + 1
	l.loss(t, "disks", deaths, len(l.disks), func(d int) int { return d })
	l.loss(t, "nodes", deaths, l.nodes, func(d int) int { return d / l.perNode })
}

// loss adds a row: domain numbers the domain of each disk.
func (l *layout) loss(t *table, what string, deaths, domains int, domain func(disk int) int) {
	stripes := usedPerDisk * float64(len(l.disks)) / float64(l.scheme.Width()) / memberBytes
	hit := choose(l.scheme.Width(), deaths) / choose(domains, deaths) // for a stripe or a group of its own
	inGroups := -math.Expm1(-float64(len(l.groups)) * hit)
	data := usedPerDisk * float64(len(l.disks)) / l.scheme.Overhead()
	t.add(l.String(), fmt.Sprintf("%d %s", deaths, what), count(float64(domains)),
		percent(-math.Expm1(-stripes*hit)), percent(inGroups), l.simulate(deaths, domains, domain),
		scaled(data*hit), scaled(data*hit/inGroups))
}

// simulate kills random domains, so many at a time, and returns how often a
// group lost more than it may.
func (l *layout) simulate(deaths, domains int, domain func(disk int) int) string {
	of := l.domainsOf(domain)
	in := make([][]int, domains) // the groups that have a member there
	for g, members := range of {
		for _, d := range members {
			in[d] = append(in[d], g)
		}
	}
	rng, lost := rand.New(rand.NewPCG(1, uint64(domains))), 0
	for range trials {
		dead := distinct(rng, deaths, domains)
		if slices.ContainsFunc(in[dead[0]], func(g int) bool { return hasAll(of[g], dead[1:]) }) {
			lost++
		}
	}
	if lost == 0 {
		return fmt.Sprintf("never in %s", count(trials))
	}
	return percent(float64(lost) / trials)
}

// domainsOf returns where the members of each group are. With more nodes than
// members no node has two of a group.
func (l *layout) domainsOf(domain func(disk int) int) [][]int {
	number := map[string]int{}
	for i, d := range l.disks {
		number[d.ID] = i
	}
	of := make([][]int, len(l.groups))
	for g, group := range l.groups {
		for _, disk := range group.Slots {
			of[g] = append(of[g], domain(number[disk]))
		}
	}
	return of
}

func hasAll(members, dead []int) bool {
	for _, d := range dead {
		if !slices.Contains(members, d) {
			return false
		}
	}
	return true
}

// distinct draws so many different numbers below n.
func distinct(rng *rand.Rand, many, n int) []int {
	drawn := make([]int, 0, many)
	for len(drawn) < many {
		if d := rng.IntN(n); !slices.Contains(drawn, d) {
			drawn = append(drawn, d)
		}
	}
	return drawn
}

// choose returns in how many ways k of n can be taken.
func choose(n, k int) float64 {
	ways := 1.0
	for i := range k {
		ways *= float64(n-i) / float64(i+1)
	}
	return ways
}
