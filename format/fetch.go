package format

import (
	"cmp"
	"context"
	"io"
	"slices"

	"github.com/tarnlake/tarn/format/codec"
)

// Reads cost more than bytes: spans that are close are read together.
const (
	fetchGap = 64 << 10 // what to read in vain rather than read again
	fetchMax = 16 << 20 // of one joint read
)

// expecter is a file that can begin to read before it is asked for the bytes.
type expecter interface{ WillNeed(off, n int64) }

// Expect tells that the columns of those fields in a block will be read soon.
// If the reader's file has a method WillNeed(off, n int64) it is told so, as
// far as the pages are not in the reader's cache: it should begin to read and
// not wait. Expect itself reads nothing, so it does nothing for columns whose
// metas have not been read yet, and it allocates no page.
func (r *Reader) Expect(block int, fieldIDs []int32) {
	file, ok := r.file.(expecter)
	if !ok || block < 0 || block >= r.Blocks() {
		return
	}
	var spans []span
	for _, id := range fieldIDs {
		place, ok := r.columns.find(id)
		if !ok {
			continue
		}
		if m := r.metas[place].Load(); m != nil && !r.cache.has(m.pages[block].off) {
			spans = append(spans, m.pages[block].span)
			if s, ok := m.dictionarySpan(); ok && m.pages[block].encodings.Has(codec.Shared) && !r.cache.has(s.off) {
				spans = append(spans, s)
			}
		}
	}
	announce(file, spans)
}

// announce tells a file of spans, with as few words as sensible.
func announce(file expecter, spans []span) {
	for order := ordered(spans); len(order) > 0; {
		n, end := together(spans, order)
		start := spans[order[0]].off
		file.WillNeed(int64(start), int64(end-start))
		order = order[n:]
	}
}

// fetchApart is fetch for a file that reads ahead when it is told: each span is
// read by itself, into memory of its own, and the disk still sees few reads.
func fetchApart(ctx context.Context, file io.ReaderAt, ahead expecter, spans []span) ([][]byte, error) {
	if len(spans) > 1 {
		announce(ahead, spans)
	}
	out := make([][]byte, len(spans))
	for _, i := range ordered(spans) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out[i] = make([]byte, spans[i].len)
		if err := readFull(file, out[i], int64(spans[i].off)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ordered returns the places of spans, by where those are in the file.
func ordered(spans []span) []int {
	order := make([]int, len(spans))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(spans[a].off, spans[b].off) })
	return order
}

// fetch returns the bytes of spans, in their order, with as few reads as
// sensible. It does not check them.
func fetch(ctx context.Context, file io.ReaderAt, spans []span) ([][]byte, error) {
	order := ordered(spans)
	out := make([][]byte, len(spans))
	for len(order) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, end := together(spans, order)
		start := spans[order[0]].off
		b := make([]byte, end-start)
		if err := readFull(file, b, int64(start)); err != nil {
			return nil, err
		}
		for _, i := range order[:n] {
			out[i] = b[spans[i].off-start:][:spans[i].len:spans[i].len]
		}
		order = order[n:]
	}
	return out, nil
}

// together returns how many of the first spans in order make one read, and
// where that ends.
func together(spans []span, order []int) (n int, end uint64) {
	start := spans[order[0]].off
	end = spans[order[0]].end()
	for n = 1; n < len(order); n++ {
		next := spans[order[n]]
		if next.off > end+fetchGap || next.end() > start+fetchMax {
			break
		}
		end = max(end, next.end())
	}
	return n, end
}
