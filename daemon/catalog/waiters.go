package catalog

import (
	"slices"
	"sync"
)

// waiters are those who want to know what became of a proposal. They are told
// by this node's own replica, once the state shows it: whoever proposes asks
// nobody else, so no answer of the leader can get lost.
type waiters struct {
	mu sync.Mutex
	by map[string][]*waiter // proposal id
}

// waiter waits for one proposal.
type waiter struct {
	proposal Proposal
	done     chan struct{} // closed when result is set
	result   Result
}

// answer is what became of a proposal.
type answer struct {
	id     string
	result Result
}

// expect begins to wait; every waiter is to be forgotten in the end.
func (w *waiters) expect(p Proposal) *waiter {
	one := &waiter{proposal: p, done: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by == nil {
		w.by = map[string][]*waiter{}
	}
	w.by[p.ID] = append(w.by[p.ID], one)
	return one
}

func (w *waiters) forget(one *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := one.proposal.ID
	left := slices.DeleteFunc(w.by[id], func(other *waiter) bool { return other == one })
	if w.by[id] = left; len(left) == 0 {
		delete(w.by, id)
	}
}

func (w *waiters) answer(answers []answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range answers {
		w.settle(a.id, a.result)
	}
}

// settle tells all who wait for a proposal. Later answers find nobody.
func (w *waiters) settle(id string, r Result) {
	for _, one := range w.by[id] {
		one.result = r
		close(one.done)
	}
	delete(w.by, id)
}

// jump tells those whose answer is not to come any more: a snapshot took the
// place of the entries before s.
func (w *waiters) jump(s *State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, those := range w.by {
		if s.settled(those[0].proposal) {
			w.settle(id, Result{Index: s.Index(), Err: errAgain})
		}
	}
}
