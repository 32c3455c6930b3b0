package index

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

func TestTokens(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"  -- ":                  "",
		"one":                    "one",
		"The quick-brown FOX":    "the quick brown fox",
		"a1b2 3,4":               "a1b2 3 4",
		"Straße ÄÖÜ":             "straße äöü",
		"cafe\u0301 au lait":     "cafe\u0301 au lait",
		"Ωmega":                  "ωmega",
		"naïve\xffbytes":         "naïve bytes",
		"日本語 text":               "日本語 text",
		"mail@example.org":       "mail example org",
		"snake_case":             "snake case",
		"tail ":                  "tail",
		strings.Repeat("x", 100): strings.Repeat("x", 100),
		"x\u00a0y\u2014z":        "x y z",
		"İ":                      "i", // by itself, as lower() does: not i and a dot above
	} {
		if got := strings.Join(Tokens(text), " "); got != want {
			t.Errorf("%q: got %q; want %q", text, got, want)
		}
	}
	if !TokenIn("The quick fox", "quick") || TokenIn("The quick fox", "quic") || TokenIn("", "") {
		t.Error("TokenIn finds what is no token, or not what is one")
	}
}

// prose returns n texts of words w0…: low numbers are frequent; one in ten is
// null.
func prose(r *rand.Rand, n, words int) arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	for range n {
		if r.IntN(10) == 0 {
			b.AppendNull()
			continue
		}
		var text strings.Builder
		for range r.IntN(8) {
			text.WriteString("W")
			text.WriteString(number(r.IntN(1 + r.IntN(1+r.IntN(words)))))
			text.WriteString(", ")
		}
		b.Append(text.String())
	}
	return b.NewArray()
}

func number(n int) string {
	out := []byte{byte('a' + n%26)}
	for n /= 26; n > 0; n /= 26 {
		out = append(out, byte('a'+n%26))
	}
	return string(out)
}

func buildText(t testing.TB, s *segment, field int32) []byte {
	t.Helper()
	x := NewTextIndexBuilder()
	for b := range s.blocks() {
		if !x.Add(s.block(field, b).(*array.String)) {
			t.Fatal("given up")
		}
	}
	b, err := x.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTextIndex(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	for _, rows := range []int{1, 300, 2*BlockRows + 500} {
		s := &segment{rows: rows, cols: map[int32]arrow.Array{1: prose(r, rows, 5000)}}
		b := buildText(t, s, 1)
		x, err := OpenTextIndex(readFrom(b), uint64(len(b)), int64(rows))
		if err != nil {
			t.Fatal(err)
		}
		if err := x.Check(); err != nil {
			t.Fatal(err)
		}
		want := map[string][]int{}
		col := s.cols[1].(*array.String)
		for i := range rows {
			if col.IsValid(i) {
				for _, token := range Tokens(col.Value(i)) {
					if at := want[token]; len(at) == 0 || at[len(at)-1] != i {
						want[token] = append(at, i)
					}
				}
			}
		}
		if int(x.Terms()) != len(want) {
			t.Errorf("%d rows: %d terms; want %d", rows, x.Terms(), len(want))
		}
		want["absent"], want[""] = nil, nil
		for token, rows := range want {
			checkToken(t, s, x, token, rows)
		}
	}
}

func checkToken(t *testing.T, s *segment, x *TextIndex, token string, want []int) {
	t.Helper()
	p, err := x.Probe(&Pred{Op: HasToken, Field: 1, Keys: [][]byte{[]byte(token)}})
	if err != nil {
		t.Fatal(err)
	}
	if p == nil {
		if len(want)*commonShare <= s.rows/2 {
			t.Errorf("%q is in %d of %d rows and not indexed", token, len(want), s.rows)
		}
		return
	}
	var got []int
	for b := range s.blocks() {
		var m Mask
		found, err := p.Block(b, &m)
		if err != nil || found != NoRow && found != TheseRows {
			t.Fatalf("%q: block %d: found %d, %v", token, b, found, err)
		}
		for i := range BlockRows {
			if m.Has(i) {
				got = append(got, b*BlockRows+i)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%q: got %d rows; want %d", token, len(got), len(want))
	}
}

func TestTextIndexOfOtherRules(t *testing.T) {
	s := &segment{rows: 100, cols: map[int32]arrow.Array{1: prose(rand.New(rand.NewPCG(2, 3)), 100, 50)}}
	b := buildText(t, s, 1)
	for _, at := range []int{pagesFixed, pagesFixed + 2, pagesFixed + 26} { // tokenizer, version, Unicode
		other := bytes.Clone(b)
		other[at]++
		other = reseal(other)
		if x, err := OpenTextIndex(readFrom(other), uint64(len(other)), 100); x != nil || err != nil {
			t.Errorf("byte %d changed: got %v, %v; want no index", at, x, err)
		}
	}
}

// FuzzTextIndex reads changed indexes.
func FuzzTextIndex(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 3))
	const rows = 500
	s := &segment{rows: rows, cols: map[int32]arrow.Array{1: prose(r, rows, 300)}}
	f.Add(buildText(f, s, 1), []byte("wa"))
	f.Fuzz(func(t *testing.T, b, token []byte) {
		b = reseal(b)
		x, err := OpenTextIndex(readFrom(b), uint64(len(b)), rows)
		if err != nil || x == nil {
			return
		}
		sound := x.Check() == nil
		p, err := x.Probe(&Pred{Op: HasToken, Keys: [][]byte{token}})
		if err != nil && sound {
			t.Fatal(err)
		}
		if p != nil {
			var m Mask
			if _, err := p.Block(0, &m); err != nil && sound {
				t.Fatal(err)
			}
		}
	})
}
