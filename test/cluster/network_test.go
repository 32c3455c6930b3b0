package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// network is a bridge with a namespace for each node, all on one subnet that
// this machine uses for nothing else. The tests themselves sit on the bridge.
type network struct {
	t      testing.TB
	name   string // of the bridge, and the beginning of all others
	subnet string // "198.18.7."
	cuts   map[[2]int]bool
}

func newNetwork(t testing.TB, name string) *network {
	t.Helper()
	n := &network{t: t, name: name, subnet: freeSubnet(t), cuts: map[[2]int]bool{}}
	n.ip("link", "add", name, "type", "bridge")
	n.ip("addr", "add", n.subnet+"254/24", "dev", name)
	n.ip("link", "set", name, "up")
	return n
}

// freeSubnet picks one of 198.18.0.0/16, which is set aside for tests.
func freeSubnet(t testing.TB) string {
	t.Helper()
	used, err := exec.Command(ipCommand(), "-o", "-4", "addr").Output()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 250 {
		subnet := fmt.Sprintf("198.18.%d.", (os.Getpid()+i)%250)
		if !strings.Contains(string(used), " "+subnet) {
			return subnet
		}
	}
	t.Fatal("no subnet of 198.18.0.0/16 is free")
	return ""
}

func (n *network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command(ipCommand(), args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v %s", strings.Join(args, " "), err, out)
	}
}

// host is the name of a node's namespace, and of its link to the bridge.
func (n *network) host(i int) string    { return fmt.Sprintf("%s-%d", n.name, i) }
func (n *network) address(i int) string { return fmt.Sprintf("%s%d", n.subnet, i+1) }

// plug adds the namespace of a node.
func (n *network) plug(i int) {
	n.t.Helper()
	at := n.host(i)
	n.ip("netns", "add", at)
	n.ip("link", "add", at, "type", "veth", "peer", "name", "eth0", "netns", at)
	n.ip("link", "set", at, "master", n.name, "up")
	n.ip("-n", at, "link", "set", "lo", "up")
	n.ip("-n", at, "addr", "add", n.address(i)+"/24", "dev", "eth0")
	n.ip("-n", at, "link", "set", "eth0", "up")
}

// isolate takes a node's link down: nobody reaches it, the tests neither.
func (n *network) isolate(i int) { n.ip("link", "set", n.host(i), "down") }

// rejoin takes it up again.
func (n *network) rejoin(i int) { n.ip("link", "set", n.host(i), "up") }

// cut drops all that one node sends to another: its frames go to a machine
// that is not there. What comes back still arrives. (A blackhole route would
// tell the sender.)
func (n *network) cut(from, to int) {
	n.ip("-n", n.host(from), "neigh", "replace", n.address(to), "lladdr", "02:00:00:00:00:01", "dev", "eth0", "nud", "permanent")
	n.cuts[[2]int{from, to}] = true
}

// split cuts both ways between two sides. The tests still reach both.
func (n *network) split(some, others []int) {
	for _, a := range some {
		for _, b := range others {
			n.cut(a, b)
			n.cut(b, a)
		}
	}
}

// heal takes back all cuts.
func (n *network) heal() {
	for c := range n.cuts {
		n.ip("-n", n.host(c[0]), "neigh", "delete", n.address(c[1]), "dev", "eth0")
	}
	clear(n.cuts)
}
