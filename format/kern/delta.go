package kern

// PrefixSum sets dst[i] to start plus the sum of src up to and with src[i], in
// wrapping arithmetic, and returns the last of them: the start of the next
// vector. So it decodes deltas, of signed values as of unsigned ones. dst may
// be src.
func PrefixSum[T uint32 | uint64](dst, src *[Vector]T, start T) T {
	if !prefixFast(dst, src, start) {
		prefixScalar(dst, src, start)
	}
	return dst[Vector-1]
}

func prefixScalar[T uint32 | uint64](dst, src *[Vector]T, sum T) {
	for i, d := range src {
		sum += d
		dst[i] = sum
	}
}
