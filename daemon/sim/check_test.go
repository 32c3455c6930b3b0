package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/client/sql"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/repair"
	"github.com/tarnlake/tarn/daemon/scan"
	"github.com/tarnlake/tarn/expr"
)

// checker knows what was acknowledged, and compares what the nodes say and
// have with it.
type checker struct {
	c *cluster

	mu       sync.Mutex
	bad      []string
	done     map[batchID]bool // acknowledged
	newest   map[string]int64 // version of a table that was acknowledged
	begun    map[batchID]bool
	versions map[tableVersion]uint64 // hash of the rows of a version that was read
	notes    map[string]int
	flips    []catalog.MemberAt
	told     map[catalog.MemberAt]bool // members that a node has found to be bad
	early    map[onDisk]bool           // files that went to the trash before any commit named them
	replaced []string                  // disks that an operator has yet to give up
	view     *catalog.State
}

type onDisk struct {
	disk string
	file catalog.MemberFile
}

type tableVersion struct {
	table   string
	version catalog.Version
}

func newChecker(c *cluster) *checker {
	return &checker{c: c, done: map[batchID]bool{}, begun: map[batchID]bool{}, newest: map[string]int64{}, versions: map[tableVersion]uint64{}, notes: map[string]int{}, told: map[catalog.MemberAt]bool{}, early: map[onDisk]bool{}, view: catalog.NewState()}
}

// fail notes a violation.
func (k *checker) fail(invariant, format string, args ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failLocked(invariant, format, args...)
}

func (k *checker) failLocked(invariant, format string, args ...any) {
	if len(k.bad) < 20 {
		k.bad = append(k.bad, invariant+": "+fmt.Sprintf(format, args...))
		k.c.logger.Error("VIOLATION", "what", k.bad[len(k.bad)-1])
	}
}

func (k *checker) failed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.bad) > 0
}

func (k *checker) found() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.bad)
}

// must reports whether there is no error, which would be a violation of I12.
func (k *checker) must(what string, err error) bool {
	if err != nil {
		k.fail("I12", "%s: %v: %s", what, err, k.c.state())
	}
	return err == nil
}

func (k *checker) note(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.notes[what]++
}

// worked notes what a life has done by itself.
func (k *checker) worked(l *life) {
	if l.merger == nil {
		return
	}
	done := l.merger.Totals()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.notes["merges"] += int(done.Merges)
	k.notes["merges that failed"] += int(done.Failed)
	k.notes["stripes"] += int(done.Stripes)
}

func (k *checker) String() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	text := fmt.Sprintf("%d batches sent, %d acknowledged, %d versions read", len(k.begun), len(k.done), len(k.versions))
	for _, what := range slices.Sorted(maps.Keys(k.notes)) {
		text += fmt.Sprintf(", %s: %d", what, k.notes[what])
	}
	return text
}

func (k *checker) sent(b batchID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.begun[b] = true
}

func (k *checker) acked(b batchID, version int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.done[b] = true
	k.newest[b.table] = max(k.newest[b.table], version)
}

// glance reads the catalog on a node, which must have every version that was
// acknowledged before (I6).
func (k *checker) glance(l *life) {
	k.mu.Lock()
	before := maps.Clone(k.newest)
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(l.ctx, 5*time.Second)
	defer cancel()
	view, err := l.catalog().Read(ctx)
	if err != nil || !l.power.on() {
		return
	}
	for table, version := range before {
		if snap, err := view.Snapshot(table, expr.At{}); err != nil || int64(snap.Version) < version {
			k.fail("I6", "node %s reads state %d of the catalog, without version %d of %s, which was acknowledged before: %v", l.node.id, view.Index(), version, table, err)
		}
	}
}

// watch reads now and then from any node, for as long as there are faults.
func (k *checker) watch(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		time.Sleep(time.Duration(50+k.c.dice.below(150)) * time.Millisecond)
		k.observe()
		all := k.c.serving()
		if n%25 != 0 || len(all) == 0 {
			continue
		}
		k.readOn(ctx, all[k.c.dice.below(len(all))], tables[k.c.dice.below(len(tables))], false)
	}
}

