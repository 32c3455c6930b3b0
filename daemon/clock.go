package daemon

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// clockEvery is how often a node looks whether its clock has jumped.
const clockEvery = time.Second

// watchClock says when the clock of the node is wrong, and when it is right
// again.
func (n *Node) watchClock(ctx context.Context) {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for wrong := false; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		err := n.clock.Wrong()
		switch {
		case err != nil && !wrong:
			n.cfg.Logger.Error("the clock of this node is wrong; no versions are let go because of their age until it is right", "error", err)
		case err == nil && wrong:
			n.cfg.Logger.Info("the clock of this node is right again")
		}
		wrong = err != nil
	}
}

// clockReport says what is wrong with the clock, or nothing.
func (n *Node) clockReport() string {
	if err := n.clock.Wrong(); err != nil {
		return err.Error()
	}
	return ""
}

// watchClock adds what is to be seen of the clock.
func (m *metrics) watchClock(n *Node) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tarn_clock_ahead_seconds", Help: "By how much the clock of the node is ahead of the other nodes', or of itself before it jumped.",
	}, func() float64 { return n.clock.Ahead().Seconds() }))
}
