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
	t, err := template.New("kernels").Funcs(functions).Parse(text)
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

// functions is what the template can do besides calling methods.
var functions = template.FuncMap{
	"dict":  dict,
	"list":  func(items ...any) []any { return items },
	"mul":   func(a, b int) int { return a * b },
	"div":   func(a, b int) int { return a / b },
	"sub":   func(a, b int) int { return a - b },
	"lower": func(kind string) string { return lower[kind] },
	"method": func(op string) string {
		return map[string]string{"Eq": "Equal", "Lt": "Less", "Le": "LessEqual"}[op]
	},
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

// ALPKernels returns the kernels that fit into the mantissa of a float64 with
// room for the base.
func (t tier) ALPKernels() []kernel { return t.Kernels(64)[:51] }

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

// Load is the expression of a register of kind loaded from at bytes past p.
func (t tier) Load(kind string, bits int, p, at string) string {
	array := t.Array(lower[kind], bits)
	return fmt.Sprintf("archsimd.Load%s((*%s)(unsafe.Add(%s, %s)))", t.Vec(kind, bits), array, p, at)
}

// Ptr is the expression of the memory at bytes past p, to store a register to.
func (t tier) Ptr(kind string, bits int, p, at string) string {
	return fmt.Sprintf("(*%s)(unsafe.Add(%s, %s))", t.Array(lower[kind], bits), p, at)
}

var lower = map[string]string{"Int": "int", "Uint": "uint", "Float": "float"}

// Broadcast is the expression of a register full of x.
func (t tier) Broadcast(kind string, bits int, x string) string {
	return fmt.Sprintf("archsimd.Broadcast%s(%s)", t.Vec(kind, bits), x)
}

// Select is the expression that keeps the lanes of x whose bits are set in the
// mask at bits/8 bytes past m, and makes the others zero.
func (t tier) Select(kind string, bits int, x, m, at string) string {
	word := fmt.Sprintf("*(*uint%d)(unsafe.Add(%s, %s))", max(t.Lanes(bits), 8), m, at)
	if t.Funnel {
		return fmt.Sprintf("%s.Masked(archsimd.Mask%dx%dFromBits(%s))", x, bits, t.Lanes(bits), word)
	}
	return fmt.Sprintf("%s.And(lanes%d(%s)%s)", x, bits, word, t.as(kind, bits))
}

func (t tier) as(kind string, bits int) string {
	if kind == "Int" {
		return ""
	}
	return ".As" + t.Vec(kind, bits) + "()"
}

// Types are the kinds and sizes of plain values.
func (tier) Types() []numbers {
	var all []numbers
	for _, kind := range []struct{ vec, name string }{{"Uint", "unsigned"}, {"Int", "signed"}, {"Float", "floating"}} {
		for size, bits := range []int{8, 16, 32, 64} {
			switch {
			case size == 0 && kind.vec != "Float":
				all = append(all, numbers{kind.vec, bits, kind.name})
			case kind.vec != "Float" || bits >= 32:
				all = append(all, numbers{kind.vec, bits, fmt.Sprintf("%s | %d", kind.name, size)})
			}
		}
	}
	return all
}

// numbers is a type of plain values; Name is that of package kern.
type numbers struct {
	Kind string
	Bits int
	Name string
}
