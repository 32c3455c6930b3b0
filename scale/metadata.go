package main

import (
	"bufio"
	"bytes"
	"math"
	"runtime"

	"github.com/klauspost/compress/zstd"
	"github.com/tarnlake/tarn/tiering"
)

// The thresholds of the page.
const (
	maxSnapshot = 2 << 30  // bytes: what a new voter loads, and a restart reads
	maxMemory   = 64 << 30 // bytes: what a node can spare for the catalog
	maxCommits  = 4000     // a second, of one Raft group
)

// size is what a catalog takes.
type size struct{ lines, snapshot, memory float64 }

func (a size) minus(b size) size {
	return size{a.lines - b.lines, a.snapshot - b.snapshot, a.memory - b.memory}
}

func (a size) times(x float64) size { return size{a.lines * x, a.snapshot * x, a.memory * x} }

// slope measures what one more of something takes: what make makes of many,
// less what it makes of a third.
func slope(many int, make func(n int) *synthetic) (size, error) {
	more, err := measure(func() *synthetic { return make(many) })
	if err != nil {
		return size{}, err
	}
	less, err := measure(func() *synthetic { return make(many / 3) })
	return more.minus(less).times(1 / float64(many-many/3)), err
}

func measure(make func() *synthetic) (size, error) {
	before := heap()
	c := make()
	if c.err != nil {
		return size{}, c.err
	}
	state := c.state
	memory := heap() - before
	var snapshot bytes.Buffer
	if err := state.Encode(&snapshot); err != nil {
		return size{}, err
	}
	runtime.KeepAlive(c)
	lines, err := unpacked(snapshot.Bytes())
	return size{lines, float64(snapshot.Len()), memory}, err
}

func heap() float64 {
	runtime.GC()
	runtime.GC() // what the first has only finalised
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// unpacked returns how many bytes the lines of a snapshot are: all but its
// first eight bytes is one zstd stream.
func unpacked(snapshot []byte) (float64, error) {
	z, err := zstd.NewReader(bytes.NewReader(snapshot[8:]))
	if err != nil {
		return 0, err
	}
	defer z.Close()
	n, err := bufio.NewReader(z).WriteTo(counter{new(float64)})
	return float64(n), err
}

// counter counts what is written to it.
type counter struct{ n *float64 }

func (c counter) Write(b []byte) (int, error) { *c.n += float64(len(b)); return len(b), nil }

// costs are the measured slopes.
type costs struct {
	group         size // of 10+4
	stripe, wide  size // of 10+4 with its segments, of 10 and of 50 columns
	bare          size // the same without zone maps
	fresh, single size // a segment of 10 columns with two copies more: of a commit of many, and of its own

}

func measureCosts() (c costs, err error) {
	merged, copies := tiering.Scheme{Data: 10, Parity: 4}, tiering.Scheme{Data: 1, Parity: 2}
	for _, m := range []struct {
		to   *size
		many int
		make func(n int) *synthetic
	}{
		{&c.group, 1500, func(n int) *synthetic { return newSynthetic(merged, 1000, n, 10) }},
		{&c.stripe, 300, filledWith(merged, 10, 10)},
		{&c.wide, 120, filledWith(merged, 50, 10)},
		{&c.bare, 300, filledWith(merged, 0, 10)},
		{&c.fresh, 1500, filledWith(copies, 10, 100)},
		{&c.single, 900, filledWith(copies, 10, 1)},
	} {
		if *m.to, err = slope(m.many, m.make); err != nil {
			return c, err
		}
	}
	return c, nil
}

// filledWith returns what makes a catalog of n stripes, so many a commit.
func filledWith(s tiering.Scheme, columns, perCommit int) func(n int) *synthetic {
	return func(n int) *synthetic {
		c := newSynthetic(s, 50, 20, columns)
		for range n / perCommit {
			c.commit(perCommit)
		}
		return c
	}
}

func metadataTables() ([]table, error) {
	c, err := measureCosts()
	if err != nil {
		return nil, err
	}
	return []table{c.entries(), c.exabyte(), c.split(), commits()}, nil
}

func (c costs) entries() table {
	t := table{name: "entries", head: []string{"one more", "as lines", "in a snapshot", "in memory"}}
	add := func(name string, s size) {
		t.add(name, count(math.Round(s.lines))+" B", count(math.Round(s.snapshot))+" B", count(math.Round(s.memory))+" B")
	}
	add("group of 10+4", c.group)
	add("full stripe of 10+4, 10 columns", c.stripe)
	add("… for each of its segments", c.perSegment())
	add("… of which zone maps", c.stripe.minus(c.bare).times(0.1))
	add("full stripe of 10+4, 50 columns", c.wide)
	add("fresh segment of 10 columns, 1+2", c.fresh)
	add("commit", c.single.minus(c.fresh))
	return t
}

func (c costs) perSegment() size { return c.stripe.times(0.1) }

// members are the sizes of segments that the page looks at.
var members = []struct {
	name  string
	bytes float64
}{{"256 MiB", 256 << 20}, {"1 GiB", 1 << 30}, {"4 GiB", 4 << 30}}

// exabyte is what the catalog of an exabyte takes if nothing is folded.
func (c costs) exabyte() table {
	t := table{name: "exabyte", head: []string{"segments of", "segments", "stripes", "snapshot", "memory", "Raft groups for it", "the groups' map alone"}}
	groups := lakeOf("", 1e18).groups()
	for _, m := range members {
		n := 1e18 / m.bytes
		all := c.perSegment().times(n)
		t.add(m.name, count(n), count(n/10), scaled(all.snapshot), scaled(all.memory),
			count(math.Ceil(max(all.snapshot/maxSnapshot, all.memory/maxMemory))), scaled(c.group.times(groups).snapshot))
	}
	return t
}

// split is how much one Raft group holds before a threshold is reached.
func (c costs) split() table {
	t := table{name: "split", head: []string{"segments of", "snapshot of 2 GiB at", "segments", "nodes of 336 TB", "memory of 64 GiB at", "first reached"}}
	for _, m := range members {
		one := c.perSegment()
		bySnapshot, byMemory := maxSnapshot/one.snapshot, maxMemory/one.memory
		first := "snapshot"
		if byMemory < bySnapshot {
			first = "memory"
		}
		scheme := schemeOf(18)
		t.add(m.name, scaled(bySnapshot*m.bytes), count(bySnapshot), count(math.Ceil(bySnapshot*m.bytes*scheme.Overhead()/usedPerNode)),
			scaled(byMemory*m.bytes), first)
	}
	return t
}

// commits is how many a second the nodes make that append.
func commits() table {
	t := table{name: "commits", head: []string{"nodes that append", "one flush in 250 ms", "one in 20 ms, the default", "one in 2 s, under backpressure"}}
	for _, n := range []float64{10, 80, 100, 1000, 8000} {
		cells := []string{count(n)}
		for _, interval := range []float64{0.25, 0.02, 2} {
			rate := count(n/interval) + "/s"
			if n/interval > maxCommits {
				rate += " (too many)"
			}
			cells = append(cells, rate)
		}
		t.add(cells...)
	}
	return t
}