// newestView is the newest state that any node has applied.
func (c *cluster) newestView() *catalog.State {
	newest := catalog.NewState()
	for _, n := range c.nodes {
		if l := n.running(); l != nil && l.catalog() != nil {
			if v := l.catalog().View(); v.Index() > newest.Index() {
				newest = v
			}
		}
	}
	return newest
}

// observe looks at the newest state.
func (k *checker) observe() {
	newest := k.c.newestView()
	k.mu.Lock()
	before := k.view
	if newest.Index() > before.Index() {
		k.epochs(before, newest)
		k.view = newest
	}
	k.mu.Unlock()
	if newest.Index() > before.Index() {
		k.opened(newest)
		k.placed(before, newest)
	}
}

// opened wants no node to have begun an epoch twice by one proposal (I9).
func (k *checker) opened(now *catalog.State) {
	for _, n := range k.c.nodes {
		l := n.running()
		if !l.serves() || n.unanswered.Load() > 0 || n.there() != l {
			continue
		}
		if e := now.EpochOf(n.id); e > l.ownEpoch() {
			k.fail("I9", "node %s is in epoch %d, and %d was begun, which it has not asked for", n.id, l.ownEpoch(), e)
		}
	}
}

// placed wants the members that a state counts on, and the one before did not,
// to be on their disks whatever happens to the power (I7).
func (k *checker) placed(before, now *catalog.State) {
	for _, t := range now.Tables() {
		last := catalog.Version(0)
		if old, err := before.TableByID(t.ID); err == nil {
			last = old.Version
		}
		for i := len(t.Segments) - 1; i >= 0 && t.Segments[i].Added > last; i-- {
			if at, ok := now.Locate(t.Segments[i].ID); ok {
				k.durable(at)
			}
		}
	}
	before.Incomplete(func(old catalog.Location) bool {
		if at, ok := now.Locate(old.ID); ok && old.Missing&^at.Missing != 0 {
			k.durable(at)
		}
		return true
	})
}

// durable wants all members of a stripe that are counted on to be so.
func (k *checker) durable(at catalog.Location) {
	for slot := range at.Group.Slots {
		want, used := at.Member(at.Group.Scheme, slot)
		if !used {
			continue
		}
		for _, disk := range at.DisksOf(slot) {
			m := catalog.MemberAt{Stripe: at.ID, Slot: slot, Disk: disk}
			if err := k.holds(m, at.FileOf(at.Group.Scheme, slot), want); err != nil {
				k.fail("I7", "the catalog counts on member %d of stripe %s on disk %s: %v", slot, at.ID, disk, err)
			}
		}
	}
}

// holds reports what is wrong with a member, unless somebody has damaged it,
// or it is not counted on any more.
func (k *checker) holds(m catalog.MemberAt, file catalog.MemberFile, want catalog.Member) error {
	d := k.c.drive(m.Disk)
	if d == nil {
		return nil // it was replaced, which the catalog learns soon
	}
	err := d.holds(file, want)
	k.mu.Lock()
	damaged := slices.Contains(k.flips, m)
	k.mu.Unlock()
	if err == nil || damaged || k.c.drive(m.Disk) == nil || !stillCounts(k.c.newestView(), m.Stripe, m.Slot, m.Disk) {
		return nil
	}
	return err
}

// epochs wants each new segment to be of an epoch that was not closed long
// before.
func (k *checker) epochs(before, now *catalog.State) {
	for _, t := range now.Tables() {
		last := catalog.Version(0)
		if old, err := before.TableByID(t.ID); err == nil {
			last = old.Version
		}
		for i := len(t.Segments) - 1; i >= 0 && t.Segments[i].Added > last; i-- {
			if s := t.Segments[i]; over(before, s.ID.Epoch()) {
				k.failLocked("I9", "segment %s was committed at version %d of %s, when its epoch was over", s.ID, s.Added, t.Name)
			}
			k.copies(before, now, t.Segments[i])
			k.permitted(now, t.Segments[i])
		}
	}
}

