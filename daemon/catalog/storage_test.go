package catalog

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/tiering"
	"pgregory.net/rapid"
)

// rack is the reference of where bytes are: disks as sets of files. Writers,
// repair and sweepers do to it what the catalog has them do, and it must never
// come to lack a file that the catalog counts on.
type rack struct {
	s     *State
	files map[string]map[MemberFile]bool // by disk; a disk that is not there was taken out
	node  map[string]string              // of each disk
	table *Snapshot
	epoch map[string]Epoch // of each node
	lastN uint32
}

func newRack() *rack {
	r := &rack{s: NewState(), files: map[string]map[MemberFile]bool{}, node: map[string]string{}, epoch: map[string]Epoch{}}
	for i := range 4 {
		for j := range 2 {
			disk := fmt.Sprintf("d%d%d", i, j)
			r.node[disk], r.files[disk] = fmt.Sprintf("n%d", i), map[MemberFile]bool{}
		}
		r.start(fmt.Sprintf("n%d", i))
	}
	r.table = r.apply(createTable("t")).Table
	return r
}

func (r *rack) apply(cmd Command) Result {
	var res Result
	cmd.Time = testStart
	r.s, res = r.s.Apply(cmd, r.s.Index()+1)
	return res
}

// start is what a node does when it starts.
func (r *rack) start(node string) {
	reg := &RegisterNode{Node: node, Name: node}
	for _, disk := range slices.Sorted(maps.Keys(r.files)) {
		if r.node[disk] == node {
			reg.Disks = append(reg.Disks, DiskFacts{disk, "hot", 1 << 40})
		}
	}
	r.apply(Command{RegisterNode: reg})
	r.epoch[node] = r.apply(openEpoch(node)).Epoch
}

func (r *rack) anyNode(t *rapid.T) string {
	return rapid.SampledFrom([]string{"n0", "n1", "n2", "n3"}).Draw(t, "node")
}

func (r *rack) anyDisk(t *rapid.T) string {
	return rapid.SampledFrom(slices.Sorted(maps.Keys(r.node))).Draw(t, "disk")
}

func (r *rack) anyGroup(t *rapid.T) Group {
	all := r.s.Groups()
	if len(all) == 0 {
		t.Skip("no group")
	}
	return rapid.SampledFrom(all).Draw(t, "group")
}

func (r *rack) Restart(t *rapid.T) { r.start(r.anyNode(t)) }

func (r *rack) AddGroup(t *rapid.T) {
	if len(r.s.Groups()) > 4 {
		t.Skip("enough groups")
	}
	scheme := rapid.SampledFrom([]tiering.Scheme{{Data: 1}, {Data: 1, Parity: 1}, {Data: 1, Parity: 2}, {Data: 2, Parity: 2}, {Data: 3, Parity: 2}}).Draw(t, "scheme")
	disks := rapid.Permutation(slices.Sorted(maps.Keys(r.node))).Draw(t, "disks")
	last := GroupID(0)
	for _, g := range r.s.Groups() {
		last = max(last, g.ID)
	}
	r.apply(Command{SetGroup: &SetGroup{ID: last + 1, Tier: "hot", Scheme: scheme, Disks: disks[:scheme.Width()]}})
}

// RemoveGroup removes a group if nothing is in it.
func (r *rack) RemoveGroup(t *rapid.T) {
	g := r.anyGroup(t)
	stripes, _, _ := r.s.GroupLoad(g.ID)
	inUse := stripes > 0 || slices.ContainsFunc(r.s.Garbage(), func(d Dead) bool { return d.Stripe.Group == g.ID })
	if res := r.apply(Command{RemoveGroup: &RemoveGroup{ID: g.ID, IfIndex: g.Index}}); (res.Err != nil) != inUse {
		t.Fatalf("removing group %+v of %d stripes: %v", g, stripes, res.Err)
	}
}

