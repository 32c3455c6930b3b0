package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon"
)

func (a *app) recoverCommand() *cobra.Command {
	var dir, checkpoint string
	var disks []string
	var rejoin, fromDisks, sure bool
	c := &cobra.Command{
		Use:   "recover --dir DIR",
		Short: "Make a cluster go on that has lost the majority of its voters, from one that is left",
		Long: `Make a stopped node the only voter of its cluster. It is for when the majority of
the voters is gone for good: otherwise start the others, which loses nothing.

Run it on every node that is left and answer nothing: each prints what it has.
Choose the one with the highest last term, and of those the highest last entry;
confirm there, by typing the id of the cluster, and nowhere else. What only lost
nodes had acknowledged is lost; entries that no majority had become part of it.

Nodes that come back later have a catalog that went another way. They are refused
and say so; with --rejoin they give it up and follow, with all that their disks hold.

With --from-disks it is made of what is on disks: of the node's own catalog or the
newest checkpoint, whichever knows more, and of the segments that this does not
know; if nothing of it is left anywhere, of segments alone. The disks of this node
are looked at, and those given with --disk, which become its own. Rows that were
never acknowledged, or were dropped since, may come back: what will be is shown
before you confirm. With --from-checkpoint it is made of that checkpoint alone.`,
		Example: "  tarn recover --dir ./lake\n  tarn recover --rejoin --dir ./lake\n  tarn recover --from-disks --dir ./lake --disk /mnt/a --disk /mnt/b\n  tarn recover --from-checkpoint lake.checkpoint --dir ./lake",
		Args:    args(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "`DIR` of the node")
	c.Flags().BoolVar(&rejoin, "rejoin", false, "give this node's catalog up, to follow a cluster that was recovered without it")
	c.Flags().StringVar(&checkpoint, "from-checkpoint", "", "`FILE` to make the catalog of")
	c.Flags().BoolVar(&fromDisks, "from-disks", false, "make the catalog of what is on disks")
	c.Flags().StringArrayVar(&disks, "disk", nil, "`PATH[,tier=TIER]` of a disk for --from-disks; may be repeated")
	c.Flags().BoolVar(&sure, "yes", false, "do it without asking")
	_ = c.MarkFlagDirname("dir")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if rejoin && (fromDisks || checkpoint != "") || fromDisks && checkpoint != "" {
			return wire.Errorf(wire.InvalidArgument, "--rejoin, --from-checkpoint and --from-disks exclude each other")
		}
		confirm := a.confirmCluster(sure)
		if rejoin {
			before, err := daemon.Rejoin(dir, confirm)
			if err != nil {
				return err
			}
			return a.say("this node follows at its next start; its old catalog is in %s\nnext: tarn server --dir %s", before, dir)
		}
		done, err := recovered(c.Context(), dir, checkpoint, fromDisks, disks, confirm)
		if err != nil {
			return err
		}
		if err := a.say("recovery %d is made", done.Number); err != nil {
			return err
		}
		if done.Before != "" {
			if err := a.say("the catalog from before is in %s", done.Before); err != nil {
				return err
			}
		}
		if done.NoTrust {
			return a.say("next: tarn cluster init --dir %s, for the authority of the cluster is lost; other nodes join anew, with empty directories", dir)
		}
		return a.say("next: tarn server --dir %s, then on each node that comes back: tarn recover --rejoin --dir DIR", dir)
	}
	return c
}

// recovered makes the catalog of what the flags say.
func recovered(ctx context.Context, dir, checkpoint string, fromDisks bool, disks []string, confirm func(daemon.Survivor) (string, error)) (daemon.Recovered, error) {
	switch {
	case fromDisks:
		more, err := parseDisks(disks)
		if err != nil {
			return daemon.Recovered{}, err
		}
		return daemon.RecoverFromDisks(ctx, dir, more, confirm)
	case len(disks) > 0:
		return daemon.Recovered{}, wire.Errorf(wire.InvalidArgument, "--disk is for --from-disks")
	case checkpoint != "":
		return daemon.RecoverFromCheckpoint(dir, checkpoint, confirm)
	}
	return daemon.Recover(dir, confirm)
}

// printRebuilt says what a catalog that is made of disks will have, and what not.
func printRebuilt(w io.Writer, r *daemon.Rebuilt) {
	if r.Replica > 0 {
		fmt.Fprintf(w, "  of the node's own catalog up to entry %d, of %s, and segments on %s\n", r.Replica, r.Kept.Format(time.RFC3339), countText(r.Disks, "disk"))
	} else if r.Checkpoint > 0 {
		fmt.Fprintf(w, "  of a checkpoint of entry %d, of %s, and segments on %s\n", r.Checkpoint, r.Kept.Format(time.RFC3339), countText(r.Disks, "disk"))
	} else {
		fmt.Fprintf(w, "  of segments on %s alone: no checkpoint was found; table options, versions and what clients had sent before are as far as segments tell\n", countText(r.Disks, "disk"))
	}
	for _, t := range r.Tables {
		known := "that it does not have"
		if t.New {
			known = "which is new"
		}
		fmt.Fprintf(w, "  table %s: %s with %d rows, %s\n", t.Name, countText(t.Segments, "segment"), t.Rows, known)
	}
	if r.Superseded > 0 {
		fmt.Fprintf(w, "  left out, for their rows are in others: %s\n", countText(r.Superseded, "segment"))
	}
	if r.Deleted > 0 {
		fmt.Fprintf(w, "  left out, for they were deleted: %s\n", countText(r.Deleted, "segment"))
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "  %s: %s: %s\n", p.Kind, p.Where, p.What)
	}
	if r.NoTrust {
		fmt.Fprintln(w, "  the authority of the cluster is lost with its catalog: all nodes and clients get new certificates")
	}
}

// confirmCluster shows what there is and has the operator type the cluster's id.
func (a *app) confirmCluster(sure bool) func(daemon.Survivor) (string, error) {
	return func(s daemon.Survivor) (string, error) {
		fmt.Fprintf(a.out, "node %s of cluster %s\n", s.Node, s.Cluster)
		printCatalog(a.out, s.Catalog)
		if s.Rebuilt != nil {
			printRebuilt(a.out, s.Rebuilt)
		}
		if s.Sole {
			fmt.Fprintln(a.out, "  this node is the only voter: it needs no recovery to start")
		}
		if len(s.Others) > 0 {
			fmt.Fprintf(a.out, "  without it go on: %s\n", strings.Join(s.Others, ", "))
		}
		if sure {
			return s.Cluster, nil
		}
		fmt.Fprint(a.out, "type the id of the cluster to go on, or nothing: ")
		line, err := bufio.NewReader(a.in).ReadString('\n')
		if typed := strings.TrimSpace(line); typed != "" {
			return typed, nil
		}
		if err != nil {
			fmt.Fprintln(a.out)
		}
		return "", wire.Errorf(wire.Canceled, "nothing was changed")
	}
}
