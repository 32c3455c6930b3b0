package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
)

// patience is how long something may take that has to come. The machine may
// be slow: nothing is concluded from how long it took.
const patience = 2 * time.Minute

func after(d time.Duration) <-chan time.Time { return time.After(d) }

// cluster is a cluster of real processes.
type cluster struct {
	t     testing.TB
	net   *network
	dir   string
	nodes []*node
	admin []byte // certificate
	disks int    // of each new node
	small string // size of each disk; empty: a plain directory
}

// long skips a test that the short run leaves out.
func long(t *testing.T) {
	if testing.Short() {
		t.Skip("make test-cluster")
	}
}

var clusters atomic.Int32

// newCluster forms a cluster of n nodes, with one disk each, and waits until
// they have the votes that they are to have.
func newCluster(t testing.TB, n int) *cluster { return newClusterOf(t, n, 1) }

func newClusterOf(t testing.TB, n, disks int) *cluster {
	t.Helper()
	c := &cluster{t: t, disks: disks}
	c.form(n)
	return c
}

func (c *cluster) form(n int) {
	c.t.Helper()
	name := fmt.Sprintf("%s-%d", runPrefix, clusters.Add(1))
	c.dir = filepath.Join(os.TempDir(), name)
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { c.remove(name) })
	c.net = newNetwork(c.t, name)
	first := c.add()
	c.init(first)
	first.start()
	for range n - 1 {
		c.join(c.add())
	}
	c.untilSettled()
}

// remove ends all, and keeps the logs of a test that has failed.
func (c *cluster) remove(name string) {
	defer sweep(name)
	if c.t.Failed() || os.Getenv("TARN_KEEP_LOGS") != "" {
		c.keepLogs()
	}
	for _, n := range c.nodes {
		if n.cmd != nil {
			n.kill()
		}
	}
}

// keepLogs copies the nodes' logs to where they survive the cluster.
func (c *cluster) keepLogs() (at string) {
	at = filepath.Join(os.TempDir(), "tarn-cluster-logs", strings.ReplaceAll(c.t.Name(), "/", "_"))
	_ = os.MkdirAll(at, 0o755)
	for _, n := range c.nodes {
		if b, err := os.ReadFile(n.log); err == nil {
			_ = os.WriteFile(filepath.Join(at, filepath.Base(n.log)), b, 0o644)
		}
	}
	c.t.Logf("the nodes' logs are in %s", at)
	return at
}

// add makes a place for one more node, which does not run yet.
func (c *cluster) add() *node {
	c.t.Helper()
	i := len(c.nodes)
	c.net.plug(i)
	n := &node{t: c.t, name: fmt.Sprintf("n%d", i), host: c.net.host(i), ip: c.net.address(i), addr: c.net.address(i) + ":7460"}
	n.dir, n.log = filepath.Join(c.dir, n.name), filepath.Join(c.dir, n.name+".log")
	for d := range c.disks {
		n.disks = append(n.disks, filepath.Join(c.dir, fmt.Sprintf("%s-disk%d", n.name, d)))
	}
	c.nodes = append(c.nodes, n)
	if c.small != "" {
		n.mountDisks(c.small)
	}
	return n
}

func (c *cluster) init(n *node) {
	c.t.Helper()
	if out, err := exec.Command(bin, "cluster", "init", "--dir", n.dir).CombinedOutput(); err != nil {
		c.t.Fatalf("tarn cluster init: %v\n%s", err, out)
	}
	var err error
	if c.admin, err = os.ReadFile(filepath.Join(n.dir, "admin.pem")); err != nil {
		c.t.Fatal(err)
	}
}

// join starts a new node with a token.
func (c *cluster) join(n *node) {
	c.t.Helper()
	token, err := c.dial().CreateJoinToken(c.t.Context(), wire.CreateJoinToken{Uses: 1, For: time.Hour})
	if err != nil {
		c.t.Fatal(err)
	}
	n.start("--join", c.running()[0].addr, "--token", token.Text)
}