// copies wants a new segment to be on two disks at least, where its group had
// two all the time.
func (k *checker) copies(before, now *catalog.State, s *catalog.Segment) {
	at, ok := now.Locate(s.ID)
	if !ok || !at.Group.Scheme.Copies() || now.CopiesNeeded(at.Group.ID) < 2 || before.CopiesNeeded(at.Group.ID) < 2 {
		return
	}
	if !slices.ContainsFunc(before.Groups(), func(g catalog.Group) bool { return g.ID == at.Group.ID && slices.Equal(g.Slots, at.Group.Slots) }) {
		return // it has moved meanwhile
	}
	have := 0
	for i, slot := range at.Group.Slots {
		old, _ := before.Disk(slot.Disk)
		d, ok := now.Disk(slot.Disk)
		if !ok || old == nil || (d.State == catalog.DiskLost) != (old.State == catalog.DiskLost) {
			return // it was lost meanwhile
		}
		if d.State != catalog.DiskLost && !at.Lost().Has(i) {
			have++
		}
	}
	if have < 2 {
		k.failLocked("I7", "segment %s was committed with %d copies between states %d and %d: on %v, missing %b, gone %b",
			s.ID, have, before.Index(), now.Index(), at.Group.Slots, at.Missing, at.Gone)
	}
}

// trashed is told of each file that goes to the trash (I8): the newest state
// must not need it there, and no later one must come to do so.
func (k *checker) trashed(disk, name string) {
	k.observe()
	k.mu.Lock()
	defer k.mu.Unlock()
	file, err := catalog.ParseMemberFile(name)
	if err != nil {
		return
	}
	switch k.view.Verdict(disk, file) {
	case catalog.Wait:
		k.early[onDisk{disk, file}] = true
	case catalog.Keep:
		if at, ok := k.view.Locate(file.ID); ok && countsOn(at, disk, file) {
			k.failLocked("I8", "%s went to the trash of disk %s, where state %d counts on it", name, disk, k.view.Index())
		}
	}
}

// countsOn reports whether a stripe counts on a file on a disk.
func countsOn(at catalog.Location, disk string, file catalog.MemberFile) bool {
	for slot := range at.Group.Slots {
		if _, used := at.Member(at.Group.Scheme, slot); used && at.FileOf(at.Group.Scheme, slot) == file && slices.Contains(at.DisksOf(slot), disk) {
			return true
		}
	}
	return false
}

// permitted wants nothing of a new segment to be in the trash already.
func (k *checker) permitted(now *catalog.State, s *catalog.Segment) {
	at, ok := now.Locate(s.ID)
	for slot := 0; ok && slot < len(at.Group.Slots); slot++ {
		if _, used := at.Member(at.Group.Scheme, slot); !used {
			continue
		}
		file := at.FileOf(at.Group.Scheme, slot)
		for _, disk := range at.DisksOf(slot) {
			if k.early[onDisk{disk, file}] {
				k.failLocked("I8", "%s was committed on disk %s, where it had gone to the trash", file, disk)
			}
		}
	}
}

// reported is told of a member that a node has found to be bad.
func (k *checker) reported(at catalog.MemberAt) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.told[at] = true
	k.notes["bad members found"]++
}

// flipped is told of a member that has been damaged.
func (k *checker) flipped(at catalog.MemberAt) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.flips = append(k.flips, at)
	k.notes["flips"]++
}

// lost has an operator give a disk up.
func (k *checker) lost(disk string) {
	k.mu.Lock()
	k.replaced = append(k.replaced, disk)
	k.notes["disks replaced"]++
	k.mu.Unlock()
	go func() {
		for k.c.ctx.Err() == nil {
			time.Sleep(time.Second)
			for _, l := range k.c.serving() {
				err := l.must(k.c.ctx, catalog.Command{SetDiskState: &catalog.SetDiskState{Disk: disk, State: catalog.DiskLost, Reason: "replaced"}})
				if err != nil || !l.power.on() {
					continue
				}
				k.mu.Lock()
				defer k.mu.Unlock()
				k.replaced = slices.DeleteFunc(k.replaced, func(d string) bool { return d == disk })
				return
			}
		}
	}()
}

