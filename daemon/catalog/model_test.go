package catalog

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
	"pgregory.net/rapid"
)

// The reference: the same catalog with nothing shared, nothing bounded and
// every version kept as a set of its own.

type modelVersion struct {
	live    map[SegmentID]bool
	columns []string
	time    time.Time
	key     string
}

type modelTable struct {
	id       TableID
	first    Version // kept
	versions []modelVersion
	keys     map[string]Version
	seqs     map[string]int64
	versOf   map[string]Version // of each producer's newest batch
	nextCol  int
}

func (t *modelTable) last() modelVersion { return t.versions[len(t.versions)-1] }

func (t *modelTable) version() Version { return Version(len(t.versions)) }

// referenced returns what the kept versions see.
func (t *modelTable) referenced() map[SegmentID]bool {
	all := map[SegmentID]bool{}
	for _, v := range t.versions[t.first-1:] {
		maps.Copy(all, v.live)
	}
	return all
}

type modelTxn struct {
	cmd     Command
	version Version
	table   TableID
	outcome string // committed, duplicate, rejected
}

// machine drives the state and the model with the same commands.
type machine struct {
	s      *State
	now    time.Time
	epochs map[string]Epoch // open, by node
	lastE  Epoch
	lastT  TableID
	lastN  uint32
	tables map[string]*modelTable
	ids    map[SegmentID]Epoch // all that were ever proposed
	gone   map[SegmentID]bool  // garbage, not forgotten
	txns   []*modelTxn

	old      *State // some earlier state
	oldBytes []byte
}

const retainVersions, retainFor = 2, 5 * time.Second

func newMachine() *machine {
	return &machine{
		s: withDisk(), now: testStart, epochs: map[string]Epoch{}, tables: map[string]*modelTable{},
		ids: map[SegmentID]Epoch{}, gone: map[SegmentID]bool{},
	}
}

func (m *machine) apply(cmd Command) Result {
	var r Result
	cmd.Time = m.now
	m.s, r = m.s.Apply(cmd, m.s.Index()+1)
	return r
}

func (m *machine) anyTable(t *rapid.T) (string, *modelTable) {
	if len(m.tables) == 0 {
		t.Skip("no table")
	}
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(m.tables))).Draw(t, "table")
	return name, m.tables[name]
}

func (m *machine) Tick(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(-3, 12).Draw(t, "seconds")) * time.Second)
}

func (m *machine) OpenEpoch(t *rapid.T) {
	node := rapid.SampledFrom([]string{"n1", "n2"}).Draw(t, "node")
	m.lastE++
	if r := m.apply(openEpoch(node)); r.Err != nil || r.Epoch != m.lastE {
		t.Fatalf("open epoch: got %+v; want epoch %d", r, m.lastE)
	}
	m.epochs[node] = m.lastE
}

func (m *machine) CreateTable(t *rapid.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
	cmd := createTable(name)
	cmd.CreateTable.Options = wire.TableOptions{RetainVersions: retainVersions, RetainFor: retainFor}
	r := m.apply(cmd)
	if m.tables[name] != nil {
		if r.Err == nil || r.Err.Code != wire.TableExists {
			t.Fatalf("create %q twice: got %+v", name, r)
		}
		return
	}
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	m.lastT++
	m.tables[name] = &modelTable{
		id: m.lastT, first: 1, keys: map[string]Version{}, seqs: map[string]int64{}, versOf: map[string]Version{},
		versions: []modelVersion{{live: map[SegmentID]bool{}, columns: []string{"id", "price", "day"}, time: m.s.Time()}},
	}
}

func (m *machine) DropTable(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "really") > 0 {
		t.Skip("tables should live for a while")
	}
	name, table := m.anyTable(t)
	if r := m.apply(dropTable(name)); r.Err != nil {
		t.Fatal(r.Err)
	}
	maps.Copy(m.gone, table.referenced())
	delete(m.tables, name)
}

