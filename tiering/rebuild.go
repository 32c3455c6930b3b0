package tiering

import (
	"context"
	"fmt"
	"io"
	"slices"
)

// Output is where a lost member is written to.
type Output struct {
	Slot int
	To   io.Writer
	Hash string // of the whole file, as the catalog has it; empty if nobody knows that of a parity member
}

// Rebuild writes lost members anew, data and parity, as many as the scheme
// has parity at most, in one pass over the rest and in memory that does not
// depend on their length. The lost members' own sources are not read.
//
// It says yes, with size and hash of each file in the order of lost, only
// after every block had its checksum, one block of each row that was read was
// decoded back from those that were rebuilt, and every hash that is known was
// met. Otherwise what was written is worthless. When too few members are
// left the error is a *StripeError that wraps ErrTooFew.
func (d *Decoder) Rebuild(ctx context.Context, lost []Output) ([]Receipt, error) {
	b, err := d.newRebuild(lost)
	if err != nil {
		return nil, err
	}
	if d.stripe.Scheme.Copies() {
		err = d.rebuildCopies(ctx, b)
	} else {
		err = b.run(ctx)
	}
	if err == nil {
		err = b.checkHashes()
	}
	if err != nil {
		return nil, fmt.Errorf("rebuild: %w", err)
	}
	return receiptsOf(b.out), nil
}

// rebuild is one Rebuild under way.
type rebuild struct {
	d     *Decoder
	lost  []Output
	slots []int // of lost
	out   []*sink
}

func (d *Decoder) newRebuild(lost []Output) (*rebuild, error) {
	b := &rebuild{d: d, lost: lost}
	for _, o := range lost {
		if o.Slot < 0 || o.Slot >= d.stripe.Scheme.Width() || slices.Contains(b.slots, o.Slot) {
			panic(fmt.Sprintf("BUG: rebuild of slot %d of %v, or twice", o.Slot, d.stripe.Scheme))
		}
		b.slots = append(b.slots, o.Slot)
		b.out = append(b.out, newSink(o.To))
	}
	if len(lost) > d.stripe.Scheme.Parity {
		bad := make([]error, d.stripe.Scheme.Width())
		for _, slot := range b.slots {
			bad[slot] = errWanted
		}
		return nil, d.stripe.fault(bad, ErrTooFew)
	}
	return b, nil
}

func (b *rebuild) run(ctx context.Context) error {
	if err := b.writeParity(b.d.stripe.head); err != nil {
		return err
	}
	longest := int64(0)
	for _, slot := range b.slots {
		longest = max(longest, b.d.stripe.payload(slot))
	}
	err := eachRow(ctx, b.d.stripe, blocksOf(longest), func(r *row) error { return b.d.gather(ctx, r, b.slots) }, b.solve)
	if err != nil {
		return err
	}
	return b.writeParity(b.d.stripe.foot)
}

// writeParity writes to the parity members among the lost ones.
func (b *rebuild) writeParity(part func(slot int) []byte) error {
	return writeAll(b.out, func(i int) []byte {
		if b.slots[i] < b.d.stripe.Scheme.Data {
			return nil
		}
		return part(b.slots[i])
	})
}

// solve computes, checks and writes a row of the lost members.
func (b *rebuild) solve(r *row) error {
	s := b.d.stripe
	var made, known []int
	for slot := range r.shards {
		if len(r.shards[slot]) > 0 {
			known = append(known, slot)
		} else if slices.Contains(b.slots, slot) {
			made = append(made, slot)
		}
	}
	if err := b.d.solve(r, made); err != nil {
		return err
	}
	if err := b.d.coder.checkBack(r, made, known); err != nil {
		return fmt.Errorf("stripe %s (%v): %w", s.ID, s.Scheme, err)
	}
	return writeAll(b.out, func(i int) []byte { return r.shards[b.slots[i]][:s.blockLen(b.slots[i], r.n)] })
}

// checkHashes compares what was written with what the stripe and the caller know.
func (b *rebuild) checkHashes() error {
	bad := make([]error, b.d.stripe.Scheme.Width())
	for i, slot := range b.slots {
		for _, want := range []string{b.lost[i].Hash, b.d.stripe.hash(slot)} {
			if want != "" && bad[slot] == nil {
				bad[slot] = checkHash(b.out[i].hash, want)
			}
		}
	}
	return b.d.stripe.fault(bad, errDecoded)
}

// hash returns what the stripe knows of a slot's whole file, or nothing.
func (s *Stripe) hash(slot int) string {
	switch {
	case s.Scheme.Copies():
		return s.Data[0].Hash
	case slot < s.Scheme.Data:
		return s.Data[slot].Hash
	}
	return ""
}
