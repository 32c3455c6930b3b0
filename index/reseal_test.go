package index

import (
	"bytes"

	"github.com/zeebo/xxh3"
)

// reseal makes the checksums of a changed section of pages right, as far as
// its parts can be found: what an attacker would do.
func reseal(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) < pagesFixed {
		return b
	}
	head, n := uint64(le.Uint32(b)), uint64(le.Uint32(b[4:]))
	table := pagesFixed + uint64(le.Uint32(b[12:]))
	if head > uint64(len(b)) || head != table+pageEntry*n+8 {
		return b
	}
	from := head
	for i := range n {
		entry := b[table+pageEntry*i:]
		end := head + le.Uint64(entry)
		if from <= end && end <= uint64(len(b)) {
			le.PutUint64(entry[8:], xxh3.Hash(b[from:end]))
			from = end
		}
	}
	le.PutUint64(b[head-8:], xxh3.Hash(b[:head-8]))
	return b
}
