package health

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/repair"
	"github.com/tarnlake/tarn/tiering"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// healthy is a cluster of three nodes with a disk each, of which nothing is
// wrong.
func healthy() Facts {
	f := Facts{
		Now: now,
		Members: repair.Health{
			Stripes: 10, Spare: tiering.Loss{Disks: 2, Nodes: 2},
			Classes: []repair.Class{{Spare: 2, Stripes: 10, Rows: 1000, Bytes: 10 << 20}},
			Held:    map[string]repair.Held{},
		},
		Votes: map[string]string{"N1": "leader", "N2": "voter", "N3": "voter"}, Held: map[string]string{}, Reports: map[string]Report{},
	}
	for i := range 3 {
		node, disk := fmt.Sprint("N", i+1), fmt.Sprint("D", i+1)
		f.Nodes = append(f.Nodes, &catalog.Node{ID: node, Name: strings.ToLower(node), State: catalog.NodeUp})
		f.Disks = append(f.Disks, &catalog.Disk{ID: disk, Node: node, State: catalog.DiskUp})
		f.Members.Held[disk] = repair.Held{Slots: 8, Bytes: 10 << 20}
		f.Reports[node] = Report{Node: node, Disks: []DiskReport{{ID: disk, Total: 100 << 30, Free: 60 << 30}}}
	}
	return f
}

// spoil has the last node of a cluster down, and what that means.
func spoil(f *Facts) {
	*f.Nodes[2] = catalog.Node{ID: "N3", Name: "n3", State: catalog.NodeDown, Since: now.Add(-time.Minute), Reason: "it does not answer"}
	delete(f.Reports, "N3")
	f.Members.Spare = tiering.Loss{Disks: 1, Nodes: 1}
	f.Members.Classes[0].Spare = 1
}

// report changes what a node says of its only disk.
func report(f *Facts, node string, change func(*DiskReport)) {
	r := f.Reports[node]
	r.Disks = append([]DiskReport(nil), r.Disks...)
	change(&r.Disks[0])
	f.Reports[node] = r
}

