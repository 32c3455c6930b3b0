package repair

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members/memberstest"
	"github.com/tarnlake/tarn/tiering"
	"pgregory.net/rapid"
)

func setNode(node string, state catalog.NodeState) catalog.Command {
	return catalog.Command{SetNodeState: &catalog.SetNodeState{Node: node, State: state, Reason: "test"}}
}

func setDisk(disk string, state catalog.DiskState) catalog.Command {
	return catalog.Command{SetDiskState: &catalog.SetDiskState{Disk: disk, State: state, Reason: "test"}}
}

// move gives slots of a group other disks.
func move(r *memberstest.Rack, id catalog.GroupID, disks ...string) catalog.Command {
	g := r.State().Groups()[id-1]
	return catalog.Command{SetGroup: &catalog.SetGroup{ID: id, IfIndex: g.Index, Tier: g.Tier, Scheme: g.Scheme, Disks: disks}}
}

// TestHealth: what befalls disks and nodes changes what may be lost, and is
// told of.
func TestHealth(t *testing.T) {
	for _, c := range []struct {
		name    string
		do      func(r *memberstest.Rack) []catalog.Command
		says    string
		classes []Class
	}{
		{"nothing", func(*memberstest.Rack) []catalog.Command { return nil },
			"any 2 disks or 2 nodes may be lost", []Class{{2, 2, 5, 150}}},
		{"a node is down", func(*memberstest.Rack) []catalog.Command { return []catalog.Command{setNode("n3", catalog.NodeDown)} },
			"any 1 disk or 1 node may be lost", []Class{{1, 2, 5, 150}}},
		{"a node of the parity is down", func(*memberstest.Rack) []catalog.Command { return []catalog.Command{setNode("n5", catalog.NodeDown)} },
			"any 1 disk or 1 node may be lost", []Class{{1, 1, 4, 100}, {2, 1, 1, 50}}},
		{"three nodes are down", func(*memberstest.Rack) []catalog.Command {
			return []catalog.Command{setNode("n1", catalog.NodeDown), setNode("n2", catalog.NodeDown), setNode("n3", catalog.NodeDown)}
		}, "ROWS ARE OUT OF REACH for now: 2 stripes have too many members on disks that are away; bring them back", []Class{{-1, 2, 5, 150}}},
		{"a disk is lost", func(*memberstest.Rack) []catalog.Command { return []catalog.Command{setDisk("n4d1", catalog.DiskLost)} },
			"any 1 disk or 1 node may be lost; 1 member is on the way to the disk where they belong, of which 1 are rebuilt from others", []Class{{1, 1, 4, 100}, {2, 1, 1, 50}}},
		{"three disks are lost", func(*memberstest.Rack) []catalog.Command {
			return []catalog.Command{setDisk("n4d1", catalog.DiskLost), setDisk("n5d1", catalog.DiskLost), setDisk("n6d1", catalog.DiskLost)}
		}, "ROWS ARE OUT OF REACH: 1 stripe has lost more members than can be rebuilt; bring the disks back that were there; 3 members are on the way to the disk where they belong, of which 3 are rebuilt from others",
			[]Class{{-1, 1, 4, 100}, {2, 1, 1, 50}}},
		{"a slot moves", func(r *memberstest.Rack) []catalog.Command {
			return []catalog.Command{move(r, 1, "n1d1", "n2d1", "n4d1")}
		},
			"any 2 disks or 2 nodes may be lost; 1 member is on the way to the disk where they belong", []Class{{2, 2, 5, 150}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := memberstest.New(t, 6, 1)
			r.Stripe(r.Group(copies3, three...), content(1, 50))
			r.Stripe(r.Group(four2, six...), content(2, 10), content(3, 20), content(4, 30), content(5, 40))
			for _, cmd := range c.do(r) {
				r.Apply(cmd)
			}
			h := HealthOf(r.State())
			if h.String() != c.says {
				t.Errorf("got %q; want %q", h, c.says)
			}
			if !slices.Equal(h.Classes, c.classes) {
				t.Errorf("got classes %v; want %v", h.Classes, c.classes)
			}
		})
	}
}

// TestHealthOfWork: what is on its way has a kind, a goal and a size, and what
// leaves a disk is counted down.
func TestHealthOfWork(t *testing.T) {
	r := memberstest.New(t, 6, 1)
	g := r.Group(copies3, three...)
	r.Stripe(g, content(1, 50))
	at := r.Stripe(g, content(2, 70))
	r.Apply(setDisk("n2d1", catalog.DiskDraining))
	r.Apply(move(r, g, "n1d1", "n4d1", "n3d1"))
	h := HealthOf(r.State())
	if want := []Left{{"n4d1", Drain, 2, 2, 120}}; !slices.Equal(h.Left, want) {
		t.Errorf("got %v on its way; want %v", h.Left, want)
	}
	if got, want := h.Held["n2d1"], (Held{1, 120}); got != want {
		t.Errorf("got %v held by the disk that drains; want %v", got, want)
	}
	r.Apply(catalog.Command{PlaceMembers: &catalog.PlaceMembers{Members: []catalog.MemberAt{{Stripe: at.ID, Slot: 1, Disk: "n4d1"}}}})
	r.Apply(setDisk("n2d1", catalog.DiskDown))
	h = HealthOf(r.State())
	if want := []Left{{"n4d1", Rebuild, 1, 1, 50}}; !slices.Equal(h.Left, want) {
		t.Errorf("got %v on its way; want %v", h.Left, want)
	}
	if got, want := h.Held["n2d1"], (Held{1, 50}); got != want {
		t.Errorf("got %v held by the disk that drains; want %v", got, want)
	}
	r.Apply(catalog.Command{ParkMember: &catalog.ParkMember{Stripe: at.ID - 1, Slot: 1, Reason: "in vain"}})
	h = HealthOf(r.State())
	if len(h.Left) != 0 || h.Parked != 1 || len(h.Aside) != 1 || h.Aside[0].Disk != "n4d1" || h.Aside[0].Reason != "in vain" {
		t.Errorf("got %v on its way and %+v aside; want none and one", h.Left, h.Aside)
	}
}

