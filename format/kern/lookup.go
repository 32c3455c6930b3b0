package kern

// Lookup sets dst[i] to dict[codes[i]]: it decodes a dictionary. Every code
// must be less than len(dict), which the caller has checked: one that is not
// panics or gives any value. Signed and floating-point values travel as the
// unsigned ones of the same bits.
func Lookup[C uint8 | uint16 | uint32, T uint32 | uint64](dst *[Vector]T, codes *[Vector]C, dict []T) {
	if !lookupFast(dst, codes, dict) {
		lookupScalar(dst, codes, dict)
	}
}

func lookupScalar[C uint8 | uint16 | uint32, T uint32 | uint64](dst *[Vector]T, codes *[Vector]C, dict []T) {
	for i := 0; i < Vector; i += 4 {
		c, d := codes[i:][:4], dst[i:][:4]
		d[0], d[1], d[2], d[3] = dict[c[0]], dict[c[1]], dict[c[2]], dict[c[3]]
	}
}
