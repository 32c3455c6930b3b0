package tiering

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"
)

var (
	errNotThere = errors.New("not there")
	errWanted   = errors.New("lost: it is what is to be decoded")
)

// Decoder reads lost members of a stripe through those that are left. Every
// block that it reads is checked before it is decoded from, and every block
// that it decodes before it is given out; a block that is corrupt or cannot
// be read is one more that is lost, and others are tried. It is safe for
// concurrent use.
type Decoder struct {
	stripe  *Stripe
	coder   *coder
	sources []Source
	report  func(Damage)
	failed  []atomic.Bool // by slot: has given something bad, so is tried last
}

// NewDecoder makes a decoder of a stripe that has checksums, or of copies.
// Sources are by slot, nil for members that are not there. If report is not
// nil it is told of every member that turns out to be damaged or unreadable,
// once for each; it may be called from several goroutines.
func NewDecoder(s *Stripe, sources []Source, report func(Damage)) *Decoder {
	if len(sources) != s.Scheme.Width() {
		panic("BUG: decoder: not a source for each slot")
	}
	d := &Decoder{stripe: s, sources: sources, report: report, failed: make([]atomic.Bool, len(sources))}
	if !s.Scheme.Copies() {
		if s.sums == nil {
			panic("BUG: decoder: the stripe was not encoded")
		}
		d.coder = coderFor(s.Scheme)
	}
	return d
}

// Member returns a data member as a Source that decodes it. Its reads end
// early, between blocks, when ctx is done.
func (d *Decoder) Member(ctx context.Context, slot int) Source { return decoded{ctx, d, slot} }

type decoded struct {
	ctx  context.Context
	d    *Decoder
	slot int
}

func (m decoded) ReadAt(p []byte, off int64) (int, error) { return m.d.ReadAt(m.ctx, m.slot, p, off) }
func (m decoded) Size() int64                             { return m.d.stripe.Size(m.slot) }

// ReadAt reads a range of a data member, or of any copy, by decoding it from
// the others: the member's own source is not read. It reads the blocks of
// 256 KiB that the range touches, of as many members as the scheme has data.
// As io.ReaderAt has it, a range that goes past the end gives io.EOF. When
// too few members are left the error is a *StripeError that wraps ErrTooFew.
//
// Copies have no checksums of blocks: what is read of them is for the caller
// to check.
func (d *Decoder) ReadAt(ctx context.Context, slot int, p []byte, off int64) (int, error) {
	if slot < 0 || slot >= d.stripe.Scheme.Data && !d.stripe.Scheme.Copies() {
		panic("BUG: range of a parity member")
	}
	if off < 0 {
		return 0, errors.New("read at a negative offset")
	}
	size := d.stripe.Size(slot)
	n := int(min(int64(len(p)), max(size-off, 0)))
	read := d.readRange
	if d.stripe.Scheme.Copies() {
		read = d.readCopy
	}
	done, err := read(ctx, slot, p[:n], off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return done, err
}

// readRange reads block by block what is known to be there.
func (d *Decoder) readRange(ctx context.Context, slot int, p []byte, off int64) (int, error) {
	r := newRow(d.stripe.Scheme.Width())
	defer r.release()
	want := []int{slot}
	done := 0
	for done < len(p) {
		at := off + int64(done)
		r.begin(d.stripe, at/blockSize)
		if err := d.gather(ctx, r, want); err != nil {
			return done, err
		}
		if err := d.solve(r, want); err != nil {
			return done, err
		}
		done += copy(p[done:], r.shards[slot][at%blockSize:])
	}
	return done, nil
}

// solve computes wanted slots of a row that was gathered, and checks them.
func (d *Decoder) solve(r *row, want []int) error {
	d.coder.solve(r, want)
	bad := make([]error, len(r.shards))
	for _, slot := range want {
		bad[slot] = d.stripe.checkBlock(slot, r.n, r.shards[slot][:d.stripe.blockLen(slot, r.n)])
	}
	return d.stripe.fault(bad, errDecoded)
}

// errDecoded stands before blocks that were decoded from good ones and have
// not their checksum: the parity was not made from the data.
var errDecoded = errors.New("what was decoded is not what was written")

// gather makes as many slots of r known as the scheme has data, but none of
// those wanted. Members that end before this row are known without reading.
func (d *Decoder) gather(ctx context.Context, r *row, want []int) error {
	bad := make([]error, len(r.shards)) // also: not to be read
	for _, slot := range want {
		bad[slot] = errWanted
	}
	left := d.stripe.Scheme.Data - d.knowZeroes(r)
	for left > 0 {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		slots := d.pick(r, bad, left)
		if len(slots) == 0 {
			return d.stripe.fault(bad, ErrTooFew)
		}
		together(slots, func(slot int) { bad[slot] = d.readBlock(ctx, r, slot) })
		for _, slot := range slots {
			if bad[slot] == nil {
				left--
			}
		}
	}
	return nil
}

// knowZeroes fills in the data members that have no bytes in this row, lost
// or not, and returns how many they are.
func (d *Decoder) knowZeroes(r *row) int {
	known := 0
	for slot := range d.stripe.Scheme.Data {
		if d.stripe.blockLen(slot, r.n) == 0 {
			r.shards[slot] = r.room(slot)
			clear(r.shards[slot])
			known++
		}
	}
	return known
}

// pick chooses up to n slots to read next: data before parity, and those that
// have never failed before those that have.
func (d *Decoder) pick(r *row, bad []error, n int) []int {
	var good, doubtful []int
	for slot := range r.shards {
		switch {
		case bad[slot] != nil || len(r.shards[slot]) > 0:
		case d.sources[slot] == nil:
			bad[slot] = errNotThere
		case d.failed[slot].Load():
			doubtful = append(doubtful, slot)
		default:
			good = append(good, slot)
		}
	}
	all := slices.Concat(good, doubtful)
	return all[:min(n, len(all))]
}

func (d *Decoder) readBlock(ctx context.Context, r *row, slot int) error {
	_, err := r.readChecked(d.stripe, slot, d.sources[slot])
	d.blame(ctx, slot, err)
	return err
}

// blame notes and reports that a member is bad, if err says so. When ctx is
// done it says nothing: the source may have been told to stop.
func (d *Decoder) blame(ctx context.Context, slot int, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	if d.failed[slot].CompareAndSwap(false, true) && d.report != nil {
		d.report(Damage{slot, d.stripe.Name(slot), err})
	}
}
