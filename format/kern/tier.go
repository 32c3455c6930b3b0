package kern

//go:generate go run ./gen

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// A tier is a set of CPU features for which the kernels are compiled.
type tier int

const (
	scalar tier = iota // plain Go: the reference, and all that the plain build has
	avx2               // AVX2 and FMA-era CPUs, from 2013 on
	avx512             // AVX-512 with VBMI and VBMI2: Ice Lake, Zen 4 and later
)

var tierNames = [...]string{scalar: "scalar", avx2: "avx2", avx512: "avx512"}

// now is the tier in use. It is written by init and SetTier only.
var now tier

// errTier says why the tier that TARN_KERN names is not in use.
var errTier error

func init() {
	now = best()
	if name := os.Getenv("TARN_KERN"); name != "" {
		if errTier = SetTier(name); errTier != nil {
			errTier = fmt.Errorf("TARN_KERN: %w", errTier)
		}
	}
}

func best() tier { return slices.Max(available()) }

// Tier returns the name of the tier in use: scalar, avx2 or avx512.
func Tier() string { return tierNames[now] }

// Tiers returns the names of the tiers that this build has and this CPU can
// run, the slowest first. The first is always scalar.
func Tiers() []string {
	var names []string
	for _, t := range available() {
		names = append(names, tierNames[t])
	}
	return names
}

// TierError tells whether the environment variable TARN_KERN, read once at
// start, names a tier that cannot be used. The best tier is in use then; a
// program that wants to stop instead asks here.
func TierError() error { return errTier }

// SetTier makes all kernels use the tier of that name. It must not be called
// while kernels run: it is for the start of a program and for tests. A name
// that is unknown, or that this build or CPU lacks, is an error and changes
// nothing.
func SetTier(name string) error {
	t := slices.Index(tierNames[:], name)
	if t < 0 {
		return fmt.Errorf("unknown kernel tier %q; use one of %s", name, strings.Join(tierNames[:], ", "))
	}
	if !slices.Contains(available(), tier(t)) {
		return fmt.Errorf("kernel tier %q is not available here (%s); use one of %s", name, missing, strings.Join(Tiers(), ", "))
	}
	now = tier(t)
	return nil
}
