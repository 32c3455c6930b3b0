//go:build !(goexperiment.simd && amd64)

package kern

// The plain build has no fast kernels: every hook declines, and the caller
// goes on with its scalar reference.

func unpackFast[T Uint](*[Vector]T, []T, T, int) bool { return false }
func withinFast[T Uint](*Mask, []T, int, T, T) bool   { return false }