// Move gives a slot of a group to any disk, or gives the group a slot more.
func (r *rack) Move(t *rapid.T) {
	g := r.anyGroup(t)
	c := &SetGroup{ID: g.ID, IfIndex: g.Index, Tier: g.Tier, Scheme: g.Scheme}
	for _, slot := range g.Slots {
		c.Disks = append(c.Disks, slot.Disk)
	}
	if g.Scheme.Data == 1 && rapid.IntRange(0, 3).Draw(t, "grow") == 0 {
		c.Scheme.Parity++
		c.Disks = append(c.Disks, r.anyDisk(t))
	} else {
		c.Disks[rapid.IntRange(0, len(g.Slots)-1).Draw(t, "slot")] = r.anyDisk(t)
	}
	r.apply(Command{SetGroup: c})
}

// Instead has a disk replaced by any other, or ends that.
func (r *rack) Instead(t *rapid.T) {
	old := r.anyDisk(t)
	if d, _ := r.s.Disk(old); d.State != DiskLost && rapid.Bool().Draw(t, "use again") {
		r.apply(Command{SetDiskState: &SetDiskState{Disk: old, State: DiskUp}})
		return
	}
	r.apply(Command{ReplaceDisk: &ReplaceDisk{Disk: old, By: DiskFacts{ID: r.anyDisk(t), Tier: "hot"}}})
}

// Add gives a node one more disk, or one that it has, or that another has.
func (r *rack) Add(t *rapid.T) {
	id := r.anyDisk(t)
	if len(r.s.Disks()) < 12 && rapid.Bool().Draw(t, "new") {
		id = fmt.Sprintf("new%02d", len(r.s.Disks()))
	}
	r.apply(Command{AddDisk: &AddDisk{Node: r.anyNode(t), Disk: DiskFacts{ID: id, Tier: "hot", Bytes: 1 << 40}}})
}

// Commit writes a stripe to some of the disks that a state of before said.
func (r *rack) Commit(t *rapid.T) {
	g, node := r.anyGroup(t), r.anyNode(t)
	var c CommitSegments
	var st Stripe
	st.Group = g.ID
	c.Epoch, c.Table, c.SchemaID = r.epoch[node], r.table.ID, r.table.Schema.ID
	for range rapid.IntRange(min(2, g.Scheme.Data), g.Scheme.Data).Draw(t, "data") {
		r.lastN++
		seg := segmentOf(c.Epoch, r.table, r.lastN)
		c.Segments = append(c.Segments, seg)
		st.Data = append(st.Data, Member{seg.ID, seg.Bytes, seg.Hash})
	}
	if g.Scheme.Data > 1 {
		st.Parity = make([]Member, g.Scheme.Parity)
	}
	st.ID, c.Txn = c.Segments[0].ID, fmt.Sprint(r.lastN)
	placed := make([]string, len(g.Slots))
	for i, slot := range g.Slots {
		to := rapid.SampledFrom([]string{slot.Disk, slot.Disk, slot.Disk, slot.From, ""}).Draw(t, "to")
		if files := r.files[to]; files != nil && st.used(g.Scheme).Has(i) {
			files[st.FileOf(g.Scheme, i)] = true
			placed[i] = to
		}
	}
	c.Stripes = []NewStripe{{st, placed}}
	res := r.apply(Command{CommitSegments: &c})
	if res.Err != nil {
		return
	}
	holding := 0
	for _, slot := range g.Slots {
		holding += btoi(r.s.diskHolds(slot.Disk))
	}
	l, _ := r.s.Locate(st.ID)
	if there := st.used(g.Scheme).Len() - l.Lost().Len(); there < min(2, holding) || !g.Scheme.Copies() && l.Lost() != 0 {
		t.Fatalf("a stripe was acknowledged on %v, of group %+v", placed, g)
	}
}