func (m *machine) AlterTable(t *rapid.T) {
	name, table := m.anyTable(t)
	next := table.last()
	next.time, next.key = time.Time{}, ""
	next.columns = slices.Clone(next.columns)
	var a wire.AlterTable
	if i := rapid.IntRange(-1, len(next.columns)-1).Draw(t, "column"); i < 0 {
		table.nextCol++
		column := fmt.Sprintf("c%d", table.nextCol)
		a.Add = &schema.Field{Name: column, Type: arrow.PrimitiveTypes.Int8, Nullable: true}
		next.columns = append(next.columns, column)
	} else if len(next.columns) > 1 && rapid.Bool().Draw(t, "drop") {
		a.Drop = next.columns[i]
		next.columns = slices.Delete(next.columns, i, i+1)
	} else {
		table.nextCol++
		a.Rename = &wire.Rename{From: next.columns[i], To: fmt.Sprintf("c%d", table.nextCol)}
		next.columns[i] = a.Rename.To
	}
	a.Name = name
	r := m.apply(Command{AlterTable: &a})
	if r.Err != nil || r.Version != table.version()+1 {
		t.Fatalf("alter: got %+v; want version %d", r, table.version()+1)
	}
	next.time = m.s.Time()
	table.versions = append(table.versions, next)
}

