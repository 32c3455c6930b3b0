package codec

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tarnlake/tarn/format/kern"
)

// lengthsOf are lengths that make the encoder choose each encoding that it may.
var lengthsOf = map[string]func(i int) uint64{
	"none":    func(int) uint64 { return 0 },
	"same":    func(int) uint64 { return 16 },
	"narrow":  func(i int) uint64 { return noise(i) % 100 },
	"patched": func(i int) uint64 { return noise(i)%60 + noise(i+1<<20)%200/199<<8*(noise(i)>>60) },
	"few":     func(i int) uint64 { return noise(i) % 7 * noise(1) % 5000 },
	"tens":    func(i int) uint64 { return noise(i) % 20 * 10 },
	"runs":    func(i int) uint64 { return noise(i/300) % 100 },
	"sparse":  func(i int) uint64 { return noise(i) % 100 / 98 * 31 },
	"ladder":  func(i int) uint64 { return uint64(i) },
	"holes":   func(i int) uint64 { return uint64(i / 2048 % 2 * (i % 3)) },
}

// viewedRows writes lengths and returns them as they are stored.
func viewedRows(t *testing.T, lengths []uint32) (*textRows, Set, error) {
	t.Helper()
	b, used := page(t, Default, func(e *Encoder) error { return PutInts(e, lengths, false) })
	d, err := NewDecoder(b, MaxPageValues)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := viewRows(d, len(lengths), 1)
	if err == nil {
		err = d.Done()
	}
	return rows, used, err
}

// TestTextRows compares rows of which lengths are there with those of which
// offsets are, on every tier.
func TestTextRows(t *testing.T) {
	was := kern.Tier()
	defer kern.SetTier(was)
	var met Set
	tiers := kern.Tiers()
	if testing.Short() {
		tiers = tiers[:1]
	}
	for _, tier := range tiers {
		kern.SetTier(tier)
		for name, length := range lengthsOf {
			for _, n := range []int{0, 1, 1023, 1024, 1025, 9000} {
				lengths := sequence[uint32](n, length)
				got, used, err := viewedRows(t, lengths)
				if err != nil {
					t.Fatalf("%s, %d rows: %v", name, n, err)
				}
				met |= used
				t.Run(fmt.Sprint(tier, "/", name, "/", n), func(t *testing.T) { sameRows(t, got, offsetsOf(lengths)) })
			}
		}
	}
	for _, enc := range []Encoding{Constant, Packed, Scaled, Dictionary} {
		if met&(1<<enc) == 0 {
			t.Errorf("no lengths were %s", enc)
		}
	}
}

// sameRows checks that rows are at offsets, however they are asked for.
func sameRows(t *testing.T, got *textRows, offsets []int32) {
	t.Helper()
	for _, rows := range []*textRows{got, rowsAt(offsets)} {
		if all := rows.all(make([]int32, len(offsets))); !slices.Equal(all, offsets) {
			t.Fatal("offsets differ")
		}
		if want := int(offsets[len(offsets)-1]); rows.total() != want {
			t.Fatalf("all rows have %d bytes; want %d", rows.total(), want)
		}
		var dst [kern.Vector + 1]int32
		for k := range vectors(rows.n) {
			want := offsets[k*kern.Vector : min((k+1)*kern.Vector+1, len(offsets))]
			if !slices.Equal(rows.vector(&dst, k), want) {
				t.Fatalf("offsets of vector %d differ", k)
			}
		}
		checkSpans(t, rows, offsets)
		checkFinder(t, rows, offsets)
	}
}

// checkSpans asks for few rows and many, in order and not.
func checkSpans(t *testing.T, rows *textRows, offsets []int32) {
	t.Helper()
	scratch := takeScratch()
	defer scratch.release()
	order := rand.New(rand.NewPCG(uint64(rows.n), 5)).Perm(rows.n)
	for _, n := range []int{0, 1, 3, 500, rows.n} {
		wanted := make([]int32, min(n, rows.n))
		for i := range wanted {
			wanted[i] = int32(order[i])
		}
		for range 2 {
			spans := rows.spans(wanted, scratch)
			for i, r := range wanted {
				if want := (rowSpan{offsets[r], offsets[r+1]}); spans[i] != want {
					t.Fatalf("row %d of %d is at %v; want %v", r, len(wanted), spans[i], want)
				}
			}
			slices.Sort(wanted)
		}
	}
}

