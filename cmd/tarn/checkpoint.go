package main

import (
	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/daemon"
)

func (a *app) checkpointCommand() *cobra.Command {
	c := &cobra.Command{Use: "checkpoint", Short: "Copies of the catalog to go by when it is lost"}
	c.AddCommand(a.checkpointExport())
	return group(c)
}

func (a *app) checkpointExport() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "export --dir DIR FILE",
		Short: "Copy the newest checkpoint of the catalog from the disks of a node into a new file",
		Long: `Copy the newest checkpoint of the catalog from the disks of a node into a new
file. The node may run. Each node writes one every five minutes, if anything has
changed, to up to three of its disks. It holds the keys of the cluster: keep it
secret.`,
		Example: "  tarn checkpoint export --dir ./lake lake.checkpoint",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			index, err := daemon.ExportCheckpoint(dir, args[0])
			if err != nil {
				return err
			}
			return a.say("the catalog as of entry %d is in %s", index, args[0])
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "`DIR` of the node")
	_ = c.MarkFlagDirname("dir")
	return c
}