// damagedNow reports whether something is damaged for good that nobody has
// repaired yet.
func (k *checker) damagedNow() bool {
	left := k.stillFlipped()
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(left)+len(k.replaced) > 0
}

// stillFlipped returns the members with a flipped bit that the catalog counts
// on, and forgets those that were repaired.
func (k *checker) stillFlipped() []catalog.MemberAt {
	k.mu.Lock()
	flips := slices.Clone(k.flips)
	k.mu.Unlock()
	flips = slices.DeleteFunc(flips, func(m catalog.MemberAt) bool { return k.repaired(m) })
	k.mu.Lock()
	defer k.mu.Unlock()
	k.flips = flips
	return flips
}

// repaired reports whether a member is whole, or not to be on its disk.
func (k *checker) repaired(m catalog.MemberAt) bool {
	for _, l := range k.c.serving() {
		if _, here := l.members.Medium(m.Disk); !here {
			continue
		}
		view := l.catalog().View()
		at, ok := view.Locate(m.Stripe)
		if !ok || !slices.Contains(at.DisksOf(m.Slot), m.Disk) {
			return true
		}
		whole, _ := l.rebuild.Whole(k.c.ctx, at, m.Slot, m.Disk)
		return whole
	}
	return false
}

// rowsOf reads a table at a version on a node, through scan, format and
// members.
func rowsOf(ctx context.Context, l *life, view *catalog.State, table string, at expr.At) (map[batchID][]int64, *catalog.Snapshot, error) {
	snap, err := view.Snapshot(table, at)
	if err != nil {
		return nil, nil, err
	}
	q, err := sql.Parse("SELECT producer, seq, n, sum FROM t")
	if err != nil {
		return nil, nil, err
	}
	p, err := scan.New(snap, q, scan.Options{Pool: scan.NewPool(1<<40, 1)})
	if err != nil {
		return nil, nil, err
	}
	got := map[batchID][]int64{}
	for rec, err := range p.Run(ctx, l) {
		if err != nil {
			return nil, nil, err
		}
		producer, seq := rec.Column(0).(*array.String), rec.Column(1).(*array.Int64)
		n, sum := rec.Column(2).(*array.Int64), rec.Column(3).(*array.Int64)
		for i := range int(rec.NumRows()) {
			b := batchID{table, strings.Clone(producer.Value(i)), seq.Value(i)}
			if sum.Value(i) != b.sum(n.Value(i)) {
				return nil, nil, fmt.Errorf("%w: batch %v, row %d", errWrong, b, n.Value(i))
			}
			got[b] = append(got[b], n.Value(i))
		}
	}
	return got, snap, nil
}

var errWrong = errors.New("wrong bytes")

// readOn reads a table on a node and checks what it gets. While there are
// faults a read may fail, but not be wrong.
func (k *checker) readOn(ctx context.Context, l *life, table string, must bool) {
	k.mu.Lock()
	before := maps.Clone(k.done)
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	view, err := l.catalog().Read(ctx)
	var got map[batchID][]int64
	var snap *catalog.Snapshot
	if err == nil {
		got, snap, err = rowsOf(ctx, l, view, table, expr.At{})
	}
	if !l.power.on() {
		return // nobody hears it
	}
	switch {
	case errors.Is(err, errWrong):
		k.fail("I11", "node %s, table %s: %v", l.node.id, table, err)
	case err != nil && must:
		k.fail("I12", "node %s, table %s: %v", l.node.id, table, err)
	case err != nil:
		k.note("reads that failed")
	default:
		k.compare(l.node.id, snap, got, before)
	}
}

