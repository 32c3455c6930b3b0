package daemon

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
)

// fellow is where another node of the cluster is.
type fellow struct {
	Node    string `json:"node"`
	Address string `json:"address"`          // host:port of the one port
	Gossip  string `json:"gossip,omitempty"` // host:port of gossip
}

// fellows is what a node needs before it has heard of the cluster again: where
// the others were, and the key of gossip. It is kept in a file of the node's
// directory that follows the catalog. A node that starts has nothing else to
// go by: of its own replica it knows only after a talk with the others how
// much of it counts. Safe for concurrent use.
type fellows struct {
	path string

	mu    sync.Mutex
	known fellowsFile
}

type fellowsFile struct {
	Keys  [][]byte `json:"gossip_keys"` // the first seals, all open
	Nodes []fellow `json:"nodes"`
}

const fellowsName = "fellows.json"

// loadFellows reads the file; one that is not there knows nobody.
func loadFellows(dir string) (*fellows, error) {
	f := &fellows{path: filepath.Join(dir, fellowsName)}
	b, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &f.known)
	}
	if err != nil {
		return nil, wire.Errorf(wire.Corrupt, "%s does not say where the other nodes are: %w", f.path, err).
			WithHint("copy the file from another node of the cluster")
	}
	return f, nil
}

// save keeps what is known now, and returns only when it is durable.
func (f *fellows) save(known fellowsFile) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if reflect.DeepEqual(known, f.known) {
		return nil
	}
	b, err := json.MarshalIndent(known, "", "  ")
	if err != nil {
		return err
	}
	if err := replaceFile(f.path, append(b, '\n'), 0o600); err != nil {
		return err
	}
	f.known = known
	return nil
}

// follow keeps what a state says, if it says anything.
func (f *fellows) follow(view *catalog.State) error {
	keys := view.Trust().GossipKeys
	if len(keys) == 0 {
		return nil
	}
	known := fellowsFile{Keys: keys}
	for _, n := range view.Nodes() {
		if n.State != catalog.NodeLost && n.Address != "" {
			known.Nodes = append(known.Nodes, fellow{n.ID, n.Address, n.Gossip})
		}
	}
	return f.save(known)
}

// address returns where a node was, or "".
func (f *fellows) address(node string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.known.Nodes {
		if n.Node == node {
			return n.Address
		}
	}
	return ""
}

// keys returns the keys of gossip.
func (f *fellows) keys() [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known.Keys
}

// gossips returns where the gossip of others is to be found.
func (f *fellows) gossips(but string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[string]bool{}
	for _, n := range f.known.Nodes {
		if n.Node != but && n.Gossip != "" {
			all[n.Gossip] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
