package catalog

import (
	"sort"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/cluster/trust"
	"github.com/tarnlake/tarn/daemon/plant"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
	"github.com/tidwall/btree"
)

// State is everything that the cluster has agreed on at one index of the Raft
// log. It is immutable: Apply returns another one that shares what did not
// change, so a reader may keep a State for as long as it likes. Reading is
// safe for concurrent use.
type State struct {
	index uint64
	time  time.Time // of the newest command; never runs backwards

	proposals window[uint64] // by id, the positions that they were applied at

	recovery Recovery // the newest
	protocol Protocol // 0: the first

	lastEpoch Epoch
	lastTable TableID
	open      *btree.Map[Epoch, *epoch] // open epochs; every other up to lastEpoch is closed
	tables    *btree.Map[TableID, *table]
	names     *btree.Map[string, TableID]
	segments  *btree.Map[SegmentID, segmentRef] // of all versions of all tables

	trust trust.State // zero before InitTrust

	nodes      *btree.Map[string, *Node]
	disks      *btree.Map[string, *Disk]
	groups     *btree.Map[GroupID, *group]
	stripes    *btree.Map[SegmentID, *stripe]   // with a member that is referred to
	incomplete *btree.Set[SegmentID]            // those of them that miss members
	garbage    *btree.Map[SegmentID, *dead]     // stripes without: files perhaps still there
	members    *btree.Map[SegmentID, SegmentID] // the stripe of each data member, of both
}

// segmentRef says which commit brought a segment in.
type segmentRef struct {
	table TableID
	added Version
}

// NewState returns the state before the first command.
func NewState() *State {
	return &State{
		proposals: newWindow[uint64](),

		open:     new(btree.Map[Epoch, *epoch]),
		tables:   new(btree.Map[TableID, *table]),
		names:    new(btree.Map[string, TableID]),
		segments: new(btree.Map[SegmentID, segmentRef]),

		nodes:      new(btree.Map[string, *Node]),
		disks:      new(btree.Map[string, *Disk]),
		groups:     new(btree.Map[GroupID, *group]),
		stripes:    new(btree.Map[SegmentID, *stripe]),
		incomplete: new(btree.Set[SegmentID]),
		garbage:    new(btree.Map[SegmentID, *dead]),
		members:    new(btree.Map[SegmentID, SegmentID]),
	}
}

// table is one table at the newest version, with the versions that retention
// has kept. It is immutable.
type table struct {
	id        TableID
	name      string
	options   wire.TableOptions // as asked for; zero means the default
	lastField int32
	schemas   map[int]*schema.Schema // all there ever were
	partition []schema.Transform
	sort      []schema.SortKey

	commits   list[Commit]   // kept, oldest first; versions are consecutive
	all       list[*Segment] // that a kept version refers to, by (Added, ID)
	live      list[*Segment] // those of them without Removed
	producers window[producer]
	keys      window[Version]
	forgot    time.Time // of the newest commit of a producer that is not among them any more; zero: none

	newest *Snapshot
}

// producer is the newest batch of a producer.
type producer struct {
	seq     int64
	version Version
	at      time.Time // of the version
}

func (t *table) lastCommit() Commit { return t.commits.items[t.commits.len()-1] }

// publish makes the snapshot of the newest version. It costs the same
// whatever the table's size.
func (t *table) publish() *table {
	t.newest = t.snapshot(t.lastCommit(), t.live.view())
	return t
}

func (t *table) snapshot(c Commit, segments []*Segment) *Snapshot {
	return &Snapshot{
		ID: t.id, Name: t.name, Version: c.Version, Commit: c,
		Schema: t.schemas[c.SchemaID], Schemas: t.schemas,
		PartitionBy: t.partition, SortBy: t.sort, Options: withDefaults(t.options),
		Segments: segments,
	}
}

// at returns the snapshot of a kept version. Options are those of today.
func (t *table) at(c Commit) *Snapshot {
	if c.Version == t.newest.Version {
		return t.newest
	}
	all := t.all.view()
	seen := all[:sort.Search(len(all), func(i int) bool { return all[i].Added > c.Version })]
	if t.all.len() == t.live.len() { // nothing was ever removed
		return t.snapshot(c, seen[:len(seen):len(seen)])
	}
	var segments []*Segment
	for _, s := range seen {
		if s.Removed == 0 || s.Removed > c.Version {
			segments = append(segments, s)
		}
	}
	return t.snapshot(c, segments)
}

// Index returns the index of the last command that was applied.
func (s *State) Index() uint64 { return s.index }

// Time returns the cluster's clock: the time of the newest command.
func (s *State) Time() time.Time { return s.time }

