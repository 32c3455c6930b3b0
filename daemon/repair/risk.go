package repair

import (
	"cmp"
	"maps"
	"slices"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
)

// HealthOf judges a state. It looks at every group, at every stripe that misses
// something, and at those that can lose less than most: a healthy cluster is
// judged without a look at its stripes. The state is not locked meanwhile.
// silent are nodes that count as away though the state has them up: nobody has
// judged them yet.
func HealthOf(view *catalog.State, silent ...string) Health {
	j := judging{
		view: view, Health: Health{Spare: tiering.Loss{Disks: 1 << 30, Nodes: 1 << 30, Zones: 1 << 30}, Held: map[string]Held{}},
		tops: map[string]*tiering.Topology{}, away: Away(view, silent...),
		classes: map[int]*Class{}, left: map[leftKey]*Left{}, judged: map[loss]bool{},
		incomplete: map[catalog.GroupID]*Class{},
	}
	view.Incomplete(func(at catalog.Location) bool {
		j.stripe(at)
		j.ways(at)
		return true
	})
	j.groups()
	if j.Stripes == 0 {
		j.Spare = tiering.Loss{}
	}
	j.Classes = slices.SortedFunc(deref(maps.Values(j.classes)), func(a, b Class) int { return cmp.Compare(a.Spare, b.Spare) })
	j.Left = slices.SortedFunc(deref(maps.Values(j.left)), func(a, b Left) int {
		return cmp.Or(cmp.Compare(a.Disk, b.Disk), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Spare, b.Spare))
	})
	return j.Health
}

func deref[T any](all func(func(*T) bool)) func(func(T) bool) {
	return func(yield func(T) bool) {
		all(func(one *T) bool { return yield(*one) })
	}
}

// judging is one HealthOf under way.
type judging struct {
	Health
	view *catalog.State
	tops map[string]*tiering.Topology // by tier
	away map[string]bool              // disks that cannot be read from now

	classes    map[int]*Class
	rows       int64 // counted in classes
	left       map[leftKey]*Left
	judged     map[loss]bool
	incomplete map[catalog.GroupID]*Class // what was counted of a group already
}

type leftKey struct {
	disk  string
	kind  Kind
	spare int
}

// loss is a group without some of its slots.
type loss struct {
	group catalog.GroupID
	slots catalog.Slots
}

// Away returns the disks that cannot be counted on now: those that cannot be
// read by the state's word, and those of silent nodes, which nobody has judged.
func Away(view *catalog.State, silent ...string) map[string]bool {
	away := map[string]bool{}
	for _, d := range view.Disks() {
		if !view.Readable(d.ID) || slices.Contains(silent, d.Node) {
			away[d.ID] = true
		}
	}
	return away
}

// groups counts the stripes that miss nothing. Of those that can lose as much
// as any, and most do, it takes the group's own count.
func (j *judging) groups() {
	most := -1
	whole := func(g catalog.Group) bool { return j.awayOf(g) == 0 }
	all := j.view.Groups()
	for _, g := range all {
		stripes, _, _ := j.view.GroupLoad(g.ID)
		if j.Stripes += stripes; stripes > 0 && whole(g) {
			most = max(most, g.Scheme.Parity)
		}
	}
	for _, g := range all {
		j.hold(g)
		if stripes, _, _ := j.view.GroupLoad(g.ID); stripes == 0 {
			continue
		}
		if whole(g) {
			j.spare(g, 0)
		}
		if !whole(g) || g.Scheme.Parity < most {
			j.walk(g)
			continue
		}
		j.takeAll(g)
	}
	if c := j.classes[most]; c != nil {
		c.Rows += newestRows(j.view) - j.rows
	}
}

// takeAll counts the stripes of a group that miss nothing without a look at them.
func (j *judging) takeAll(g catalog.Group) {
	stripes, _, _ := j.view.GroupLoad(g.ID)
	bytes := j.view.GroupData(g.ID)
	if counted := j.incomplete[g.ID]; counted != nil {
		stripes, bytes = stripes-counted.Stripes, bytes-counted.Bytes
	}
	if stripes > 0 {
		c := j.class(g.Scheme.Parity)
		c.Stripes, c.Bytes = c.Stripes+stripes, c.Bytes+bytes
	}
}

func (j *judging) walk(g catalog.Group) {
	j.view.Stripes(g.ID, 0, func(at catalog.Location) bool {
		if at.Missing == 0 {
			j.stripe(at)
		}
		return true
	})
}

// awayOf returns the slots of a group whose disk is away.
func (j *judging) awayOf(g catalog.Group) (away catalog.Slots) {
	for i, slot := range g.Slots {
		if j.away[slot.Disk] {
			away |= 1 << i
		}
	}
	return away
}

