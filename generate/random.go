package generate

import "math/bits"

// random is SplitMix64 (Steele, Lea and Flood 2014): one word of state, good
// enough for a shop, and ours, so that no Go release can change the rows.
type random uint64

// Kinds of things that have random numbers of their own. They reach golden
// tests: never renumber.
const (
	kindProduct   = 1
	kindOrder     = 2
	kindBasket    = 3
	kindClick     = 4
	kindSession   = 5
	kindWholesale = 6
	kindTill      = 7
	kindGap       = 8
	kindPart      = 9
)

// randomOf returns the random numbers of the i-th thing of a kind.
func randomOf(seed uint64, kind, i int64) random {
	r := random(seed)
	r = random(r.next() ^ uint64(kind))
	return random(r.next() ^ uint64(i))
}

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number in [0, n), for n > 0.
func (r *random) below(n int64) int64 {
	hi, _ := bits.Mul64(r.next(), uint64(n))
	return int64(hi)
}

// chance is true in n of 1,000 cases.
func (r *random) chance(n int64) bool { return r.below(1000) < n }

// skewed returns a rank in [0, n) by Zipf's law with exponent 1: rank k comes
// up in proportion to 1/(k + 2^flat), but for steps at powers of two. The
// larger flat is, the less the first ranks stand out.
//
// An octave is drawn and then a number in it, which needs no logarithm: those
// differ between processors in the last bit.
func (r *random) skewed(n int64, flat uint) int64 {
	first := int64(1) << flat
	octaves := int64(bits.Len64(uint64(n+first-1))) - int64(flat)
	for {
		low := first << r.below(octaves)
		if rank := low + r.below(low) - first; rank < n {
			return rank
		}
	}
}

// scatter gives rank a place in [0, n), each rank another one, so that the
// popular are not the first.
func scatter(rank, n int64) int64 {
	const prime = 2_654_435_761
	_, place := mulDiv(rank, prime, n)
	return place
}

// pick returns one of the values.
func pick[T any](r *random, values []T) T { return values[r.below(int64(len(values)))] }

// pickOften is pick with the first values coming up more often.
func pickOften[T any](r *random, values []T) T { return values[r.skewed(int64(len(values)), 1)] }

// mulDiv returns a*b/n, rounded down, and the remainder, for a < n or b < n
// and nothing negative, with no overflow in between.
func mulDiv(a, b, n int64) (quotient, remainder int64) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	q, r := bits.Div64(hi, lo, uint64(n))
	return int64(q), int64(r)
}
