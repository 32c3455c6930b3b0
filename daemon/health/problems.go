package health

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/repair"
)

// Codes of problems. They are for programs, and in the table of
// docs/operations/health.md.
const (
	RowsOutOfReach = "rows_out_of_reach"
	RowsAtRisk     = "rows_at_risk"
	NoLeader       = "no_leader"
	VotesShort     = "votes_short"
	NodeDown       = "node_down"
	NodeLost       = "node_lost"
	NodeHeld       = "node_held"
	NodeSilent     = "node_silent"
	NodeUnready    = "node_unready"
	DiskSuspect    = "disk_suspect"
	DiskDown       = "disk_down"
	DiskLost       = "disk_lost"
	DiskDrained    = "disk_drained"
	DiskFilling    = "disk_filling"
	DiskBad        = "disk_bad"
	MembersParked  = "members_parked"
	MergeBacklog   = "merge_backlog"
)

// Codes lists the codes of all problems.
var Codes = []string{
	RowsOutOfReach, RowsAtRisk, NoLeader, VotesShort, NodeDown, NodeLost, NodeHeld, NodeSilent, NodeUnready,
	DiskSuspect, DiskDown, DiskLost, DiskDrained, DiskFilling, DiskBad, MembersParked, MergeBacklog,
}

const (
	// fillingAt is how full a disk is, in percent, when somebody should add one:
	// at 85 it gets no more slots of placement groups.
	fillingAt = 85
	// manyFresh is half of the fresh segments at which a table refuses rows.
	manyFresh = 1024
)

// problems lists what is wrong, the worst first.
func (f Facts) problems() []wire.Problem {
	all := slices.Concat(f.rows(), f.agreement(), f.nodes(), f.disks(), f.parked(), f.merges())
	slices.SortStableFunc(all, func(a, b wire.Problem) int { return cmp.Compare(rank(a.Level), rank(b.Level)) })
	return all
}

func rank(level string) int {
	if level == wire.LevelDanger {
		return 0
	}
	return 1
}

// rows says which rows are out of reach, or are so with the next loss although
// they are meant to survive one.
func (f Facts) rows() (all []wire.Problem) {
	for _, c := range f.Members.Classes {
		switch {
		case c.Spare < 0:
			all = append(all, wire.Problem{Code: RowsOutOfReach, Level: wire.LevelDanger,
				Text: amount(c) + " cannot be read: too many of the disks that hold them are away or lost",
				Next: "bring back disks and nodes that were there, any of them; give up (lose, remove) none: tarn disk list"})
		case c.Spare == 0 && f.redundant():
			all = append(all, wire.Problem{Code: RowsAtRisk, Level: wire.LevelDanger,
				Text: amount(c) + " are lost if one more disk fails that holds them",
				Next: "touch no other disk or node until they are rebuilt; bring back what is away"})
		}
	}
	return all
}

// redundant reports whether there are disks enough that rows should survive
// the loss of one: with one disk nothing can be done but to add others.
func (f Facts) redundant() bool {
	disks := 0
	for _, d := range f.Disks {
		if d.State != catalog.DiskLost {
			disks++
		}
	}
	return disks > 1
}

func amount(c repair.Class) string {
	return fmt.Sprintf("%s (%s in %s)", count(c.Rows, "row", "rows"), Bytes(c.Bytes), count(int64(c.Stripes), "stripe", "stripes"))
}