// checkFinder looks for the rows of places that are near and far.
func checkFinder(t *testing.T, rows *textRows, offsets []int32) {
	t.Helper()
	scratch := takeScratch()
	defer scratch.release()
	for _, step := range []int{1, 50, 7000, 300000} {
		found := rows.finder(scratch)
		for at, want := 0, 0; at < rows.total(); at += step {
			for int(offsets[want+1]) <= at {
				want++
			}
			row, end := found.find(at)
			if start := found.start(); row != want || start != int(offsets[want]) || end != int(offsets[want+1]) {
				t.Fatalf("byte %d is in row %d, %d to %d; want row %d, %d to %d", at, row, start, end, want, offsets[want], offsets[want+1])
			}
		}
	}
}

// TestTextRowsTooLong adds up lengths to more than offsets can say.
func TestTextRowsTooLong(t *testing.T) {
	for name, lengths := range map[string][]uint32{
		"one":           {1 << 31},
		"below zero":    {5, ^uint32(0), 1},
		"two":           {1 << 30, 1 << 30},
		"wrap":          {1 << 31, 1 << 31},
		"over vectors":  sequence[uint32](5000, func(int) uint64 { return 1 << 20 }),
		"wrap far on":   sequence[uint32](5000, func(i int) uint64 { return uint64(i/4096) << 31 }),
		"all at most":   sequence[uint32](3000, func(int) uint64 { return 1<<32 - 1 }),
		"far too rough": sequence[uint32](3000, noise),
	} {
		if _, _, err := viewedRows(t, lengths); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: got %v; want %v", name, err, ErrTooLarge)
		}
	}
	if rows, _, err := viewedRows(t, []uint32{1 << 30, 1<<30 - 1}); err != nil || rows.total() != 1<<31-1 {
		t.Errorf("the most that fits: got %v", err)
	}
}

// TestViewSpendsLittle: a view of text takes no memory for each row, but what
// it may decode later has to fit the budget.
func TestViewSpendsLittle(t *testing.T) {
	for name, in := range map[string]Strings{
		"symbols": generated(1<<16, func(i int) string {
			return fmt.Sprintf("order %d of the %d-th day", noise(i)%1e6, i%1000) + texts["prose"](i)
		}),
		"plain": generated(1<<16, func(i int) string { return string(noiseBytes(i, 8+int(noise(i)%9))) }),
	} {
		b, used := page(t, Default, func(e *Encoder) error { return e.PutStrings(in) })
		if got := used&(1<<FSST) != 0; got != (name == "symbols") {
			t.Errorf("%s: written as %v", name, used.List())
		}
		d, _ := NewDecoder(b, MaxPageValues)
		if _, err := d.ViewStrings(in.rows()); err != nil {
			t.Fatal(name, err)
		}
		if spent := MaxPageValues - d.Left(); spent > 8<<10 {
			t.Errorf("%s: opening takes %d bytes", name, spent)
		}
		d, _ = NewDecoder(b, int64(in.rows()))
		if _, err := d.ViewStrings(in.rows()); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: with a small budget: got %v; want %v", name, err, ErrTooLarge)
		}
	}
}

// BenchmarkViewStrings opens text for one of its rows.
func BenchmarkViewStrings(b *testing.B) {
	for name, in := range map[string]Strings{
		"symbols": generated(1<<16, func(i int) string {
			return fmt.Sprintf("order %d of the %d-th day", noise(i)%1e6, i%1000) + texts["prose"](i)
		}),
		"plain": generated(1<<16, func(i int) string { return string(noiseBytes(i, 8+int(noise(i)%9))) }),
	} {
		stored, _ := page(b, Default, func(e *Encoder) error { return e.PutStrings(in) })
		open := func() *Text {
			d, _ := NewDecoder(stored, MaxPageValues)
			x, err := d.ViewStrings(in.rows())
			if err != nil {
				b.Fatal(err)
			}
			return x
		}
		b.Run(name+"/open", func(b *testing.B) {
			for b.Loop() {
				open()
			}
		})
		x := open()
		b.Run(name+"/row", func(b *testing.B) {
			for b.Loop() {
				x.Read([]int32{4711})
			}
		})
		b.Run(name+"/all", func(b *testing.B) {
			for b.Loop() {
				x.Read(nil)
			}
		})
		masks, wanted := allRows(in.rows()), in.value(4711)
		b.Run(name+"/equal", func(b *testing.B) {
			for b.Loop() {
				x.plain.Equal(slices.Clone(masks), wanted)
			}
		})
		b.Run(name+"/contains", func(b *testing.B) {
			for b.Loop() {
				x.plain.Contains(slices.Clone(masks), wanted)
			}
		})
	}
}