var cases = []struct {
	name   string
	change func(*Facts)
	want   string
}{
	{"all is well", func(*Facts) {}, `
ok: any 2 disks or 2 nodes may be lost
if one more disk fails, nothing is lost
votes 3/3 n1
`},
	{"there are no rows", func(f *Facts) { f.Members = repair.Health{} }, `
ok: there are no rows yet
if one more disk fails, nothing is lost
votes 3/3 n1
`},
	{"a node is down", spoil, `
warning: any 1 disk or 1 node may be lost
if one more disk fails, nothing is lost
votes 2/3 n1
votes_short warning: 2 of 3 votes are up: with one less nothing is written
  bring back a voting node: tarn node list
node_down warning: node n3 is down (it does not answer): its rows are read and written elsewhere
  start it again; if it will not come back: tarn node lose n3
`},
	{"rebuilding", func(f *Facts) {
		f.Disks[2].State, f.Disks[2].Reason = catalog.DiskLost, "an operator said so"
		f.Members.Missing, f.Members.Lost = 3, 3
		f.Members.Left = []repair.Left{{Disk: "D1", Kind: repair.Rebuild, Spare: 1, Members: 2, Bytes: 100 << 20}, {Disk: "D2", Kind: repair.Rebuild, Spare: 1, Members: 1, Bytes: 30 << 20}}
		f.Reports["N1"], f.Reports["N2"] = Report{Rate: 10 << 20}, Report{Rate: 10 << 20}
	}, `
warning: any 2 disks or 2 nodes may be lost; 3 members are on the way to the disk where they belong, of which 3 are rebuilt from others
if one more disk fails, nothing is lost
votes 3/3 n1
rebuild: 3, 0 waiting, 130.0 MiB at 20.0 MiB/s, 10 s
disk_lost warning: disk D3 of node n3 was given up (an operator said so): what it held is rebuilt elsewhere
  once nothing belongs on it: tarn disk remove D3
`},
	{"draining", func(f *Facts) {
		f.Disks[2].State = catalog.DiskDraining
		f.Members.Missing = 2
		f.Members.Left = []repair.Left{{Disk: "D1", Kind: repair.Drain, Spare: 2, Members: 1, Bytes: 100 << 20}, {Disk: "D2", Kind: repair.Drain, Spare: 2, Members: 1, Bytes: 30 << 20}}
		f.Reports["N1"] = Report{Rate: 10 << 20}
	}, `
busy: any 2 disks or 2 nodes may be lost; 2 members are on the way to the disk where they belong
if one more disk fails, nothing is lost
votes 3/3 n1
drain: 2, 0 waiting, 130.0 MiB at 10.0 MiB/s, 0 s
`},
	{"drained", func(f *Facts) {
		f.Disks[2].State = catalog.DiskDraining
		delete(f.Members.Held, "D3")
	}, `
warning: any 2 disks or 2 nodes may be lost
if one more disk fails, nothing is lost
votes 3/3 n1
disk_drained warning: disk D3 of node n3 is drained: nothing belongs on it any more
  tarn disk remove D3
`},
	{"rows are at risk", func(f *Facts) {
		spoil(f)
		f.Members.Spare = tiering.Loss{}
		f.Members.Classes = []repair.Class{{Spare: -1, Stripes: 1, Rows: 7, Bytes: 100}, {Spare: 0, Stripes: 2, Rows: 20, Bytes: 2048}, {Spare: 2, Stripes: 8, Rows: 100, Bytes: 1 << 20}}
		f.Members.Unread = 1
	}, `
danger: ROWS ARE OUT OF REACH for now: 1 stripe has too many members on disks that are away; bring them back
if one more disk fails, up to 20 rows (2.0 KiB in 2 stripes) are lost
votes 2/3 n1
rows_out_of_reach danger: 7 rows (100 B in 1 stripe) cannot be read: too many of the disks that hold them are away or lost
  bring back disks and nodes that were there, any of them; give up (lose, remove) none: tarn disk list
rows_at_risk danger: 20 rows (2.0 KiB in 2 stripes) are lost if one more disk fails that holds them
  touch no other disk or node until they are rebuilt; bring back what is away
votes_short warning: 2 of 3 votes are up: with one less nothing is written
  bring back a voting node: tarn node list
node_down warning: node n3 is down (it does not answer): its rows are read and written elsewhere
  start it again; if it will not come back: tarn node lose n3
`},
	{"a node was left behind", func(f *Facts) { spoil(f); f.Recovered = f.Nodes[2].Since }, `
warning: any 1 disk or 1 node may be lost
if one more disk fails, nothing is lost
votes 2/3 n1
votes_short warning: 2 of 3 votes are up: with one less nothing is written
  bring back a voting node: tarn node list
node_down warning: node n3 is down (it does not answer): its rows are read and written elsewhere
  run there: tarn recover --rejoin --dir DIR, and start it again; if it will not come back: tarn node lose n3
`},
	{"a node went down after a recovery", func(f *Facts) { spoil(f); f.Recovered = f.Nodes[2].Since.Add(-1) }, `
warning: any 1 disk or 1 node may be lost
if one more disk fails, nothing is lost
votes 2/3 n1
votes_short warning: 2 of 3 votes are up: with one less nothing is written
  bring back a voting node: tarn node list
node_down warning: node n3 is down (it does not answer): its rows are read and written elsewhere
  start it again; if it will not come back: tarn node lose n3
`},
	{"a node that was left behind was given up", func(f *Facts) {
		f.Recovered, f.Nodes[2].State, f.Nodes[2].Since = now.Add(-time.Hour), catalog.NodeLost, now
		f.Votes = map[string]string{"N1": "leader"}
	}, `
warning: any 2 disks or 2 nodes may be lost
if one more disk fails, nothing is lost
votes 1/1 n1
node_lost warning: node n3 was given up: what it held is rebuilt elsewhere
  start it again; if it says that the cluster was recovered without it, run there: tarn recover --rejoin --dir DIR, and start it again, or put another in its place and then: tarn node remove N3
`},
	{"a node is not ready", func(f *Facts) {
		r := f.Reports["N2"]
		r.Unready = "it catches up"
		f.Reports["N2"] = r
	}, `
warning: any 2 disks or 2 nodes may be lost
if one more disk fails, nothing is lost
votes 3/3 n1
node_unready warning: node n2 runs and is not ready (it catches up)
  wait until it has caught up; if it does not, look at its log
`},
	{"disks in doubt", func(f *Facts) {
		report(f, "N1", func(d *DiskReport) { d.Doubt = "fsync failed" })
		report(f, "N2", func(d *DiskReport) { d.Free = 10 << 30; d.Scrub = wire.Scrub{LastBad: 1} })
		report(f, "N3", func(d *DiskReport) {
			d.Scrub = wire.Scrub{Running: true, Started: now.Add(-time.Minute), Bytes: 60 << 20, Left: 5 << 20, Bad: 2, Stuck: 1}
		})
		f.Members.Parked = 1
	}, `
danger: any 2 disks or 2 nodes may be lost
if one more disk fails, nothing is lost
votes 3/3 n1
scrub: 1, 0 waiting, 5.0 MiB at 1.0 MiB/s, 5 s
disk_bad danger: disk D3 of node n3 was read back: 2 members were wrong or gone, and for 1 of them there is nothing to rebuild from
  bring back disks and nodes that are away; then: tarn disk scrub D3
disk_suspect warning: disk D1 of node n1 failed or stalled (fsync failed): it is read, and takes nothing new
  look at dmesg; if it is sound restart its node, else: tarn disk replace D1 PATH
disk_bad warning: disk D2 of node n2 was read back: 1 member was wrong or gone, and rebuilt
  if that happens again: tarn disk replace D2 PATH
disk_filling warning: disk D2 of node n2 is 90% full: 10.0 GiB of 100.0 GiB are free
  add a disk or a node, or drop what is not needed (tarn table list): its room is free after --trash-for, or within minutes once the disk is too full for merges (90 %)
members_parked warning: 1 member was set aside: rebuilding failed for a reason that does not pass by itself
  mend the reason (below, and tarn stripe show STRIPE); then: tarn stripe retry
`},
	{"nobody leads, and the rest", func(f *Facts) {
		f.Votes["N1"] = "voter"
		f.Held["N2"] = "too many would be given up at once"
		f.Nodes[2].State, f.Disks[2].State, f.Disks[2].LostWithNode = catalog.NodeLost, catalog.DiskLost, true
		f.Disks[1].State, f.Disks[1].Reason = catalog.DiskDown, "it was not there when its node started"
		f.Reports["N1"] = Report{Backlog: 1500}
		f.Members.Missing = 1
		f.Members.Left = []repair.Left{{Disk: "D2", Kind: repair.Rebuild, Spare: 1, Members: 1, Bytes: 10 << 20}}
	}, `
danger: any 2 disks or 2 nodes may be lost; 1 member is on the way to the disk where they belong
if one more disk fails, nothing is lost
votes 1/3 
rebuild: 1, 1 waiting, 10.0 MiB at 0 B/s, 0 s
merge: 1500, 0 waiting, 0 B at 0 B/s, 0 s
no_leader danger: this node knows of no leader: nothing is written until a majority of the votes (2 of 3) is in touch
  start the voting nodes that are away, or look at the network; wipe and init nothing: tarn node list
node_held warning: node n2 seems to be gone, counts as away, and is not judged: too many would be given up at once
  look at the network first; then: tarn node list
node_lost warning: node n3 was given up: what it held is rebuilt elsewhere
  start it again, or put another in its place and then: tarn node remove N3
disk_down warning: disk D2 of node n2 is not there (it was not there when its node started)
  mount it and restart its node; if it will not come back: tarn disk replace D2 PATH
merge_backlog warning: 1500 fresh segments wait to be merged: writers are slowed down, and at 2048 refused
  append larger batches, or raise the flush interval: tarn table alter TABLE set flush-interval=200ms
`},
	{"two of three nodes are silent", func(f *Facts) { delete(f.Reports, "N1"); delete(f.Reports, "N2") }, `
danger: any 2 disks or 2 nodes may be lost
if one more disk fails, nothing is lost
votes 1/3 n1
votes_short danger: 1 of 3 votes are up, less than a majority: nothing is written until 2 are
  start the voting nodes that are away, or look at the network; wipe and init nothing: tarn node list
node_silent warning: node n1 was up and did not say how it is within two seconds: it counts as away here
  is it running? Look at its log
node_silent warning: node n2 was up and did not say how it is within two seconds: it counts as away here
  is it running? Look at its log
`},
	{"a node is silent", func(f *Facts) { delete(f.Reports, "N2") }, `
warning: any 2 disks or 2 nodes may be lost
if one more disk fails, nothing is lost
votes 2/3 n1
votes_short warning: 2 of 3 votes are up: with one less nothing is written
  bring back a voting node: tarn node list
node_silent warning: node n2 was up and did not say how it is within two seconds: it counts as away here
  is it running? Look at its log
`},
}

