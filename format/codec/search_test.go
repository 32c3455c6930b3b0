package codec

import (
	"bytes"
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
				symbols, err := newSymbolText(table, codes, offsetsOf(lengths), in.size())
				if err != nil {
					t.Fatal(name, err)
				}
				t.Run(fmt.Sprint(tier, "/", name, "/", n), func(t *testing.T) {
					checkSearch(t, symbols, in, n)
					checkSearch(t, plainText{kern.Strings{Offsets: in.Offsets, Data: in.Data}}, in, n)
				})
			}
		}
	}
}