// agreement says whether commits find a majority, and whether the next loss
// takes it away.
func (f Facts) agreement() (all []wire.Problem) {
	v := f.votes()
	switch majority := v.Voters/2 + 1; {
	case v.Leader == "":
		all = append(all, wire.Problem{Code: NoLeader, Level: wire.LevelDanger,
			Text: fmt.Sprintf("this node knows of no leader: nothing is written until a majority of the votes (%d of %d) is in touch", majority, v.Voters),
			Next: "start the voting nodes that are away, or look at the network; wipe and init nothing: tarn node list"})
	case v.Up < majority:
		all = append(all, wire.Problem{Code: VotesShort, Level: wire.LevelDanger,
			Text: fmt.Sprintf("%d of %d votes are up, less than a majority: nothing is written until %d are", v.Up, v.Voters, majority),
			Next: "start the voting nodes that are away, or look at the network; wipe and init nothing: tarn node list"})
	case v.Voters > 1 && v.Up == majority:
		all = append(all, wire.Problem{Code: VotesShort, Level: wire.LevelWarning,
			Text: fmt.Sprintf("%d of %d votes are up: with one less nothing is written", v.Up, v.Voters),
			Next: "bring back a voting node: tarn node list"})
	}
	return all
}

func (f Facts) nodes() (all []wire.Problem) {
	for _, n := range f.Nodes {
		p := wire.Problem{Level: wire.LevelWarning, Node: n.Name, Since: n.Since}
		report, reported := f.Reports[n.ID]
		switch {
		case n.State == catalog.NodeDown:
			p.Code, p.Text = NodeDown, fmt.Sprintf("node %s is down%s: its rows are read and written elsewhere", n.Name, because(n.Reason))
			p.Next = fmt.Sprintf("%s; if it will not come back: tarn node lose %s", f.restart(n), n.Name)
		case n.State == catalog.NodeLost:
			p.Code, p.Text = NodeLost, fmt.Sprintf("node %s was given up%s: what it held is rebuilt elsewhere", n.Name, because(n.Reason))
			p.Next = fmt.Sprintf("%s, or put another in its place and then: tarn node remove %s", f.restart(n), n.ID)
		case f.Held[n.ID] != "":
			p.Code, p.Text = NodeHeld, fmt.Sprintf("node %s seems to be gone, counts as away, and is not judged: %s", n.Name, f.Held[n.ID])
			p.Next = "look at the network first; then: tarn node list"
		case !reported:
			p.Code, p.Text, p.Since = NodeSilent, fmt.Sprintf("node %s was up and did not say how it is within two seconds: it counts as away here", n.Name), n.Since
			p.Next = "is it running? Look at its log"
		case report.Unready != "":
			p.Code, p.Text = NodeUnready, fmt.Sprintf("node %s runs and is not ready%s", n.Name, because(report.Unready))
			p.Next = "wait until it has caught up; if it does not, look at its log"
		default:
			continue
		}
		all = append(all, p)
	}
	return all
}

// restart says how a node comes back. One that a recovery has left behind has a
// catalog that is no part of the cluster's any more, and ends when it is
// started with it; after it was given up, nobody but itself knows which it is.
func (f Facts) restart(n *catalog.Node) string {
	const rejoin = "run there: tarn recover --rejoin --dir DIR, and start it again"
	switch {
	case f.Recovered.IsZero():
		return "start it again"
	case !n.Since.After(f.Recovered):
		return rejoin
	case n.State == catalog.NodeLost:
		return "start it again; if it says that the cluster was recovered without it, " + rejoin
	}
	return "start it again"
}

func (f Facts) disks() (all []wire.Problem) {
	for _, d := range f.Disks {
		report, reported := f.report(d)
		for _, p := range []wire.Problem{f.stateOf(d, report), badOf(report), fillOf(report, reported)} {
			if p.Code == "" {
				continue
			}
			p.Node, p.Disk, p.Level = f.nodeOf(d.ID), d.ID, cmp.Or(p.Level, wire.LevelWarning)
			p.Text = fmt.Sprintf("disk %s of node %s %s", d.ID, p.Node, p.Text)
			all = append(all, p)
		}
	}
	return all
}

func (f Facts) report(d *catalog.Disk) (DiskReport, bool) {
	for _, r := range f.Reports[d.Node].Disks {
		if r.ID == d.ID {
			return r, true
		}
	}
	return DiskReport{}, false
}

