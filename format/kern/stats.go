package kern

// MinMax returns the least and the greatest of v in the order of the values
// with the bits of flip inverted: flip 0 for unsigned values, the sign bit
// for signed ones. v must not be empty.
func MinMax[T Uint](v []T, flip T) (lo, hi T) {
	lo, hi = v[0]^flip, v[0]^flip
	for _, x := range v {
		x ^= flip
		lo, hi = min(lo, x), max(hi, x)
	}
	return lo ^ flip, hi ^ flip
}

// Runs returns how many runs of equal neighbours v has.
func Runs[T Uint](v []T) int {
	if len(v) == 0 {
		return 0
	}
	n := 1
	prev := v[0]
	for _, x := range v {
		if x != prev {
			n++
		}
		prev = x
	}
	return n
}

// Max returns the greatest of v, or 0.
func Max[T Uint](v []T) T {
	var m T
	for _, x := range v {
		m = max(m, x)
	}
	return m
}
