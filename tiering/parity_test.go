package tiering

import (
	"bytes"
	"slices"
	"testing"

	"github.com/zeebo/xxh3"
)

// FuzzReadStripe gives the decoder of trailers whatever it likes, with the
// checksums put right so that it gets past them.
func FuzzReadStripe(f *testing.F) {
	for _, scheme := range []Scheme{{2, 2}, {4, 2}} {
		e := encode(f, scheme, 100, 0, 33)
		s := e.Stripe
		f.Add(s.appendTrailer(nil), s.foot(scheme.Data), s.Size(scheme.Data))
	}
	f.Add([]byte{}, []byte{}, int64(0))
	f.Fuzz(func(t *testing.T, body, end []byte, size int64) {
		if s, err := decodeTrailer(body); err == nil {
			if again := s.appendTrailer(nil); !bytes.Equal(again, body) {
				t.Errorf("decoded and encoded again: got %x; want %x", again, body)
			}
			if got, want := int64(len(body)), s.trailerSize(); got != want {
				t.Errorf("trailer size: got %d; want %d", want, got)
			}
		}
		if len(end) >= tailSize {
			tail := bytes.Clone(end[len(end)-tailSize:])
			_, _ = decodeTail(tail, size)
			le.PutUint64(tail[56:], xxh3.Hash(tail[:56]))
			if got, err := decodeTail(tail, size); err == nil && (got.length > maxTrailer || got.at+got.length+tailSize != size) {
				t.Errorf("took a tail %+v of %d bytes", got, size)
			}
		}
		_, _, _ = ReadStripe(memory(end))
	})
}

// What a trailer says is bounded before anything is made of it.
func TestTrailerBounds(t *testing.T) {
	s := encode(t, Scheme{2, 2}, 100).Stripe
	good := s.appendTrailer(nil)
	if _, err := decodeTrailer(good); err != nil {
		t.Fatal(err)
	}
	at := 4 + len(s.ID)
	for name, change := range map[string]func(b []byte){
		"width":       func(b []byte) { le.PutUint16(b[at:], 60000) },
		"one parity":  func(b []byte) { le.PutUint16(b[at+2:], 1) },
		"copies":      func(b []byte) { le.PutUint16(b[at:], 1) },
		"block size":  func(b []byte) { le.PutUint32(b[at+4:], 1) },
		"size":        func(b []byte) { le.PutUint64(b[at+8:], 1<<63) },
		"large":       func(b []byte) { le.PutUint64(b[at+8:], 1<<40) },
		"larger":      func(b []byte) { le.PutUint64(b[at+8:], 1<<40+1) },
		"name length": func(b []byte) { le.PutUint32(b[at+8+24:], 1<<31) },
		"name":        func(b []byte) { b[at+8+28] = '/' },
		"id length":   func(b []byte) { le.PutUint32(b, 256) },
	} {
		b := bytes.Clone(good)
		change(b)
		if _, err := decodeTrailer(b); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
	for n := range len(good) {
		if _, err := decodeTrailer(good[:n]); err == nil {
			t.Errorf("the first %d bytes: want an error", n)
		}
	}
	if _, err := decodeTrailer(append(good, make([]byte, 8)...)); err == nil {
		t.Error("eight bytes more: want an error")
	}
}

func TestNewStripeRefuses(t *testing.T) {
	_, two := newData(Scheme{2, 2}, []int{10}, 1)
	change := func(f func(m []Member)) []Member {
		m := slices.Clone(two)
		f(m)
		return m
	}
	for name, c := range map[string]struct {
		id     string
		scheme Scheme
		data   []Member
	}{
		"scheme":        {"s", Scheme{2, 1}, two},
		"count":         {"s", Scheme{3, 2}, two},
		"id":            {"../s", Scheme{2, 2}, two},
		"long id":       {string(bytes.Repeat([]byte("a"), 253)), Scheme{2, 2}, two},
		"twice":         {"s", Scheme{2, 2}, change(func(m []Member) { m[1].Name = m[0].Name })},
		"parity's name": {"s", Scheme{2, 2}, change(func(m []Member) { m[1].Name = "s.p1" })},
		"negative":      {"s", Scheme{2, 2}, change(func(m []Member) { m[1].Size = -1 })},
		"huge":          {"s", Scheme{2, 2}, change(func(m []Member) { m[1].Size = maxMemberSize })},
		"no hash":       {"s", Scheme{2, 2}, change(func(m []Member) { m[1].Hash = "" })},
		"other hash":    {"s", Scheme{2, 2}, change(func(m []Member) { m[1].Hash = "ABCDEF00112233445566778899AABBCC" })},
	} {
		if _, err := NewStripe(c.id, c.scheme, c.data); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}
