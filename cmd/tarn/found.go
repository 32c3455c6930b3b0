package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon"
)

func (a *app) clusterInit() *cobra.Command {
	c := &cobra.Command{
		Use:   "init --dir DIR",
		Short: "Make a node the first one of a cluster that others can join",
		Long: `Make the node of DIR the first one of a cluster that others can join: it gets an
authority of its own and a certificate, and from then on speaks TLS only. The
node must not run. A node that was alone until now keeps all its tables; in a
new directory a node is made.

It writes DIR/admin.pem, certificate and key of an admin: copy it to where you
work, keep it secret, and give it to commands with --cert or TARN_CERT.`,
		Example: `  tarn cluster init --dir ./lake
  tarn server --dir ./lake --listen 0.0.0.0:7460
  tarn cluster token --cert ./lake/admin.pem`,
		Args: args(cobra.NoArgs),
	}
	dir := c.Flags().String("dir", "", "`DIR` of the node, made if it is not there")
	_ = c.MarkFlagDirname("dir")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *dir == "" {
			return wire.Errorf(wire.InvalidArgument, "the node has no directory").WithHint("tarn cluster init --dir DIR")
		}
		log, err := a.logger("warn")
		if err != nil {
			return err
		}
		f, err := daemon.InitCluster(c.Context(), daemon.Config{Dir: *dir, Version: buildVersion(), Logger: log})
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "cluster %s\nfirst node %s\nadmin's certificate %s\nnext: tarn server --dir %s --listen HOST:PORT\n", f.Cluster, f.Node, f.Admin, *dir)
		return nil
	}
	return c
}
