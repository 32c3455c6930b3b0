package cluster

import "testing"

// TestIsolation unplugs the node that leads, and plugs it in again.
func TestIsolation(t *testing.T) {
	c := newCluster(t, 3)
	w := newWorkload(c, "log")
	w.run(3, 2)
	w.more(20)

	leader := c.leader()
	c.net.isolate(c.index(leader))
	w.more(20)
	c.net.rejoin(c.index(leader))
	w.more(20)

	w.halt()
	c.untilWhole()
	w.check()
	c.verify(leader, "log")
}

// TestSplit cuts the leader and another node from the other three; clients
// still reach all five.
func TestSplit(t *testing.T) {
	long(t)
	c := newCluster(t, 5)
	w := newWorkload(c, "log")
	w.run(5, 5)
	w.more(20)

	few := []int{c.index(c.leader())}
	few = append(few, (few[0]+1)%5)
	var many []int
	for i := range c.nodes {
		if i != few[0] && i != few[1] {
			many = append(many, i)
		}
	}
	c.net.split(few, many)
	w.more(20)
	c.net.heal()
	w.more(20)

	w.halt()
	c.untilWhole()
	w.check()
	c.verify(c.nodes[few[0]], "log")
}

// TestOneWay drops what the leader sends to the others, and then what they
// send to it; what goes the other way arrives.
func TestOneWay(t *testing.T) {
	long(t)
	c := newCluster(t, 3)
	w := newWorkload(c, "log")
	w.run(3, 2)
	w.more(20)

	mute := c.leader()
	for _, n := range c.without(mute) {
		c.net.cut(c.index(mute), c.index(n))
	}
	w.more(20)
	c.net.heal()
	w.more(5)

	deaf := c.leader()
	for _, n := range c.without(deaf) {
		c.net.cut(c.index(n), c.index(deaf))
	}
	w.more(20)
	c.net.heal()
	w.more(5)

	w.halt()
	c.untilWhole()
	w.check()
	c.verify(c.nodes[0], "log")
}
