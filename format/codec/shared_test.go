package codec

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// sharedOf makes pages of blocks of values, all of them full, and the
// dictionary of their column.
func sharedOf(t *testing.T, blocks ...[]string) (pages [][]byte, dictionary []byte) {
	t.Helper()
	e, b := NewEncoder(Default), NewSharedBuilder(1<<20)
	for _, values := range blocks {
		e.Share(b, true)
		if err := e.PutStrings(stringsFrom(values)); err != nil {
			t.Fatal(err)
		}
		page, _ := e.Page(nil)
		pages = append(pages, page)
	}
	dictionary, _ = e.AppendShared(nil, b)
	return pages, dictionary
}

func stringsFrom(values []string) Strings {
	s := Strings{Offsets: []int32{0}}
	for _, v := range values {
		s.Data = append(s.Data, v...)
		s.Offsets = append(s.Offsets, int32(len(s.Data)))
	}
	return s
}

// cycle repeats texts up to n rows.
func cycle(n int, texts ...string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = texts[i*7%len(texts)]
	}
	return out
}

func textsOf(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("a text with number %d in it", i*i))
	}
	return out
}

func TestSharedTexts(t *testing.T) {
	all := textsOf(100)
	blocks := [][]string{cycle(20_000, all...), cycle(20_000, all[:3]...), cycle(20_000, append(all, "new", "")...)}
	pages, dictionary := sharedOf(t, blocks...)
	d, used, err := OpenSharedTexts(dictionary)
	if err != nil || d.Len() != 102 || used.Has(Shared) {
		t.Fatalf("got %v in %v, %v; want 102 texts", d, used.List(), err)
	}
	for i := range d.Len() {
		if string(d.Key(i)) != d.Texts()[d.Number(i)] || i > 0 && bytes.Compare(d.Key(i-1), d.Key(i)) >= 0 {
			t.Errorf("text %d is %q, %q by number, or out of order", i, d.Key(i), d.Texts()[d.Number(i)])
		}
	}
	if d.Texts()[0] != blocks[0][0] || d.Texts()[1] != blocks[0][1] {
		t.Error("texts are not numbered as they come")
	}
	for i, page := range pages {
		dec, err := NewDecoder(page, MaxPageValues)
		if err != nil {
			t.Fatal(err)
		}
		dec.Share(d)
		got, err := getValues(dec, len(blocks[i]), 1)
		if err == nil {
			err = dec.Done()
		}
		if want := stringsFrom(blocks[i]); err != nil || !dec.Used().Has(Shared) || !slices.Equal(got.Offsets, want.Offsets) || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("block %d: got other values in %v, %v", i, dec.Used().List(), err)
		}
	}
}

// TestDictionaryGrows reads pages that were written when the dictionary had few
// values, whole.
func TestDictionaryGrows(t *testing.T) {
	all := textsOf(600)
	for _, few := range []int{2, 255, 256, 257} {
		blocks := [][]string{cycle(20_000, all[:few]...), cycle(20_000, all...)}
		pages, dictionary := sharedOf(t, blocks...)
		shared, _, err := OpenSharedTexts(dictionary)
		if err != nil || shared.Len() != len(all) {
			t.Fatalf("%d, then %d values: got %v, %v", few, len(all), shared, err)
		}
		for i, page := range pages {
			d, err := NewDecoder(page, 1<<30)
			if err != nil {
				t.Fatal(err)
			}
			d.Share(shared)
			got := Strings{Offsets: make([]int32, len(blocks[i])+1)}
			err = d.GetStrings(got.Offsets, func(n int) []byte {
				got.Data = make([]byte, n)
				return got.Data
			})
			want := stringsFrom(blocks[i])
			if err != nil || !d.Used().Has(Shared) || !slices.Equal(got.Offsets, want.Offsets) || !bytes.Equal(got.Data, want.Data) {
				t.Errorf("%d, then %d values: page %d in %v, %v; want its values", few, len(all), i, d.Used().List(), err)
			}
		}
	}
}

// TestDamagedSharedTexts changes every byte of a dictionary: it is refused, or
// a sound dictionary.
func TestDamagedSharedTexts(t *testing.T) {
	_, good := sharedOf(t, cycle(20_000, textsOf(60)...))
	refused := 0
	for at := range good {
		for bit := range 8 {
			b := bytes.Clone(good)
			b[at] ^= 1 << bit
			d, _, err := OpenSharedTexts(b)
			if err != nil {
				refused++
				continue
			}
			numbers := make([]bool, d.Len())
			for i := range d.Len() {
				if numbers[d.Number(i)] || i > 0 && bytes.Compare(d.Key(i-1), d.Key(i)) >= 0 {
					t.Fatalf("byte %d, bit %d: value %d is out of order", at, bit, i)
				}
				numbers[d.Number(i)] = true
			}
		}
	}
	if refused < len(good) {
		t.Errorf("%d changes of %d bytes were refused; want more", refused, len(good))
	}
	for n := range good {
		if _, _, err := OpenSharedTexts(good[:n]); err == nil {
			t.Fatalf("first %d of %d bytes: no error", n, len(good))
		}
	}
}

func TestHostileSharedTexts(t *testing.T) {
	header := func(n uint32) []byte { return append(bytesOf([]uint32{n}), 0, 0, 0, 0) }
	page := func(numbers []uint8, values ...string) []byte {
		e := NewEncoder(Fast)
		if err := PutInts(e, numbers, false); err != nil {
			t.Fatal(err)
		}
		if err := e.PutStrings(stringsFrom(values)); err != nil {
			t.Fatal(err)
		}
		b, _ := e.Page(header(uint32(len(numbers))))
		return b
	}
	bomb := NewEncoder(Fast)
	bomb.putConstantInt(Word16, MaxShared, 0)
	bombPage, _ := bomb.Page(header(MaxShared))
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"nothing", nil, "too few"},
		{"none", header(0), "dictionary of 0"},
		{"too many", header(MaxShared + 1), "dictionary of 65537"},
		{"no page", header(5), "shorter than its header"},
		{"number twice", page([]uint8{1, 1, 0}, "a", "b", "c"), "number 1 is there twice"},
		{"number too high", page([]uint8{0, 1, 3}, "a", "b", "c"), "code 3"},
		{"out of order", page([]uint8{0, 1, 2}, "a", "c", "b"), "value 2 is out of order"},
		{"value twice", page([]uint8{0, 1, 2}, "a", "b", "b"), "value 2 is out of order"},
		{"only numbers", bombPage, "ends before"},
		{"too long", page([]uint8{0, 1}, strings.Repeat("a", MaxSharedBytes), "b"), "bytes of values"},
	} {
		if _, _, err := OpenSharedTexts(c.b); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v; want an error with %q", c.name, err, c.want)
		}
	}
}

// TestSharedBuilderForgets gives a builder a block that does not share in
// between: the others are stored as if it had not been there.
func TestSharedBuilderForgets(t *testing.T) {
	all := textsOf(5000)
	other := make([]string, 20_000)
	for i := range other {
		other[i] = fmt.Sprint("never again: ", i/4)
	}
	_, with := sharedOf(t, cycle(20_000, all[:200]...), other, cycle(20_000, all[100:400]...))
	_, without := sharedOf(t, cycle(20_000, all[:200]...), cycle(20_000, all[100:400]...))
	if !bytes.Equal(with, without) {
		t.Errorf("got a dictionary of %d bytes; want the %d without the block", len(with), len(without))
	}
}
