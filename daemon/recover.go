package daemon

import (
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"golang.org/x/sys/unix"
)

// Survivor is what a recovery would be made of.
type Survivor struct {
	Node    string        `json:"node"`
	Cluster string        `json:"cluster"`
	Catalog CatalogReport `json:"catalog"`
	Others  []string      `json:"others"`            // names of nodes that would be down
	Sole    bool          `json:"sole"`              // the node is the only voter already: nothing needs recovery
	Rebuilt *Rebuilt      `json:"rebuilt,omitempty"` // of RecoverFromDisks
}

// Recovered is what a recovery has made.
type Recovered struct {
	Number uint64 // of the recovery
	Before string // where the catalog from before is kept; "" if there was none

	NoTrust bool // the authority is lost: the node is alone until InitCluster
}

// Recover makes the stopped node of dir the only voter of its cluster, with all
// that is in its log: also entries that no majority ever had. confirm is shown
// what there is, and returns the id of the cluster to go on. Before that, nothing
// is changed.
func Recover(dir string, confirm func(Survivor) (string, error)) (done Recovered, err error) {
	lock, id, err := openStopped(dir, unix.LOCK_EX)
	if err != nil {
		return done, err
	}
	defer lock.Close()
	r, err := catalog.Examine(raftDir(dir))
	if err != nil {
		return done, err
	}
	if err := checkReplica(r, id); err != nil {
		return done, err
	}
	s := Survivor{Node: id.Node, Cluster: id.Cluster, Catalog: reportCatalog(r), Others: namesBut(r.State, id.Node), Sole: r.SoleVoter()}
	if err := confirmed(confirm, s); err != nil {
		return done, err
	}
	return remake(dir, id, r.State, max(r.Term, r.LastTerm)+1)
}

// checkReplica refuses a catalog that nothing should be made of.
func checkReplica(r *catalog.Replica, id identity) error {
	if r.State == nil {
		return wire.Errorf(wire.Corrupt, "the catalog of this node is damaged: %w", r.Problems[0]).
			WithHint("choose another survivor; if there is none: tarn recover --from-disks --dir DIR, which begins with the newest checkpoint on the disks")
	}
	if r.Node != id.Node || r.Cluster != id.Cluster {
		return wire.Errorf(wire.Conflict, "the catalog here is of node %s in cluster %s, this is node %s in cluster %s", r.Node, r.Cluster, id.Node, id.Cluster)
	}
	if r.Last == 0 {
		return wire.Errorf(wire.InvalidArgument, "this node has nothing of the catalog yet").WithHint("choose another survivor")
	}
	return nil
}

func confirmed(confirm func(Survivor) (string, error), s Survivor) error {
	typed, err := confirm(s)
	if err != nil {
		return err
	}
	if typed != s.Cluster {
		return wire.Errorf(wire.InvalidArgument, "%.100q is not the id of this cluster, %s: nothing was changed", typed, s.Cluster)
	}
	return nil
}

// remake makes the node's catalog anew from a state.
func remake(dir string, id identity, s *catalog.State, term uint64) (Recovered, error) {
	next := s.Recovered(id.Node, uuid.NewString(), time.Now(), 0)
	before, err := catalog.Remake(catalog.Config{Dir: raftDir(dir), Node: id.Node, Cluster: id.Cluster}, next, term)
	return Recovered{Number: next.Recovery().Number, Before: before}, err
}

func namesBut(s *catalog.State, node string) (names []string) {
	for _, n := range s.Nodes() {
		if n.ID != node {
			names = append(names, n.Name)
		}
	}
	return names
}

// Rejoin takes the catalog away from the stopped node of dir, which a recovery
// has left behind, and keeps it under another name, which is returned. At its
// next start the node gets that of the cluster, and what its disks hold is
// compared with it.
func Rejoin(dir string, confirm func(Survivor) (string, error)) (before string, err error) {
	lock, id, err := openStopped(dir, unix.LOCK_EX)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if !id.Secured {
		return "", wire.Errorf(wire.InvalidArgument, "the node in %s is alone: its catalog is the only one", dir)
	}
	s := Survivor{Node: id.Node, Cluster: id.Cluster}
	if r, err := catalog.Examine(raftDir(dir)); err == nil {
		s.Catalog, s.Sole = reportCatalog(r), r.SoleVoter()
	}
	if s.Sole {
		return "", wire.Errorf(wire.Conflict, "the node in %s is the only voter of its cluster: no other has the catalog to get it from", dir).
			WithHint("run this on the node that was left behind, and start this one")
	}
	if err := confirmed(confirm, s); err != nil {
		return "", err
	}
	id.Settled = false // first: with it the node gets a catalog instead of missing one
	if err := id.write(dir); err != nil {
		return "", err
	}
	before = raftDir(dir) + ".before-" + uuid.NewString()
	if err := os.Rename(raftDir(dir), before); err != nil {
		return "", err
	}
	return before, syncDir(filepath.Clean(dir))
}

// meetForeign is told of a node that cannot be of one cluster with this one. If
// that is because of a later recovery, or because the cluster has outgrown this
// build, this node was left behind and must not go on.
func (n *Node) meetForeign(other catalog.Hello, why error) {
	own := n.catalog.Hello()
	switch {
	case catalog.NewerLineage(other.Lineage, own.Lineage):
		why = wire.Errorf(wire.Conflict, "the cluster was recovered without this node, whose catalog is not a part of it any more").
			WithHint("stop this node, then: tarn recover --rejoin --dir %s", n.cfg.Dir)
	case !catalog.SameLineage(other.Lineage, own.Lineage) || other.Protocol <= own.Speaks.Known().Newest:
		n.cfg.Logger.Warn("a node was refused", "lineage", other.Lineage, "speaks", other.Speaks, "error", why)
		return
	}
	n.halt(why)
	if n.serving.Load() {
		n.fail(why)
	}
}
