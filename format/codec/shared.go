package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"

	"github.com/tarnlake/tarn/format/kern"
)

// Shared: a value of the column's dictionary, by number. The parameter is how
// many numbers a page may use, at most those that there are. One node: the
// numbers (Word8, Word16 or Word32, the narrowest that the parameter allows).

// SharedTexts is the dictionary that pages of a column share. It is safe for
// concurrent use, and does not change.
//
//	0  4  values     4  4  zero
//	8     a page: the number of each value, in the order of the values (words,
//	      as codes are), then the values in ascending order
type SharedTexts struct {
	texts Strings  // by number
	list  []string // of texts
	order []uint32 // numbers, by the order of their texts
}

const (
	sharedHeader = 8
	// maxSharedPage bounds what is allocated to read one.
	maxSharedPage = 2*MaxSharedBytes + 64*MaxShared
)

// OpenSharedTexts reads what AppendShared wrote, and tells the encodings that
// it met. It does not keep b.
func OpenSharedTexts(b []byte) (*SharedTexts, Set, error) {
	if len(b) < sharedHeader {
		return nil, 0, fmt.Errorf("%d bytes are too few for a dictionary", len(b))
	}
	n := binary.LittleEndian.Uint32(b)
	if n == 0 || n > MaxShared || binary.LittleEndian.Uint32(b[4:]) != 0 {
		return nil, 0, fmt.Errorf("dictionary of %d values, or reserved bytes that are not zero", n)
	}
	d, err := NewDecoder(b[sharedHeader:], maxSharedPage)
	if err != nil {
		return nil, 0, err
	}
	s := &SharedTexts{}
	if s.order, err = getNumbers(d, int(n), int(n), 1); err != nil {
		return nil, 0, fmt.Errorf("numbers: %w", err)
	}
	sorted, err := getDistinct(d, int(n), 1)
	if err != nil {
		return nil, 0, fmt.Errorf("values: %w", err)
	}
	if err := d.Done(); err != nil {
		return nil, 0, err
	}
	return s, d.Used(), s.arrange(sorted)
}

// arrange puts the values in the order of their numbers.
func (s *SharedTexts) arrange(sorted Strings) error {
	n := len(s.order)
	if sorted.size() > MaxSharedBytes {
		return fmt.Errorf("%d bytes of values", sorted.size())
	}
	places := make([]int32, n) // by number, plus one
	for i, number := range s.order {
		if places[number] != 0 {
			return fmt.Errorf("number %d is there twice", number)
		}
		places[number] = int32(i + 1)
		if i > 0 && bytes.Compare(sorted.value(i-1), sorted.value(i)) >= 0 {
			return fmt.Errorf("value %d is out of order", i)
		}
	}
	s.texts = Strings{Offsets: make([]int32, 1, n+1), Data: make([]byte, 0, sorted.size()+chunk)}
	for _, place := range places {
		s.texts.Data = append(s.texts.Data, sorted.value(int(place-1))...)
		s.texts.Offsets = append(s.texts.Offsets, int32(len(s.texts.Data)))
	}
	s.list = make([]string, n)
	for i := range s.list {
		v := s.texts.value(i)
		s.list[i] = unsafe.String(unsafe.SliceData(v), len(v))
	}
	return nil
}

// Len returns the number of values.
func (s *SharedTexts) Len() int { return len(s.list) }

// Texts returns the values, by number. They are not to be changed.
func (s *SharedTexts) Texts() []string { return s.list }

// Key returns the value at a place in the ascending order of all.
func (s *SharedTexts) Key(place int) []byte { return s.texts.value(int(s.order[place])) }

// Number returns the number of the value at a place in the ascending order.
func (s *SharedTexts) Number(place int) int { return int(s.order[place]) }

// Bytes returns the memory that is held.
func (s *SharedTexts) Bytes() int { return len(s.texts.Data) + 24*len(s.list) }

// TextBytes returns the bytes of all values.
func (s *SharedTexts) TextBytes() int { return s.texts.size() }

// pick returns the values of numbers.
func (s *SharedTexts) pick(numbers []uint32) Strings {
	out := Strings{Offsets: make([]int32, 1, len(numbers)+1)}
	for _, n := range numbers {
		out.Data = append(out.Data, s.list[n]...)
		out.Offsets = append(out.Offsets, int32(len(out.Data)))
	}
	return out
}

// Share gives the decoder the dictionary of the page's column; nil: it has
// none.
func (d *Decoder) Share(s *SharedTexts) { d.shared = s }

// sharedNumbers checks how many numbers a node may use.
func (d *Decoder) sharedNumbers(n node) (int, error) {
	if d.shared == nil {
		return 0, fmt.Errorf("values of a dictionary that the column does not have")
	}
	if n.param == 0 || n.param > uint64(d.shared.Len()) {
		return 0, fmt.Errorf("numbers below %d in a dictionary of %d", n.param, d.shared.Len())
	}
	return int(n.param), nil
}

func getSharedStrings(d *Decoder, n node, offsets []int32, alloc func(int) []byte, depth int) error {
	below, err := d.sharedNumbers(n)
	if err != nil {
		return err
	}
	values := func() (Strings, error) { return d.shared.texts, nil }
	return lookupStrings(d, offsets, alloc, below, depth+1, values)
}

func (d *Decoder) viewSharedStrings(n int) (*Text, error) {
	next, err := d.node(Bytes, n, 1)
	if err != nil {
		return nil, err
	}
	below, err := d.sharedNumbers(next)
	if err != nil {
		return nil, err
	}
	codes, err := viewCodes(d, n, below, 1)
	return &Text{n: n, shared: d.shared, values: d.shared.texts, codes: codes}, err
}

// viewSharedValues reads the values of a dictionary of n that are shared.
func (d *Decoder) viewSharedValues(n int) ([]uint32, error) {
	next, err := d.node(Bytes, n, 2)
	if err != nil {
		return nil, err
	}
	below, err := d.sharedNumbers(next)
	if err != nil {
		return nil, err
	}
	numbers, err := getNumbers(d, n, below, 3)
	for i := 1; i < len(numbers); i++ {
		if numbers[i] <= numbers[i-1] {
			return nil, fmt.Errorf("numbers of values do not ascend at %d", i)
		}
	}
	return numbers, err
}

// getNumbers reads n numbers below a limit.
func getNumbers(d *Decoder, n, below, depth int) ([]uint32, error) {
	if err := d.Spend(int64(n) * 4); err != nil {
		return nil, err
	}
	switch {
	case below <= 1<<8:
		return widenNumbers[uint8](d, n, below, depth)
	case below <= 1<<16:
		return widenNumbers[uint16](d, n, below, depth)
	}
	return getCodes[uint32](d, n, below, depth)
}

func widenNumbers[C kern.Uint](d *Decoder, n, below, depth int) ([]uint32, error) {
	codes, err := getCodes[C](d, n, below, depth)
	if err != nil {
		return nil, err
	}
	out := slices.Grow([]uint32(nil), n)
	for _, c := range codes {
		out = append(out, uint32(c))
	}
	return out, nil
}
