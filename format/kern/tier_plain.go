//go:build !(goexperiment.simd && amd64)

package kern

// missing says why faster tiers are not there.
const missing = "built without GOEXPERIMENT=simd"

// available returns the tiers of the plain build, in ascending order.
func available() []tier { return []tier{scalar} }
