package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon"
)

func (a *app) diskCommand() *cobra.Command {
	c := a.talks(&cobra.Command{Use: "disk", Short: "List disks, add some, and take them out of use"})
	c.AddCommand(a.diskList(), a.diskAdd(), a.diskScrub(), a.diskReplace(),
		a.diskChange("drain", wire.DiskDrain, "Move what a disk holds to other disks",
			"The disk takes nothing new, and is read until everything has moved.\n\"tarn disk list\" shows how far it is; then: tarn disk remove ID"),
		a.diskChange("use", wire.DiskUse, "Let a disk take members again", "It ends a drain, and takes back a disk that was lost or suspect."),
		a.forced(a.diskChange("lose", wire.DiskLose, "Give a disk up", "What it held is rebuilt from other disks. Where there are not enough others for that this refuses; with\n--force what it held is out of reach then, until the disk is back in use."), rowsGo,
			func(ctx context.Context, n *client.Client, id string) error { return n.LoseDiskAnyway(ctx, id) }),
		a.diskChange("remove", wire.DiskRemove, "Forget a disk that holds nothing", "A disk that was drained, replaced or given up is forgotten once nothing belongs on it any more. Until then\nthis says how much is left and how long it takes."))
	return group(c)
}

func (a *app) diskList() *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the disks and what they hold",
		Example: "  tarn disk list\n  tarn disk list --output json",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c.Context(), func(n *client.Client) error { return a.listDisks(c.Context(), n) })
		},
	}
	return a.prints(c)
}

func (a *app) listDisks(ctx context.Context, n *client.Client) error {
	s, err := n.Disks(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(s, func(a, b wire.Disk) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Path, b.Path), cmp.Compare(a.ID, b.ID))
	})
	type row = wire.Disk
	return a.printList(
		texts("disk", s, func(r row) string { return r.ID }),
		texts("node", s, func(r row) string { return r.Node }),
		texts("tier", s, func(r row) string { return r.Tier }),
		texts("state", s, func(r row) string { return r.State }),
		times("since", s, func(r row) time.Time { return r.Since }),
		numbers("slots", s, func(r row) int64 { return int64(r.Slots) }),
		numbers("missing", s, func(r row) int64 { return int64(r.Missing) }),
		numbers("used", s, func(r row) int64 { return r.Used }),
		numbers("free", s, func(r row) int64 { return r.Free }),
		numbers("bytes", s, func(r row) int64 { return r.Bytes }),
		texts("scrub", s, func(r row) string { return scrubText(r.Scrub) }),
		texts("path", s, func(r row) string { return r.Path }),
		texts("replaced_by", s, func(r row) string { return r.ReplacedBy }),
		texts("reason", s, func(r row) string { return r.Reason }),
	)
}

// scrubText says how far the reading back of a disk is.
func scrubText(s *wire.Scrub) string {
	switch {
	case s == nil:
		return ""
	case s.Running:
		return fmt.Sprintf("%d%% read, %d bad", percent(s.Bytes, s.Bytes+s.Left), s.Bad)
	case s.Last.IsZero():
		return "not yet"
	}
	return fmt.Sprintf("done %s, %d bad", s.Last.UTC().Format(time.DateTime), s.LastBad)
}

func percent(part, whole int64) int64 {
	if whole <= 0 {
		return 100
	}
	return int64(float64(part) / float64(whole) * 100)
}

func (a *app) diskScrub() *cobra.Command {
	return &cobra.Command{
		Use:   "scrub ID",
		Short: "Read a disk back now, every byte that belongs on it",
		Long: "Disks are read back all the time, at a pace that brings them through every two weeks. This begins\nanew, as fast as the disk goes." +
			" What is wrong, unreadable or gone is rebuilt from other disks.\n\"tarn disk list\" shows how far it is and what it has found.",
		Example: "  tarn disk scrub 7f3c",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c.Context(), func(n *client.Client) error { return n.ScrubDisk(c.Context(), args[0]) })
		},
	}
}

func (a *app) diskAdd() *cobra.Command {
	var node string
	c := &cobra.Command{
		Use:   "add PATH[,tier=TIER]",
		Short: "Give a node one more disk",
		Long: "Give a node one more disk: PATH is an empty directory on it, or a disk that was in another node and brings what it holds along." +
			"\nTiers are hot (default), warm, cold and archive. The node need not be restarted, and has the disk\nafter a restart, too." +
			" Part of what other disks hold moves to it by itself.",
		Example: "  tarn disk add /mnt/b\n  tarn disk add /mnt/c,tier=cold --node n2",
		Args:    args(cobra.ExactArgs(1)),
	}
	c.Flags().StringVar(&node, "node", "", "`NODE` that has the disk, if not the one that is asked")
	c.RunE = func(c *cobra.Command, args []string) error {
		d, err := daemon.ParseDisk(args[0])
		if err != nil {
			return err
		}
		return a.withClient(c.Context(), func(n *client.Client) error {
			id, err := n.AddDisk(c.Context(), wire.AddDisk{Path: d.Path, Tier: d.Tier, Node: node})
			if err == nil {
				fmt.Fprintln(a.out, id)
			}
			return err
		})
	}
	return c
}

func (a *app) diskReplace() *cobra.Command {
	var node string
	c := &cobra.Command{
		Use:   "replace OLD NEW",
		Short: "Give the places of a disk to a new one",
		Long: "Give the places of a disk to a new one: what OLD holds goes straight to NEW, from OLD if it can be read,\nelse rebuilt from other disks." +
			" NEW is the path of an empty directory on the new disk, on the node of OLD\nor on --node, which may be where OLD was mounted; or the id of a disk of \"tarn disk list\"." +
			" The node\nneed not be restarted. \"tarn status\" shows how far it is and says when OLD can be removed.",
		Example: "  tarn disk replace 7f3c /mnt/new\n  tarn disk replace 7f3c a04e",
		Args:    args(cobra.ExactArgs(2)),
	}
	c.Flags().StringVar(&node, "node", "", "`NODE` that has the new disk, if not that of the old one")
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.withClient(c.Context(), func(n *client.Client) error {
			return n.ReplaceDisk(c.Context(), wire.ReplaceDisk{ID: args[0], By: args[1], Node: node})
		})
	}
	return c
}

const rowsGo = "rows go with it"

// forced gives a command that may refuse the flag to go on anyway, though what
// it is refused for comes with it.
func (a *app) forced(c *cobra.Command, though string, anyway func(context.Context, *client.Client, string) error) *cobra.Command {
	force, run := c.Flags().Bool("force", false, "go on though "+though), c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if !*force {
			return run(c, args)
		}
		return a.withClient(c.Context(), func(n *client.Client) error { return anyway(c.Context(), n, args[0]) })
	}
	return c
}

func (a *app) diskChange(name, change, short, long string) *cobra.Command {
	return &cobra.Command{
		Use:     name + " ID",
		Short:   short,
		Long:    long,
		Example: "  tarn disk " + name + " 7f3c",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c.Context(), func(n *client.Client) error { return n.SetDisk(c.Context(), args[0], change) })
		},
	}
}
