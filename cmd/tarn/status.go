package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
)

func (a *app) statusCommand() *cobra.Command {
	return a.talks(a.prints(&cobra.Command{
		Use:   "status",
		Short: "Ask whether all is well: what may be lost now, what is being done, what to do",
		Long: "Ask a node how it and its cluster are: what may be lost right now, what is being done about it and\nhow long that takes, what is wrong, and what to do next." +
			" With --output json the names are stable;\n\"level\" is ok, busy, warning or danger.",
		Example: "  tarn status\n  tarn status --output json",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c.Context(), func(n *client.Client) error { return a.status(c, n) })
		},
	}))
}

func (a *app) status(c *cobra.Command, n *client.Client) error {
	s, err := n.Status(c.Context())
	if err != nil {
		return err
	}
	return a.printMessage(s, func() error { return a.printPairs(statusPairs(s, n.Addr(), time.Now())) })
}

// statusPairs is a status for people.
func statusPairs(s wire.Status, addr string, now time.Time) []pair {
	ready := "ready"
	if !s.Ready {
		ready = "not ready"
	}
	pairs := []pair{
		{"node", fmt.Sprintf("%s at %s, %s, up %s", s.Node, addr, ready, now.Sub(s.Started).Round(time.Second))},
		{"version", fmt.Sprintf("%s; the cluster speaks protocol %d", s.Version, s.Protocol)},
		{"cluster", s.Cluster},
		{"tables", fmt.Sprint(s.Tables)},
		{"redundancy", s.Redundancy},
		{"", s.Health.NextLoss},
		{"votes", votesText(s.Health.Votes)},
	}
	pairs = append(pairs, section("rows", s.Health.Risk, riskText)...)
	pairs = append(pairs, section("doing", s.Health.Work, workText)...)
	for i, p := range s.Health.Problems {
		pairs = append(pairs, pair{label("wrong", i), p.Text + ago(p.Since, now)}, pair{"", "  try: " + p.Next})
	}
	return append(pairs, section("set aside", s.Health.Aside, asideText)...)
}

// section is one line for each of a list, with the name before the first.
func section[T any](name string, list []T, text func(T) string) (pairs []pair) {
	for i, one := range list {
		pairs = append(pairs, pair{label(name, i), text(one)})
	}
	return pairs
}

func label(name string, i int) string {
	if i > 0 {
		return ""
	}
	return name
}

func votesText(v wire.Votes) string {
	switch {
	case v.Voters == 0:
		return ""
	case v.Leader == "":
		return fmt.Sprintf("%d of %d up, and no leader is known", v.Up, v.Voters)
	}
	return fmt.Sprintf("%d of %d up, %s leads", v.Up, v.Voters, v.Leader)
}

// riskText says what stripes of a class survive.
func riskText(r wire.Risk) string {
	what := fmt.Sprintf("%s, %s in %s", counted(r.Rows, "row"), byteText(r.Bytes), counted(int64(r.Stripes), "stripe"))
	switch {
	case r.Spare < 0:
		return what + " cannot be read now"
	case r.Spare == 0:
		return what + " survive no loss"
	}
	return fmt.Sprintf("%s survive the loss of any %d of their disks", what, r.Spare)
}

// workText says how far a kind of work is.
func workText(w wire.Work) string {
	text := fmt.Sprintf("%s: %s", w.Kind, counted(int64(w.Count), workUnits[w.Kind]))
	if w.Bytes > 0 {
		text += fmt.Sprintf(", %s left", byteText(w.Bytes))
	}
	if w.Waiting > 0 {
		text += fmt.Sprintf(", %d of them wait for their disk or node", w.Waiting)
	}
	if w.Rate > 0 {
		text += fmt.Sprintf(", %s/s", byteText(w.Rate))
	}
	if w.Seconds > 0 {
		text += ", about " + (time.Duration(w.Seconds) * time.Second).String()
	}
	return text
}

var workUnits = map[string]string{
	wire.WorkRebuild: "member", wire.WorkReplace: "member", wire.WorkDrain: "member", wire.WorkRebalance: "member", wire.WorkScrub: "disk", wire.WorkMerge: "fresh segment",
}

// counted is a number of things: 1 row, 2 rows.
func counted(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func asideText(p wire.ParkedMember) string {
	return fmt.Sprintf("stripe %s slot %d on disk %s of %s: %s", p.Stripe, p.Slot, p.Disk, p.Node, p.Reason)
}

// ago says since when something is so.
func ago(since, now time.Time) string {
	if since.IsZero() {
		return ""
	}
	return fmt.Sprintf(", since %s (%s)", since.UTC().Format(time.DateTime), now.Sub(since).Round(time.Second))
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