// Replace drops a live segment, and with it perhaps its stripe.
func (r *rack) Replace(t *rapid.T) {
	snap, _ := r.s.Table("t")
	if len(snap.Segments) == 0 {
		t.Skip("no segment")
	}
	gone := rapid.SampledFrom(idsOf(snap)).Draw(t, "segment")
	r.lastN++
	r.apply(Command{CommitSegments: &CommitSegments{
		Txn: fmt.Sprint("r", r.lastN), Epoch: r.epoch[r.anyNode(t)], Table: r.table.ID, SchemaID: r.table.Schema.ID, Remove: []SegmentID{gone},
	}})
	late := Command{ExpireVersions: &ExpireVersions{}}
	r.apply(Command{AlterTable: &wire.AlterTable{Name: "t", Options: &wire.TableOptions{RetainVersions: 1, RetainFor: 1}}})
	late.Time = testStart.Add(1 << 40)
	r.s, _ = r.s.Apply(late, r.s.Index()+1)
}

// Break wipes a disk, and the catalog hears of it.
func (r *rack) Break(t *rapid.T) {
	disk := r.anyDisk(t)
	clear(r.files[disk])
	r.apply(Command{SetDiskState: &SetDiskState{Disk: disk, State: DiskLost}})
	r.apply(Command{SetDiskState: &SetDiskState{Disk: disk, State: DiskUp}}) // an empty one in its place
}

// Lose gives a node up; its disks stay as they are and come back with it.
func (r *rack) Lose(t *rapid.T) {
	node := r.anyNode(t)
	r.apply(Command{SetNodeState: &SetNodeState{Node: node, State: NodeLost}})
	if rapid.Bool().Draw(t, "back") {
		r.start(node)
	}
}

func (r *rack) SetState(t *rapid.T) {
	state := rapid.SampledFrom([]DiskState{DiskUp, DiskSuspect, DiskDraining, DiskDown}).Draw(t, "state")
	disk := r.anyDisk(t)
	if d, _ := r.s.Disk(disk); d.State != DiskLost {
		r.apply(Command{SetDiskState: &SetDiskState{Disk: disk, State: state}})
	}
}

// Rot loses one file, and a scrub finds it.
func (r *rack) Rot(t *rapid.T) {
	disk := r.anyDisk(t)
	if len(r.files[disk]) == 0 {
		t.Skip("no file")
	}
	name := func(f MemberFile) string { return f.String() }
	files := slices.SortedFunc(maps.Keys(r.files[disk]), func(a, b MemberFile) int { return bytes.Compare([]byte(name(a)), []byte(name(b))) })
	f := rapid.SampledFrom(files).Draw(t, "file")
	delete(r.files[disk], f)
	r.eachMember(func(l Location, i int) {
		if l.FileOf(l.Group.Scheme, i) == f && (l.Group.Slots[i].Disk == disk || l.Group.Slots[i].From == disk) {
			r.apply(Command{MissMembers: &MissMembers{[]MemberAt{{l.ID, i, disk}}}})
		}
	})
}

func (r *rack) eachMember(f func(l Location, slot int)) {
	for _, g := range r.s.Groups() {
		r.s.Stripes(g.ID, 0, func(l Location) bool {
			for i := range g.Slots {
				if _, ok := l.Member(g.Scheme, i); ok {
					f(l, i)
				}
			}
			return true
		})
	}
}

// Repair rebuilds some of what is missing, on disks that are not lost.
func (r *rack) Repair(t *rapid.T) {
	share := rapid.IntRange(1, 4).Draw(t, "share")
	var placed PlaceMembers
	n := 0
	r.s.Incomplete(func(l Location) bool {
		for i, slot := range l.Group.Slots {
			if n++; !l.Missing.Has(i) || n%share != 0 || !r.s.diskHolds(slot.Disk) {
				continue
			}
			f := l.FileOf(l.Group.Scheme, i)
			if r.files[slot.Disk][f] || l.Spare() >= 0 {
				r.files[slot.Disk][f] = true
				placed.Members = append(placed.Members, MemberAt{l.ID, i, slot.Disk})
			}
		}
		return true
	})
	r.apply(Command{PlaceMembers: &placed})
}

