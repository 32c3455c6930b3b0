package repair

import (
	"errors"
	"io/fs"
	"sync"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/plant"
	"github.com/tarnlake/tarn/tiering"
)

// clear trashes a file if the newest state calls it trash. To clear a disk takes
// its time, and a slot that has moved away may come back meanwhile, and its member
// be found where it always was. So the state is asked before each file, and after
// it: what came to be needed in between was counted on before it went, or will
// not be found.
func (s *Sweeper) clear(m *tiering.Medium, f catalog.MemberFile) {
	view := s.View()
	v := view.Verdict(m.ID(), f)
	s.lingers.note(onDisk{m.ID(), f}, v == catalog.Wait && inStripe(view, f))
	if v != catalog.Trash && !(v == catalog.Wait && plant.On(plant.CleanUnknown)) {
		return
	}
	index := view.Index()
	if err := m.Trash(f.String(), index); err != nil {
		s.Logger.Warn("a file that nothing needs stays", "file", f, "disk", m.ID(), "error", err)
		return
	}
	if s.View().Verdict(m.ID(), f) == catalog.Keep {
		s.bringBack(m, f, index)
		return
	}
	s.Logger.Info("a file that nothing needs went to the trash", "file", f, "disk", m.ID())
}

// bringBack takes a file out of the trash that came to be needed while it went
// there. One that was rebuilt since is as good.
func (s *Sweeper) bringBack(m *tiering.Medium, f catalog.MemberFile, index uint64) {
	if err := m.Undelete(f.String(), index); err != nil && !errors.Is(err, fs.ErrExist) {
		s.Logger.Error("a file that is needed again stays in the trash", "file", f, "disk", m.ID(), "index", index, "error", err)
		return
	}
	s.Logger.Info("a file that is needed again came back from the trash", "file", f, "disk", m.ID())
}

// inStripe reports whether a state knows the stripe of a file, so that it waits
// for that and not for a commit.
func inStripe(view *catalog.State, f catalog.MemberFile) bool {
	_, known := view.Locate(f.ID)
	return known
}

// onDisk is a file of a disk of this node.
type onDisk struct {
	disk string
	file catalog.MemberFile
}

// lingering is files in the wrong place that stay until their stripe is whole.
// It is safe for concurrent use; its zero value is none.
type lingering struct {
	mu    sync.Mutex
	files map[onDisk]bool
}

// note remembers that a file waits, or that it does not any more.
func (w *lingering) note(f onDisk, waits bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !waits {
		delete(w.files, f)
		return
	}
	if w.files == nil {
		w.files = map[onDisk]bool{}
	}
	w.files[f] = true
}

func (w *lingering) all() []onDisk {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]onDisk, 0, len(w.files))
	for f := range w.files {
		all = append(all, f)
	}
	return all
}
