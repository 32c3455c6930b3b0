package daemon

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/schema"
)

// testCluster is nodes of one cluster in this process.
type testCluster struct {
	t     *testing.T
	disks int   // of each node; 0: one of its own
	merge int64 // target of merges; 0: the default
	dirs  []string
	nodes []*Node // nil: stopped
	admin []byte
}

// newTestCluster makes a cluster of n nodes, all up and with the votes that
// they are to have.
func newTestCluster(t *testing.T, n int) *testCluster {
	t.Helper()
	c := &testCluster{t: t}
	c.form(n)
	return c
}

// newLoadedCluster is newTestCluster with a table of hundred rows, the batch 0.
func newLoadedCluster(t *testing.T, n int) *testCluster {
	t.Helper()
	c := newTestCluster(t, n)
	c.createTable(0)
	if err := c.append(0, 0, 100); err != nil {
		t.Fatal(err)
	}
	return c
}

// form makes the cluster. Tests of clusters run side by side: they mostly wait.
func (c *testCluster) form(n int) {
	c.t.Helper()
	if n > 1 {
		c.t.Parallel()
	}
	f, err := InitCluster(c.t.Context(), c.config(0))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.admin, err = os.ReadFile(f.Admin); err != nil {
		c.t.Fatal(err)
	}
	c.start(0)
	for i := 1; i < n; i++ {
		c.join(i)
	}
	c.until("votes", func() bool { return c.voters() == map[int]int{1: 1, 2: 1, 3: 3, 4: 3, 5: 5}[n] })
	c.until("places", func() bool { return c.spread(n) })
}

// spread reports whether the placement groups of copies are on as many of n
// nodes as they can be.
func (c *testCluster) spread(n int) bool {
	view := c.running().catalog.View()
	for _, g := range view.Groups() {
		nodes := map[string]bool{}
		for _, s := range g.Slots {
			if d, ok := view.Disk(s.Disk); ok {
				nodes[d.Node] = true
			}
		}
		if g.Scheme.Copies() && len(nodes) < min(n, 3) {
			return false
		}
	}
	return true
}

func (c *testCluster) config(i int) Config {
	for len(c.dirs) <= i {
		c.dirs = append(c.dirs, filepath.Join(c.t.TempDir(), fmt.Sprintf("node%d", len(c.dirs))))
		c.nodes = append(c.nodes, nil)
	}
	var disks []DiskConfig
	for d := range c.disks {
		disks = append(disks, DiskConfig{Path: filepath.Join(c.dirs[i], fmt.Sprintf("disk%d", d)), Tier: Tiers[0]})
	}
	return Config{Dir: c.dirs[i], Disks: disks, MergeTarget: c.merge, Name: fmt.Sprintf("node%d", i), Listen: "127.0.0.1:0", Gossip: "127.0.0.1:0", Fatal: func(err error) { c.t.Log("fatal:", err) }}
}

func (c *testCluster) start(i int) { c.startWith(i, c.config(i)) }

func (c *testCluster) startWith(i int, cfg Config) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	n, err := Start(ctx, cfg)
	if err != nil {
		c.t.Fatalf("node %d: %v", i, err)
	}
	c.nodes[i] = n
	c.t.Cleanup(func() { c.stop(i) })
}

func (c *testCluster) stop(i int) {
	if n := c.nodes[i]; n != nil {
		c.nodes[i] = nil
		if err := n.Close(); err != nil {
			c.t.Errorf("closing node %d: %v", i, err)
		}
	}
}

// join starts a new node with a token.
func (c *testCluster) join(i int) {
	c.t.Helper()
	cfg := c.config(i)
	cfg.Join = Join{Address: c.running().Addr(), Token: c.token()}
	c.startWith(i, cfg)
}

func (c *testCluster) token() string {
	c.t.Helper()
	n := c.running()
	text, secret, err := n.catalog.View().Trust().NewJoinToken(time.Now(), rand.Reader, 1, time.Hour)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := n.propose(c.t.Context(), catalog.Command{CreateJoin: &secret}); err != nil {
		c.t.Fatal(err)
	}
	return text
}

