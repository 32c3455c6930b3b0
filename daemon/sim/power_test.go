package sim

import (
	"math/rand/v2"
	"sync"
)

// power is what one life of a node runs on. It may go right before a change of
// a disk or of the log; from then on nothing that the life does lasts, and
// nobody hears it.
type power struct {
	mu   sync.Mutex
	left int // changes until it goes; negative: it stays
	gone bool
	off  chan struct{} // closed when it is gone
}

func newPower() *power { return &power{left: -1, off: make(chan struct{})} }

// cutAfter has it go before the n-th change from now; 0: now.
func (p *power) cutAfter(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left = n; n == 0 {
		p.cut()
	}
}

func (p *power) cut() {
	if !p.gone {
		p.gone = true
		close(p.off)
	}
}

func (p *power) on() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.gone
}

// change reports whether there is power for one more change.
func (p *power) change() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		p.cut()
	}
	if p.left > 0 {
		p.left--
	}
	return !p.gone
}

// dice are random numbers for goroutines that run at the same time.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func newDice(seed, stream uint64) *dice { return &dice{rng: rand.New(rand.NewPCG(seed, stream))} }

// below returns a number from 0 to n-1.
func (d *dice) below(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}

// once in so many calls it returns true; never if n is 0.
func (d *dice) oneIn(n int) bool { return n > 0 && d.below(n) == 0 }