// stateOf says what is wrong with a disk as such.
func (f Facts) stateOf(d *catalog.Disk, report DiskReport) wire.Problem {
	switch {
	case (d.State == catalog.DiskDraining || d.ReplacedBy != "") && f.Members.Held[d.ID].Slots == 0:
		return wire.Problem{Code: DiskDrained, Since: d.Since, Text: "is drained: nothing belongs on it any more", Next: "tarn disk remove " + d.ID}
	case d.State == catalog.DiskSuspect, d.State == catalog.DiskUp && report.Doubt != "":
		return wire.Problem{Code: DiskSuspect, Since: d.Since,
			Text: "failed or stalled" + because(cmp.Or(report.Doubt, d.Reason)) + ": it is read, and takes nothing new",
			Next: "look at dmesg; if it is sound restart its node, else: tarn disk replace " + d.ID + " PATH"}
	case d.State == catalog.DiskDown:
		return wire.Problem{Code: DiskDown, Since: d.Since, Text: "is not there" + because(d.Reason),
			Next: "mount it and restart its node; if it will not come back: tarn disk replace " + d.ID + " PATH"}
	case d.State == catalog.DiskLost && !d.LostWithNode:
		return wire.Problem{Code: DiskLost, Since: d.Since, Text: "was given up" + because(d.Reason) + ": what it held is rebuilt elsewhere",
			Next: "once nothing belongs on it: tarn disk remove " + d.ID}
	}
	return wire.Problem{}
}

// badOf says what reading the disk back has found.
func badOf(r DiskReport) wire.Problem {
	bad, stuck := max(r.Scrub.Bad, r.Scrub.LastBad), max(r.Scrub.Stuck, r.Scrub.LastStuck)
	switch {
	case stuck > 0:
		return wire.Problem{Code: DiskBad, Level: wire.LevelDanger,
			Text: fmt.Sprintf("was read back: %s wrong or gone, and for %d of them there is nothing to rebuild from", count(bad, "member was", "members were"), stuck),
			Next: "bring back disks and nodes that are away; then: tarn disk scrub " + r.ID}
	case bad > 0:
		return wire.Problem{Code: DiskBad,
			Text: fmt.Sprintf("was read back: %s wrong or gone, and rebuilt", count(bad, "member was", "members were")),
			Next: "if that happens again: tarn disk replace " + r.ID + " PATH"}
	}
	return wire.Problem{}
}

func fillOf(r DiskReport, reported bool) wire.Problem {
	if !reported || r.Total <= 0 || float64(r.Total-r.Free) < float64(r.Total)/100*fillingAt {
		return wire.Problem{}
	}
	return wire.Problem{Code: DiskFilling,
		Text: fmt.Sprintf("is %d%% full: %s of %s are free", int(float64(r.Total-r.Free)/float64(r.Total)*100), Bytes(r.Free), Bytes(r.Total)),
		Next: "add a disk or a node, or drop what is not needed (tarn table list): its room is free after --trash-for, or within minutes once the disk is too full for merges (90 %)"}
}

func (f Facts) parked() []wire.Problem {
	if f.Members.Parked == 0 {
		return nil
	}
	return []wire.Problem{{Code: MembersParked, Level: wire.LevelWarning,
		Text: count(int64(f.Members.Parked), "member was", "members were") + " set aside: rebuilding failed for a reason that does not pass by itself",
		Next: "mend the reason (below, and tarn stripe show STRIPE); then: tarn stripe retry"}}
}

func (f Facts) merges() []wire.Problem {
	waiting := f.backlog()
	if waiting < manyFresh {
		return nil
	}
	return []wire.Problem{{Code: MergeBacklog, Level: wire.LevelWarning,
		Text: fmt.Sprintf("%d fresh segments wait to be merged: writers are slowed down, and at %d refused", waiting, 2*manyFresh),
		Next: "append larger batches, or raise the flush interval: tarn table alter TABLE set flush-interval=200ms"}}
}

// because puts the reason of a state behind it.
func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + strings.TrimSuffix(reason, ".") + ")"
}
