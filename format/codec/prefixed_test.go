package codec

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
)

// prefixedCases are values of dictionaries in ascending order.
func prefixedCases() map[string][]string {
	numbers, words, long := []string{""}, []string{}, []string{}
	for i := range 3000 {
		numbers = append(numbers, fmt.Sprint(536365+i))
		words = append(words, fmt.Sprintf("RED %d RETROSPOT %c PARTY BAG", i*7919%1000, 'A'+i%26))
		long = append(long, string(bytes.Repeat([]byte{'x'}, i%50*20))+fmt.Sprintf("%05d", i))
	}
	slices.Sort(words)
	slices.Sort(long)
	return map[string][]string{"numbers": numbers, "words": slices.Compact(words), "long": long, "escapes": {"\xff", "\xff\xff", "\xff\xff\x00"}}
}

func prefixedPage(t *testing.T, values []string) []byte {
	t.Helper()
	e := NewEncoder(Default)
	e.putValues(new(choice), stringsFrom(values), e.root())
	page, _ := e.Page(nil)
	return page
}

func readPrefixed(page []byte, n int, budget int64) (Strings, Set, error) {
	d, err := NewDecoder(page, budget)
	if err != nil {
		return Strings{}, 0, err
	}
	got, err := getDistinct(d, n, 1)
	if err == nil {
		err = d.Done()
	}
	return got, d.Used(), err
}

func TestPrefixed(t *testing.T) {
	for name, values := range prefixedCases() {
		page, want := prefixedPage(t, values), stringsFrom(values)
		got, used, err := readPrefixed(page, len(values), MaxPageValues)
		if err != nil || !slices.Equal(got.Offsets, want.Offsets) || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("%s: got other values in %v, %v", name, used.List(), err)
		}
		if used.Has(Prefixed) != (name != "escapes") {
			t.Errorf("%s: got encodings %v", name, used.List())
		}
		if _, _, err := readPrefixed(page, len(values), int64(want.size())); err == nil {
			t.Errorf("%s: read with a budget of %d bytes", name, want.size())
		}
	}
}

// TestDamagedPrefixed changes bytes of pages: they are refused, or have sound
// values.
func TestDamagedPrefixed(t *testing.T) {
	for name, values := range prefixedCases() {
		page := prefixedPage(t, values[:min(300, len(values))])
		refused := 0
		for at := range page {
			for _, flip := range []byte{1, 0x80, 0xff} {
				page[at] ^= flip
				got, _, err := readPrefixed(page, min(300, len(values)), 1<<22)
				page[at] ^= flip
				if err != nil {
					refused++
					continue
				}
				if !slices.IsSorted(got.Offsets) || got.size() != len(got.Data) {
					t.Fatalf("%s: byte %d xor %#x: unsound values", name, at, flip)
				}
			}
		}
		if refused == 0 {
			t.Errorf("%s: no damage was seen", name)
		}
		for n := range page {
			if _, _, err := readPrefixed(page[:n], min(300, len(values)), 1<<22); err == nil {
				t.Fatalf("%s: first %d of %d bytes: no error", name, n, len(page))
			}
		}
	}
}
