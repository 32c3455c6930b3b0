package daemon

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/format"
	"github.com/zeebo/xxh3"
)

// verify reads segments back from the disk, past every cache of ours, and
// checks the file's hash against the catalog and the file against itself.
func (s *service) verify(ctx context.Context, req wire.VerifySegments) (wire.SegmentReport, error) {
	t, err := s.snapshot(ctx, req.Table, expr.At{})
	if err != nil {
		return wire.SegmentReport{}, err
	}
	chosen, err := chooseSegments(t, req.IDs)
	if err != nil {
		return wire.SegmentReport{}, err
	}
	var report wire.SegmentReport
	for _, seg := range chosen {
		if err := ctx.Err(); err != nil {
			return report, err
		}
		report.Checked++
		report.Bytes += seg.Bytes
		if err := s.verifySegment(ctx, seg); err != nil {
			report.Problems = append(report.Problems, wire.SegmentProblem{ID: seg.ID.String(), Problem: err.Error()})
		}
	}
	return report, nil
}

func chooseSegments(t *catalog.Snapshot, ids []string) ([]*catalog.Segment, error) {
	if len(ids) == 0 {
		return t.Segments, nil
	}
	var chosen []*catalog.Segment
	for _, id := range ids {
		i := slices.IndexFunc(t.Segments, func(s *catalog.Segment) bool { return s.ID.String() == id })
		if i < 0 {
			return nil, wire.Errorf(wire.InvalidArgument, "table %q has no segment %q", t.Name, id).WithHint("tarn segment list %s", t.Name)
		}
		chosen = append(chosen, t.Segments[i])
	}
	return chosen, nil
}

// verifySegment reads every copy of a segment. What is wrong with one is
// repair's to put right.
func (s *service) verifySegment(ctx context.Context, seg *catalog.Segment) error {
	at, ok := s.n.catalog.View().Locate(seg.ID)
	if !ok {
		return nil // its version was let go meanwhile
	}
	copies := at.DataCopies()
	if len(copies) == 0 {
		return errors.New("it is lost: no disk that is left has it")
	}
	var errs []error
	for _, c := range copies {
		if err := s.verifyCopy(ctx, seg, c.Disk); err != nil {
			errs = append(errs, fmt.Errorf("disk %s: %w", c.Disk, err))
			if ctx.Err() == nil && !errors.Is(err, members.ErrAway) {
				s.n.reportDamage(c, err)
			}
		}
	}
	return errors.Join(errs...)
}

// verifyCopy reads one copy of a segment.
func (s *service) verifyCopy(ctx context.Context, seg *catalog.Segment, disk string) error {
	f, err := s.n.members.OpenOn(ctx, disk, catalog.SegmentFile(seg.ID), seg.Bytes)
	if err != nil {
		return err
	}
	defer f.Close()
	h := xxh3.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, f.Size())); err != nil {
		return err
	}
	sum := h.Sum128().Bytes()
	if got := hex.EncodeToString(sum[:]); got != seg.Hash {
		return fmt.Errorf("the file's hash is %s, the catalog says %s", got, seg.Hash)
	}
	r, err := format.Open(f, f.Size())
	if err != nil {
		return err
	}
	return r.Verify(ctx)
}
