package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client"
)

func (a *app) statusCommand() *cobra.Command {
	return a.talks(&cobra.Command{
		Use:     "status",
		Short:   "Ask the node how it is, and what may be lost right now",
		Example: "  tarn status",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c.Context(), func(n *client.Client) error { return a.status(c, n) })
		},
	})
}

func (a *app) status(c *cobra.Command, n *client.Client) error {
	s, err := n.Status(c.Context())
	if err != nil {
		return err
	}
	ready := "ready"
	if !s.Ready {
		ready = "not ready"
	}
	return a.printPairs([]pair{
		{"node", fmt.Sprintf("%s at %s, %s, up %s", s.Node, n.Addr(), ready, time.Since(s.Started).Round(time.Second))},
		{"version", s.Version},
		{"cluster", s.Cluster},
		{"tables", fmt.Sprint(s.Tables)},
		{"redundancy", s.Redundancy},
	})
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: "  tarn version",
		Args:    args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return a.say("%s", versionText())
		},
	}
}

func versionText() string {
	return fmt.Sprintf("tarn %s (%s, %s/%s)", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