// running returns a node that runs.
func (c *testCluster) running() *Node {
	for _, n := range c.nodes {
		if n != nil {
			return n
		}
	}
	c.t.Fatal("no node runs")
	return nil
}

func (c *testCluster) voters() (n int) {
	for _, s := range c.running().catalog.Servers() {
		if s.Voter {
			n++
		}
	}
	return n
}

// leader returns which node leads.
func (c *testCluster) leader() int {
	c.t.Helper()
	at := -1
	c.until("a leader", func() bool {
		for i, n := range c.nodes {
			if n != nil && n.catalog.Leads() {
				at = i
			}
		}
		return at >= 0
	})
	return at
}

// until waits for something that will come.
func (c *testCluster) until(what string, done func() bool) {
	c.t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (c *testCluster) dial(i int) *client.Client {
	c.t.Helper()
	cl, err := client.Dial(c.t.Context(), c.nodes[i].Addr(), client.WithCertificate(c.admin))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { cl.Close() })
	return cl
}

func (c *testCluster) createTable(i int) {
	c.t.Helper()
	_, err := c.dial(i).CreateTable(c.t.Context(), wire.CreateTable{Name: "t", Fields: []schema.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}})
	if err != nil {
		c.t.Fatal(err)
	}
}

// append adds rows through a node.
func (c *testCluster) append(i int, from, rows int64) error {
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil))
	for k := range rows {
		b.Field(0).(*array.Int64Builder).Append(from + k)
	}
	batch := b.NewRecordBatch()
	defer batch.Release()
	_, err := c.dial(i).Append(c.t.Context(), "t", batch)
	return err
}

// sums returns how many rows there are, and their sum, as a node sees it.
func (c *testCluster) sums(i int) (rows, sum int64) {
	c.t.Helper()
	rows, sum, err := c.trySums(i)
	if err != nil {
		c.t.Fatal(err)
	}
	return rows, sum
}

func (c *testCluster) trySums(i int) (rows, sum int64, err error) {
	c.t.Helper()
	res, err := c.dial(i).SQL(c.t.Context(), "SELECT count(*), sum(n) FROM t")
	if err != nil {
		return 0, 0, err
	}
	for batch, err := range res.Batches() {
		if err != nil {
			return 0, 0, err
		}
		rows, sum = batch.Column(0).(*array.Int64).Value(0), batch.Column(1).(*array.Int64).Value(0)
	}
	return rows, sum, nil
}

func TestClusterForms(t *testing.T) {
	c := newTestCluster(t, 3)
	c.createTable(1)
	for i := range 3 {
		if err := c.append(i, int64(100*i), 100); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		if rows, sum := c.sums(i); rows != 300 || sum != 299*300/2 {
			t.Errorf("node %d sees %d rows of sum %d; want 300 of %d", i, rows, sum, 299*300/2)
		}
	}
}

// TestClusterLosesANode: without the node that led, the others go on, and what
// was acknowledged is there; when it is back it has all of it, too.
func TestClusterLosesANode(t *testing.T) {
	c := newLoadedCluster(t, 3)
	gone := c.leader()
	c.stop(gone)
	c.leader()
	left := (gone + 1) % 3
	if err := c.append(left, 100, 100); err != nil {
		t.Fatal(err)
	}
	if rows, sum := c.sums((gone + 2) % 3); rows != 200 || sum != 199*200/2 {
		t.Errorf("%d rows of sum %d; want 200 of %d", rows, sum, 199*200/2)
	}
	c.start(gone)
	if rows, sum := c.sums(gone); rows != 200 || sum != 199*200/2 {
		t.Errorf("the node that is back sees %d rows of sum %d; want 200 of %d", rows, sum, 199*200/2)
	}
}

