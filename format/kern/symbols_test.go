package kern

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// randomSymbols makes a table of n symbols.
func randomSymbols(rng *rand.Rand, n int) *Symbols {
	t := new(Symbols)
	for code := range n {
		t.Lens[code] = uint8(1 + rng.IntN(MaxSymbol))
		t.Bytes[code] = rng.Uint64() >> (64 - 8*t.Lens[code])
	}
	return t
}

// diffSymbols compares Size and Expand with what symbols mean, and InBytes
// with the bits of its set.
func diffSymbols(t *testing.T, rng *rand.Rand) {
	for _, n := range []int{0, 1, 7, 8, 9, 63, 64, 65, 300, Vector} {
		table := randomSymbols(rng, 1+rng.IntN(255))
		codes := make([]byte, n)
		var want []byte
		var ends []int32
		for i := range codes {
			codes[i] = byte(rng.IntN(256))
			if codes[i] == Escape && rng.IntN(4) > 0 {
				codes[i] = 0
			}
			for k := range table.Lens[codes[i]] {
				want = append(want, byte(table.Bytes[codes[i]]>>(8*k)))
			}
			ends = append(ends, int32(len(want)))
		}
		if got := table.Size(codes); got != len(want) {
			t.Fatalf("Size of %d codes: got %d; want %d", n, got, len(want))
		}
		checkExpand(t, table, codes, want, ends)
		if n == Vector {
			diffInBytes(t, rng, (*[Vector]uint8)(codes))
		}
	}
}

// checkExpand wants the codes up to eight before the first escape, the end of
// the codes, or the end of the room.
func checkExpand(t *testing.T, table *Symbols, codes, want []byte, ends []int32) {
	t.Helper()
	const before = 5
	for _, room := range []int{len(want) + octetRoom, len(want), len(want) / 2} {
		dst, got := make([]byte, before+room), make([]int32, len(codes))
		done, out := table.Expand(dst, before, codes, got)
		least := len(codes)
		if at := bytes.IndexByte(codes, Escape); at >= 0 {
			least = at
		}
		for least > 0 && int(ends[least-1])+octetRoom > room {
			least--
		}
		if done < least-7 || done > 0 && out != before+int(ends[done-1]) || done == 0 && out != before {
			t.Fatalf("Expand of %d codes in %d bytes: did %d to %d; want %d or more", len(codes), room, done, out, least-7)
		}
		if !bytes.Equal(dst[before:out], want[:out-before]) {
			t.Fatalf("Expand of %d codes: got %x; want %x", len(codes), dst[before:out], want[:out-before])
		}
		for i := range done {
			if got[i] != ends[i]+before {
				t.Fatalf("Expand: code %d ends at %d; want %d", i, got[i], ends[i]+before)
			}
		}
	}
}

func diffInBytes(t *testing.T, rng *rand.Rand, v *[Vector]uint8) {
	t.Helper()
	set := [4]uint64{rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64()}
	var got Mask
	InBytes(&got, v, &set)
	for i, b := range v {
		if want := set[b/64] >> (b % 64) & 1; got[i/64]>>(i%64)&1 != want {
			t.Fatalf("InBytes: byte %d, which is %d: got %d; want %d", i, b, 1-want, want)
		}
	}
}

func TestSymbols(t *testing.T) {
	onBoth(t, func(t *testing.T) {
		for seed := range uint64(30) {
			diffSymbols(t, rand.New(rand.NewPCG(seed, 11)))
		}
	})
}

func TestKeeper(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		rows := rng.IntN(3 * Vector)
		m, want := make([]Mask, MasksFor(rows)), make([]Mask, MasksFor(rows))
		keeper, step := Keeper{Masks: m}, 1+rng.IntN(400)
		for i := range rows {
			wanted := rng.IntN(3) > 0
			m[i/Vector][i%Vector/64] |= bit(wanted) << (i % 64)
			want[i/Vector][i%Vector/64] |= bit(wanted && rng.IntN(step) == 0) << (i % 64)
		}
		for i := range rows {
			if want[i/Vector][i%Vector/64]>>(i%64)&1 == 1 {
				keeper.Keep(i)
			}
		}
		keeper.Keep(rows)
		for k := range m {
			if m[k] != want[k] {
				t.Fatalf("%d rows, vector %d: got %x; want %x", rows, k, m[k], want[k])
			}
		}
	}
}

// BenchmarkFSST counts bytes of text as values.
func BenchmarkFSST(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	table, codes := randomSymbols(rng, 255), make([]byte, 2*Vector)
	for i := range codes {
		codes[i] = byte(rng.IntN(255))
	}
	size, ends := table.Size(codes), make([]int32, len(codes))
	dst := make([]byte, size+octetRoom)
	benchTiers(b, "Expand", size, func() { table.Expand(dst, 0, codes, ends) })
	benchTiers(b, "Size", size, func() { table.Size(codes) })
}
