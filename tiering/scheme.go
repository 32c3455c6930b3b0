package tiering

import (
	"fmt"
	"strconv"
	"strings"
)

// Scheme says how the members of a stripe protect each other: Data members
// hold segments, Parity members what is needed to compute any lost ones anew.
// With Data = 1 every member is a copy of the one segment.
//
// The zero Scheme is not valid. Schemes are compared with ==.
type Scheme struct {
	Data, Parity int
}

// maxWidth bounds the members of a stripe; a reader allocates by it.
const maxWidth = 64

// ParseScheme reads the text form, "4+2": two numbers without leading zeroes
// or blanks. A scheme that Check refuses is an error.
func ParseScheme(text string) (Scheme, error) {
	data, parity, ok := strings.Cut(text, "+")
	s := Scheme{number(data), number(parity)}
	if !ok || s.Data < 0 || s.Parity < 0 {
		return Scheme{}, fmt.Errorf("scheme %.40q: want data+parity, as in 4+2", text)
	}
	return s, s.Check()
}

// number reads what strconv would write, of at most two digits; else -1.
func number(text string) int {
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil || strconv.FormatUint(n, 10) != text {
		return -1
	}
	return int(n)
}

// Check refuses schemes that nobody should keep rows under. One parity member
// is a promise until the first disk dies and the second has a bad sector; two
// copies are what two disks can do.
func (s Scheme) Check() error {
	switch {
	case s.Data < 1 || s.Parity < 0:
		return fmt.Errorf("scheme %v: a stripe has at least one data member", s)
	case s.Data > 1 && s.Parity == 0:
		return fmt.Errorf("scheme %v protects nothing: one copy is written 1+0", s)
	case s.Data > 1 && s.Parity == 1:
		return fmt.Errorf("scheme %v: one parity member is too little: a bad sector met while a lost disk is rebuilt loses rows; take %d+2, or 1+1 for two copies", s, s.Data)
	case s.Width() > maxWidth:
		return fmt.Errorf("scheme %v: a stripe has at most %d members", s, maxWidth)
	}
	return nil
}

// String returns the text form.
func (s Scheme) String() string { return fmt.Sprintf("%d+%d", s.Data, s.Parity) }

// Width returns how many members a stripe has.
func (s Scheme) Width() int { return s.Data + s.Parity }

// Copies reports whether all members are the same bytes.
func (s Scheme) Copies() bool { return s.Data == 1 }

// Overhead returns how many bytes are kept for one, if members are of one length.
func (s Scheme) Overhead() float64 { return float64(s.Width()) / float64(s.Data) }
