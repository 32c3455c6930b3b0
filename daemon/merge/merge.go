// Package merge makes few large segments of many small ones while rows come
// in and scans go on, and stripes with parity of the large ones.
//
// What to merge is said by Policy, a pure function of a snapshot. A merge
// reads its inputs block by block, in the order of the table's sort key,
// writes new segments, seals them to stripes that are read back from the
// disks, and swaps them in by one commit. Whatever happens before that commit
// leaves files that no version names, as an append that fails does; a commit
// that finds one of its inputs gone is rejected, and the merge was in vain.
package merge

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"runtime/debug"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/ingest"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/tiering"
)

// Config is what a Merger works with. All fields are needed but Target, Memory
// and Room.
type Config struct {
	Node    string // id: of several nodes each merges its own partitions
	View    func() *catalog.State
	Ingest  *ingest.Ingester // ids and commits
	Members *members.Store
	Open    func(context.Context, *catalog.Segment) (*format.Reader, error)
	Scheme  func(*catalog.State) tiering.Scheme // of merged segments
	Logger  *slog.Logger

	Target int64       // stored bytes of a merged segment; default DefaultTarget
	Memory int64       // bytes that all merges together may hold; default 64 MiB
	Room   func() bool // reports whether the node has memory to spare; nil: always
}

func (c Config) withDefaults() Config {
	if c.Target <= 0 {
		c.Target = DefaultTarget
	}
	if c.Memory <= 0 {
		c.Memory = 64 << 20
	}
	if c.Room == nil {
		c.Room = func() bool { return true }
	}
	return c
}

// Done says what a merge has done. The zero Done is that of one in vain.
type Done struct {
	Inputs, Outputs int
	Read, Written   int64           // bytes of segments
	Stripes         int             // with parity
	Version         catalog.Version // made
}

// Run does a merge: it returns once the outputs are part of the table. Without
// an error and without a version, somebody else has changed an input first. An
// error that wraps *InputError says which segment could not be read.
func (m *Merger) Run(ctx context.Context, job *Job) (done Done, err error) {
	out := &output{m: m, table: job.Table, scheme: m.stripeScheme(m.View()), held: m.Memory / (2 * lanes)}
	defer func() {
		if p := recover(); p != nil {
			m.Logger.Error("panic while merging", "table", job.Table.Name, "panic", p, "stack", string(debug.Stack()))
			err = wire.Errorf(wire.Internal, "a merge met a bug of our own: %v", p)
		}
		if abort := out.abort(); abort != nil {
			m.Logger.Warn("files of a merge that was given up stay until the next start", "table", job.Table.Name, "error", abort)
		}
	}()
	inputs, err := m.write(ctx, job, out)
	if err != nil {
		return Done{}, err
	}
	return m.commit(ctx, job, inputs, out)
}

// stripeScheme is how merged segments are protected now: while a disk is away
// they are kept as copies and sealed later.
func (m *Merger) stripeScheme(view *catalog.State) tiering.Scheme {
	if s := m.Scheme(view); m.Members.CanStripe(view, s) {
		return s
	}
	return tiering.Scheme{Data: 1}
}

// write writes all parts, and returns the segments whose rows they have.
func (m *Merger) write(ctx context.Context, job *Job, out *output) (inputs []*catalog.Segment, err error) {
	for _, p := range job.Parts {
		_, files := split(p, m.Target)
		out.later += files
	}
	for _, p := range job.Parts {
		part, from, rows, err := m.rows(ctx, job.Table, p)
		if err != nil {
			return nil, err
		}
		_, planned := split(p, m.Target)
		_, files := split(part, m.Target)
		out.later += files - planned
		if err := m.writePart(ctx, job, out, part, from, rows); err != nil {
			return nil, err
		}
		inputs = append(inputs, part.Inputs...)
	}
	return inputs, out.finish(ctx)
}

