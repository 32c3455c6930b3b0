package codec

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tarnlake/tarn/format/kern"
)

// checkSearch searches text for parts of its own rows, whole rows, what is
// nearly in there, and nothing, and compares what is found, and what is read,
// with its values.
func checkSearch(t *testing.T, text textView, values Strings, seed int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(seed), 1))
	wanted := [][]byte{nil, []byte("a"), []byte("no such text"), []byte("quick"), {255}, {0}}
	for range min(4, values.rows()) {
		v := bytes.Clone(values.value(rng.IntN(values.rows())))
		from := rng.IntN(len(v) + 1)
		part := v[from : from+rng.IntN(min(40, len(v)-from)+1)]
		wanted = append(wanted, v, v[from:], v[:from], part, append(bytes.Clone(part), 'e'))
	}
	for _, s := range wanted {
		checkFound(t, "Equal", text.Equal, bytes.Equal, values, s, rng)
		checkFound(t, "HasPrefix", text.HasPrefix, bytes.HasPrefix, values, s, rng)
		checkFound(t, "HasSuffix", text.HasSuffix, bytes.HasSuffix, values, s, rng)
		checkFound(t, "Contains", text.Contains, bytes.Contains, values, s, rng)
	}
	checkRead(t, text, values, rng)
}

// checkFound searches all rows, most of them and few.
func checkFound(t *testing.T, name string, search func([]kern.Mask, []byte), has func(v, s []byte) bool, values Strings, s []byte, rng *rand.Rand) {
	t.Helper()
	for _, skip := range []int{0, 3, 40} {
		got, want := make([]kern.Mask, kern.MasksFor(values.rows())), make([]kern.Mask, kern.MasksFor(values.rows()))
		for i := range values.rows() {
			if skip > 0 && (rng.IntN(skip) == 0) == (skip < 10) {
				continue
			}
			got[i/kern.Vector][i%kern.Vector/64] |= 1 << (i % 64)
			if has(values.value(i), s) {
				want[i/kern.Vector][i%kern.Vector/64] |= 1 << (i % 64)
			}
		}
		if search(got, s); !slices.Equal(got, want) {
			t.Fatalf("%s of %q in %d rows, skip %d: got %x; want %x", name, s, values.rows(), skip, got, want)
		}
	}
}

// checkRead reads no rows, some and all.
func checkRead(t *testing.T, text textView, values Strings, rng *rand.Rand) {
	t.Helper()
	for _, some := range []int{0, 2, 50} {
		rows := []int32{}
		for i := range values.rows() {
			if some > 0 && rng.IntN(some) == 0 {
				rows = append(rows, int32(i))
			}
		}
		got := text.read(rows)
		for i, r := range rows {
			if !bytes.Equal(got.value(i), values.value(int(r))) {
				t.Fatalf("row %d is %q; want %q", r, got.value(i), values.value(int(r)))
			}
		}
	}
	all := text.read(nil)
	for i := range values.rows() {
		if !bytes.Equal(all.value(i), values.value(i)) {
			t.Fatalf("row %d of all is %q; want %q", i, all.value(i), values.value(i))
		}
	}
}

// TestSearch searches every kind of text, as it is and as symbols, on every
// tier.
func TestSearch(t *testing.T) {
	was := kern.Tier()
	defer kern.SetTier(was)
	for _, tier := range kern.Tiers() {
		kern.SetTier(tier)
		for name, text := range texts {
			for _, n := range []int{0, 1, 7, 1024, 2500} {
				values := make([]string, n)
				for i := range values {
					values[i] = text(i)
					values[i] = values[i][:min(len(values[i]), 150)]
				}
				in := stringsOf(values, nil)
				table, codes, lengths := coded(NewEncoder(Default), in)
				symbols, err := checkedText(table, codes, rowsAt(offsetsOf(lengths)), in.size())
				if err != nil {
					t.Fatal(name, err)
				}
				t.Run(fmt.Sprint(tier, "/", name, "/", n), func(t *testing.T) {
					checkSearch(t, symbols, in, n)
					checkSearch(t, plainText{rowsAt(in.Offsets), in.Data}, in, n)
				})
			}
		}
	}
}

// viewOf writes values and returns them as a view.
func viewOf(t *testing.T, in Strings) *Text {
	t.Helper()
	b, _ := page(t, Default, func(e *Encoder) error { return e.PutStrings(in) })
	d, err := NewDecoder(b, MaxPageValues)
	if err != nil {
		t.Fatal(err)
	}
	x, err := d.ViewStrings(in.rows())
	if err == nil {
		err = d.Done()
	}
	if err == nil {
		err = x.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestSearchFields searches in fields, on every tier.
func TestSearchFields(t *testing.T) {
	was := kern.Tier()
	defer kern.SetTier(was)
	for _, c := range fieldsCases {
		if !c.want {
			continue
		}
		values := make([]string, 2500)
		for i := range values {
			values[i] = c.value(i)
		}
		in := stringsOf(values, nil)
		for _, tier := range kern.Tiers() {
			kern.SetTier(tier)
			text, ok := viewOf(t, in).plain.(*fieldsText)
			if !ok {
				t.Fatalf("%s: no fields", c.name)
			}
			checkSearch(t, text, in, len(c.name))
			for _, s := range []string{"0", "9", "10", "19", "a", "z", "zz", "zzzz", "aaaaaaaaaaaaaaa", "123456789012345678901", "-", "/0", "a1"} {
				checkFound(t, "Contains", text.Contains, bytes.Contains, in, []byte(s), rand.New(rand.NewPCG(1, 2)))
			}
		}
	}
}

// FuzzViewStrings takes any page as strings: a view of it has to be what
// decoding it gives, unless that fails.
func FuzzViewStrings(f *testing.F) {
	rows := func(value func(i int) string) Strings {
		values := make([]string, 90)
		for i := range values {
			values[i] = value(i)
		}
		return stringsOf(values, nil)
	}
	add := func(in Strings) {
		for _, profile := range []Profile{Default, Compact, Fast} {
			b, _ := page(f, profile, func(e *Encoder) error { return e.PutStrings(in) })
			f.Add(b, uint8(in.rows()))
		}
	}
	for _, c := range fieldsCases {
		add(rows(c.value))
	}
	for _, text := range texts {
		add(rows(func(i int) string { v := text(i); return v[:min(len(v), 99)] }))
	}
	f.Fuzz(func(t *testing.T, b []byte, n uint8) {
		const budget = 1 << 20
		d, err := NewDecoder(b, budget)
		if err != nil {
			return
		}
		want := Strings{Offsets: make([]int32, int(n)+1)}
		err = d.GetStrings(want.Offsets, func(n int) []byte { want.Data = make([]byte, n); return want.Data })
		d, _ = NewDecoder(b, 2*budget) // a view pays for offsets, too
		x, failed := d.ViewStrings(int(n))
		if failed == nil {
			failed = x.Check()
		}
		if err == nil && failed != nil && !errors.Is(failed, ErrTooLarge) {
			t.Fatalf("decodes, but has no view: %v", failed)
		}
		if err != nil || failed != nil || x.plain == nil {
			return
		}
		checkSearch(t, x.plain, want, int(n))
	})
}
