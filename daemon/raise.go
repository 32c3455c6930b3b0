package daemon

import (
	"context"

	"github.com/tarnlake/tarn/daemon/catalog"
)

// raise has the cluster speak the newest protocol that all of its nodes do, if
// this node leads: what that has brought is used from then on.
func (n *Node) raise(ctx context.Context) error {
	view := n.catalog.View()
	to := view.Raisable()
	if to <= view.Protocol() || !n.catalog.Leads() {
		return nil
	}
	if err := n.must(ctx, catalog.Command{RaiseProtocol: &catalog.RaiseProtocol{To: to}}); err != nil {
		return err
	}
	n.cfg.Logger.Info("the cluster speaks a newer protocol", "from", view.Protocol(), "to", to)
	return nil
}