// TestWords: what a cluster is like gives these words, and no others.
func TestWords(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := healthy()
			c.change(&f)
			if got := render(Of(f)); got != strings.TrimLeft(c.want, "\n") {
				t.Errorf("got\n%s\nwant%s", got, c.want)
			}
		})
	}
}

func render(h wire.Health) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n%s\nvotes %d/%d %s\n", h.Level, h.Summary, h.NextLoss, h.Votes.Up, h.Votes.Voters, h.Votes.Leader)
	for _, w := range h.Work {
		fmt.Fprintf(&b, "%s: %d, %d waiting, %s at %s/s, %d s\n", w.Kind, w.Count, w.Waiting, Bytes(w.Bytes), Bytes(w.Rate), w.Seconds)
	}
	for _, p := range h.Problems {
		fmt.Fprintf(&b, "%s %s: %s\n  %s\n", p.Code, p.Level, p.Text, p.Next)
	}
	return b.String()
}

// TestParkedItems: members that were set aside are listed with what an
// operator needs to find them.
func TestParkedItems(t *testing.T) {
	f := healthy()
	f.Members.Parked = 1
	f.Members.Aside = []repair.Aside{{Parked: catalog.Parked{Slot: 2, Reason: "no sources", Since: now}, Stripe: catalog.NewSegmentID(3, 7), Disk: "D2"}}
	want := wire.ParkedMember{Stripe: "00000003-00000007", Slot: 2, Disk: "D2", Node: "n2", Reason: "no sources", Since: now}
	if h := Of(f); len(h.Aside) != 1 || h.Aside[0] != want {
		t.Errorf("got %+v; want %+v", h.Aside, want)
	}
}

