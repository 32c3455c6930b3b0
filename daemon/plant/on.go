//go:build plant

package plant

import (
	"os"
	"strconv"
	"sync/atomic"
)

var planted atomic.Int32

// TARN_PLANT plants the fault of that number from the start.
func init() {
	if n, err := strconv.Atoi(os.Getenv("TARN_PLANT")); err == nil {
		Set(Fault(n))
	}
}

// Set plants one fault in the whole process; None: no fault.
func Set(f Fault) { planted.Store(int32(f)) }

// On reports whether a fault is planted.
func On(f Fault) bool { return planted.Load() == int32(f) }
