package format

import (
	"context"
	"io"
	"slices"
)

// Reads cost more than bytes: spans that are close are read together.
const (
	fetchGap = 64 << 10 // what to read in vain rather than read again
	fetchMax = 16 << 20 // of one joint read
)

// fetch returns the bytes of spans, in their order, with as few reads as
// sensible. It does not check them.
func fetch(ctx context.Context, file io.ReaderAt, spans []span) ([][]byte, error) {
	order := make([]int, len(spans))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if spans[a].off < spans[b].off {
			return -1
		}
		return 1
	})
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
