package gossip

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/memberlist"
	"github.com/tarnlake/tarn/client/wire"
)

func TestNodesFindEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newNetwork())
		nodes, ports := c.grow(5)
		for _, g := range nodes {
			if got := len(g.Members()); got != 5 {
				t.Errorf("%d members; want 5", got)
			}
			m, _ := memberOf(g, nodes[3].saying().Node)
			if m.Meta != nodes[3].saying() || m.Addr != ports[3].addr {
				t.Errorf("%+v at %v; want %+v at %v", m.Meta, m.Addr, nodes[3].saying(), ports[3].addr)
			}
			if got, want := g.Counts(), (Counts{}); got != want {
				t.Errorf("%+v; want %+v", got, want)
			}
		}
	})
}

func TestDeathAndReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newNetwork())
		nodes, ports := c.grow(4)
		gone := nodes[3].saying().Node
		c.network.cut(ports[3])
		nodes[3].Close()
		for _, g := range nodes[:3] {
			c.wait(g, gone, Dead)
			c.wait(g, nodes[0].saying().Node, Alive)
		}

		c.network.mu.Lock()
		same := c.network.openAt(ports[3].addr)
		c.network.mu.Unlock()
		back := c.start(gone, same)
		c.join(back, nodes[0])
		for _, g := range nodes[:3] {
			if m := c.wait(g, gone, Alive); m.Addr != ports[3].addr {
				t.Errorf("back at %v; want %v", m.Addr, ports[3].addr)
			}
		}
	})
}

// A node that is back under its UUID at a new address is believed once the one
// at the old address is dead for long enough, and not before.
func TestNewAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newNetwork())
		nodes, ports := c.grow(4)
		moved := nodes[3].saying().Node
		c.network.cut(ports[3])
		nodes[3].Close()

		p := c.network.open()
		back := c.start(moved, p)
		c.join(back, nodes[0])
		synctest.Wait() // the answer to a join comes before it is looked at
		if nodes[0].Counts().Conflicts == 0 {
			t.Error("no conflict; want the new address refused while the old one is alive")
		}
		for _, g := range nodes[:3] {
			c.wait(g, moved, Dead)
		}
		for _, g := range nodes[:3] {
			m := c.waitFor(g, moved, func(m Member) bool { return m.State == Alive && m.Addr == p.addr })
			if m.State != Alive {
				t.Errorf("%+v; want it alive at %v", m, p.addr)
			}
		}
	})
}

func TestLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newNetwork())
		nodes, _ := c.grow(3)
		if err := nodes[2].Leave(); err != nil {
			t.Fatal(err)
		}
		for _, g := range nodes[:2] {
			c.wait(g, nodes[2].saying().Node, Left)
		}
		if err := nodes[2].Update(nodes[2].saying()); !wire.IsCode(err, wire.Unavailable) {
			t.Errorf("an update after leaving: %v; want it refused", err)
		}
		if err := nodes[2].Leave(); err != nil {
			t.Errorf("leaving twice: %v", err)
		}
	})
}

func TestUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newNetwork())
		nodes, _ := c.grow(3)
		next := nodes[1].saying()
		next.Epoch, next.Version = 8, "v2"
		if err := nodes[1].Update(next); err != nil {
			t.Fatal(err)
		}
		for _, g := range nodes {
			c.waitFor(g, next.Node, func(m Member) bool { return m.Meta == next })
		}
		next.Node = uuid.NewString()
		if err := nodes[1].Update(next); !wire.IsCode(err, wire.InvalidArgument) {
			t.Errorf("another UUID: %v; want it refused", err)
		}
	})
}

// Neither a cluster with another id nor one with another key gets in, whoever
// calls whom.
func TestStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		ours, foreign, wrongKey := newCluster(t, n), newCluster(t, n), newCluster(t, n)
		foreign.setKeys(ours.keys...)
		wrongKey.id = ours.id
		home, _ := ours.grow(2)
		for _, other := range []*cluster{foreign, wrongKey} {
			nodes, _ := other.grow(2)
			for _, pair := range [][2]*Gossip{{nodes[0], home[0]}, {home[0], nodes[0]}} {
				if _, err := pair[0].Join(t.Context(), pair[1].Addr()); !wire.IsCode(err, wire.Unavailable) {
					t.Errorf("join: %v; want %s", err, wire.Unavailable)
				}
				if _, err := pair[0].transport.WriteTo([]byte("hello"), pair[1].Addr()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
			if got := len(nodes[0].Members()); got != 2 {
				t.Errorf("the other cluster knows %d nodes; want its own 2", got)
			}
		}
		if got := len(home[0].Members()); got != 2 {
			t.Errorf("%d members; want 2", got)
		}
		if got, want := home[0].Counts(), (Counts{Foreign: 2, WrongKey: 2}); got != want {
			t.Errorf("%+v; want %+v", got, want)
		}
	})
}

func TestGarbage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newNetwork())
		nodes, _ := c.grow(2)
		stranger := c.network.open()
		head := (&box{cluster: uuid.MustParse(c.id)}).head(kindStream)
		for _, b := range [][]byte{
			{}, {0}, []byte("GET / HTTP/1.1\r\n\r\n"), head[:9],
			append(head, 0xff, 0xff, 0xff, 0xff), // a message of 4 GiB
			append(head, 0, 0, 0, 200, 1, 2, 3),  // one that breaks off
		} {
			if _, err := stranger.WriteTo(b, nodes[0].Addr()); err != nil {
				t.Fatal(err)
			}
			conn, err := stranger.DialTimeout(nodes[0].Addr(), time.Second)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write(b) // it may be hung up on
			conn.Close()
		}
		synctest.Wait()
		// A stream on which nothing comes at all is a probe of the port.
		if got, want := nodes[0].Counts(), (Counts{Garbage: 11}); got != want {
			t.Errorf("%+v; want %+v", got, want)
		}
		c.wait(nodes[1], nodes[0].saying().Node, Alive)
	})
}