func (m *machine) Commit(t *rapid.T) {
	name, table := m.anyTable(t)
	snap, err := m.s.Table(name)
	if err != nil {
		t.Fatal(err)
	}
	epoch := Epoch(rapid.IntRange(1, int(m.lastE)+1).Draw(t, "epoch"))
	c := &CommitSegments{
		Txn: fmt.Sprintf("t%d", len(m.txns)), Epoch: epoch, Table: table.id,
		SchemaID: rapid.IntRange(1, snap.Schema.ID+1).Draw(t, "schema"),
		Key:      rapid.SampledFrom([]string{"", "", "k1", "k2", "k3"}).Draw(t, "key"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "segments") {
		m.lastN++
		seg := segmentOf(epoch, snap, m.lastN)
		seg.SchemaID = c.SchemaID
		c.Segments = append(c.Segments, seg)
		c.Stripes = append(c.Stripes, stripeOf(seg))
		m.ids[seg.ID] = epoch
	}
	if len(snap.Segments) > 0 && rapid.IntRange(0, 2).Draw(t, "merge") == 0 {
		c.Remove = rapid.SliceOfNDistinct(rapid.SampledFrom(idsOf(snap)), 1, min(3, len(snap.Segments)), rapid.ID[SegmentID]).Draw(t, "remove")
	}
	for _, producer := range []string{"p", "q"} {
		if n := rapid.Int64Range(0, 2).Draw(t, producer); n > 0 { // 1: a batch again
			c.Producers = append(c.Producers, wire.BatchID{Producer: producer, Seq: table.seqs[producer] + n - 1})
		}
	}
	x := &modelTxn{cmd: Command{CommitSegments: c}, table: table.id}
	m.txns = append(m.txns, x)
	m.judge(t, x, m.apply(x.cmd))
}

// judge says what a fresh commit should have come to, and checks it.
func (m *machine) judge(t *rapid.T, x *modelTxn, r Result) {
	c, table := x.cmd.CommitSegments, m.byID(x.table)
	x.outcome = "committed"
	switch {
	case table == nil, !m.isOpen(c.Epoch), c.SchemaID > m.schemas(table):
		x.outcome = "rejected"
	case table.keys[c.Key] > 0:
		x.outcome, x.version = "duplicate", table.keys[c.Key]
	case slices.ContainsFunc(c.Producers, func(b wire.BatchID) bool { return table.versOf[b.Producer] > 0 && b.Seq <= table.seqs[b.Producer] }):
		x.outcome = "rejected"
	case slices.ContainsFunc(c.Remove, func(id SegmentID) bool { return !table.last().live[id] }):
		x.outcome = "rejected"
	default:
		x.version = table.version() + 1
	}
	if got := outcomeOf(r); got != x.outcome || x.outcome != "rejected" && r.Version != x.version {
		t.Fatalf("commit %+v: got %s, %+v; want %s, version %d", c, got, r, x.outcome, x.version)
	}
	if x.outcome == "committed" {
		table.commit(c, m.s.Time())
	}
}

func outcomeOf(r Result) string {
	switch {
	case r.Err != nil:
		return "rejected"
	case r.Duplicate:
		return "duplicate"
	}
	return "committed"
}

func (t *modelTable) commit(c *CommitSegments, now time.Time) {
	next := modelVersion{live: maps.Clone(t.last().live), columns: t.last().columns, time: now, key: c.Key}
	for _, id := range c.Remove {
		delete(next.live, id)
	}
	for _, seg := range c.Segments {
		next.live[seg.ID] = true
	}
	t.versions = append(t.versions, next)
	if c.Key != "" {
		t.keys[c.Key] = t.version()
	}
	for _, b := range c.Producers {
		t.seqs[b.Producer], t.versOf[b.Producer] = b.Seq, t.version()
	}
}

func (m *machine) byID(id TableID) *modelTable {
	for _, t := range m.tables {
		if t.id == id {
			return t
		}
	}
	return nil
}

func (m *machine) isOpen(e Epoch) bool {
	return slices.Contains(slices.Collect(maps.Values(m.epochs)), e)
}

// schemas counts the schemas of a table: the first and one for each change of
// its columns.
func (m *machine) schemas(t *modelTable) int {
	n := 1
	for i := range t.versions[1:] {
		if !slices.Equal(t.versions[i].columns, t.versions[i+1].columns) {
			n++
		}
	}
	return n
}

// Retry proposes an old commit once more. What was committed must never be
// called rejected or duplicate while a version refers to its segments: the
// caller would delete their files.
func (m *machine) Retry(t *rapid.T) {
	if len(m.txns) == 0 {
		t.Skip("no commit yet")
	}
	x := m.txns[rapid.IntRange(max(0, len(m.txns)-20), len(m.txns)-1).Draw(t, "txn")]
	c := x.cmd.CommitSegments
	switch {
	case x.outcome != "committed":
		m.judge(t, x, m.apply(x.cmd))
	case m.isOpen(c.Epoch):
		if r := m.apply(x.cmd); outcomeOf(r) != "committed" || r.Version != x.version {
			t.Fatalf("retry of a commit: got %+v; want version %d again", r, x.version)
		}
	case len(c.Segments) > 0 && verdict(m.s, c.Segments[0].ID) == Keep:
		all := !slices.ContainsFunc(c.Segments, func(s Segment) bool { return verdict(m.s, s.ID) != Keep })
		if r := m.apply(x.cmd); all && (outcomeOf(r) != "committed" || r.Version != x.version) {
			t.Fatalf("late retry of a commit: got %+v; want version %d again", r, x.version)
		}
	default:
		if r := m.apply(x.cmd); outcomeOf(r) == "committed" {
			t.Fatalf("late retry of a commit that is gone: got %+v; want no second commit", r)
		}
	}
}

func (m *machine) Expire(t *rapid.T) {
	if r := m.apply(Command{ExpireVersions: &ExpireVersions{}}); r.Err != nil {
		t.Fatal(r.Err)
	}
	for _, table := range m.tables {
		before := table.referenced()
		for int(table.version()-table.first) >= retainVersions && table.versions[table.first-1].time.Before(m.s.Time().Add(-retainFor)) {
			table.first++
		}
		after := table.referenced()
		for id := range before {
			if !after[id] {
				m.gone[id] = true
			}
		}
	}
}

func (m *machine) Forget(t *rapid.T) {
	gone := slices.Sorted(maps.Keys(m.gone))
	some := gone[:rapid.IntRange(0, len(gone)).Draw(t, "n")]
	if r := m.apply(forget(some...)); r.Err != nil {
		t.Fatal(r.Err)
	}
	for _, id := range some {
		delete(m.gone, id)
	}
}

func (m *machine) Restore(t *rapid.T) {
	before := encoded(t, m.s)
	s, err := DecodeState(bytes.NewReader(before))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encoded(t, s), before) {
		t.Fatal("the restored state is another")
	}
	m.s = s
}

func (m *machine) Remember(t *rapid.T) {
	if m.old != nil && !bytes.Equal(encoded(t, m.old), m.oldBytes) {
		t.Fatalf("the state at index %d has changed since", m.old.Index())
	}
	m.old, m.oldBytes = m.s, encoded(t, m.s)
}

