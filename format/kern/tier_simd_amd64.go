//go:build goexperiment.simd && amd64

package kern

import "simd/archsimd"

// missing says why faster tiers are not there.
const missing = "the CPU lacks its instructions"

// available returns the tiers that the CPU has, in ascending order.
func available() []tier {
	tiers := []tier{scalar}
	cpu := archsimd.X86
	if cpu.AVX2() {
		tiers = append(tiers, avx2)
	}
	if cpu.AVX512() && cpu.AVX512VBMI() && cpu.AVX512VBMI2() && cpu.AVX512VPOPCNTDQ() && cpu.AVX512BITALG() {
		tiers = append(tiers, avx512)
	}
	return tiers
}
