package catalog

import (
	"cmp"
	"slices"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/plant"
)

// How much the catalog remembers so that a retry is never a duplicate.
const (
	txnWindow      = 65536 // newest commits of an epoch; an older one is known by its segments
	producerWindow = 10000 // most recent producers of a table
	keyWindow      = 10000 // newest idempotency keys of a table, and all of kept versions
)

// commitSegments makes one version of a table. The order of the questions
// matters: whether the commit has been made before comes before all that
// could reject it, because the caller gives its files up when it is rejected.
func (s *State) commitSegments(c CommitSegments) (Result, error) {
	if err := c.check(); err != nil {
		return Result{}, err
	}
	if r, ok := s.committed(c); ok {
		return r, nil
	}
	t, err := s.admit(c)
	if err != nil {
		return Result{}, err
	}
	if v, ok := s.CommittedKey(c.Table, c.Key); ok {
		return Result{Table: t.newest, Version: v, Duplicate: true}, nil
	}
	if dups := s.duplicates(c); len(dups) > 0 {
		return Result{Duplicates: dups}, wire.Errorf(wire.Conflict, "%s of this commit had been committed before", plural(len(dups), "batch"))
	}
	return s.commit(*t, c)
}

// check refuses what is wrong whatever the state.
func (c CommitSegments) check() error {
	if err := checkText("transaction id", c.Txn, maxIDBytes); err != nil {
		return err
	}
	if len(c.Key) > maxKeyBytes || len(c.Detail) > maxKeyBytes || len(c.Operation) > maxIDBytes {
		return wire.Errorf(wire.InvalidArgument, "the key or detail of a commit has more than %d bytes, or the operation more than %d", maxKeyBytes, maxIDBytes).
			WithHint("use a shorter --key")
	}
	batches := map[wire.BatchID]bool{}
	for _, b := range c.Producers {
		if err := checkText("producer id", b.Producer, maxIDBytes); err != nil {
			return err
		}
		if batches[b] {
			return wire.Errorf(wire.InvalidArgument, "batch %d of producer %q is in the commit twice", b.Seq, b.Producer)
		}
		batches[b] = true
	}
	ids := map[SegmentID]bool{}
	for _, seg := range c.Segments {
		switch {
		case ids[seg.ID]:
			return wire.Errorf(wire.InvalidArgument, "segment %s is in the commit twice", seg.ID)
		case seg.ID.Epoch() != c.Epoch:
			return wire.Errorf(wire.InvalidArgument, "segment %s is not of the commit's epoch %d", seg.ID, c.Epoch)
		case seg.SchemaID != c.SchemaID:
			return wire.Errorf(wire.InvalidArgument, "segment %s is of schema %d, its commit of schema %d", seg.ID, seg.SchemaID, c.SchemaID)
		case seg.Rows < 0 || seg.Bytes < 0:
			return wire.Errorf(wire.InvalidArgument, "segment %s has %d rows in %d bytes", seg.ID, seg.Rows, seg.Bytes)
		}
		ids[seg.ID] = true
	}
	return c.checkStripes()
}

// committed finds the outcome of an earlier try of the same commit, by its
// transaction id or by its segments, which outlive the epoch.
func (s *State) committed(c CommitSegments) (Result, bool) {
	if e, ok := s.open.Get(c.Epoch); ok {
		if x, ok := e.txns.get(c.Txn); ok {
			return s.outcome(x), true
		}
	}
	if len(c.Segments) == 0 {
		return Result{}, false
	}
	var version Version
	for _, seg := range c.Segments {
		ref, ok := s.segments.Get(seg.ID)
		if !ok || ref.table != c.Table || version != 0 && ref.added != version {
			return Result{}, false
		}
		version = ref.added
	}
	return s.outcome(txn{index: s.index, table: c.Table, version: version}), true
}

func (s *State) outcome(x txn) Result {
	r := Result{Index: x.index, Version: x.version}
	if t, ok := s.tables.Get(x.table); ok {
		r.Table = t.newest
	}
	return r
}

// admit returns the table if the commit fits the state.
func (s *State) admit(c CommitSegments) (*table, error) {
	t, ok := s.tables.Get(c.Table)
	if !ok {
		return nil, wire.Errorf(wire.TableNotFound, "table number %d does not exist or was dropped", c.Table)
	}
	if _, open := s.open.Get(c.Epoch); !open && !plant.On(plant.CommitAnyEpoch) {
		return nil, wire.Errorf(wire.Conflict, "epoch %d is not open: the node has begun another life since", c.Epoch)
	}
	if t.schemas[c.SchemaID] == nil {
		return nil, wire.Errorf(wire.SchemaMismatch, "table %q has no schema %d", t.name, c.SchemaID)
	}
	for _, seg := range c.Segments {
		if len(seg.Partition) != len(t.partition) {
			return nil, wire.Errorf(wire.SchemaMismatch, "segment %s has %s; table %q has %d", seg.ID, plural(len(seg.Partition), "partition value"), t.name, len(t.partition))
		}
		if _, known := s.segments.Get(seg.ID); known {
			return nil, wire.Errorf(wire.Conflict, "segment %s was committed by another commit", seg.ID)
		}
		if _, gone := s.members.Get(seg.ID); gone {
			return nil, wire.Errorf(wire.Conflict, "segment %s was committed and let go", seg.ID)
		}
	}
	return t, s.admitStripes(c)
}