// stripe puts one stripe into its class.
func (j *judging) stripe(at catalog.Location) {
	unread := j.unread(at)
	c := j.class(at.Group.Scheme.Parity - unread.Len())
	rows, bytes := int64(0), int64(0)
	for _, m := range at.Data {
		bytes += m.Bytes
		if seg, _, ok := j.view.SegmentOf(m.Segment); ok && seg.Removed == 0 {
			rows += seg.Rows
		}
	}
	c.Stripes, c.Rows, c.Bytes = c.Stripes+1, c.Rows+rows, c.Bytes+bytes
	j.rows += rows
	if c.Spare < 0 {
		j.Unread++
	}
	if at.Missing != 0 {
		counted := j.incomplete[at.Group.ID]
		if counted == nil {
			counted = &Class{}
			j.incomplete[at.Group.ID] = counted
		}
		counted.Stripes, counted.Bytes = counted.Stripes+1, counted.Bytes+bytes
	}
	j.spare(at.Group, unread)
}

func (j *judging) class(spare int) *Class {
	c := j.classes[spare]
	if c == nil {
		c = &Class{Spare: spare}
		j.classes[spare] = c
	}
	return c
}

// unread returns the slots of a stripe whose member is on no disk that is
// there now.
func (j *judging) unread(at catalog.Location) (slots catalog.Slots) {
	for i := range at.Group.Slots {
		if _, used := at.Member(at.Group.Scheme, i); used && !j.there(at, i) {
			slots |= 1 << i
		}
	}
	return slots
}

func (j *judging) there(at catalog.Location, slot int) bool {
	return slices.ContainsFunc(at.DisksOf(slot), func(disk string) bool { return !j.away[disk] })
}

// ways counts the members of a stripe that are on their way.
func (j *judging) ways(at catalog.Location) {
	lost := at.Lost()
	j.Missing, j.Lost, j.Parked = j.Missing+at.Missing.Len(), j.Lost+lost.Len(), j.Parked+len(at.Parked)
	if at.Spare() < 0 {
		j.Gone++
	}
	spare := at.Group.Scheme.Parity - j.unread(at).Len()
	for slot := range at.Group.Slots {
		i := item{at, slot}
		switch {
		case !at.Missing.Has(slot):
			continue
		case i.parked():
			j.aside(i)
			continue
		}
		j.onItsWay(i, spare)
	}
}

func (j *judging) aside(i item) {
	if len(j.Aside) == maxAside {
		return
	}
	for _, p := range i.at.Parked {
		if p.Slot == i.slot {
			j.Aside = append(j.Aside, Aside{Parked: p, Stripe: i.at.ID, Disk: i.disk()})
		}
	}
}

func (j *judging) onItsWay(i item, spare int) {
	key := leftKey{i.disk(), j.kind(i), spare}
	l := j.left[key]
	if l == nil {
		l = &Left{Disk: key.disk, Kind: key.kind, Spare: spare}
		j.left[key] = l
	}
	bytes := i.want().Bytes
	l.Members, l.Bytes = l.Members+1, l.Bytes+bytes
	if from := i.at.Group.Slots[i.slot].From; from != "" && !i.at.Gone.Has(i.slot) {
		held := j.Held[from]
		held.Bytes += bytes
		j.Held[from] = held
	}
}

func (j *judging) kind(i item) Kind {
	if !j.there(i.at, i.slot) {
		return Rebuild
	}
	from, ok := j.view.Disk(i.at.Group.Slots[i.slot].From)
	switch {
	case ok && from.ReplacedBy == i.disk():
		return Replace
	case ok && (from.State == catalog.DiskDraining || from.ReplacedBy != ""):
		return Drain
	}
	return Rebalance
}

// hold counts the slots of a group on their disks.
func (j *judging) hold(g catalog.Group) {
	_, bytes, _ := j.view.GroupLoad(g.ID)
	for _, slot := range g.Slots {
		held := j.Held[slot.Disk]
		held.Slots, held.Bytes = held.Slots+1, held.Bytes+bytes
		j.Held[slot.Disk] = held
		if slot.From != "" {
			held = j.Held[slot.From] // its bytes: see onItsWay
			held.Slots++
			j.Held[slot.From] = held
		}
	}
}

// spare notes what a group survives without some of its slots.
func (j *judging) spare(g catalog.Group, without catalog.Slots) {
	if j.judged[loss{g.ID, without}] {
		return
	}
	j.judged[loss{g.ID, without}] = true
	top := j.tops[g.Tier]
	if top == nil {
		var err error
		if top, err = tiering.NewTopology(disksOf(j.view, g.Tier), g.Tier); err != nil {
			j.Spare = tiering.Loss{} // nothing can be promised of disks that make no sense
			return
		}
		j.tops[g.Tier] = top
	}
	slots := make([]string, len(g.Slots))
	for i, s := range g.Slots {
		switch {
		case without.Has(i):
		case s.From != "": // whatever is not on the one is on the other; the nearer loss counts
			slots[i] = s.From
		default:
			slots[i] = s.Disk
		}
	}
	now := top.Survives(tiering.Group{ID: uint64(g.ID), Scheme: g.Scheme, Slots: slots})
	j.Spare = tiering.Loss{Disks: min(j.Spare.Disks, now.Disks), Nodes: min(j.Spare.Nodes, now.Nodes), Zones: min(j.Spare.Zones, now.Zones)}
}

// newestRows counts the rows of the newest versions of all tables.
func newestRows(view *catalog.State) (rows int64) {
	for _, t := range view.Tables() {
		rows += t.Commit.TotalRows
	}
	return rows
}