func (m *Merger) writePart(ctx context.Context, job *Job, out *output, part Part, from []catalog.Input, rows iter.Seq2[arrow.RecordBatch, error]) error {
	made := len(out.segments)
	out.begin(part, from, m.Target)
	for batch, err := range rows {
		if err == nil {
			err = m.rest(ctx)
		}
		if err == nil {
			err = out.write(ctx, batch)
		}
		if err != nil {
			return err
		}
	}
	if out.rows != 0 {
		return wire.Errorf(wire.Corrupt, "table %q: segments of a merge have %d rows fewer than the catalog says", job.Table.Name, out.rows)
	}
	return out.finishPart(ctx, made, func(segments int, bytes int64) int {
		return Policy{Target: m.Target}.levelOf(job.Tier, segments, bytes)
	})
}

// rows opens the inputs of a part and returns it with as many of them as
// memory allows for, what these came of, and their rows.
func (m *Merger) rows(ctx context.Context, t *catalog.Snapshot, p Part) (Part, []catalog.Input, iter.Seq2[arrow.RecordBatch, error], error) {
	as := t.Schema.Arrow()
	var inputs []*input
	var from []catalog.Input
	for _, s := range p.Inputs {
		in, o, err := m.open(ctx, t, s)
		if err != nil {
			return p, nil, nil, failed(ctx, &InputError{s.ID, err})
		}
		inputs, from = append(inputs, in), append(from, catalog.Input{ID: s.ID, Merged: o.Merged})
	}
	if len(t.SortBy) == 0 {
		return p, from, concatenated(ctx, as, inputs), nil
	}
	s, n, err := newSorted(ctx, as, orderOf(t.Schema, t.SortBy), inputs, m.Memory/(2*lanes))
	if err != nil {
		return p, nil, nil, err
	}
	return Part{p.Values, p.Inputs[:n]}, from[:n], s.rows(ctx), nil
}

// open opens an input and reads what it says of its origin.
func (m *Merger) open(ctx context.Context, t *catalog.Snapshot, s *catalog.Segment) (*input, catalog.Origin, error) {
	r, err := m.Open(ctx, s)
	if err != nil {
		return nil, catalog.Origin{}, err
	}
	if r.Rows() != s.Rows {
		return nil, catalog.Origin{}, wire.Errorf(wire.Corrupt, "it has %d rows; the catalog says %d", r.Rows(), s.Rows)
	}
	o, err := catalog.ParseOrigin(r.Info().Properties[catalog.OriginProperty])
	if err != nil {
		return nil, catalog.Origin{}, wire.Errorf(wire.Corrupt, "%w", err)
	}
	return &input{segment: s, reader: r, table: t.Schema}, o, nil
}

func failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// commit swaps the outputs in. The files are the catalog's from here on.
func (m *Merger) commit(ctx context.Context, job *Job, inputs []*catalog.Segment, out *output) (Done, error) {
	cmd := catalog.CommitSegments{
		Table: job.Table.ID, SchemaID: job.Table.Schema.ID, Segments: out.segments, Stripes: out.stripes,
		Operation: "merge", Detail: fmt.Sprintf("%d segments to %d", len(inputs), len(out.segments)),
	}
	done := Done{Inputs: len(inputs), Outputs: len(out.segments)}
	for _, s := range inputs {
		cmd.Remove = append(cmd.Remove, s.ID)
		done.Read += s.Bytes
	}
	for _, s := range out.segments {
		done.Written += s.Bytes
	}
	for _, st := range out.stripes {
		if len(st.Data) > 1 {
			done.Stripes++
		}
	}
	out.stripes = nil
	r, err := m.Ingest.Commit(ctx, cmd)
	switch {
	case err != nil:
		return Done{}, err
	case r.Err != nil && (r.Err.Code == wire.Conflict || r.Err.Code == wire.TableNotFound):
		return Done{}, nil
	case r.Err != nil:
		return Done{}, r.Err
	}
	done.Version = r.Version
	return done, nil
}
