// Command gen writes the SIMD kernels of package kern from one template, once
// for each tier. It is run by go generate in format/kern; a test of that
// package checks that the files are what it writes.
package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"go/format"
	"log"
	"os"
	"path/filepath"
	"text/template"
)

//go:embed kernels.tmpl
var text string

// tier is a set of CPU features and the names that go with it.
type tier struct {
	Name   string // in file names and comments
	Suffix string // of functions: z for ZMM, y for YMM registers
	Bytes  int    // size of a register
	Funnel bool   // AVX-512: funnel shifts, compares into mask registers, compress
}

var tiers = []tier{
	{"avx512", "z", 64, true},
	{"avx2", "y", 32, false},
}

func main() {
	dir := "."
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	if err := generate(dir); err != nil {
		log.Fatal(err)
	}
}

// generate writes all files into dir.
func generate(dir string) error {
	t, err := template.New("kernels").Funcs(template.FuncMap{"dict": dict}).Parse(text)
	if err != nil {
		return err
	}
	for _, tier := range tiers {
		for _, name := range []string{"packed", "vector"} {
			var b bytes.Buffer
			if err := t.ExecuteTemplate(&b, name, tier); err != nil {
				return err
			}
			file := fmt.Sprintf("%s_%s_amd64.go", name, tier.Name)
			src, err := format.Source(b.Bytes())
			if err != nil {
				os.WriteFile(filepath.Join(dir, file), b.Bytes(), 0o666)
				return fmt.Errorf("%s: %w", file, err)
			}
			if err := os.WriteFile(filepath.Join(dir, file), src, 0o666); err != nil {
				return err
			}
		}
	}
	return nil
}

// dict makes a map of alternating keys and values, to hand several values to
// a template.
func dict(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

// Words are the sizes of packed words.
func (tier) Words() []int { return []int{8, 16, 32, 64} }

// Kernels returns the kernels of every width of bits-bit words.
func (t tier) Kernels(bits int) []kernel {
	var ks []kernel
	for w := 1; w <= bits; w++ {
		ks = append(ks, kernel{t, bits, w})
	}
	return ks
}

// Lanes is the number of bits-bit values in a register.
func (t tier) Lanes(bits int) int { return t.Bytes * 8 / bits }

// Vec is the type of a register of kind (Int, Uint, Float) with bits-bit values.
func (t tier) Vec(kind string, bits int) string {
	return fmt.Sprintf("%s%dx%d", kind, bits, t.Lanes(bits))
}

// Array is the type of the memory that such a register is loaded from.
func (t tier) Array(kind string, bits int) string {
	return fmt.Sprintf("[%d]%s%d", t.Lanes(bits), kind, bits)
}