// TestHealthOfSilentNodes: what nobody has judged yet is not counted on.
func TestHealthOfSilentNodes(t *testing.T) {
	r := memberstest.New(t, 6, 1)
	r.Stripe(r.Group(copies3, three...), content(1, 50))
	h := HealthOf(r.State(), "n2", "n3")
	if want := []Class{{0, 1, 1, 50}}; !slices.Equal(h.Classes, want) || h.Spare.Disks != 0 {
		t.Errorf("two of three nodes are silent: %+v, %+v; want %+v and no disk to spare", h.Classes, h.Spare, want)
	}
}

// TestHealthAgainstWalk: what groups count without a look at their stripes is
// what a look at each of them gives.
func TestHealthAgainstWalk(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := memberstest.New(t, 6, 2)
		r.Group(copies3, three...)
		r.Group(four2, six...)
		r.Group(tiering.Scheme{Data: 1, Parity: 1}, "n5d2", "n6d2")
		node := rapid.SampledFrom([]string{"n1", "n2", "n3", "n4", "n5", "n6"})
		disk := rapid.Custom(func(t *rapid.T) string {
			return node.Draw(t, "node") + rapid.SampledFrom([]string{"d1", "d2"}).Draw(t, "disk")
		})
		rt.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) { checkHealth(t, r.State()) },
			"stripe": func(t *rapid.T) {
				var data [][]byte
				id := catalog.GroupID(rapid.IntRange(1, 3).Draw(t, "group"))
				n := 1
				if id == 2 {
					n = rapid.IntRange(2, 4).Draw(t, "members")
				}
				for i := range n {
					data = append(data, content(uint64(i), rapid.IntRange(1, 40).Draw(t, "size")))
				}
				if slices.ContainsFunc(r.State().Groups()[id-1].Slots, func(s catalog.Slot) bool {
					d, _ := r.State().Disk(s.Disk)
					return d.State == catalog.DiskLost
				}) {
					t.Skip("it would be refused")
				}
				r.Stripe(id, data...)
			},
			"node": func(t *rapid.T) {
				_ = r.Try(setNode(node.Draw(t, "n"), rapid.SampledFrom([]catalog.NodeState{catalog.NodeUp, catalog.NodeDown}).Draw(t, "state")))
			},
			"disk": func(t *rapid.T) {
				_ = r.Try(setDisk(disk.Draw(t, "d"), rapid.SampledFrom([]catalog.DiskState{catalog.DiskUp, catalog.DiskDown, catalog.DiskDraining, catalog.DiskLost}).Draw(t, "state")))
			},
			"move": func(t *rapid.T) {
				id := catalog.GroupID(rapid.IntRange(1, 3).Draw(t, "group"))
				disks := slotsOf(r.State().Groups()[id-1])
				disks[rapid.IntRange(0, len(disks)-1).Draw(t, "slot")] = disk.Draw(t, "to")
				_ = r.Try(move(r, id, disks...))
			},
		})
	})
}

// checkHealth judges a state by a look at each stripe.
func checkHealth(t *rapid.T, view *catalog.State) {
	silent := rapid.SliceOfNDistinct(rapid.SampledFrom(view.Nodes()), 0, 2, func(n *catalog.Node) string { return n.ID }).Draw(t, "silent")
	var ids []string
	for _, n := range silent {
		ids = append(ids, n.ID)
	}
	h, want, missing := HealthOf(view, ids...), map[int]Class{}, 0
	away := Away(view, ids...)
	for _, g := range view.Groups() {
		view.Stripes(g.ID, 0, func(at catalog.Location) bool {
			spare, c := g.Scheme.Parity, Class{Stripes: 1}
			for i := range g.Slots {
				_, used := at.Member(g.Scheme, i)
				if used && !slices.ContainsFunc(at.DisksOf(i), func(d string) bool { return !away[d] }) {
					spare--
				}
				missing += btoi(at.Missing.Has(i))
			}
			for _, m := range at.Data {
				c.Bytes, c.Rows = c.Bytes+m.Bytes, c.Rows+1
			}
			sum := want[spare]
			want[spare] = Class{spare, sum.Stripes + 1, sum.Rows + c.Rows, sum.Bytes + c.Bytes}
			return true
		})
	}
	got := map[int]Class{}
	for _, c := range h.Classes {
		got[c.Spare] = c
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got classes %v; want %v", got, want)
	}
	if h.Missing != missing {
		t.Fatalf("got %d missing; want %d", h.Missing, missing)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
