package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
	"github.com/tarnlake/tarn/tiering"
)

// Found is what files on disks tell when there is no catalog, or only an older
// one, that could say what they are.
type Found struct {
	Segments []FoundSegment // that are whole, or can be decoded; of those that the catalog knows, only what they say
	Stripes  []FoundStripe  // of those, and of others perhaps
}

// FoundSegment is a segment as its file tells.
type FoundSegment struct {
	Segment // without Added and Removed
	Table   TableID
	Schema  *schema.Schema
	Origin  Origin
}

// FoundStripe is members that protect each other, and the disk of each slot; ""
// if there is none.
type FoundStripe struct {
	Stripe // without a group
	Scheme tiering.Scheme
	Disks  []string
}

// Adopted is what Adopt has made of what was found.
type Adopted struct {
	Tables     []AdoptedTable
	Superseded int             // segments left out: others have their rows
	Deleted    int             // segments left out: the catalog knows that they were given up
	Refused    []RefusedNotice // segments left out for what is wrong with them
	Doubtful   []DoubtNotice   // segments taken whose rows others may have, too
}

// AdoptedTable is a table with segments that were adopted.
type AdoptedTable struct {
	Name     string
	New      bool // the catalog did not know it
	Segments int
	Rows     int64
	Removed  int // segments that the catalog knew and whose rows others have now
}

// RefusedNotice says why a segment was left out.
type RefusedNotice struct {
	Segment SegmentID
	Reason  string
}

// DoubtNotice says how much of a table may be there twice: merges have these rows
// that came of more segments than their files can list.
type DoubtNotice struct {
	Table    string
	Segments int
	Rows     int64
}

// doubtVersions is room for versions that lost commits may have had.
const doubtVersions = 1000

// Adopt returns the state with what was found on the disks of a node added to
// it, as one version of each table. s is a recovered state: see Recovered. Of
// what it does not know it takes what a lost branch may have committed; so rows
// may come back that were never acknowledged, or were deleted since. What is
// wrong with what was found is in Adopted; the error is of the node.
func (s *State) Adopt(node RegisterNode, found Found) (*State, Adopted, error) {
	next := *s
	if _, err := next.registerNode(node); err != nil {
		return nil, Adopted{}, err
	}
	a := &adoption{s: &next, stripes: map[SegmentID]FoundStripe{}, tables: map[TableID]*adoptedTable{}, live: map[SegmentID]int{}}
	for _, st := range found.Stripes {
		for _, m := range st.Data {
			a.stripes[m.Segment] = st
		}
	}
	a.sort(found.Segments)
	for _, id := range slices.Sorted(maps.Keys(a.tables)) {
		a.table(id, a.tables[id])
	}
	a.store(found.Stripes)
	return &next, a.told, nil
}

// adoption is one Adopt under way.
type adoption struct {
	s       *State // in the making
	stripes map[SegmentID]FoundStripe
	tables  map[TableID]*adoptedTable
	live    map[SegmentID]int // segments taken, by stripe
	told    Adopted
}

type adoptedTable struct {
	segments []FoundSegment
	removed  []SegmentID // that the state has
}

func (a *adoption) of(id TableID) *adoptedTable {
	if a.tables[id] == nil {
		a.tables[id] = &adoptedTable{}
	}
	return a.tables[id]
}

// sort finds out which segments are to be taken, by table.
func (a *adoption) sort(found []FoundSegment) {
	var fresh, known []FoundSegment
	rows := map[SegmentID]int64{}
	for _, f := range found {
		switch {
		case a.knows(f.ID):
			known = append(known, f)
		case !a.s.inDoubt(f.ID.Epoch()):
			a.told.Deleted++
		default:
			fresh = append(fresh, f)
			rows[f.ID] = f.Rows
		}
	}
	live := a.s.liveSegments()
	for id, seg := range live {
		rows[id] = seg.Rows
	}
	gone := superseded(fresh, known, rows)
	known = slices.DeleteFunc(known, func(f FoundSegment) bool { return live[f.ID] == nil })
	a.doubt(fresh, known, gone)
	for _, f := range fresh {
		if gone[f.ID] {
			a.told.Superseded++
			continue
		}
		a.of(f.Table).segments = append(a.of(f.Table).segments, f)
	}
	for id := range gone {
		if _, ok := live[id]; ok {
			ref, _ := a.s.segments.Get(id)
			a.of(ref.table).removed = append(a.of(ref.table).removed, id)
		}
	}
}

func (a *adoption) knows(id SegmentID) bool {
	_, known := a.s.members.Get(id)
	return known
}

// liveSegments returns those of the newest versions of all tables.
func (s *State) liveSegments() map[SegmentID]*Segment {
	all := map[SegmentID]*Segment{}
	s.tables.Scan(func(_ TableID, t *table) bool {
		for _, seg := range t.live.items {
			all[seg.ID] = seg
		}
		return true
	})
	return all
}

// table adds a version to a table, or makes it.
func (a *adoption) table(id TableID, with *adoptedTable) {
	slices.SortFunc(with.segments, newestOrigin)
	t, told := a.base(id, with.segments)
	if t == nil {
		return
	}
	var taken []Segment
	for _, f := range with.segments {
		if err := a.take(t, f); err != nil {
			a.refuse(f.ID, err)
			continue
		}
		taken = append(taken, f.Segment)
	}
	if len(taken)+len(with.removed) == 0 {
		return
	}
	a.commit(t, taken, with.removed, told)
}

