package daemon

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/peer"
	"github.com/tarnlake/tarn/daemon/scan"
	"github.com/zeebo/xxh3"
)

// spread says how the scans of this node run over the nodes of the cluster.
func (n *Node) spread() scan.Spread {
	if n.network == nil {
		return scan.Spread{}
	}
	view := n.catalog.View()
	return scan.Spread{Index: view.Index(), Nodes: &holders{self: n.id.Node, view: view, peers: n.network.peers}}
}

// holders divides segments among the nodes that hold them. It keeps nothing,
// so it is safe for concurrent use.
type holders struct {
	self  string
	view  *catalog.State
	peers *peer.Client
}

// worthAsking is the size of a segment from which on another node is asked to
// scan it although this one has it, too: less is scanned before the answer is
// there.
const worthAsking = 4 << 20

// Place returns a node that has the segment on a disk of its own: this one if
// it has a small one, else one of them by chance, which is the same for the
// same segment, so that what a node keeps in memory stays of use.
func (h *holders) Place(seg *catalog.Segment) string {
	nodes := h.of(seg.ID)
	if len(nodes) == 0 || seg.Bytes < worthAsking && slices.Contains(nodes, h.self) {
		return ""
	}
	return h.named(chosen(nodes, seg.ID))
}

// Instead returns another holder of the first of the segments.
func (h *holders) Instead(segments []*catalog.Segment, failed []string, _ error) string {
	left := slices.DeleteFunc(h.of(segments[0].ID), func(node string) bool { return slices.Contains(failed, node) })
	if len(left) == 0 || slices.Contains(left, h.self) {
		return ""
	}
	return chosen(left, segments[0].ID)
}

// Scan has another node do a share.
func (h *holders) Scan(ctx context.Context, node string, share []byte) iter.Seq2[[]byte, error] {
	return h.peers.Scan(ctx, node, share)
}

func (h *holders) named(node string) string {
	if node == h.self {
		return ""
	}
	return node
}

// of returns the nodes that are up and have a segment on a disk.
func (h *holders) of(id catalog.SegmentID) []string {
	at, ok := h.view.Locate(id)
	if !ok {
		return nil
	}
	var nodes []string
	for _, c := range at.DataCopies() {
		d, ok := h.view.Disk(c.Disk)
		if !ok || d.State == catalog.DiskDown || slices.Contains(nodes, d.Node) {
			continue
		}
		if n, ok := h.view.Node(d.Node); ok && n.State == catalog.NodeUp {
			nodes = append(nodes, d.Node)
		}
	}
	return nodes
}

// chosen returns the one of the nodes whose name and segment hash highest.
func chosen(nodes []string, id catalog.SegmentID) string {
	return slices.MaxFunc(nodes, func(a, b string) int {
		if xxh3.HashStringSeed(a, uint64(id)) < xxh3.HashStringSeed(b, uint64(id)) {
			return -1
		}
		return 1
	})
}

// behindFor is how long a share waits for this node to catch up with the
// catalog.
const behindFor = 5 * time.Second

// scanShare does a share of another node's scan. What was sent is not changed
// any more.
func (n *Node) scanShare(ctx context.Context, request []byte, send func([]byte) error) error {
	if !n.serving.Load() {
		return errStarting
	}
	share, err := scan.ParseShare(request)
	if err != nil {
		return err
	}
	n.metrics.scans.Inc()
	catchingUp, cancel := context.WithTimeout(ctx, behindFor)
	defer cancel()
	view, _ := n.catalog.StateAt(catchingUp, share.Index) // Serve says what is wrong with an older one
	return share.Serve(ctx, view, n.readers, n.scanOptions(), send)
}
