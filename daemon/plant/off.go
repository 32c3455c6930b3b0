//go:build !plant

package plant

// On reports whether a fault is planted: never.
func On(Fault) bool { return false }
