package repair

import (
	"context"
	"io"

	"github.com/tarnlake/tarn/daemon/members"
)

// copyBlindly is plant.BlindRebuild: whatever another disk gives.
func (r *Rebuilder) copyBlindly(ctx context.Context, i item, to io.Writer) error {
	for _, m := range i.at.DataCopies() {
		src, err := r.Members.OpenOn(ctx, m.Disk, i.file(), i.want().Bytes)
		if err != nil || m.Disk == i.disk() {
			continue
		}
		defer src.Close()
		_, err = io.Copy(to, io.NewSectionReader(src, 0, src.Size()))
		return err
	}
	return members.ErrAway
}
