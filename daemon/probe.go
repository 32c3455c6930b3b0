package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tarnlake/tarn/tiering"
)

// probeTime is how long what a probe asks for may take. Whoever probes has
// less patience than a disk that hangs.
const probeTime = 2 * time.Second

// healthz says whether the process is worth being kept: it answers, and a disk
// of it works. When it does not, a restart may help.
func (n *Node) healthz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), probeTime)
	defer cancel()
	answer(w, "ok", n.lifeless(ctx))
}

// readyz says whether calls may be sent to this node.
func (n *Node) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), probeTime)
	defer cancel()
	answer(w, "ready", n.unready(ctx))
}

// answer writes the good word, or 503 and why not, a line each.
func answer(w http.ResponseWriter, good string, why []string) {
	if len(why) == 0 {
		fmt.Fprintln(w, good)
		return
	}
	http.Error(w, "not "+good+":\n"+strings.Join(why, "\n"), http.StatusServiceUnavailable)
}

// lifeless returns what is wrong with the disks, if no one of them works.
func (n *Node) lifeless(ctx context.Context) (why []string) {
	media := n.members.Media()
	for _, m := range media {
		if err := works(ctx, m); err != nil {
			why = append(why, fmt.Sprintf("disk %s: %v", m.ID(), err))
		}
	}
	if len(why) < len(media) {
		return nil
	}
	return why
}

// works asks a disk in its own time: one that hangs never answers.
func works(ctx context.Context, m *tiering.Medium) error {
	answered := make(chan error, 1)
	go func() { answered <- errors.Join(m.Suspect(), m.Check()) }()
	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
		return errors.New("it does not answer")
	}
}

// unready returns why calls would fail here.
func (n *Node) unready(ctx context.Context) []string {
	why := n.unfit()
	if _, err := n.catalog.Read(ctx); err != nil {
		p := n.catalog.Progress()
		why = append(why, fmt.Sprintf("catalog: %v (applied %d of %d entries that are known to be agreed on, term %d)", err, p.Applied, p.Committed, p.Term))
	}
	return why
}

// unfit returns what of that the node knows without asking another.
func (n *Node) unfit() (why []string) {
	if !n.serving.Load() {
		why = append(why, "serving: "+errStarting.Message)
	}
	if epoch := n.ownEpoch(); epoch == 0 || n.catalog.View().EpochOf(n.id.Node) != epoch {
		why = append(why, "epoch: the cluster has opened none for this life of the node, or has ended it: it cannot take rows")
	}
	return why
}
