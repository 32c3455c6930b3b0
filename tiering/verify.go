package tiering

import (
	"bytes"
	"cmp"
	"context"
	"fmt"

	"github.com/zeebo/xxh3"
)

// VerifyMember reads one member whole and compares every byte of it with what
// the stripe says: blocks with their checksums, a data member with its hash, and
// what stands around the coded bytes of a parity member. This is what a scrub
// does where the member lies. An error that wraps ErrCorrupt is the member's
// fault; another one is the disk's, or of ctx.
func (s *Stripe) VerifyMember(ctx context.Context, slot int, src Source) error {
	if err := s.checkEnvelope(slot, src); err != nil {
		return err
	}
	if s.Scheme.Copies() {
		return readHashed(ctx, src, s.Data[0], func(int64, []byte) error { return nil })
	}
	if slot < s.Scheme.Data {
		return readHashed(ctx, src, s.Data[slot], func(n int64, b []byte) error { return s.checkBlock(slot, n, b) })
	}
	r := newRow(s.Scheme.Width())
	defer r.release()
	for n := range blocksOf(s.coded()) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.begin(s, n)
		if _, err := r.readChecked(s, slot, src); err != nil {
			return err
		}
	}
	return nil
}

// Verify reads all members of a stripe and says yes only if each is what the
// stripe says and parity is what the data gives: the read-back before the
// files that a stripe was made of are let go. Sources are by slot; one that is
// nil is damage too. If members are at fault the error is a *StripeError that
// names all of them.
func (s *Stripe) Verify(ctx context.Context, sources []Source) error {
	if len(sources) != s.Scheme.Width() {
		panic("BUG: verify: not a source for each slot")
	}
	v := &verifier{stripe: s, sources: sources, bad: make([]error, len(sources)), noFit: make([]error, len(sources))}
	run := v.run
	if s.Scheme.Copies() {
		run = v.runCopies
	}
	if err := run(ctx); err != nil {
		return err
	}
	return s.fault(v.bad, nil)
}

// verifier is one Verify under way.
type verifier struct {
	stripe  *Stripe
	sources []Source
	coder   *coder
	hashes  []*xxh3.Hasher // of the data members
	bad     []error        // by slot: what is wrong; it is read no further
	noFit   []error        // by slot: that parity is wrong; written by compare, bad by fill
	again   *row           // for what parity should be
}

// each checks at once every slot that nothing is known against.
func (v *verifier) each(check func(slot int) error) {
	var slots []int
	for slot, src := range v.sources {
		if src == nil {
			v.bad[slot] = errNotThere
		}
		if v.bad[slot] == nil {
			slots = append(slots, slot)
		}
	}
	together(slots, func(slot int) { v.bad[slot] = check(slot) })
}

func (v *verifier) runCopies(ctx context.Context) error {
	v.each(func(slot int) error { return v.stripe.VerifyMember(ctx, slot, v.sources[slot]) })
	return context.Cause(ctx)
}

func (v *verifier) run(ctx context.Context) error {
	v.each(func(slot int) error { return v.stripe.checkEnvelope(slot, v.sources[slot]) })
	v.coder, v.again = coderFor(v.stripe.Scheme), newRow(len(v.sources))
	defer v.again.release()
	for range v.stripe.Scheme.Data {
		v.hashes = append(v.hashes, xxh3.New())
	}
	err := eachRow(ctx, v.stripe, blocksOf(v.stripe.coded()), v.fill, v.compare)
	if err != nil {
		return err
	}
	for slot := range v.bad {
		v.bad[slot] = cmp.Or(v.bad[slot], v.noFit[slot])
		if v.bad[slot] == nil && slot < v.stripe.Scheme.Data {
			v.bad[slot] = checkHash(v.hashes[slot], v.stripe.Data[slot].Hash)
		}
	}
	return nil
}

// fill reads a row, and leaves out what is damaged.
func (v *verifier) fill(r *row) error {
	v.each(func(slot int) error {
		if v.stripe.blockLen(slot, r.n) == 0 {
			r.shards[slot] = r.room(slot)
			clear(r.shards[slot])
			return nil
		}
		b, err := r.readChecked(v.stripe, slot, v.sources[slot])
		if slot < len(v.hashes) {
			v.hashes[slot].Write(b)
		}
		return err
	})
	return nil
}

// errNoFit says that a parity member is as it was written, but wrong.
var errNoFit = fmt.Errorf("%w: not the parity of the data", ErrCorrupt)

// compare encodes a row of data again and looks for the parity.
func (v *verifier) compare(r *row) error {
	p := v.again
	p.begin(v.stripe, r.n)
	for slot := range v.stripe.Scheme.Data {
		if len(r.shards[slot]) == 0 {
			return nil // the row cannot be encoded: its data is damaged
		}
		p.shards[slot] = r.shards[slot]
	}
	parity := slotsFrom(v.stripe.Scheme.Data, v.stripe.Scheme.Width())
	v.coder.solve(p, parity)
	for _, slot := range parity {
		if len(r.shards[slot]) > 0 && !bytes.Equal(r.shards[slot], p.shards[slot]) {
			v.noFit[slot] = errNoFit
		}
	}
	return nil
}