// compare wants the rows of a version to be all that was acknowledged before
// (I1), once and whole (I2), in order (I3), and the same as ever (I4).
func (k *checker) compare(node string, snap *catalog.Snapshot, got map[batchID][]int64, before map[batchID]bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	where := fmt.Sprintf("table %s at version %d on node %s", snap.Name, snap.Version, node)
	for b := range before {
		if b.table == snap.Name && got[b] == nil {
			k.failLocked("I1", "%s: batch %d of %s was acknowledged and is not there", where, b.seq, b.producer)
			break
		}
	}
	h := fnv.New64a()
	for _, b := range slices.SortedFunc(maps.Keys(got), byName) {
		rows := got[b]
		slices.Sort(rows)
		fmt.Fprint(h, b, rows)
		switch {
		case !k.begun[b]:
			k.failLocked("I2", "%s: batch %d of %s was never sent", where, b.seq, b.producer)
		case int64(len(slices.Compact(slices.Clone(rows)))) != int64(len(rows)):
			k.failLocked("I2", "%s: batch %d of %s is there more than once: rows %v of %d", where, b.seq, b.producer, rows, b.rows())
		case int64(len(rows)) != b.rows():
			k.failLocked("I2", "%s: batch %d of %s is there in part: rows %v of %d", where, b.seq, b.producer, rows, b.rows())
		}
		for older := int64(1); older < b.seq; older++ {
			o := batchID{b.table, b.producer, older}
			if k.begun[o] && got[o] == nil {
				k.failLocked("I3", "%s: batch %d of %s is there and %d is not", where, b.seq, b.producer, older)
				break
			}
		}
	}
	key := tableVersion{snap.Name, snap.Version}
	if old, ok := k.versions[key]; ok && old != h.Sum64() {
		k.failLocked("I4", "%s: it has other rows than before", where)
	}
	k.versions[key] = h.Sum64()
}

func byName(a, b batchID) int {
	if a.producer != b.producer {
		return strings.Compare(a.producer, b.producer)
	}
	return int(a.seq - b.seq)
}

// scrubbed wants every member that was damaged to be found, or not to count
// any more, once all disks were read back (I14).
func (k *checker) scrubbed() {
	for _, m := range k.stillFlipped() {
		k.mu.Lock()
		told := k.told[m]
		k.mu.Unlock()
		if !told {
			k.fail("I14", "member %d of stripe %s on disk %s has a flipped bit, and no scrub has found it", m.Slot, m.Stripe, m.Disk)
		}
	}
}

func eachMember(view *catalog.State, f func(at catalog.Location, slot int, disk string)) {
	for _, g := range view.Groups() {
		view.Stripes(g.ID, 0, func(at catalog.Location) bool {
			for slot := range g.Slots {
				if _, used := at.Member(g.Scheme, slot); !used {
					continue
				}
				for _, disk := range at.DisksOf(slot) {
					f(at, slot, disk)
				}
			}
			return true
		})
	}
}

// unsettled says what a cluster without faults has not repaired (I10).
func (k *checker) unsettled() {
	l := k.c.leader()
	if l == nil {
		k.fail("I12", "no leader after all faults have ended")
		return
	}
	view := l.catalog().View()
	text := fmt.Sprintf("garbage: %d", len(view.Garbage()))
	view.Incomplete(func(at catalog.Location) bool {
		text += fmt.Sprintf("; stripe %s of group %d on %v misses %b, parked %v", at.ID, at.Group.ID, at.Group.Slots, at.Missing, at.Parked)
		return len(text) < 1000
	})
	for _, g := range view.Groups() {
		for i, s := range g.Slots {
			if s.From != "" {
				text += fmt.Sprintf("; slot %d of group %d moves from %s to %s", i, g.ID, s.From, s.Disk)
			}
		}
	}
	for _, d := range view.Disks() {
		text += fmt.Sprintf("; disk %s is %s", d.ID, d.State)
	}
	plan, err := repair.Placement(view, 3, nil)
	for _, cmd := range plan {
		b, _ := json.Marshal(cmd)
		text += "; planned: " + string(b)
	}
	if err != nil {
		text += "; placement: " + err.Error()
	}
	k.fail("I10", "not repaired: %s", text)
}

// nowhere wants every disk that the catalog counts on to be in some node (I7).
func (k *checker) nowhere() {
	eachMember(k.c.newestView(), func(at catalog.Location, slot int, disk string) {
		if k.c.drive(disk) == nil {
			k.fail("I7", "the catalog counts on member %d of stripe %s on disk %s, which no node has", slot, at.ID, disk)
		}
	})
}

