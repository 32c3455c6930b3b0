package scan

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/format"
)

// Share is what one node is asked to do for another: to scan some segments of
// a query's snapshot. It is plain data.
type Share struct {
	Format int             `json:"format"` // shareFormat
	Table  catalog.TableID `json:"table"`
	Index  uint64          `json:"index"`           // of the catalog that the query was planned on: the node must have seen it
	Query  expr.Query      `json:"query"`           // of a settled version, and of these segments alone, in the order of the table
	Yield  Yield           `json:"yield"`           // what the node that asks makes of the query, too
	Pages  format.Features `json:"pages,omitempty"` // what may come as it is stored, as in RunStored

	request []byte // that it was read from
}

// Yield names what shares of a query come to.
type Yield string

// What shares come to. Part of what nodes say to each other: never change one.
const (
	YieldRows   Yield = "rows"   // rows of the result, in the order of the table, at most LIMIT and OFFSET of them
	YieldSorted Yield = "sorted" // the same with their keys, in the order of these
	YieldTop    Yield = "top"    // candidates, sorted: the columns that the result is made of, at most LIMIT and OFFSET of them
	YieldGroups Yield = "groups" // groups and the states of their aggregates
)

const shareFormat = 1

// MaxShare bounds the bytes of a share: some million segments.
const MaxShare = 32 << 20

// yields returns what shares of the plan come to.
func (p *Plan) yields() Yield {
	switch {
	case p.grouped:
		return YieldGroups
	case p.isTop():
		return YieldTop
	case len(p.order) > 0:
		return YieldSorted
	}
	return YieldRows
}

// share describes the segments of p, which is a part of a plan.
func (p *Plan) share(index uint64, accept format.Features) *Share {
	q := *p.q
	q.At = expr.At{Version: int64(p.snap.Version)}
	q.Segments = make([]string, len(p.segments))
	for i, seg := range p.segments {
		q.Segments[i] = seg.ID.String()
	}
	return &Share{Format: shareFormat, Table: p.snap.ID, Index: index, Query: q, Yield: p.yields(), Pages: accept}
}

// of returns the plan of some segments of p.
func (p *Plan) of(segments []*catalog.Segment) *Plan {
	part := *p
	part.segments = segments
	return &part
}

// bytes returns the share as ParseShare reads it.
func (s *Share) bytes() ([]byte, error) {
	b, err := json.Marshal(s)
	if err == nil && len(b) > MaxShare {
		err = wire.Errorf(wire.LimitExceeded, "a query over %d segments of one node takes %d bytes to say; at most %d are sent", len(s.Query.Segments), len(b), MaxShare).
			WithHint("narrow the filter to fewer segments")
	}
	return b, err
}

// ParseShare reads a share that another node has sent, whatever its bytes. What
// it has checked is the share's form; Serve checks it against the catalog.
func ParseShare(request []byte) (*Share, error) {
	s := &Share{request: request}
	if len(request) > MaxShare {
		return nil, badShare("%d bytes; at most %d are read", len(request), MaxShare)
	}
	in := json.NewDecoder(bytes.NewReader(request))
	in.DisallowUnknownFields() // what it might mean, this node would leave out
	if err := in.Decode(s); err != nil {
		return nil, badShare("%w", err)
	}
	if s.Format != shareFormat {
		return nil, badShare("format %d; this node reads %d", s.Format, shareFormat)
	}
	if in.More() {
		return nil, badShare("there is more behind it")
	}
	if err := expr.Check(&s.Query); err != nil {
		return nil, badShare("%w", err)
	}
	if s.Query.At.Version <= 0 || len(s.Query.Segments) == 0 {
		return nil, badShare("it names no version or no segments")
	}
	return s, nil
}

func badShare(format string, args ...any) error {
	return wire.Errorf(wire.InvalidArgument, "a share of a scan that cannot be read: "+format, args...).
		WithHint("let all nodes run the same version of tarn")
}

// plan binds the share to this node's catalog: exactly the segments that it
// names, in that order.
func (s *Share) plan(view *catalog.State, opts Options) (*Plan, error) {
	if view.Index() < s.Index {
		return nil, wire.Errorf(wire.Unavailable, "this node is behind: it has seen the catalog up to entry %d, and the query is of entry %d", view.Index(), s.Index)
	}
	newest, err := view.TableByID(s.Table)
	if err != nil {
		return nil, err
	}
	snap, err := view.Snapshot(newest.Name, s.Query.At)
	if err != nil {
		return nil, err
	}
	return s.planOn(snap, opts)
}

func (s *Share) planOn(snap *catalog.Snapshot, opts Options) (*Plan, error) {
	p, err := New(snap, &s.Query, opts)
	if err != nil {
		return nil, err
	}
	// The segments are as asked for, even if this node could leave some out:
	// what it sends is told apart by their places.
	if p.segments, err = p.askedFor(); err != nil {
		return nil, err
	}
	same := slices.EqualFunc(p.segments, s.Query.Segments, func(seg *catalog.Segment, id string) bool { return seg.ID.String() == id })
	if !same {
		return nil, badShare("its segments are not in the order of the table")
	}
	if p.yields() != s.Yield {
		return nil, badShare("it wants %q, and the query gives %q", s.Yield, p.yields())
	}
	return p, nil
}

// Serve does the share on this node, with what o has and within the limits of
// opts, and sends what it comes to as frames of at most MaxFrame bytes, for
// the node that asked to read; send may keep them. Whatever goes wrong with the scan goes into the
// last frame; the error is that of send alone. A node that has yet to see
// Index should wait for that before it serves.
func (s *Share) Serve(ctx context.Context, view *catalog.State, o Opener, opts Options, send func(frame []byte) error) error {
	return s.serve(ctx, o, send, func() (*Plan, error) { return s.plan(view, opts) })
}

func (s *Share) serve(ctx context.Context, o Opener, send func([]byte) error, plan func() (*Plan, error)) error {
	out := &frameWriter{send: send}
	err := guarded(func() error {
		p, err := plan()
		if err != nil {
			return err
		}
		if err := out.begin(s.request, p.snap.Version); err != nil {
			return err
		}
		return p.runShare(ctx, o, s.Pages, out.item)
	})
	if out.failed != nil {
		return out.failed
	}
	return out.end(err)
}