// Sweep trashes on every disk what the catalog says is trash.
func (r *rack) Sweep(*rapid.T) {
	for disk, files := range r.files {
		for f := range files {
			if r.s.Verdict(disk, f) == Trash {
				delete(files, f)
			}
		}
	}
	var c ForgetMembers
	for _, d := range r.s.Garbage() {
		c.Members = append(c.Members, DeadMembers{d.ID, d.Slots})
	}
	r.apply(Command{ForgetMembers: &c})
}

func (r *rack) Restore(t *rapid.T) {
	before := encoded(t, r.s)
	s, err := DecodeState(bytes.NewReader(before))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encoded(t, s), before) {
		t.Fatal("the restored state is another")
	}
	r.s = s
}

// Check: whatever the catalog counts on is there, and is kept.
func (r *rack) Check(t *rapid.T) {
	missing, incomplete := map[GroupID]int{}, map[SegmentID]bool{}
	r.eachMember(func(l Location, i int) {
		f := l.FileOf(l.Group.Scheme, i)
		for _, disk := range l.DisksOf(i) {
			if !r.files[disk][f] {
				t.Fatalf("the catalog counts on %s on disk %s: %+v", f, disk, l)
			}
			if v := r.s.Verdict(disk, f); v != Keep {
				t.Fatalf("%s on disk %s is needed, and its verdict is %d", f, disk, v)
			}
		}
		if l.Missing.Has(i) {
			missing[l.Group.ID]++
			incomplete[l.ID] = true
		}
	})
	r.checkCounts(t, missing, incomplete)
	snap, _ := r.s.Table("t")
	for _, id := range idsOf(snap) {
		if l, ok := r.s.Locate(id); !ok || l.Data[l.slotOf(id)].Segment != id {
			t.Fatalf("segment %s is nowhere: %+v", id, l)
		}
	}
}

func (r *rack) checkCounts(t *rapid.T, missing map[GroupID]int, incomplete map[SegmentID]bool) {
	for _, g := range values(r.s.groups) {
		sum := 0
		r.checkData(t, g)
		for i, n := range g.missing {
			sum += n
			if n == 0 && g.Slots[i].From != "" {
				t.Fatalf("slot %d of group %d misses nothing and still moves", i, g.ID)
			}
		}
		if sum != missing[g.ID] {
			t.Fatalf("group %d: got %v missing members; want %d", g.ID, g.missing, missing[g.ID])
		}
	}
	n := 0
	r.s.Incomplete(func(l Location) bool {
		n++
		return incomplete[l.ID]
	})
	if n != len(incomplete) {
		t.Fatalf("got %d incomplete stripes; want %d", n, len(incomplete))
	}
}

// checkData: a group knows how much its stripes hold, and each segment that a
// version refers to is found.
func (r *rack) checkData(t *rapid.T, g *group) {
	data := int64(0)
	r.s.Stripes(g.ID, 0, func(l Location) bool {
		for _, m := range l.Data {
			data += m.Bytes
			seg, in, ok := r.s.SegmentOf(m.Segment)
			if ok != r.s.Lives(m.Segment) || ok && (seg.ID != m.Segment || seg.Bytes != m.Bytes || in.ID != r.table.ID) {
				t.Fatalf("segment %s is found as %+v, %v; want it if it is referred to: %v", m.Segment, seg, ok, r.s.Lives(m.Segment))
			}
		}
		return true
	})
	if got := r.s.GroupData(g.ID); got != data {
		t.Fatalf("group %d: got %d bytes of segments; want %d", g.ID, got, data)
	}
}

func TestStorageAgainstRack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRack()
		t.Repeat(map[string]func(*rapid.T){
			"": r.Check, "restart": r.Restart, "add group": r.AddGroup, "remove group": r.RemoveGroup, "move": r.Move, "instead": r.Instead, "commit": r.Commit, "commit again": r.Commit,
			"replace": r.Replace, "break": r.Break, "lose": r.Lose, "set state": r.SetState, "rot": r.Rot,
			"repair": r.Repair, "repair again": r.Repair, "sweep": r.Sweep, "restore": r.Restore,
		})
	})
}
