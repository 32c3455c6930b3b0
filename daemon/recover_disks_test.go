package daemon

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/schema"
	"github.com/tarnlake/tarn/tiering"
)

// loseCatalog takes all there is of a catalog from a stopped node and disks.
func loseCatalog(t *testing.T, dir string, disks ...string) {
	t.Helper()
	for _, at := range append(disks, filepath.Join(dir, "media", "0")) {
		if err := os.RemoveAll(filepath.Join(at, "catalog")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(raftDir(dir)); err != nil {
		t.Fatal(err)
	}
}

func (r *rackNode) loseCatalog() {
	var paths []string
	for _, d := range r.disks {
		paths = append(paths, d.Path)
	}
	loseCatalog(r.t, r.dir, paths...)
}

// TestCatalogOfSegments: rows were merged to stripes of 4+2 and retention keeps
// what they were merged from. The catalog and all checkpoints are gone, and two
// of the six disks. Every row is back once, and the lost members are rebuilt.
func TestCatalogOfSegments(t *testing.T) {
	r := newMergingNode(t, 6, 4<<10)
	makeTable(t, r.c)
	r.append(0, 800)
	r.untilSettled(4)
	r.until("every member to be where it belongs", complete)
	stripes := r.stripesOf()
	if len(stripes) == 0 {
		t.Fatal("no stripe with parity")
	}
	var lost []string
	for _, d := range r.disks {
		if id := r.disk(d.Path).ID; id == stripes[0].Group.Slots[0].Disk || id == stripes[0].Group.Slots[4].Disk {
			lost = append(lost, d.Path) // of a data member and of parity
		}
	}
	r.stop()
	r.loseCatalog()
	for _, path := range lost {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	var seen Survivor
	done, err := RecoverFromDisks(t.Context(), r.dir, nil, func(s Survivor) (string, error) { seen = s; return s.Cluster, nil })
	if err != nil || done.Number != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	if seen.Catalog.Rows != 800 || seen.Rebuilt.Checkpoint != 0 || seen.Rebuilt.Disks != 4 || seen.Rebuilt.Superseded == 0 || len(seen.Rebuilt.Problems) != 2 {
		t.Errorf("told is %+v of %+v; want 800 rows on 4 disks, segments that were merged, and two disks that are not there", seen.Rebuilt, seen.Catalog)
	}
	r.addDisks(2)
	r.start()
	if got := r.count("SELECT count(*), count(DISTINCT x) FROM t"); got != "[800 800]" {
		t.Errorf("got %s; want 800 rows, each once", got)
	}
	r.append(800, 820)
	r.until("everything rebuilt", complete)
	r.checkRows(820)
}

// TestCatalogWithoutAGeneration: rows were merged twice. What the first merges
// made is gone, and what they had replaced is there, beside what is live.
func TestCatalogWithoutAGeneration(t *testing.T) {
	r := newMergingNode(t, 1, 16<<10)
	makeTable(t, r.c)
	for from := range 8 {
		r.append(100*from, 100*from+100)
		r.untilSettled(1)
	}
	live := map[catalog.SegmentID]bool{}
	for _, s := range r.table().Segments {
		live[s.ID] = true
	}
	r.stop()
	r.loseCatalog()
	removed, left := 0, 0
	for file, merged := range segmentsOn(t, r.disks[0].Path) {
		switch {
		case live[file.ID]:
		case !merged:
			left++
		default:
			removed++
			if err := os.Remove(file.path); err != nil {
				t.Fatal(err)
			}
		}
	}
	if removed == 0 || left == 0 {
		t.Fatalf("%d segments are in between, and %d before them; want some of both", removed, left)
	}
	var seen Survivor
	if _, err := RecoverFromDisks(t.Context(), r.dir, nil, func(s Survivor) (string, error) { seen = s; return s.Cluster, nil }); err != nil {
		t.Fatal(err)
	}
	if seen.Catalog.Rows != 800 || len(seen.Rebuilt.Problems) > 0 {
		t.Errorf("told is %+v of %+v; want 800 rows and nothing wrong", seen.Rebuilt, seen.Catalog)
	}
	r.start()
	if got := r.count("SELECT count(*), count(DISTINCT x) FROM t"); got != "[800 800]" {
		t.Errorf("got %s; want 800 rows, each once", got)
	}
}

type segmentAt struct {
	catalog.MemberFile
	path string
}

// segmentsOn returns the segments on a disk, and whether each came of a merge.
func segmentsOn(t *testing.T, disk string) map[segmentAt]bool {
	t.Helper()
	cluster, err := tiering.ClusterOf(tiering.OSFS{}, disk)
	if err != nil {
		t.Fatal(err)
	}
	m, err := tiering.Mount(tiering.OSFS{}, disk, cluster)
	if err != nil {
		t.Fatal(err)
	}
	files, err := m.Inventory()
	if err != nil {
		t.Fatal(err)
	}
	all := map[segmentAt]bool{}
	for _, e := range files {
		name, err := catalog.ParseMemberFile(e.Name)
		if err != nil {
			t.Fatal(err)
		}
		all[segmentAt{name, m.Path(e.Name)}] = isMerged(t, m, e.Name)
	}
	return all
}

func isMerged(t *testing.T, m *tiering.Medium, name string) bool {
	t.Helper()
	f, err := m.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := format.Open(f, f.Size())
	if err != nil {
		t.Fatal(err)
	}
	o, err := catalog.ParseOrigin(r.Info().Properties[catalog.OriginProperty])
	if err != nil {
		t.Fatal(err)
	}
	return o.Merged != nil
}

// TestCatalogOfAClustersDisks: three nodes have lost their catalog. The disks of
// all come to one of them, which is the first of the cluster again.
func TestCatalogOfAClustersDisks(t *testing.T) {
	c := newTestCluster(t, 3)
	c.createTable(0)
	for i := range int64(3) {
		if err := c.append(int(i), 100*i, 100); err != nil {
			t.Fatal(err)
		}
	}
	var disks []DiskConfig
	for i := range c.nodes {
		c.stop(i)
		loseCatalog(t, c.dirs[i])
		if i > 0 {
			disks = append(disks, DiskConfig{Path: filepath.Join(c.dirs[i], "media", "0")})
		}
	}
	var seen Survivor
	if _, err := RecoverFromDisks(t.Context(), c.dirs[0], disks, func(s Survivor) (string, error) { seen = s; return s.Cluster, nil }); err != nil {
		t.Fatal(err)
	}
	if !seen.Rebuilt.NoTrust || seen.Catalog.Rows != 300 || len(seen.Rebuilt.Problems) > 0 {
		t.Errorf("told is %+v of %+v; want 300 rows, no authority, and nothing wrong", seen.Rebuilt, seen.Catalog)
	}
	f, err := InitCluster(t.Context(), c.config(0))
	if err != nil {
		t.Fatal(err)
	}
	if c.admin, err = os.ReadFile(f.Admin); err != nil {
		t.Fatal(err)
	}
	c.start(0)
	if rows, sum := c.sums(0); rows != 300 || sum != 299*300/2 {
		t.Errorf("%d rows of sum %d; want 300 of %d", rows, sum, 299*300/2)
	}
	c.dirs[1] = filepath.Join(t.TempDir(), "anew")
	c.join(1)
	if err := c.append(1, 300, 10); err != nil {
		t.Fatal(err)
	}
	if rows, _ := c.sums(1); rows != 310 {
		t.Errorf("%d rows; want 310", rows)
	}
}

// TestCatalogOfCheckpointAndSegments: what was committed after the checkpoint is
// taken from the segments, and the cluster stays the same.
func TestCatalogOfCheckpointAndSegments(t *testing.T) {
	c := newLoadedCluster(t, 1)
	if err := c.nodes[0].checkpoint(c.nodes[0].catalog.View()); err != nil {
		t.Fatal(err)
	}
	if err := c.append(0, 100, 50); err != nil {
		t.Fatal(err)
	}
	dir := c.dirs[0]
	if _, err := RecoverFromDisks(t.Context(), dir, nil, yes); !wire.IsCode(err, wire.Conflict) {
		t.Errorf("of a node that runs: %v; want a conflict", err)
	}
	c.stop(0)
	if _, err := RecoverFromDisks(t.Context(), dir, nil, yes); !wire.IsCode(err, wire.Conflict) {
		t.Errorf("with a whole catalog: %v; want a conflict", err)
	}
	if err := os.RemoveAll(raftDir(dir)); err != nil {
		t.Fatal(err)
	}
	before := content(t, dir)
	wrong := func(Survivor) (string, error) { return "yes", nil }
	if _, err := RecoverFromDisks(t.Context(), dir, nil, wrong); !wire.IsCode(err, wire.InvalidArgument) {
		t.Errorf("with the wrong id: %v; want a refusal", err)
	}
	if !maps.Equal(content(t, dir), before) {
		t.Error("a recovery that was not confirmed has changed files")
	}
	var seen Survivor
	if _, err := RecoverFromDisks(t.Context(), dir, nil, func(s Survivor) (string, error) { seen = s; return s.Cluster, nil }); err != nil {
		t.Fatal(err)
	}
	if told := seen.Rebuilt; told.Checkpoint == 0 || told.NoTrust || len(told.Tables) != 1 || told.Tables[0].Rows != 50 || told.Tables[0].New {
		t.Errorf("told is %+v; want a checkpoint, and 50 rows of a known table besides", told)
	}
	c.start(0)
	if rows, sum := c.sums(0); rows != 150 || sum != 149*150/2 {
		t.Errorf("%d rows of sum %d; want 150 of %d", rows, sum, 149*150/2)
	}
}

// TestLostMajorityWithADisk: two of three voters are lost, and with them the
// knowledge of the last commit. A disk of one of them is left, so its rows are.
func TestLostMajorityWithADisk(t *testing.T) {
	c := newLoadedCluster(t, 3)
	c.until("the first rows on node 0", func() bool {
		return c.nodes[0].catalog.View().Index() >= c.nodes[1].catalog.View().Index()
	})
	c.stop(0)
	c.leader() // of the other two
	if err := c.append(1, 100, 50); err != nil {
		t.Fatal(err)
	}
	c.stop(1)
	c.stop(2)
	disk := filepath.Join(c.dirs[1], "media", "0")
	if err := os.RemoveAll(filepath.Join(disk, "catalog")); err != nil { // it would know
		t.Fatal(err)
	}
	var seen Survivor
	done, err := RecoverFromDisks(t.Context(), c.dirs[0], []DiskConfig{{Path: disk}}, func(s Survivor) (string, error) { seen = s; return s.Cluster, nil })
	if err != nil || done.Before == "" || done.NoTrust {
		t.Fatalf("%+v, %v; want that the catalog from before is kept", done, err)
	}
	if told := seen.Rebuilt; told.Replica == 0 || told.Checkpoint != 0 || len(told.Tables) != 1 || told.Tables[0].Rows != 50 {
		t.Errorf("told is %+v; want 50 rows besides the node's own catalog", told)
	}
	c.start(0)
	if rows, sum := c.sums(0); rows != 150 || sum != 149*150/2 {
		t.Errorf("%d rows of sum %d; want 150 of %d", rows, sum, 149*150/2)
	}
}

// TestCatalogInAnEmptyDirectory: nothing is left but a disk.
func TestCatalogInAnEmptyDirectory(t *testing.T) {
	r := newRackNode(t, 1)
	makeTable(t, r.c)
	r.append(0, 50)
	r.stop()
	r.loseCatalog()
	r.dir = t.TempDir()
	if _, err := RecoverFromDisks(t.Context(), r.dir, nil, yes); !wire.IsCode(err, wire.InvalidArgument) {
		t.Errorf("without a disk: %v; want a refusal", err)
	}
	if _, err := RecoverFromDisks(t.Context(), r.dir, []DiskConfig{{Path: t.TempDir()}}, yes); !wire.IsCode(err, wire.InvalidArgument) {
		t.Errorf("with a directory that is no disk: %v; want a refusal", err)
	}
	if _, err := RecoverFromDisks(t.Context(), r.dir, r.disks, yes); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.checkRows(50)
}

// TestDamagedCopiesAreNotTaken: of two copies one is damaged; of another segment
// both are, and that is told.
func TestDamagedCopiesAreNotTaken(t *testing.T) {
	r := newRackNode(t, 2)
	makeTable(t, r.c)
	r.append(0, 20)
	r.until("every member to be where it belongs", complete)
	r.stop()
	r.loseCatalog()
	var names []string
	for path := range content(t, r.disks[0].Path) {
		if strings.HasSuffix(path, ".seg") {
			names = append(names, strings.TrimPrefix(path, r.disks[0].Path))
		}
	}
	if len(names) != 2 {
		t.Fatalf("segments are %v; want 2", names)
	}
	flip(t, r.disks[0].Path+names[0], 100)
	for _, d := range r.disks {
		flip(t, d.Path+names[1], 100)
	}
	var seen Survivor
	if _, err := RecoverFromDisks(t.Context(), r.dir, nil, func(s Survivor) (string, error) { seen = s; return s.Cluster, nil }); err != nil {
		t.Fatal(err)
	}
	if seen.Catalog.Rows != 10 || len(seen.Rebuilt.Problems) != 3 {
		t.Errorf("told is %+v of %+v; want 10 rows, and three damaged files", seen.Rebuilt, seen.Catalog)
	}
	r.start()
	r.until("the damaged copy to be rebuilt", complete)
	if got := r.count("SELECT count(*) FROM t"); got != "[10]" {
		t.Errorf("got %s; want 10 rows", got)
	}
}

// TestCatalogKeepsWhatSegmentsTell: partitions, sort key, options, columns that
// were added, and zones are those of before.
func TestCatalogKeepsWhatSegmentsTell(t *testing.T) {
	r := newRackNode(t, 1)
	_, err := r.c.CreateTable(t.Context(), wire.CreateTable{
		Name: "t", Fields: []schema.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}, PartitionBy: []string{"bucket(2, x)"}, SortBy: []string{"x desc"},
		Options: wire.TableOptions{FlushInterval: 5 * time.Millisecond, Profile: "compact", RetainFor: time.Hour, Lookup: []string{"x"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.append(0, 50)
	if _, err := r.c.AlterTable(t.Context(), wire.AlterTable{Name: "t", Add: &schema.Field{Name: "y", Type: arrow.BinaryTypes.String, Nullable: true}}); err != nil {
		t.Fatal(err)
	}
	r.append(50, 100)
	before := r.table()
	r.stop()
	r.loseCatalog()
	if _, err := RecoverFromDisks(t.Context(), r.dir, nil, yes); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.checkRows(100)
	after := r.table()
	if !reflect.DeepEqual(after.Schemas, before.Schemas) || !reflect.DeepEqual(after.PartitionBy, before.PartitionBy) ||
		!reflect.DeepEqual(after.SortBy, before.SortBy) || !reflect.DeepEqual(after.Options, before.Options) || after.ID != before.ID {
		t.Errorf("the table is %+v; want %+v", after, before)
	}
	if after.Version <= before.Version {
		t.Errorf("version %d; want one after %d", after.Version, before.Version)
	}
	if len(after.Segments) != len(before.Segments) {
		t.Fatalf("%d segments; want %d", len(after.Segments), len(before.Segments))
	}
	for i, was := range before.Segments {
		is := *after.Segments[i]
		if is.Added = was.Added; !reflect.DeepEqual(is, *was) {
			t.Errorf("segment %s is %+v; want %+v", was.ID, is, *was)
		}
	}
}

// table returns the newest version of t.
func (r *rackNode) table() *catalog.Snapshot {
	r.t.Helper()
	table, err := r.node.catalog.View().Table("t")
	if err != nil {
		r.t.Fatal(err)
	}
	return table
}
