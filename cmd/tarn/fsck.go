package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon"
)

func (a *app) fsckCommand() *cobra.Command {
	var dir string
	var disks []string
	var asJSON bool
	c := &cobra.Command{
		Use:   "fsck --dir DIR",
		Short: "Read everything a stopped node has on its disks, and say what is wrong",
		Long: `Read everything that a stopped node has: who it is, its catalog (log, snapshots,
every checksum), and every byte of every file of its disks, and compare them with
the newest state of the catalog that the node has. It changes nothing, ever.

The exit status is 0 when all is as it should be, 1 when something is not.`,
		Example: "  tarn fsck --dir ./lake\n  tarn fsck --dir ./lake --disk /mnt/old --json",
		Args:    args(cobra.NoArgs),
	}
	c.Flags().StringVar(&dir, "dir", "", "`DIR` of the node")
	c.Flags().StringArrayVar(&disks, "disk", nil, "`PATH` of a disk to look at besides those of the node; may be repeated")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = c.MarkFlagDirname("dir")
	c.RunE = func(c *cobra.Command, _ []string) error {
		var more []daemon.DiskConfig
		for _, d := range disks {
			more = append(more, daemon.DiskConfig{Path: d})
		}
		found, err := daemon.Fsck(c.Context(), dir, more)
		if err != nil {
			return err
		}
		if err := printCheckup(a.out, found, asJSON); err != nil || len(found.Problems) == 0 {
			return err
		}
		return wire.Errorf(wire.Internal, "%s", countText(len(found.Problems), "problem")).WithHint("the next step stands with each")
	}
	return c
}

func printCheckup(w io.Writer, c daemon.Checkup, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(c)
	}
	fmt.Fprintf(w, "node %s of cluster %s\n", c.Node, c.Cluster)
	printCatalog(w, c.Catalog)
	for _, d := range c.Disks {
		fmt.Fprintf(w, "disk %s in %s: %s that are needed, whole and as the catalog has them, %s; %d not needed any more, %d in the trash, %d unknown\n",
			d.Disk, d.Path, countText(d.Members, "file"), byteText(d.Bytes), d.Garbage, d.Trash, d.Unknown)
	}
	for _, p := range c.Problems {
		fmt.Fprintf(w, "%s: %s: %s\n  next: %s\n", p.Kind, p.Where, p.What, p.Next)
	}
	if len(c.Problems) == 0 {
		fmt.Fprintln(w, "nothing is wrong")
	}
	return nil
}

func printCatalog(w io.Writer, c daemon.CatalogReport) {
	whole := "whole"
	if !c.Whole {
		whole = "NOT whole"
	}
	fmt.Fprintf(w, "catalog: %s; last entry %d of term %d, of %s; %s with %s and %d rows\n",
		whole, c.Last, c.LastTerm, timeOrNever(c), countText(c.Tables, "table"), countText(c.Segments, "segment"), c.Rows)
	fmt.Fprintf(w, "  voters as this node knows them: %v\n", c.Voters)
}

func timeOrNever(c daemon.CatalogReport) string {
	if c.Time.IsZero() {
		return "no time"
	}
	return c.Time.UTC().Format("2006-01-02 15:04:05.000 UTC")
}