func (s *State) duplicates(c CommitSegments) []Duplicate {
	var dups []Duplicate
	for _, b := range c.Producers {
		if v, ok := s.CommittedBatch(c.Table, b); ok {
			dups = append(dups, Duplicate{b, v})
		}
	}
	return dups
}

// commit adds the version to t, a copy of the table.
func (s *State) commit(t table, c CommitSegments) (Result, error) {
	version := t.newest.Version + 1
	removed, err := t.remove(c.Remove, version)
	if err != nil {
		return Result{}, err
	}
	s.addStripes(c)
	added := s.add(&t, c.Segments, version)
	entry := Commit{
		Operation: cmp.Or(c.Operation, "append"), Detail: c.Detail, Key: c.Key,
		Segments: len(added), SchemaID: t.newest.Schema.ID, TotalRows: -removed,
	}
	for _, seg := range added {
		entry.Rows += seg.Rows
		entry.Bytes += seg.Bytes
	}
	entry.TotalRows += entry.Rows // commitTo adds the rows that were there
	t.remember(c, version, s.time)
	r := s.commitTo(&t, entry)

	e, open := s.open.Get(c.Epoch)
	if plant.On(plant.CommitAnyEpoch) && !open {
		return r, nil
	}
	txns := e.txns.edit()
	txns.put(c.Txn, txn{s.index, t.id, version})
	txns.trim(txnWindow, func(txn) bool { return false })
	edit(&s.open).Set(c.Epoch, &epoch{e.node, txns})
	return r, nil
}

// add appends segments to t in order of their ids.
func (s *State) add(t *table, segments []Segment, version Version) []*Segment {
	if len(segments) == 0 {
		return nil
	}
	added := make([]*Segment, len(segments))
	refs := edit(&s.segments)
	for i, seg := range segments {
		seg.Added, seg.Removed = version, 0
		added[i] = &seg
		refs.Set(seg.ID, segmentRef{t.id, version})
	}
	slices.SortFunc(added, func(a, b *Segment) int { return cmp.Compare(a.ID, b.ID) })
	t.all, t.live = t.all.append(added...), t.live.append(added...)
	return added
}

// remove marks live segments of t as removed and returns how many rows they
// hold. Without any it costs nothing; otherwise the lists are made anew.
func (t *table) remove(ids []SegmentID, version Version) (rows int64, err error) {
	if len(ids) == 0 {
		return 0, nil
	}
	wanted := map[SegmentID]bool{}
	for _, id := range ids {
		if wanted[id] {
			return 0, wire.Errorf(wire.InvalidArgument, "segment %s is to be removed twice", id)
		}
		wanted[id] = true
	}
	var all, live []*Segment
	for _, seg := range t.all.items {
		if wanted[seg.ID] && seg.Removed == 0 {
			delete(wanted, seg.ID)
			gone := *seg
			gone.Removed = version
			rows += seg.Rows
			seg = &gone
		}
		all = append(all, seg)
		if seg.Removed == 0 {
			live = append(live, seg)
		}
	}
	for _, id := range ids {
		if wanted[id] && !plant.On(plant.MergeAgain) {
			return 0, wire.Errorf(wire.Conflict, "segment %s of table %q cannot be replaced: it is not live", id, t.name)
		}
	}
	t.all, t.live = list[*Segment]{items: all}, list[*Segment]{items: live}
	return rows, nil
}

// remember notes producers and key of a commit, and forgets old ones.
func (t *table) remember(c CommitSegments, version Version, at time.Time) {
	if len(c.Producers) > 0 {
		t.producers = t.producers.edit()
		for _, b := range c.Producers {
			last, known := t.producers.get(b.Producer)
			if !known || b.Seq > last.seq {
				t.producers.put(b.Producer, producer{b.Seq, version, at})
			}
		}
		t.producers.trim(producerWindow, func(p producer) bool {
			if t.forgot.Before(p.at) {
				t.forgot = p.at
			}
			return false
		})
	}
	if c.Key != "" {
		t.keys = t.keys.edit()
		t.keys.put(c.Key, version)
		t.trimKeys()
	}
}

// trimKeys forgets keys of versions that are gone, but for the newest.
func (t *table) trimKeys() {
	oldest := t.commits.items[0].Version
	t.keys.trim(keyWindow, func(v Version) bool { return v >= oldest })
}
