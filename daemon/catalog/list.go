package catalog

import "sync/atomic"

// list is a slice that versions of the state share. To append writes behind
// the end of what older versions see; whoever comes second (a branch that the
// log never makes, but a test may) gets a copy. A list is never changed.
type list[T any] struct {
	items []T
	room  *atomic.Int64 // places of the array behind items that nobody has taken
}

func (l list[T]) append(more ...T) list[T] {
	free, n := int64(cap(l.items)-len(l.items)), int64(len(more))
	if l.room != nil && n <= free && l.room.CompareAndSwap(free, free-n) {
		return list[T]{append(l.items, more...), l.room}
	}
	items := make([]T, 0, (len(l.items)+len(more))*3/2+4)
	items = append(append(items, l.items...), more...)
	grown := list[T]{items, new(atomic.Int64)}
	grown.room.Store(int64(cap(items) - len(items)))
	return grown
}

// from returns the list without its first n items.
func (l list[T]) from(n int) list[T] { return list[T]{l.items[n:], l.room} }

func (l list[T]) len() int { return len(l.items) }

// view returns the items as a slice that an append of somebody else cannot
// reach into.
func (l list[T]) view() []T { return l.items[:len(l.items):len(l.items)] }