// TestCodes: each problem that there can be comes up in a test, and is on the
// operator's page.
func TestCodes(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations/health.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range cases {
		f := healthy()
		c.change(&f)
		for _, p := range Of(f).Problems {
			seen[p.Code] = true
		}
	}
	for _, code := range Codes {
		if !seen[code] {
			t.Errorf("no case has the problem %s", code)
		}
		if !strings.Contains(string(page), "| `"+code+"` |") {
			t.Errorf("docs/operations/health.md says nothing of %s", code)
		}
	}
	if len(seen) != len(Codes) {
		t.Errorf("got problems %v; the list of codes has %v", seen, Codes)
	}
}

// TestStillHolds: who wants to take something out hears what is left, and how
// long it takes.
func TestStillHolds(t *testing.T) {
	for _, c := range []struct {
		held   repair.Held
		leaves bool
		rate   int64
		want   string
	}{
		{repair.Held{Slots: 3, Bytes: 3 << 30}, false, 0, "disk D1 still has places in 3 placement groups, with 3.0 GiB that are not on their way elsewhere"},
		{repair.Held{Slots: 1, Bytes: 3 << 30}, true, 100 << 20, "disk D1 still has places in 1 placement group, with 3.0 GiB left to move: about 31s at 100.0 MiB/s"},
		{repair.Held{Slots: 1, Bytes: 5}, true, 0, "disk D1 still has places in 1 placement group, with 5 B left to move: nothing has moved for a minute"},
		{repair.Held{Slots: 1}, true, 0, "disk D1 still has places in 1 placement group, with 0 B left to move: the last of it is under way"},
	} {
		if got := StillHolds("disk D1", c.held, c.leaves, c.rate); got != c.want {
			t.Errorf("got %q; want %q", got, c.want)
		}
	}
}