// Silent streams push out each other, not those of the cluster.
func TestSilentStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newNetwork())
		nodes, _ := c.grow(1)
		stranger := c.network.open()
		var conns []net.Conn
		for range 2 * streamsAtOnce {
			conn, err := stranger.DialTimeout(nodes[0].Addr(), time.Second)
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
			synctest.Wait()
		}
		c.join(c.start(uuid.NewString(), c.network.open()), nodes[0])
		time.Sleep(2 * firstFrame)
		for i, conn := range conns {
			if _, err := conn.Write([]byte{1}); err == nil {
				t.Errorf("silent stream %d is still open", i)
			}
		}
	})
}

func TestKeysChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newNetwork())
		nodes, _ := c.grow(2)
		old, next := c.keys[0], newKey()
		for _, keys := range [][][]byte{{old, next}, {next, old}, {next}} {
			c.setKeys(keys...)
			time.Sleep(time.Minute)
			for _, g := range nodes {
				for _, m := range g.Members() {
					if m.State != Alive {
						t.Fatalf("node %s is %s with %d keys; want it alive", m.Node, m.State, len(keys))
					}
				}
			}
		}
		late := newCluster(t, c.network)
		late.id = c.id
		late.setKeys(old)
		if _, err := late.start(uuid.NewString(), c.network.open()).Join(t.Context(), nodes[0].Addr()); err == nil {
			t.Error("a node with the key that was taken away joined")
		}
	})
}

// A node whose word on itself does not name it is not known.
func TestImpostor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newNetwork())
		nodes, _ := c.grow(2)
		cfg := c.config(uuid.NewString(), c.network.open())
		liar, err := newBook(cfg.Meta)
		if err != nil {
			t.Fatal(err)
		}
		liar.ownText, _ = nodes[1].saying().encode()
		transport := newSealedTransport(cfg.Transport, nodes[0].transport.box, cfg.Refusals)
		lies := settings(cfg, liar, transport, netip.AddrPort{})
		lies.Alive, lies.Events = nil, nil
		list, err := memberlist.Create(lies)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { list.Shutdown() })
		if _, err := list.Join([]string{nodes[0].Addr()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, known := memberOf(nodes[0], cfg.Meta.Node); known || nodes[0].Counts().Unknown == 0 {
			t.Errorf("known: %v, counts %+v; want it refused and counted", known, nodes[0].Counts())
		}
		c.wait(nodes[0], nodes[1].saying().Node, Alive)
	})
}

func TestLoopback(t *testing.T) {
	c := newCluster(t, nil)
	var nodes []*Gossip
	for range 3 {
		cfg := c.config(uuid.NewString(), nil)
		cfg.Bind = "127.0.0.1:0"
		g, err := Start(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { g.Close() })
		if len(nodes) > 0 {
			c.join(g, nodes[0])
		}
		nodes = append(nodes, g)
	}
	for _, g := range nodes {
		for _, other := range nodes {
			c.wait(g, other.saying().Node, Alive)
		}
	}
	if err := nodes[2].Leave(); err != nil {
		t.Fatal(err)
	}
	c.wait(nodes[0], nodes[2].saying().Node, Left)
}

func TestConfig(t *testing.T) {
	c := newCluster(t, nil)
	node := uuid.NewString()
	for _, test := range []struct {
		name   string
		change func(*Config)
		code   wire.Code
	}{
		{"no cluster", func(cfg *Config) { cfg.Cluster = "mine" }, wire.InvalidArgument},
		{"no node", func(cfg *Config) { cfg.Meta.Node = "me" }, wire.InvalidArgument},
		{"no port", func(cfg *Config) { cfg.Bind = "127.0.0.1" }, wire.InvalidArgument},
		{"every address", func(cfg *Config) { cfg.Bind = "0.0.0.0:0" }, wire.InvalidArgument},
		{"every address of 6", func(cfg *Config) { cfg.Bind = "[::]:0" }, wire.InvalidArgument},
		{"no address", func(cfg *Config) { cfg.Bind = ":0" }, wire.InvalidArgument},
		{"advertised", func(cfg *Config) { cfg.Advertise = "nowhere" }, wire.InvalidArgument},
		{"not here", func(cfg *Config) { cfg.Bind = "192.0.2.77:7461" }, wire.Unavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := c.config(node, nil)
			cfg.Bind = "127.0.0.1:0"
			test.change(&cfg)
			g, err := Start(cfg)
			if err == nil {
				g.Close()
			}
			if !wire.IsCode(err, test.code) {
				t.Errorf("%v; want %s", err, test.code)
			}
		})
	}
}

func TestJoinNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newNetwork())
		g := c.start(uuid.NewString(), c.network.open())
		if _, err := g.Join(t.Context(), "192.0.2.200:1", "nonsense"); !wire.IsCode(err, wire.Unavailable) {
			t.Errorf("%v; want %s", err, wire.Unavailable)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := g.Join(ctx, "192.0.2.200:1"); err == nil {
			t.Error("joined after the end")
		}
	})
}