// running returns the nodes that run.
func (c *cluster) running() (some []*node) {
	for _, n := range c.nodes {
		if n.cmd != nil {
			some = append(some, n)
		}
	}
	return some
}

// addrs is where clients go: all nodes that run, these first.
func (c *cluster) addrs(first ...*node) string {
	var all []string
	for _, n := range append(first, c.running()...) {
		all = append(all, n.addr)
	}
	return strings.Join(all, ",")
}

// dial returns a client that knows all nodes which run.
func (c *cluster) dial(first ...*node) *client.Client {
	c.t.Helper()
	return c.dialAt(c.addrs(first...))
}

// dialAt returns a client of these addresses.
func (c *cluster) dialAt(addrs string) *client.Client {
	c.t.Helper()
	cl, err := client.Dial(c.t.Context(), addrs, client.WithCertificate(c.admin), client.WithDialTimeout(patience))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { cl.Close() })
	return cl
}

// restart starts nodes that were there before, all at a time.
func (c *cluster) restart(nodes ...*node) {
	c.t.Helper()
	for _, n := range nodes {
		n.launch()
	}
	for _, n := range nodes {
		n.wait()
	}
}

// until waits for something that will come.
func (c *cluster) until(what string, done func(context.Context) bool) {
	c.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
		ok := done(ctx)
		cancel()
		if ok {
			return
		}
		if time.Now().After(end) {
			c.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// untilSettled waits until every node has a replica of the catalog, and as many
// have votes as should: one, three or five.
func (c *cluster) untilSettled() {
	c.t.Helper()
	cl, replicas := c.dial(), len(c.running())
	votes := 1 + 2*min(max(0, (replicas-1)/2), 2)
	c.until("votes", func(ctx context.Context) bool {
		nodes, err := cl.Nodes(ctx)
		parts := map[string]int{}
		for _, n := range nodes {
			parts[n.Vote]++
		}
		voters := parts["leader"] + parts["voter"]
		return err == nil && parts["leader"] == 1 && voters+parts["learner"] >= replicas && voters >= votes
	})
}

// leader returns the node that leads, as a node that is up sees it.
func (c *cluster) leader() (leader *node) {
	c.t.Helper()
	cl := c.dial()
	c.until("a leader", func(ctx context.Context) bool {
		leader = c.leaderAt(ctx, cl)
		return leader != nil
	})
	return leader
}

func (c *cluster) leaderAt(ctx context.Context, cl *client.Client) *node {
	nodes, err := cl.Nodes(ctx)
	if err != nil {
		return nil
	}
	for _, n := range nodes {
		if n.Vote == "leader" {
			return c.named(n.Name)
		}
	}
	return nil
}

func (c *cluster) named(name string) *node {
	for _, n := range c.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

// without returns all nodes but these.
func (c *cluster) without(those ...*node) (rest []*node) {
	for _, n := range c.nodes {
		keep := true
		for _, gone := range those {
			keep = keep && n != gone
		}
		if keep {
			rest = append(rest, n)
		}
	}
	return rest
}

func (c *cluster) index(n *node) int {
	for i, m := range c.nodes {
		if m == n {
			return i
		}
	}
	return -1
}

// untilWhole waits until no disk that counts lacks anything.
func (c *cluster) untilWhole() {
	c.t.Helper()
	cl := c.dial()
	c.until("repair", func(ctx context.Context) bool {
		disks, err := cl.Disks(ctx)
		for _, d := range disks {
			if d.Missing > 0 {
				return false
			}
		}
		return err == nil
	})
}

// verify has every copy of every row read back through one node, and waits
// until all of them are whole: disks that were away are asked again only after
// a while.
func (c *cluster) verify(n *node, table string) {
	c.t.Helper()
	cl := c.dialAt(n.addr)
	c.until("copies that are all whole", func(ctx context.Context) bool {
		report, err := cl.VerifySegments(ctx, wire.VerifySegments{Table: table})
		return err == nil && report.Checked > 0 && len(report.Problems) == 0
	})
}
