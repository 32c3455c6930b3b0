package tiering

import (
	"context"
	"fmt"
	"io"

	"github.com/zeebo/xxh3"
)

// Encode reads the data members of a stripe and writes its parity members,
// in one pass and in memory that does not depend on their length. Sources are
// by slot, one for each data member; parity has a writer for each parity
// member, in their order. Of a stripe of copies the writers get the copies.
//
// It returns the stripe with its checksums, and size and hash of each file
// written, which are to be compared with the receipts of the media. It fails
// when a source has not the size and the hash that the stripe says, or when
// parity does not decode back to data; then what was written is worthless.
// The stripe is not safe before another node has verified it from the disks.
func (s *Stripe) Encode(ctx context.Context, sources []Source, parity []io.Writer) (*Stripe, []Receipt, error) {
	if len(sources) != s.Scheme.Data || len(parity) != s.Scheme.Parity {
		panic(fmt.Sprintf("BUG: %d sources and %d writers for scheme %v", len(sources), len(parity), s.Scheme))
	}
	if err := s.checkSizes(sources); err != nil {
		return nil, nil, err
	}
	if s.Scheme.Copies() {
		receipts, err := s.copyTo(ctx, sources[0], parity)
		if err != nil {
			return nil, nil, fmt.Errorf("copy member %s: %w", s.Data[0].Name, err)
		}
		return s, receipts, nil
	}
	e := newEncoder(s, sources, parity)
	if err := e.run(ctx); err != nil {
		return nil, nil, fmt.Errorf("encode stripe %s (%v): %w", s.ID, s.Scheme, err)
	}
	return e.stripe, receiptsOf(e.out), nil
}

// checkSizes compares what sources there are with what the stripe says.
func (s *Stripe) checkSizes(sources []Source) error {
	bad := make([]error, s.Scheme.Width())
	for slot, src := range sources {
		if src == nil {
			bad[slot] = errNotThere
		} else if src.Size() != s.Size(slot) {
			bad[slot] = fmt.Errorf("%w: %d bytes; want %d", ErrCorrupt, src.Size(), s.Size(slot))
		}
	}
	return s.fault(bad, nil)
}

type encoder struct {
	stripe  *Stripe // with sums, as far as they are known
	coder   *coder
	sources []Source
	hashes  []*xxh3.Hasher // of the data members
	out     []*sink        // of the parity members
	data    []int          // slots
	parity  []int
}

func newEncoder(s *Stripe, sources []Source, parity []io.Writer) *encoder {
	sealed := *s
	sealed.sums = s.newSums()
	e := &encoder{stripe: &sealed, coder: coderFor(s.Scheme), sources: sources, out: newSinks(parity)}
	e.data, e.parity = slotsFrom(0, s.Scheme.Data), slotsFrom(s.Scheme.Data, s.Scheme.Width())
	for range sources {
		e.hashes = append(e.hashes, xxh3.New())
	}
	return e
}

func (e *encoder) run(ctx context.Context) error {
	if err := e.writeAll(func(slot int) []byte { return e.stripe.head(slot) }); err != nil {
		return err
	}
	if err := eachRow(ctx, e.stripe, blocksOf(e.stripe.coded()), e.fill, e.encode); err != nil {
		return err
	}
	if err := e.checkHashes(); err != nil {
		return err
	}
	return e.writeAll(func(slot int) []byte { return e.stripe.foot(slot) })
}

// fill reads a row of data, and sums it up.
func (e *encoder) fill(r *row) error {
	bad := make([]error, len(r.shards))
	together(e.data, func(slot int) {
		var b []byte
		b, bad[slot] = r.read(e.stripe, slot, e.sources[slot])
		e.hashes[slot].Write(b)
		e.sum(r.n, slot, b)
	})
	return e.stripe.fault(bad, nil)
}

func (e *encoder) sum(n int64, slot int, b []byte) {
	if len(b) > 0 {
		e.stripe.sums[slot][n] = xxh3.Hash(b)
	}
}

// encode computes a row of parity, sees that it leads back, and writes it.
func (e *encoder) encode(r *row) error {
	e.coder.solve(r, e.parity)
	if err := e.coder.checkBack(r, e.parity, e.data); err != nil {
		return err
	}
	return e.writeAll(func(slot int) []byte {
		e.sum(r.n, slot, r.shards[slot])
		return r.shards[slot]
	})
}

func (e *encoder) writeAll(bytes func(slot int) []byte) error {
	return writeAll(e.out, func(i int) []byte { return bytes(e.parity[i]) })
}

func (e *encoder) checkHashes() error {
	bad := make([]error, e.stripe.Scheme.Width())
	for slot, h := range e.hashes {
		bad[slot] = checkHash(h, e.stripe.Data[slot].Hash)
	}
	return e.stripe.fault(bad, nil)
}

func checkHash(h *xxh3.Hasher, want string) error {
	if got := hashText(h.Sum128()); got != want {
		return fmt.Errorf("%w: hash %s; want %s", ErrCorrupt, got, want)
	}
	return nil
}
