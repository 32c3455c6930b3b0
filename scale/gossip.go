package main

import (
	"fmt"
	"math"
	"time"

	"github.com/hashicorp/memberlist"
)

// Sizes on the wire, from daemon/cluster/gossip and memberlist's messages.
const (
	sealBytes = 1 + 16 + 12 + 16 // kind, cluster, nonce and tag around each message
	pingBytes = 150              // a ping or its answer, sealed: two UUIDs as text, an address, names of fields
	metaBytes = 1 + 16 + 1 + 2 + 3 + 21 + 10 + 8

	// stateBytes is one node in a push/pull: msgpack with the names of its
	// seven fields, the name as text, an address of 16 bytes, meta, six versions.
	stateBytes = 1 + (35 + 7) + (2 + 36) + (2 + 16) + 3 + (2 + metaBytes) + 5 + 1 + (2 + 6)

	mostMeta    = 478     // that a node may say of itself
	streamBytes = 4 << 20 // the most that gossip takes in one message
)

// gossipTables computes memberlist's own formulas for its LAN settings, which
// daemon/cluster/gossip takes.
func gossipTables() ([]table, error) {
	t := table{name: "gossip", head: []string{"nodes", "storm, at most", "probes", "push/pull", "every", "its average", "a rumour reaches all in", "first noticed", "suspected for", "thought dead after", "leader's pings"}}
	c := memberlist.DefaultLANConfig()
	for _, n := range []int{10, 100, 1000, 5000} {
		storm := float64(c.GossipNodes*c.UDPBufferSize) / c.GossipInterval.Seconds()
		exchange := float64(n*stateBytes + sealBytes)
		if most := n*(stateBytes-metaBytes+mostMeta) + sealBytes; most > streamBytes {
			return nil, fmt.Errorf("what is said of %d nodes may take %d bytes; gossip takes %d", n, most, streamBytes)
		}
		every := pushPullEvery(c, n)
		least, most := suspicion(c, n)
		// Each node starts one exchange in that time and is asked for one, both of which go both ways.
		average := 2 * 2 * exchange / every.Seconds()
		noticed := firstNoticed(c, n)
		t.add(count(float64(n)), scaled(storm)+"/s", scaled(probeBytes(c))+"/s", scaled(exchange), seconds(every), scaled(average)+"/s",
			seconds(rumour(c, n)), seconds(noticed), seconds(least)+" to "+seconds(most), seconds(noticed+least)+" to "+seconds(noticed+most), count(float64(n-1))+"/s")
	}
	return []table{t}, nil
}

// probeBytes: each node probes one other and is probed by one, on average.
func probeBytes(c *memberlist.Config) float64 { return 4 * pingBytes / c.ProbeInterval.Seconds() }

// suspicion is memberlist's suspicionTimeout, and the longest that it grows
// to when nobody else confirms.
func suspicion(c *memberlist.Config, n int) (least, most time.Duration) {
	scale := math.Max(1, math.Log10(math.Max(1, float64(n))))
	least = time.Duration(c.SuspicionMult) * time.Duration(scale*1000) * c.ProbeInterval / 1000
	return least, time.Duration(c.SuspicionMaxTimeoutMult) * least
}

// pushPullEvery is memberlist's pushPullScale.
func pushPullEvery(c *memberlist.Config, n int) time.Duration {
	const threshold = 32
	if n <= threshold {
		return c.PushPullInterval
	}
	return time.Duration(math.Ceil(math.Log2(float64(n))-math.Log2(threshold))+1) * c.PushPullInterval
}

// firstNoticed is the mean time until a dead node is suspected. Of n-1 nodes
// that probe one each, none probes it in an interval with probability (1-1/(n-1))^(n-1);
// a probe without an answer, the indirect ones included, takes one interval.
func firstNoticed(c *memberlist.Config, n int) time.Duration {
	missed := math.Pow(1-1/float64(n-1), float64(n-1))
	intervals := 1/(1-missed) - 0.5 + 1 // it died in the middle of one
	return time.Duration(intervals * float64(c.ProbeInterval))
}

// rumour is how long until all have heard: each that knows tells three others
// at each interval, so the first half multiplies by four and the second half dies out.
func rumour(c *memberlist.Config, n int) time.Duration {
	fan := float64(c.GossipNodes)
	rounds := math.Log(float64(n))/math.Log(1+fan) + math.Log(float64(n))/fan
	return time.Duration(math.Ceil(rounds) * float64(c.GossipInterval))
}

func seconds(d time.Duration) string { return few(d.Seconds()) + " s" }
