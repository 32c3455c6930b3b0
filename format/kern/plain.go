//go:build !(goexperiment.simd && amd64)

package kern

import "unsafe"

// The plain build has no fast kernels: every hook declines, and the caller
// goes on with its scalar reference.

func unpackFast[T Uint](*[Vector]T, []T, T, int) bool { return false }

func withinFast[T Uint](*Mask, []T, int, T, T) bool { return false }

func combineFast(_, _ []Mask, _ int) bool { return false }

func countFast([]Mask) (int, bool) { return 0, false }

func rowsFast[R uint16 | uint32 | int32](*[Vector]R, *Mask, R) (int, bool) { return 0, false }

func compressFast[T Uint](_, _ *[Vector]T, _ *Mask) (int, bool) { return 0, false }

func inFast[T Uint](*Mask, *[Vector]T, []uint64) bool { return false }

func prefixFast[T uint32 | uint64](_, _ *[Vector]T, _ T) bool { return false }

func alp64Fast(_ *[Vector]float64, _ []uint64, _ uint64, _ int, _, _ float64) bool { return false }

func alp32Fast(_ *[Vector]float32, _, _ float32) bool { return false }

func lookupFast[C uint8 | uint16 | uint32, T uint32 | uint64](*[Vector]T, *[Vector]C, []T) bool {
	return false
}

func compareFast(*Mask, Op, operand, operand, kind) bool { return false }

func sumFast(unsafe.Pointer, *Mask, kind) (Total, bool) { return Total{}, false }

func sumFloatsFast(*[FloatLanes]float64, unsafe.Pointer, *Mask, kind) bool { return false }

func minMaxFast(unsafe.Pointer, *Mask, kind) (lo, hi int64, ok bool) { return 0, 0, false }

func sumNarrowFast(*[Vector]int64, *Mask) (int64, bool) { return 0, false }

func groupCountFast[C Code]([]int64, *[Vector]C, *Mask) bool { return false }

func affineFast(_, _ *[Vector]int64, _, _ int64) bool { return false }

func addFast(_, _, _ *[Vector]int64) bool { return false }

func mulFast(_, _, _ *[Vector]int64) bool { return false }

func widenFast[T Uint](*[Vector]int64, *[Vector]T, bool) bool { return false }

func codesFast[T Uint](*[Vector]uint16, *[Vector]T, T) bool { return false }

func combineCodesFast(_, _ *[Vector]uint16, _ uint16) bool { return false }

func lengthsFast(*Mask, []int32, int, int32, int32) bool { return false }

func sizeFast([]byte, *[256]uint8) (size, done int) { return 0, 0 }

func pairFast(*[pairChunks]uint64, unsafe.Pointer, unsafe.Pointer, int, byte, byte) {
	panic("BUG: kern: the plain build has no tier but scalar")
}
