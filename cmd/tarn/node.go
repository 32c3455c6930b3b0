package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
)

func (a *app) nodeCommand() *cobra.Command {
	c := a.talks(&cobra.Command{Use: "node", Short: "List nodes, and take them out of use"})
	c.AddCommand(a.nodeList(), a.nodeReplace(),
		a.names("drain NODE", "Move what the disks of a node hold to other nodes", "  tarn node drain n3",
			func(ctx context.Context, n *client.Client, node string) error { return n.DrainNode(ctx, node) }),
		a.forced(a.names("lose NODE", "Give a node up that will not come back: what it held is rebuilt elsewhere", "  tarn node lose n3",
			func(ctx context.Context, n *client.Client, node string) error { return n.LoseNode(ctx, node) }), rowsGo,
			func(ctx context.Context, n *client.Client, node string) error { return n.LoseNodeAnyway(ctx, node) }),
		a.names("remove NODE", "Forget a node that holds nothing", "  tarn node remove n3",
			func(ctx context.Context, n *client.Client, node string) error { return n.RemoveNode(ctx, node) }))
	return group(c)
}

func (a *app) nodeReplace() *cobra.Command {
	return &cobra.Command{
		Use:   "replace OLD NEW",
		Short: "Give the places of a node's disks to those of another node",
		Long: "Give the places of a node's disks to those of another node that has joined: what they hold goes straight\nthere, from OLD if it can be read, else rebuilt from other nodes." +
			" Where both have the same name, OLD was\ngiven up first (\"tarn node lose\") and is named by its id. \"tarn status\" shows how far it is; then:\ntarn node remove OLD",
		Example: "  tarn node replace n3 n7",
		Args:    args(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c.Context(), func(n *client.Client) error { return n.ReplaceNode(c.Context(), args[0], args[1]) })
		},
	}
}

func (a *app) nodeList() *cobra.Command {
	return a.prints(&cobra.Command{
		Use:     "list",
		Short:   "List the nodes and how they are",
		Example: "  tarn node list\n  tarn node list --output json",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c.Context(), func(n *client.Client) error { return a.listNodes(c.Context(), n) })
		},
	})
}

func (a *app) listNodes(ctx context.Context, n *client.Client) error {
	s, err := n.Nodes(ctx)
	if err != nil {
		return err
	}
	type row = wire.Node
	return a.printList(
		texts("name", s, func(r row) string { return r.Name }),
		texts("state", s, func(r row) string { return r.State }),
		times("since", s, func(r row) time.Time { return r.Since }),
		texts("vote", s, func(r row) string { return r.Vote }),
		texts("gossip", s, func(r row) string { return r.Gossip }),
		texts("zone", s, func(r row) string { return r.Zone }),
		numbers("disks", s, func(r row) int64 { return int64(r.Disks) }),
		texts("address", s, func(r row) string { return r.Address }),
		texts("version", s, func(r row) string { return r.Version }),
		texts("speaks", s, func(r row) string { return r.Speaks }),
		texts("id", s, func(r row) string { return r.ID }),
		texts("reason", s, func(r row) string { return r.Reason }),
		texts("held", s, func(r row) string { return r.Held }),
	)
}