// Check compares all that can be read.
func (m *machine) Check(t *rapid.T) {
	var names []string
	for _, snap := range m.s.Tables() {
		names = append(names, snap.Name)
	}
	if want := slices.Sorted(maps.Keys(m.tables)); !slices.Equal(names, want) {
		t.Fatalf("tables: got %v; want %v", names, want)
	}
	referenced := map[SegmentID]bool{}
	for name, table := range m.tables {
		m.checkTable(t, name, table)
		maps.Copy(referenced, table.referenced())
	}
	if got, want := garbage(m.s), slices.Sorted(maps.Keys(m.gone)); !slices.Equal(got, want) {
		t.Fatalf("garbage: got %v; want %v", got, want)
	}
	for id, epoch := range m.ids {
		want := Trash
		switch {
		case referenced[id]:
			want = Keep
		case !m.gone[id] && (m.isOpen(epoch) || epoch > m.lastE):
			want = Wait
		}
		if got := verdict(m.s, id); got != want {
			t.Fatalf("verdict of %s: got %v; want %v", id, got, want)
		}
	}
}

func (m *machine) checkTable(t *rapid.T, name string, table *modelTable) {
	h, err := m.s.History(name)
	if err != nil || h[0].Version != table.first || h[len(h)-1].Version != table.version() {
		t.Fatalf("history of %q: got %v, %v; want versions %d to %d", name, h, err, table.first, table.version())
	}
	for i, v := range table.versions {
		version := Version(i + 1)
		snap, err := m.s.Snapshot(name, expr.At{Version: int64(version)})
		if version < table.first {
			if !wire.IsCode(err, wire.VersionNotFound) {
				t.Fatalf("version %d of %q: got %v; want VERSION_NOT_FOUND", version, name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		checkSnapshotIs(t, snap, v)
	}
	for key, want := range table.keys {
		if v, ok := m.s.CommittedKey(table.id, key); !ok || v != want {
			t.Fatalf("key %q of %q: got %d, %v; want %d", key, name, v, ok, want)
		}
	}
	for producer, want := range table.versOf {
		seq := table.seqs[producer]
		v, ok := m.s.CommittedBatch(table.id, wire.BatchID{Producer: producer, Seq: seq})
		if _, next := m.s.CommittedBatch(table.id, wire.BatchID{Producer: producer, Seq: seq + 1}); !ok || v != want || next {
			t.Fatalf("producer %q of %q: got %d, %v, next %v; want %d and no next", producer, name, v, ok, next, want)
		}
	}
}

func checkSnapshotIs(t *rapid.T, snap *Snapshot, v modelVersion) {
	ids := idsOf(snap)
	slices.Sort(ids)
	if want := slices.Sorted(maps.Keys(v.live)); !slices.Equal(ids, want) {
		t.Fatalf("segments of version %d: got %v; want %v", snap.Version, ids, want)
	}
	if !slices.IsSortedFunc(snap.Segments, func(a, b *Segment) int {
		if a.Added != b.Added {
			return int(a.Added - b.Added)
		}
		return int(int64(a.ID) - int64(b.ID))
	}) {
		t.Fatalf("segments of version %d are not in order of commit: %v", snap.Version, ids)
	}
	c := snap.Commit
	if !slices.Equal(snap.Schema.Names(), v.columns) || !c.Time.Equal(v.time) || c.Key != v.key || c.TotalRows != int64(10*len(v.live)) {
		t.Fatalf("version %d: got columns %v, commit %+v; want %+v", snap.Version, snap.Schema.Names(), c, v)
	}
}

func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine()
		t.Repeat(map[string]func(*rapid.T){
			"": m.Check, "tick": m.Tick, "epoch": m.OpenEpoch, "create": m.CreateTable, "drop": m.DropTable,
			"alter": m.AlterTable, "commit": m.Commit, "commit again": m.Commit, "retry": m.Retry,
			"expire": m.Expire, "tick again": m.Tick, "forget": m.Forget, "restore": m.Restore, "remember": m.Remember,
		})
	})
}