// Table returns the newest snapshot of a table, or wire.TableNotFound.
func (s *State) Table(name string) (*Snapshot, error) {
	t, err := s.named(name)
	if err != nil {
		return nil, err
	}
	return t.newest, nil
}

// TableByID returns the newest snapshot of a table, or wire.TableNotFound.
func (s *State) TableByID(id TableID) (*Snapshot, error) {
	t, ok := s.tables.Get(id)
	if !ok {
		return nil, wire.Errorf(wire.TableNotFound, "table number %d does not exist", id).WithHint("tarn table list")
	}
	return t.newest, nil
}

// named finds a table by its exact name. The error is a *wire.Error, but of
// type error, so that it may be nil.
func (s *State) named(name string) (*table, error) {
	if id, ok := s.names.Get(name); ok {
		t, _ := s.tables.Get(id)
		return t, nil
	}
	near := wire.DidYouMean(name, s.names.Keys())
	return nil, wire.Errorf(wire.TableNotFound, "table %q does not exist%s", name, near).WithHint("tarn table list")
}

// Tables returns the newest snapshots of all tables, by name.
func (s *State) Tables() []*Snapshot {
	all := make([]*Snapshot, 0, s.names.Len())
	s.names.Scan(func(_ string, id TableID) bool {
		t, _ := s.tables.Get(id)
		all = append(all, t.newest)
		return true
	})
	return all
}

// History returns the commits that retention has kept, oldest first. The
// slice is shared and not to be changed.
func (s *State) History(name string) ([]Commit, error) {
	t, err := s.named(name)
	if err != nil {
		return nil, err
	}
	return t.commits.view(), nil
}

// Snapshot returns a table as it was at a version, or at the newest version
// that was committed at that time or before. A version that never was or that
// retention has let go is wire.VersionNotFound.
func (s *State) Snapshot(name string, at expr.At) (*Snapshot, error) {
	t, err := s.named(name)
	if err != nil {
		return nil, err
	}
	commits := t.commits.view()
	i := len(commits) - 1
	switch {
	case at.Version != 0 && !at.Time.IsZero():
		return nil, wire.Errorf(wire.InvalidArgument, "table %q is asked for at a version and at a time", name).WithHint("give one of them")
	case at.Version != 0:
		i = int(at.Version - int64(commits[0].Version))
	case !at.Time.IsZero():
		i = sort.Search(len(commits), func(i int) bool { return commits[i].Time.After(at.Time) }) - 1
	}
	if i < 0 || i >= len(commits) {
		return nil, notKept(name, at, commits)
	}
	return t.at(commits[i]), nil
}

func notKept(name string, at expr.At, commits []Commit) error {
	first, last := commits[0], commits[len(commits)-1]
	kept := wire.Errorf(wire.VersionNotFound, "table %q has no version %d; kept are versions %d to %d", name, at.Version, first.Version, last.Version)
	if at.Version == 0 {
		kept = wire.Errorf(wire.VersionNotFound, "table %q has no version as old as %s; the oldest of the kept versions %d to %d is of %s",
			name, at.Time.UTC().Format(time.RFC3339Nano), first.Version, last.Version, first.Time.Format(time.RFC3339Nano))
	}
	return kept.WithHint("tarn table history %s", name)
}

// CommittedBatch reports whether a batch has been committed to a table. The
// version is that of the batch if it is its producer's newest, otherwise that
// of the newest: the batch is in there, too. The catalog remembers the
// producerWindow most recent producers of a table.
func (s *State) CommittedBatch(id TableID, batch wire.BatchID) (Version, bool) {
	t, ok := s.tables.Get(id)
	if !ok || batch.Producer == "" || plant.On(plant.ForgetBatches) {
		return 0, false
	}
	p, ok := t.producers.get(batch.Producer)
	if !ok || batch.Seq > p.seq {
		return 0, false
	}
	return p.version, true
}

// MayHaveForgotten reports whether a batch that CommittedBatch does not know may
// have been committed all the same, if it was first sent at a time: its
// producer may have been forgotten since.
func (s *State) MayHaveForgotten(id TableID, sent time.Time) bool {
	t, ok := s.tables.Get(id)
	return ok && !t.forgot.IsZero() && !t.forgot.Before(sent)
}

// CommittedKey reports whether an idempotency key has been committed to a
// table, and by which version, which retention may have let go since.
func (s *State) CommittedKey(id TableID, key string) (Version, bool) {
	t, ok := s.tables.Get(id)
	if !ok || key == "" || plant.On(plant.ForgetKeys) {
		return 0, false
	}
	return t.keys.get(key)
}
