package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon"
)

func (a *app) recoverCommand() *cobra.Command {
	var dir, checkpoint string
	var rejoin, sure bool
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

With --from-checkpoint the catalog is made of a checkpoint instead of what the
node has: see "tarn checkpoint export".`,
		Example: "  tarn recover --dir ./lake\n  tarn recover --rejoin --dir ./lake\n  tarn recover --from-checkpoint lake.checkpoint --dir ./lake",
		Args:    args(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "`DIR` of the node")
	c.Flags().BoolVar(&rejoin, "rejoin", false, "give this node's catalog up, to follow a cluster that was recovered without it")
	c.Flags().StringVar(&checkpoint, "from-checkpoint", "", "`FILE` to make the catalog of")
	c.Flags().BoolVar(&sure, "yes", false, "do it without asking")
	_ = c.MarkFlagDirname("dir")
	c.MarkFlagsMutuallyExclusive("rejoin", "from-checkpoint")
	c.RunE = func(c *cobra.Command, _ []string) error {
		confirm := a.confirmCluster(sure)
		if rejoin {
			before, err := daemon.Rejoin(dir, confirm)
			if err != nil {
				return err
			}
			return a.say("this node follows at its next start; its old catalog is in %s\nnext: tarn server --dir %s", before, dir)
		}
		var done daemon.Recovered
		var err error
		if checkpoint != "" {
			done, err = daemon.RecoverFromCheckpoint(dir, checkpoint, confirm)
		} else {
			done, err = daemon.Recover(dir, confirm)
		}
		if err != nil {
			return err
		}
		return a.say("recovery %d is made; the catalog from before is in %s\nnext: tarn server --dir %s, then on each node that comes back: tarn recover --rejoin --dir DIR",
			done.Number, done.Before, dir)
	}
	return c
}

// confirmCluster shows what there is and has the operator type the cluster's id.
func (a *app) confirmCluster(sure bool) func(daemon.Survivor) (string, error) {
	return func(s daemon.Survivor) (string, error) {
		fmt.Fprintf(a.out, "node %s of cluster %s\n", s.Node, s.Cluster)
		printCatalog(a.out, s.Catalog)
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
