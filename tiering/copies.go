package tiering

import (
	"context"
	"io"

	"github.com/zeebo/xxh3"
)

// copyTo writes the one file of a stripe of copies to each writer, and says
// yes only if it has its hash.
func (s *Stripe) copyTo(ctx context.Context, src Source, to []io.Writer) ([]Receipt, error) {
	out := newSinks(to)
	err := copyHashed(ctx, src, s.Data[0], out)
	return receiptsOf(out), err
}

func copyHashed(ctx context.Context, src Source, m Member, out []*sink) error {
	return readHashed(ctx, src, m, func(_ int64, b []byte) error {
		return writeAll(out, func(int) []byte { return b })
	})
}

// readHashed gives out the blocks of a data member or a copy, and fails at
// its end if it has not its hash. The bytes are use's until it returns.
func readHashed(ctx context.Context, src Source, m Member, use func(n int64, b []byte) error) error {
	buf := blockPool.Get().(*block)
	defer blockPool.Put(buf)
	h := xxh3.New()
	for at := int64(0); at < m.Size; at += blockSize {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		b := buf[:min(m.Size-at, blockSize)]
		if err := readFull(src, b, at); err != nil {
			return err
		}
		h.Write(b)
		if err := use(at/blockSize, b); err != nil {
			return err
		}
	}
	return checkHash(h, m.Hash)
}

// readCopy reads a range from the first of the other copies that gives it.
func (d *Decoder) readCopy(ctx context.Context, slot int, p []byte, off int64) (int, error) {
	bad := make([]error, len(d.sources))
	bad[slot] = errWanted
	for other := range d.copies(bad) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		if bad[other] = readFull(d.sources[other], p, off); bad[other] == nil {
			return len(p), nil
		}
		d.blame(ctx, other, bad[other])
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return 0, d.stripe.fault(bad, ErrTooFew)
}

// copies gives the slots to try one after the other, which is no longer than
// bad says nothing of them.
func (d *Decoder) copies(bad []error) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		r := newRow(len(bad))
		for {
			next := d.pick(r, bad, 1)
			if len(next) == 0 || !yield(next[0]) {
				return
			}
		}
	}
}

// rebuildCopies reads copies until one has the hash, and then that one again
// to write it: what has been written to a writer cannot be taken back.
func (d *Decoder) rebuildCopies(ctx context.Context, b *rebuild) error {
	bad := make([]error, len(d.sources))
	for _, slot := range b.slots {
		bad[slot] = errWanted
	}
	for slot := range d.copies(bad) {
		err := d.stripe.VerifyMember(ctx, slot, d.sources[slot])
		if err == nil {
			return copyHashed(ctx, d.sources[slot], d.stripe.Data[0], b.out)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		bad[slot] = err
		d.blame(ctx, slot, err)
	}
	return d.stripe.fault(bad, ErrTooFew)
}