// everything checks the cluster at rest.
func (k *checker) everything() {
	k.observe()
	k.nowhere()
	for _, l := range k.c.serving() {
		for _, table := range tables {
			k.readOn(k.c.ctx, l, table, true)
		}
		k.oldVersions(l)
		k.disks(l)
	}
}

// counted wants what the catalog counts on to be there and whole (I7), before
// anybody looks for damage.
func (k *checker) counted() {
	for _, l := range k.c.serving() {
		view, err := l.catalog().Read(k.c.ctx)
		if !k.must("reading", err) {
			return
		}
		k.whole(l, view, func(m catalog.MemberAt) bool { return slices.Contains(k.flips, m) })
	}
}

// whole wants the members on the disks of a node to be so, but for some.
func (k *checker) whole(l *life, view *catalog.State, but func(catalog.MemberAt) bool) {
	eachMember(view, func(at catalog.Location, slot int, disk string) {
		_, here := l.members.Medium(disk)
		if m := (catalog.MemberAt{Stripe: at.ID, Slot: slot, Disk: disk}); !here || but(m) {
			return
		}
		whole, err := l.rebuild.Whole(k.c.ctx, at, slot, disk)
		if whole || !stillCounts(l.catalog().View(), at.ID, slot, disk) {
			return
		}
		k.fail("I7", "member %d of stripe %s on disk %s is not whole: %v", slot, at.ID, disk, err)
	})
}

// stillCounts reports whether the catalog counts on a member of a disk.
func stillCounts(view *catalog.State, id catalog.SegmentID, slot int, disk string) bool {
	at, ok := view.Locate(id)
	return ok && slices.Contains(at.DisksOf(slot), disk)
}

// garbage reports whether a file is of a stripe that nothing needs since a
// version was let go: versions come to their end at any time.
func garbage(view *catalog.State, file catalog.MemberFile) bool {
	return slices.ContainsFunc(view.Garbage(), func(d catalog.Dead) bool {
		return d.ID == file.ID || slices.ContainsFunc(d.Data, func(m catalog.Member) bool { return m.Segment == file.ID })
	})
}

// oldVersions reads again what was read before.
func (k *checker) oldVersions(l *life) {
	view, err := l.catalog().Read(k.c.ctx)
	if !k.must("reading", err) {
		return
	}
	k.mu.Lock()
	known := slices.Collect(maps.Keys(k.versions))
	k.mu.Unlock()
	sort.Slice(known, func(i, j int) bool { return known[i].version < known[j].version })
	for i, v := range known {
		if i%(1+len(known)/4) != 0 {
			continue
		}
		got, snap, err := rowsOf(k.c.ctx, l, view, v.table, expr.At{Version: int64(v.version)})
		if wire.IsCode(err, wire.VersionNotFound) && v.table == tables[1] && k.c.cfg.retain > 0 {
			continue // its time was over
		}
		if err != nil {
			k.fail("I4", "node %s: version %d of %s cannot be read any more: %v", l.node.id, v.version, v.table, err)
			return
		}
		k.compare(l.node.id, snap, got, nil)
	}
}

// disks compares the disks of a node with the catalog, file by file: what is
// counted on is there and whole (I7, I14), and nothing else is (I10).
func (k *checker) disks(l *life) {
	view, err := l.catalog().Read(k.c.ctx)
	if !k.must("reading", err) {
		return
	}
	k.whole(l, view, func(catalog.MemberAt) bool { return false })
	for _, m := range l.members.Media() {
		files, err := m.Inventory()
		if err != nil {
			k.fail("I10", "disk %s: %v", m.ID(), err)
			continue
		}
		for _, f := range files {
			file, err := catalog.ParseMemberFile(f.Name)
			if err != nil {
				k.fail("I10", "disk %s has %s", m.ID(), f.Name)
			} else if view.Verdict(m.ID(), file) == catalog.Trash && !garbage(view, file) {
				k.fail("I10", "disk %s still has %s, which nothing needs", m.ID(), f.Name)
			}
		}
	}
}
