package index

import (
	"bytes"
	"fmt"
	"sort"
)

// Keys are the distinct values of a column of text, in ascending order, that
// its pages share. Number is the place of a value in the order in which they
// first come in the segment, nulls left out.
type Keys interface {
	Len() int
	Key(place int) []byte
	Number(place int) int
}

// valueKeys are the keys of a directory, and the order in which they come.
type valueKeys interface {
	len() int
	// search returns the place of the first key that is not below key, and
	// whether it is key.
	search(key []byte) (place int, found bool, err error)
	// each calls f for all keys in order; they are good until it returns.
	each(f func(i int, key []byte)) error
	// rank returns the place of key i, or of null after the last, in the order
	// in which they first come.
	rank(i int) int
}

// ownKeys are those that the directory has itself.
type ownKeys struct {
	terms
	ranks packedUints
}

func (k *ownKeys) len() int       { return k.terms.n }
func (k *ownKeys) rank(i int) int { return int(k.ranks.at(i)) }

// sharedKeys are those of the column's dictionary.
type sharedKeys struct {
	Keys
	null int // its rank
}

func (k sharedKeys) len() int { return k.Keys.Len() }

func (k sharedKeys) rank(i int) int {
	if i == k.Len() {
		return k.null
	}
	n := k.Number(i)
	if n >= k.null {
		n++
	}
	return n
}

func (k sharedKeys) search(key []byte) (place int, found bool, err error) {
	place = sort.Search(k.Len(), func(i int) bool { return bytes.Compare(k.Key(i), key) >= 0 })
	return place, place < k.Len() && bytes.Equal(k.Key(place), key), nil
}

func (k sharedKeys) each(f func(i int, key []byte)) error {
	for i := range k.Len() {
		f(i, k.Key(i))
	}
	return nil
}

// sameKeys checks that two directories have the same keys.
func sameKeys(v, want *Values) error {
	if v.Len() != want.Len() {
		return fmt.Errorf("%d values; the rows have %d", v.Len(), want.Len())
	}
	keys := make([][]byte, 0, v.Len())
	if err := v.Each(func(_ int, key []byte) { keys = append(keys, bytes.Clone(key)) }); err != nil {
		return err
	}
	other := -1
	err := want.Each(func(i int, key []byte) {
		if other < 0 && !bytes.Equal(key, keys[i]) {
			other = i
		}
	})
	if err == nil && other >= 0 {
		err = fmt.Errorf("value %d is not that of the rows", other)
	}
	return err
}
