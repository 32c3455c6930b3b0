package tiering

import (
	"bytes"
	"errors"
	"sync"

	"github.com/klauspost/reedsolomon"
)

// coder computes shards of a stripe from others: a Cauchy code over GF(2^8).
// The matrix is part of the format. Safe for concurrent use; it starts no
// goroutines, as many stripes are worked on at a time.
type coder struct {
	scheme Scheme
	rs     reedsolomon.Encoder
}

var coders sync.Map // of *coder by Scheme: each keeps the matrices it has inverted

// coderFor returns the coder of a scheme that has passed Check.
func coderFor(s Scheme) *coder {
	if c, ok := coders.Load(s); ok {
		return c.(*coder)
	}
	rs, err := reedsolomon.New(s.Data, s.Parity, reedsolomon.WithCauchyMatrix(), reedsolomon.WithMaxGoroutines(1))
	if err != nil {
		panic("BUG: no code for scheme " + s.String() + ": " + err.Error())
	}
	c, _ := coders.LoadOrStore(s, &coder{s, rs})
	return c.(*coder)
}

// solve computes the wanted shards of r from those that are known, of which
// there must be as many as the scheme has data.
func (c *coder) solve(r *row, want []int) {
	required := make([]bool, len(r.shards))
	for _, slot := range want {
		required[slot] = true
		r.shards[slot] = r.room(slot)[:0] // where to, and that it is not known
	}
	if err := c.rs.ReconstructSome(r.shards, required); err != nil {
		panic("BUG: cannot decode: " + err.Error())
	}
}

// errSelfCheck says that what was computed does not lead back to where it was
// computed from: memory or processor are at fault, or the code is.
var errSelfCheck = errors.New("what was encoded does not decode to what it was encoded from")

// checkBack computes one of the known shards back from the made ones and the
// rest, and compares. Which one changes from row to row.
func (c *coder) checkBack(r *row, made, known []int) error {
	if len(made) == 0 || len(known) == 0 {
		return nil
	}
	back := int(r.n) % len(known)
	p := newRow(len(r.shards))
	defer p.release()
	p.size = r.size
	left := c.scheme.Data
	for _, slot := range append(append(made[:len(made):len(made)], known[:back]...), known[back+1:]...) {
		if left > 0 {
			p.shards[slot] = r.shards[slot]
			left--
		}
	}
	c.solve(p, known[back:back+1])
	if !bytes.Equal(p.shards[known[back]], r.shards[known[back]]) {
		return errSelfCheck
	}
	return nil
}
