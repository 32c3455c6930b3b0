package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/tarnlake/tarn/client/wire"
)

// TestStatusText: what a status is for people.
func TestStatusText(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s := wire.Status{
		Version: "1.2", Protocol: 3, Node: "5d0f", Cluster: "0c4e", Started: now.Add(-90 * time.Minute), Ready: true, Tables: 3, Redundancy: "any 1 disk or 1 node may be lost",
		Health: wire.Health{
			NextLoss: "if one more disk fails, nothing is lost",
			Risk:     []wire.Risk{{Spare: -1, Stripes: 1, Rows: 5, Bytes: 10}, {Spare: 0, Stripes: 2, Rows: 7, Bytes: 2048}, {Spare: 2, Stripes: 9, Rows: 70, Bytes: 1 << 20}},
			Work: []wire.Work{
				{Kind: wire.WorkRebuild, Count: 310, Waiting: 3, Bytes: 2 << 30, Rate: 180 << 20, Seconds: 12},
				{Kind: wire.WorkScrub, Count: 2, Bytes: 1 << 40}, {Kind: wire.WorkMerge, Count: 12},
			},
			Problems: []wire.Problem{
				{Text: "node n3 is down", Since: now.Add(-time.Minute), Next: "start it again"},
				{Text: "1 member was set aside", Next: "tarn stripe retry"},
			},
			Aside: []wire.ParkedMember{{Stripe: "0000000a-00000001", Slot: 2, Disk: "7f3c", Node: "n2", Reason: "no sources"}},
			Votes: wire.Votes{Voters: 3, Up: 2, Leader: "n1"},
		},
	}
	want := `node        5d0f at 127.0.0.1:7460, ready, up 1h30m0s
version     1.2; the cluster speaks protocol 3
cluster     0c4e
tables      3
redundancy  any 1 disk or 1 node may be lost
            if one more disk fails, nothing is lost
votes       2 of 3 up, n1 leads
rows        5 rows, 10 B in 1 stripe cannot be read now
            7 rows, 2.0 KiB in 2 stripes survive no loss
            70 rows, 1.0 MiB in 9 stripes survive the loss of any 2 of their disks
doing       rebuild: 310 members, 2.0 GiB left, 3 of them wait for their disk or node, 180.0 MiB/s, about 12s
            scrub: 2 disks, 1.0 TiB left
            merge: 12 fresh segments
wrong       node n3 is down, since 2026-11-21 11:59:00 (1m0s)
              try: start it again
            1 member was set aside
              try: tarn stripe retry
set aside   stripe 0000000a-00000001 slot 2 on disk 7f3c of n2: no sources
`
	var out bytes.Buffer
	a := &app{streams: streams{out: &out}}
	if err := a.printPairs(statusPairs(s, "127.0.0.1:7460", now)); err != nil || out.String() != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, &out, want)
	}
	s.Health.Problems[0].Text, s.Redundancy = "disk \x1b[31m\nvotes  9 of 9", "a\x9bb"
	out.Reset()
	if err := a.printPairs(statusPairs(s, "", now)); err != nil || strings.Contains(out.String(), "\x1b") || strings.Contains(out.String(), "\x9b") || strings.Contains(out.String(), "\nvotes  9") {
		t.Errorf("%v; words of others talk to the terminal: %q", err, out.String())
	}
	s.Health.Votes.Leader, s.Ready = "", false
	if got := statusPairs(s, "", now)[6].value; got != "2 of 3 up, and no leader is known" {
		t.Errorf("got %q without a leader", got)
	}
}

// TestRepairRate: the flag is auto or a size.
func TestRepairRate(t *testing.T) {
	for text, want := range map[string]int64{"auto": 0, "100MiB": 100 << 20, "0": -1, "-5": -1, "fast": -1} {
		got, err := repairRate(text)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%s: got %d, %v; want %d", text, got, err, want)
		}
	}
}
