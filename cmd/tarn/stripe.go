package main

import (
	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
)

func (a *app) stripeCommand() *cobra.Command {
	c := a.talks(&cobra.Command{Use: "stripe", Short: "Show what protects each other, and where it is"})
	c.AddCommand(a.stripeShow(), a.stripeRetry())
	return group(c)
}

func (a *app) stripeShow() *cobra.Command {
	var table string
	c := &cobra.Command{
		Use:   "show ID | --table TABLE",
		Short: "Show the members of a stripe, or of all stripes of a table",
		Long: "Show the members of a stripe: on which disks and nodes they are, in which files, and how. ID is that of\nthe stripe or of a segment in it, or a file's name." +
			" State is present, moving (it is on the disk\n\"from\", and on its way), away (its disk or node is not there now), missing (it is being rebuilt) or\nparked (it could not be: \"reason\").",
		Example:           "  tarn stripe show 0000000a-0000002f\n  tarn stripe show --table orders --output json",
		Args:              args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.Flags().StringVar(&table, "table", "", "`TABLE` whose newest version's stripes are shown")
	_ = c.RegisterFlagCompletionFunc("table", a.completeTables(false))
	c.RunE = func(c *cobra.Command, args []string) error {
		if (len(args) == 0) == (table == "") {
			return wire.Errorf(wire.InvalidArgument, "give the id of a stripe, or --table").WithHint("tarn stripe show --table TABLE")
		}
		return a.withClient(c.Context(), func(n *client.Client) error {
			if table != "" {
				stripes, err := n.TableStripes(c.Context(), table)
				return a.printStripes(stripes, err)
			}
			st, err := n.Stripe(c.Context(), args[0])
			return a.printStripes([]wire.Stripe{st}, err)
		})
	}
	return a.prints(c)
}

// member is one line of a list of stripes.
type member struct {
	wire.StripeMember
	of *wire.Stripe
}

func (a *app) printStripes(stripes []wire.Stripe, err error) error {
	if err != nil {
		return err
	}
	var s []member
	for i := range stripes {
		for _, m := range stripes[i].Members {
			s = append(s, member{m, &stripes[i]})
		}
	}
	return a.printList(
		texts("stripe", s, func(r member) string { return r.of.ID }),
		texts("scheme", s, func(r member) string { return r.of.Scheme }),
		numbers("group", s, func(r member) int64 { return int64(r.of.Group) }),
		numbers("spare", s, func(r member) int64 { return int64(r.of.Spare) }),
		numbers("slot", s, func(r member) int64 { return int64(r.Slot) }),
		texts("kind", s, func(r member) string { return r.Kind }),
		texts("state", s, func(r member) string { return r.State }),
		texts("node", s, func(r member) string { return r.Node }),
		texts("disk", s, func(r member) string { return r.Disk }),
		texts("from", s, func(r member) string { return r.From }),
		texts("file", s, func(r member) string { return r.File }),
		numbers("bytes", s, func(r member) int64 { return r.Bytes }),
		texts("table", s, func(r member) string { return r.Table }),
		texts("partition", s, func(r member) string { return r.Partition }),
		numbers("rows", s, func(r member) int64 { return r.Rows }),
		flags("replaced", s, func(r member) bool { return r.Replaced }),
		texts("reason", s, func(r member) string { return r.Reason }),
	)
}

func (a *app) stripeRetry() *cobra.Command {
	return &cobra.Command{
		Use:     "retry",
		Short:   "Try again to rebuild all members that were set aside",
		Long:    "Try again to rebuild all members that were set aside because rebuilding had failed. \"tarn status\" lists\nthem with the reason; what fails again is set aside again.",
		Example: "  tarn stripe retry",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c.Context(), func(n *client.Client) error { return n.RetryParked(c.Context()) })
		},
	}
}
