package catalog

import (
	"cmp"

	"github.com/tidwall/btree"
)

// window is a map from text that knows the age of its entries, so that it can
// be bounded. A window is changed only by its edit copy, before that is
// published; like all trees here it copies on write.
type window[V any] struct {
	byKey *btree.Map[string, aged[V]]
	byAge *btree.Map[uint64, string]
}

type aged[V any] struct {
	age   uint64 // counts up; only its order means anything
	value V
}

func newWindow[V any]() window[V] {
	return window[V]{new(btree.Map[string, aged[V]]), new(btree.Map[uint64, string])}
}

func (w window[V]) edit() window[V] { return window[V]{w.byKey.Copy(), w.byAge.Copy()} }

func (w window[V]) get(key string) (V, bool) {
	e, ok := w.byKey.Get(key)
	return e.value, ok
}

// oldest returns the value of the oldest entry.
func (w window[V]) oldest() (v V, ok bool) {
	_, key, ok := w.byAge.Min()
	if ok {
		v, _ = w.get(key)
	}
	return v, ok
}

// put sets an entry and makes it the newest.
func (w window[V]) put(key string, value V) {
	newest, _, _ := w.byAge.Max()
	old, replaced := w.byKey.Set(key, aged[V]{newest + 1, value})
	if replaced {
		w.byAge.Delete(old.age)
	}
	w.byAge.Set(newest+1, key)
}

// trim forgets the oldest entries until keep are left or one must stay.
func (w window[V]) trim(keep int, mustStay func(V) bool) {
	for w.byAge.Len() > keep {
		age, key, _ := w.byAge.Min()
		if e, _ := w.byKey.Get(key); mustStay(e.value) {
			return
		}
		w.byAge.Delete(age)
		w.byKey.Delete(key)
	}
}

// each calls f for every entry, oldest first.
func (w window[V]) each(f func(key string, value V)) {
	w.byAge.Scan(func(_ uint64, key string) bool {
		e, _ := w.byKey.Get(key)
		f(key, e.value)
		return true
	})
}

// edit replaces *m by a copy that may be changed until it is published.
func edit[K cmp.Ordered, V any](m **btree.Map[K, V]) *btree.Map[K, V] {
	*m = (*m).Copy()
	return *m
}
