//go:build plant

package plant

import "sync/atomic"

var planted atomic.Int32

// Set plants one fault in the whole process; None: no fault.
func Set(f Fault) { planted.Store(int32(f)) }

// On reports whether a fault is planted.
func On(f Fault) bool { return planted.Load() == int32(f) }
