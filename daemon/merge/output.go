package merge

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/ingest"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/tiering"
)

// output writes the rows of a job as segments, and those as stripes.
//
// A part becomes segments of as many rows each, as many as its bytes ask for.
// Which segments share a stripe is decided as it is begun, from the rows that
// are still to come: two segments or more make a stripe with parity, as even
// as can be; the one that is left over is kept as copies.
type output struct {
	m      *Merger
	table  *catalog.Snapshot
	scheme tiering.Scheme // of stripes
	held   int64          // bytes that a segment in the making may hold

	part    Part
	from    []catalog.Input // of the part
	merged  *catalog.Merged // what the segments of the part say of it; nil before the first
	rows    int64           // of the part, that are still to be written
	perFile int64           // rows of a segment of the part
	later   int64           // segments that the parts after this one will become

	file   *outFile         // in the making; nil: none
	stripe *members.Sealing // in the making; nil: none
	room   int64            // segments that the stripe still takes

	segments []catalog.Segment
	stripes  []catalog.NewStripe
}

// outFile is a segment in the making.
type outFile struct {
	id   catalog.SegmentID
	rows *format.Writer
	left int64           // rows that it still takes
	copy *members.Writer // nil: it is a member of the stripe
}

// split says how many rows each segment of a part gets.
func split(p Part, target int64) (perFile, files int64) {
	rows := p.rows()
	if rows == 0 {
		return 0, 0
	}
	files = max(1, (p.bytes()+target/2)/target, ceil(rows, index.MaxLookupRows))
	perFile = ceil(rows, files)
	return perFile, ceil(rows, perFile)
}

func ceil(a, b int64) int64 { return (a + b - 1) / b }

// begin begins the next part.
func (o *output) begin(p Part, from []catalog.Input, target int64) {
	o.part, o.from, o.rows, o.merged = p, from, p.rows(), nil
	perFile, files := split(p, target)
	o.perFile, o.later = perFile, o.later-files
}

// write takes rows of the part.
func (o *output) write(ctx context.Context, batch arrow.RecordBatch) error {
	for batch.NumRows() > 0 {
		if o.file == nil {
			if err := o.open(); err != nil {
				return err
			}
		}
		n := min(batch.NumRows(), o.file.left)
		if err := o.file.rows.Write(batch.NewSlice(0, n)); err != nil {
			return err
		}
		batch = batch.NewSlice(n, batch.NumRows())
		o.file.left, o.rows = o.file.left-n, o.rows-n
		if o.file.left == 0 || o.file.rows.Held() > o.held {
			if err := o.end(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// open begins a segment.
func (o *output) open() error {
	id, err := o.m.Ingest.NewSegmentID()
	if err != nil {
		return err
	}
	f := &outFile{id: id, left: o.perFile}
	to, err := o.place(f)
	if err != nil {
		return err
	}
	o.file = f
	if o.merged == nil {
		if o.merged, err = catalog.NewMerged(id, o.rows, o.from); err != nil {
			return err
		}
	}
	f.rows, err = ingest.NewSegmentWriter(to, o.table, o.table.Origin(o.part.Values, o.merged), id, 1)
	return err
}

// place chooses where a segment goes and begins its file.
func (o *output) place(f *outFile) (io.Writer, error) {
	if o.stripe == nil {
		if err := o.beginStripe(f.id); err != nil {
			return nil, err
		}
	}
	if o.stripe != nil {
		return o.stripe, o.stripe.Create(f.id)
	}
	var err error
	f.copy, err = o.m.Members.CreateMerged(o.m.View(), f.id)
	return f.copy, err
}

// beginStripe begins a stripe with parity if at least two segments will come:
// a segment may end early, but never takes more than perFile.
func (o *output) beginStripe(id catalog.SegmentID) (err error) {
	coming := ceil(o.rows, o.perFile) + o.later
	if o.scheme.Copies() || coming < 2 {
		return nil
	}
	o.room = ceil(coming, ceil(coming, int64(o.scheme.Data)))
	o.stripe, err = o.m.Members.BeginStripe(o.m.View(), o.scheme, id)
	return err
}

// end makes the segment durable, and the stripe that it fills.
func (o *output) end(ctx context.Context) error {
	f := o.file
	summary, err := f.rows.Close()
	if err != nil {
		return err
	}
	m, err := o.commitFile(f)
	if err != nil {
		return err
	}
	o.file = nil
	o.segments = append(o.segments, ingest.NewSegment(o.table, o.part.Values, m, summary))
	if f.copy == nil {
		if o.room--; o.room == 0 {
			return o.seal(ctx)
		}
	}
	return nil
}

func (o *output) commitFile(f *outFile) (catalog.Member, error) {
	if f.copy == nil {
		return o.stripe.Commit()
	}
	st, err := f.copy.Commit()
	if err != nil {
		return catalog.Member{}, err
	}
	o.stripes = append(o.stripes, st)
	return st.Data[0], nil
}

func (o *output) seal(ctx context.Context) error {
	st, err := o.stripe.Seal(ctx)
	if err != nil {
		return err
	}
	o.stripe = nil
	o.stripes = append(o.stripes, st)
	return nil
}

// finishPart ends the segment that is not full, and gives those of the part
// their level.
func (o *output) finishPart(ctx context.Context, from int, level func(segments int, bytes int64) int) error {
	if o.file != nil {
		if err := o.end(ctx); err != nil {
			return err
		}
	}
	made := o.segments[from:]
	for i := range made {
		made[i].Level = level(len(made), made[i].Bytes)
	}
	return nil
}

// finish seals the stripe that is not full.
func (o *output) finish(ctx context.Context) error {
	if o.stripe == nil {
		return nil
	}
	return o.seal(ctx)
}

// abort gives everything up that is not part of the table.
func (o *output) abort() error {
	var errs []error
	if o.file != nil && o.file.copy != nil {
		errs = append(errs, o.file.copy.Abort())
	}
	if o.stripe != nil {
		errs = append(errs, o.stripe.Abort())
	}
	for _, st := range o.stripes {
		errs = append(errs, o.m.Members.Discard(st, o.m.View().Index()))
	}
	o.file, o.stripe, o.stripes = nil, nil, nil
	return errors.Join(errs...)
}