// newestOrigin puts first what says the newest of a table.
func newestOrigin(a, b FoundSegment) int {
	return cmp.Or(cmp.Compare(b.SchemaID, a.SchemaID), cmp.Compare(b.Origin.Version, a.Origin.Version), cmp.Compare(b.ID, a.ID))
}

// base returns a copy of a table that may be changed, or the beginnings of a
// new one as its newest segment describes it; nil if none does so rightly.
func (a *adoption) base(id TableID, segments []FoundSegment) (*table, AdoptedTable) {
	if old, ok := a.s.tables.Get(id); ok {
		t := *old
		t.schemas = maps.Clone(t.schemas)
		return &t, AdoptedTable{Name: t.name}
	}
	for _, f := range segments {
		if t, err := a.newTable(id, f); err == nil {
			return t, AdoptedTable{Name: t.name, New: true}
		} else if f.ID == segments[len(segments)-1].ID {
			a.refuse(f.ID, fmt.Errorf("no table can be made of what it says: %w", err))
		}
	}
	return nil, AdoptedTable{}
}

func (a *adoption) newTable(id TableID, f FoundSegment) (*table, error) {
	if id <= 0 || id > maxVersion {
		return nil, fmt.Errorf("table number %d", id)
	}
	t := &table{
		id: id, name: a.freeName(f.Origin.Table, id), schemas: map[int]*schema.Schema{f.SchemaID: f.Schema},
		partition: f.Origin.PartitionBy, sort: f.Origin.SortBy,
		producers: newWindow[producer](), keys: newWindow[Version](),
	}
	var err error
	if t.options, err = settleIndexes(f.Schema, f.Origin.Options); err != nil {
		return nil, err
	}
	return t, errors.Join(t.checkFieldsOf(f.Schema), checkOrder(f))
}

// checkOrder refuses partition expressions and sort keys that no table could
// have been made with.
func checkOrder(f FoundSegment) error {
	var texts []string
	for _, p := range f.Origin.PartitionBy {
		texts = append(texts, p.Text(f.Schema))
	}
	partition, err := parsePartition(f.Schema, texts)
	if err == nil && !slices.Equal(partition, f.Origin.PartitionBy) {
		err = fmt.Errorf("partition expressions %v mean something else", texts)
	}
	for _, k := range f.Origin.SortBy {
		if i := f.Schema.ByID(k.FieldID); i < 0 || !index.Bounded(f.Schema.Fields[i].Type) {
			err = errors.Join(err, fmt.Errorf("field %d is not there or has no order to sort by", k.FieldID))
		}
	}
	return err
}

// freeName returns the name of a table, with its number if another has the name:
// the one that was dropped, or its successor.
func (a *adoption) freeName(name string, id TableID) string {
	if _, taken := a.s.names.Get(name); !taken {
		return name
	}
	tail := fmt.Sprintf(".table%d", id)
	return strings.TrimSuffix(name[:min(len(name), schema.MaxNameBytes-len(tail))], ".") + tail
}

// take notes that a segment which fits the table is taken.
func (a *adoption) take(t *table, f FoundSegment) error {
	st, ok := a.stripes[f.ID]
	if !ok {
		return errors.New("it is in no stripe")
	}
	if len(f.Partition) != len(t.partition) {
		return fmt.Errorf("it has %s; table %q has %d", plural(len(f.Partition), "partition value"), t.name, len(t.partition))
	}
	if err := errors.Join(a.s.checkFound(st), t.checkFieldsOf(f.Schema)); err != nil {
		return err
	}
	if t.schemas[f.SchemaID] == nil {
		t.schemas[f.SchemaID] = f.Schema
	}
	a.live[st.ID]++
	return nil
}

func (a *adoption) refuse(id SegmentID, err error) {
	a.told.Refused = append(a.told.Refused, RefusedNotice{id, err.Error()})
}

// commit makes the version of what was taken, and puts the table in place.
func (a *adoption) commit(t *table, taken []Segment, removed []SegmentID, told AdoptedTable) {
	version := a.version(t)
	gone, err := t.remove(removed, version)
	if err != nil {
		panic(fmt.Sprintf("BUG: catalog: a live segment is not there: %v", err))
	}
	added := a.s.add(t, taken, version)
	c := Commit{
		Version: version, Time: a.s.time, Index: a.s.index, Operation: "recover", Segments: len(added),
		SchemaID: slices.Max(slices.Collect(maps.Keys(t.schemas))), TotalRows: -gone,
	}
	for _, seg := range added {
		c.Rows, c.Bytes = c.Rows+seg.Rows, c.Bytes+seg.Bytes
	}
	if t.commits.len() > 0 {
		c.TotalRows += t.lastCommit().TotalRows
	}
	c.TotalRows += c.Rows
	t.commits = t.commits.append(c)
	for _, s := range t.schemas {
		for _, f := range s.Fields {
			t.lastField = max(t.lastField, f.ID)
		}
	}
	edit(&a.s.names).Set(t.name, t.id)
	a.s.set(t.publish())
	a.s.lastTable = max(a.s.lastTable, t.id+doubtTables)
	told.Segments, told.Rows, told.Removed = len(added), c.Rows, len(removed)
	a.told.Tables = append(a.told.Tables, told)
}

// version returns the number of the version to make: the next one, or of a new
// table one that it cannot have had.
func (a *adoption) version(t *table) Version {
	if t.commits.len() > 0 {
		return t.lastCommit().Version + 1
	}
	newest := Version(0)
	for _, f := range a.tables[t.id].segments {
		newest = max(newest, f.Origin.Version)
	}
	return newest + doubtVersions
}
