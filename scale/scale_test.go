package main

import (
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/memberlist"
	"github.com/tarnlake/tarn/tiering"
)

// TestPage wants the tables in the page to be what the program computes. The
// larger clusters take minutes: `make scale` computes them all.
func TestPage(t *testing.T) {
	text, err := os.ReadFile("../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sections(10) {
		if s.name == "metadata" && testing.Short() {
			continue // seconds
		}
		if s.name == "placement" {
			s.tables = func() ([]table, error) { return placementTables(upTo(10)[:1]) }
		}
		tables, err := s.tables()
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		for _, made := range tables {
			comparePage(t, string(text), made, s.name)
		}
	}
}

// comparePage compares a table with that of the page. The page has more of
// placement; what is measured in memory and in zstd depends on the Go release and on
// the library a little.
func comparePage(t *testing.T, page string, made table, section string) {
	t.Helper()
	from, to, err := between(page, made.name)
	if err != nil {
		t.Fatal(err)
	}
	got, want := strings.Split(page[from:to], "\n"), strings.Split(made.String(), "\n")
	if section == "placement" && len(got) > len(want) {
		got = withRowsOf(got, want)
	}
	if len(got) != len(want) {
		t.Fatalf("table %s of the page has %d lines; want %d", made.name, len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] && !(section == "metadata" && near(got[i], want[i])) {
			t.Errorf("table %s, run make scale:\n got %s\nwant %s", made.name, got[i], want[i])
		}
	}
}

// withRowsOf leaves out the rows of clusters that were not computed.
func withRowsOf(page, made []string) []string {
	computed := map[string]bool{}
	for _, line := range made {
		computed[firstCell(line)] = true
	}
	var rows []string
	for _, line := range page {
		if computed[firstCell(line)] {
			rows = append(rows, line)
		}
	}
	return rows
}

func firstCell(line string) string {
	cell, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |")
	return cell
}

// near reports whether two lines have the same words, and numbers that differ
// by a tenth at most.
func near(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		p, err1 := strconv.ParseFloat(strings.ReplaceAll(x[i], ",", ""), 64)
		q, err2 := strconv.ParseFloat(strings.ReplaceAll(y[i], ",", ""), 64)
		if err1 != nil || err2 != nil {
			if x[i] != y[i] {
				return false
			}
		} else if math.Abs(p-q) > 0.1*math.Max(math.Abs(p), math.Abs(q)) {
			return false
		}
	}
	return true
}

func scheme(k, m int) tiering.Scheme { return tiering.Scheme{Data: k, Parity: m} }

// TestChain compares with a chain that was computed by another program, for
// deaths alone and for the bad sector in brackets.
func TestChain(t *testing.T) {
	for _, c := range []struct {
		scheme         tiering.Scheme
		mttr           float64
		deaths, sector float64 // nines; 0: not computed
	}{
		{scheme(1, 2), 12, 10.3, 11.2},
		{scheme(2, 2), 72, 8.2, 0},
		{scheme(4, 2), 12, 9.0, 9.9},
		{scheme(4, 2), 720, 5.5, 0},
		{scheme(6, 3), 12, 12.7, 13.3},
		{scheme(10, 4), 72, 12.8, 0},
	} {
		got := chain{c.scheme, c.mttr}
		if n := -math.Log10(got.lossPerYear()); math.Abs(n-c.deaths) > 0.1 {
			t.Errorf("%v rebuilt in %v h: got %.2f nines; want %.1f", c.scheme, c.mttr, n, c.deaths)
		}
		if n := -math.Log10(got.sectorPerYear(256 << 20)); c.sector != 0 && math.Abs(n-c.sector) > 0.1 {
			t.Errorf("%v rebuilt in %v h, bad sectors: got %.2f nines; want %.1f", c.scheme, c.mttr, n, c.sector)
		}
	}
}

// TestRepairHours takes nodes of 300 TB that give 200 MB/s.
func TestRepairHours(t *testing.T) {
	for _, c := range []struct {
		scheme tiering.Scheme
		nodes  int
		want   float64
	}{{scheme(6, 3), 10, 324}, {scheme(4, 2), 10, 231.5}, {scheme(6, 3), 100, 29.5}, {scheme(10, 4), 1000, 4.59}} {
		if got := repairHours(c.scheme, 300e12, 1536, c.nodes, 200e6); math.Abs(got/c.want-1) > 0.01 {
			t.Errorf("%v on %d nodes: got %.2f h; want %.2f", c.scheme, c.nodes, got, c.want)
		}
	}
}

// TestMemberlistFormulas holds the copies of unexported formulas to what
// their own package says of its settings.
func TestMemberlistFormulas(t *testing.T) {
	c := memberlist.DefaultLANConfig()
	if least, most := suspicion(c, 1000); least.Seconds() != 12 || most.Seconds() != 72 {
		t.Errorf("1,000 nodes are suspected for %v to %v; want 12 s to 72 s", least, most)
	}
	// Its comment on the setting: for 10k nodes a maximum of about 120 seconds, less a rounding.
	if _, most := suspicion(c, 10_000); most.Seconds() < 90 || most.Seconds() > 120 {
		t.Errorf("10,000 nodes are suspected for up to %v; want 90 s to 120 s", most)
	}
	for n, want := range map[int]float64{32: 30, 33: 60, 1000: 180, 5000: 270} {
		if got := pushPullEvery(c, n).Seconds(); got != want {
			t.Errorf("%d nodes: push/pull every %v s; want %v", n, got, want)
		}
	}
}

// TestSimulationMeetsFormula: how often a group is hit, simulated and computed.
func TestSimulationMeetsFormula(t *testing.T) {
	l, err := lay(cluster{10, disksPerNode, equal})
	if err != nil {
		t.Fatal(err)
	}
	losses := lossTable()
	l.loss(&losses, "disks", 4, len(l.disks), func(d int) int { return d })
	row := losses.rows[0]
	computed, simulated := number(t, row[4]), number(t, row[5])
	if math.Abs(simulated/computed-1) > 0.2 {
		t.Errorf("four disks of 240: computed %s, simulated %s; want them within a fifth", row[4], row[5])
	}
}

func number(t *testing.T, cell string) float64 {
	t.Helper()
	x, err := strconv.ParseFloat(strings.TrimSuffix(cell, " %"), 64)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestFill(t *testing.T) {
	one := table{name: "one", head: []string{"a", "b"}}
	one.add("x", "1")
	page := "text\n\n" + beginMark("one") + "old\n" + endMark + "\nmore\n"
	got, err := fill(page, map[string]table{"one": one})
	want := "text\n\n" + beginMark("one") + "| a | b |\n|---|---:|\n| x | 1 |\n" + endMark + "\nmore\n"
	if err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if _, err := fill("no marks", map[string]table{"one": one}); err == nil {
		t.Error("got no error for a page without the table; want one")
	}
}
