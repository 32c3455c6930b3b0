package repair

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
)

// search gives ways to copy a member from disks that the catalog does not
// expect it on: one that was given up has come back, and its slots have other
// disks by now. What is found there counts only with the right hash. A disk
// that cannot be asked now is a way, too, which fails for that: it may have it.
func (r *Rebuilder) search(ctx context.Context, view *catalog.State, i item) iter.Seq[way] {
	return func(yield func(way) bool) {
		for _, d := range view.Disks() {
			if n, ok := view.Node(d.Node); !ok || n.State != catalog.NodeUp || d.State == catalog.DiskDown || d.ID == i.disk() {
				continue
			}
			f, err := r.Members.OpenOn(ctx, d.ID, i.file(), i.want().Bytes)
			if err != nil && !errors.Is(err, members.ErrAway) {
				continue
			}
			if err == nil {
				f.Close() // read-only: nothing left to lose
			}
			if !yield(func(ctx context.Context, i item, to io.Writer) error { return r.copyFrom(ctx, d.ID, i, to) }) {
				return
			}
		}
	}
}