// TestClusterStartsAgain: all nodes stop, and find each other again.
func TestClusterStartsAgain(t *testing.T) {
	c := newTestCluster(t, 3)
	c.createTable(0)
	if err := c.append(2, 0, 100); err != nil {
		t.Fatal(err)
	}
	addrs := make([]Config, 3)
	for i := range c.nodes {
		addrs[i] = c.config(i)
		addrs[i].Listen, addrs[i].Gossip = c.nodes[i].Addr(), c.nodes[i].network.gossip.Addr()
		c.stop(i)
	}
	done := make(chan int)
	for i, cfg := range addrs {
		go func() {
			c.startWith(i, cfg)
			done <- i
		}()
	}
	for range addrs {
		<-done
	}
	if rows, sum := c.sums(1); rows != 100 || sum != 99*100/2 {
		t.Errorf("%d rows of sum %d; want 100 of %d", rows, sum, 99*100/2)
	}
}

// TestClusterMoves: nodes whose addresses all change, one soon after the other,
// find each other by what each heard last.
func TestClusterMoves(t *testing.T) {
	c := newLoadedCluster(t, 3)
	for i := range c.nodes {
		c.stop(i)
		c.start(i) // on another port
	}
	if rows, _ := c.sums(2); rows != 100 {
		t.Errorf("%d rows; want 100", rows)
	}
}

// TestClusterGivesANodeUp: a node that was given up stops, and comes back with
// what it has when it is started again.
func TestClusterGivesANodeUp(t *testing.T) {
	c := newLoadedCluster(t, 3)
	given := (c.leader() + 1) % 3
	if err := c.dial(c.leader()).LoseNode(t.Context(), fmt.Sprintf("node%d", given)); err != nil {
		t.Fatal(err)
	}
	n := c.nodes[given]
	c.nodes[given] = nil
	if err := n.Wait(); !wire.IsCode(err, wire.Conflict) {
		t.Errorf("the node stopped with %v; want that it was given up", err)
	}
	c.until("its replica to be taken away", func() bool { return len(c.running().catalog.Servers()) == 2 })
	c.start(given) // on another port, which the catalog cannot know
	if rows, _ := c.sums(given); rows != 100 {
		t.Errorf("the node that is back sees %d rows; want 100", rows)
	}
	nodes, err := c.dial(given).Nodes(t.Context())
	if err != nil || len(nodes) != 3 || slices.ContainsFunc(nodes, func(n wire.Node) bool { return n.State != "up" }) {
		t.Errorf("the nodes are %+v, %v; want three that are up", nodes, err)
	}
}

// TestClusterStripes: segments that are merged on one node become stripes with
// parity over all of them, and the rows are there without any one node.
func TestClusterStripes(t *testing.T) {
	c := &testCluster{t: t, disks: 2, merge: 4 << 10}
	c.form(3)
	c.createTable(0)
	rows := int64(0)
	for end := time.Now().Add(time.Minute); !c.striped(); {
		if time.Now().After(end) {
			t.Fatal("no stripe with parity has formed")
		}
		if err := c.append(int(rows/100)%3, rows, 100); err != nil {
			t.Fatal(err)
		}
		rows += 100
	}
	for gone := range 3 {
		c.stop(gone)
		at := (gone + 1) % 3
		c.leader()
		var got, sum int64
		c.until("an answer", func() (ok bool) { // the node that was back last may not be reached at once
			var err error
			if got, sum, err = c.trySums(at); err != nil && !wire.IsCode(err, wire.Unavailable) {
				t.Fatal(err)
			}
			return err == nil
		})
		if got != rows || sum != rows*(rows-1)/2 {
			t.Errorf("without node %d: %d rows of sum %d; want %d of %d", gone, got, sum, rows, rows*(rows-1)/2)
		}
		c.start(gone)
	}
}

// striped reports whether a stripe with parity has formed.
func (c *testCluster) striped() bool {
	view := c.running().catalog.View()
	return slices.ContainsFunc(view.Groups(), func(g catalog.Group) bool {
		stripes, _, _ := view.GroupLoad(g.ID)
		return !g.Scheme.Copies() && stripes > 0
	})
}
