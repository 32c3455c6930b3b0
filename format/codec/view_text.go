package codec

import (
	"fmt"
	"math"
	"sync"

	"github.com/tarnlake/tarn/format/kern"
)

// Text is a run of byte strings that a scan works on where they lie: a
// dictionary keeps its codes, so that a condition is tried once for each
// distinct value; any other text is searched as it is stored, and decoded only
// where its rows are asked for. The page's bytes stay in use as long as the
// run. It is safe for concurrent use.
type Text struct {
	n      int
	values Strings
	codes  *Ints    // nil: it is no dictionary
	plain  textView // nil: it is one
}

// textView is a run of byte strings with one value a row. It has been checked:
// no method can fail.
type textView interface {
	kern.Text
	// read returns the values of those rows, or of all for nil.
	read(rows []int32) Strings
}

// Len returns the number of values.
func (t *Text) Len() int { return t.n }

// Codes returns the distinct values in ascending order of their bytes, and the
// code of each row, which is the place of its value; ok is false where the run
// has no codes. A single value for all rows is a dictionary of one.
func (t *Text) Codes() (values Strings, codes *Ints, ok bool) {
	return t.values, t.codes, t.codes != nil
}

// Search returns the run as text to look for something in; ok is false where
// it has codes, which are the way then.
func (t *Text) Search() (text kern.Text, ok bool) { return t.plain, t.plain != nil }

// Read returns the values of rows, of which none is there twice; nil rows are
// all. It decodes no others where they can be told apart. The values may be
// memory of the page: they are not to be changed. The run has no codes.
func (t *Text) Read(rows []int32) Strings {
	if t.plain == nil {
		panic("BUG: codec: Read of text that has codes")
	}
	return t.plain.read(rows)
}

// ViewStrings reads the next n byte strings as a view.
func (d *Decoder) ViewStrings(n int) (*Text, error) {
	next, err := d.peek()
	if err != nil {
		return nil, err
	}
	switch next.enc {
	case Constant:
		return d.viewConstantBytes(n)
	case Dictionary:
		return d.viewDictionaryStrings(n)
	case Fields:
		return d.viewFields(n)
	}
	if err := d.Spend(int64(n+1) * 4); err != nil {
		return nil, err
	}
	offsets := make([]int32, n+1)
	var v textView
	switch next.enc {
	case FSST:
		v, err = d.viewSymbols(offsets)
	case Raw:
		v, err = d.viewPlainStrings(offsets)
	default:
		err = next.unknown()
	}
	if err != nil {
		return nil, err
	}
	return &Text{n: n, plain: v}, nil
}

func (d *Decoder) viewSymbols(offsets []int32) (textView, error) {
	next, err := d.node(Bytes, len(offsets)-1, 1)
	if err != nil {
		return nil, err
	}
	t, err := readSymbolText(d, next, offsets, 1)
	if err != nil {
		return nil, err
	}
	return t, d.Spend(int64(t.size))
}

// viewPlainStrings leaves the bytes of the strings where they are in the page,
// unless they are compressed.
func (d *Decoder) viewPlainStrings(offsets []int32) (textView, error) {
	next, err := d.node(Bytes, len(offsets)-1, 1)
	if err != nil {
		return nil, err
	}
	if err := next.noParam(); err != nil {
		return nil, err
	}
	total, err := getOffsets(d, offsets, 2)
	if err != nil {
		return nil, err
	}
	blob, err := d.peek()
	if err != nil {
		return nil, err
	}
	if blob.enc != Raw {
		data, err := d.allocBytes(total, func(n int) []byte { return make([]byte, n) })
		if err == nil {
			err = getBlob(d, data, 2)
		}
		return plainText{kern.Strings{Offsets: offsets, Data: data}}, err
	}
	if blob, err = d.node(Blob, int(total), 2); err != nil {
		return nil, err
	}
	if err := blob.noParam(); err != nil {
		return nil, err
	}
	data, err := d.buffer(int(total))
	return plainText{kern.Strings{Offsets: offsets, Data: data}}, err
}

// viewFields pays for the text that may be read later: for the longest that it
// can be, or for what it is if that is not there.
func (d *Decoder) viewFields(n int) (*Text, error) {
	next, err := d.node(Bytes, n, 1)
	if err != nil {
		return nil, err
	}
	f, err := readFields(d, next)
	if err != nil {
		return nil, err
	}
	bytes := int64(f.atMost()) * int64(n)
	if bytes > min(d.budget, math.MaxInt32) {
		bytes = f.size()
	}
	if bytes > math.MaxInt32 {
		return nil, fmt.Errorf("%d bytes of strings: %w", bytes, ErrTooLarge)
	}
	return &Text{n: n, plain: f}, d.Spend(bytes)
}

// plainText is text as it is.
type plainText struct{ kern.Strings }

func (t plainText) read(rows []int32) Strings {
	if rows == nil {
		return Strings{Offsets: t.Offsets, Data: t.Data}
	}
	out, size := Strings{Offsets: make([]int32, len(rows)+1)}, 0
	for i, r := range rows {
		size += int(t.Offsets[r+1] - t.Offsets[r])
		out.Offsets[i+1] = int32(size)
	}
	out.Data = make([]byte, size)
	for i, r := range rows {
		copy(out.Data[out.Offsets[i]:], t.Data[t.Offsets[r]:t.Offsets[r+1]])
	}
	return out
}

// textScratch is memory for text that is only looked at.
type textScratch struct {
	offsets [kern.Vector + 1]int32
	data    []byte
}

// maxScratch is the most memory that is kept for the next search.
const maxScratch = 1 << 20

var textScratches = sync.Pool{New: func() any { return new(textScratch) }}

func takeScratch() *textScratch { return textScratches.Get().(*textScratch) }

func (s *textScratch) release() {
	if len(s.data) <= maxScratch {
		textScratches.Put(s)
	}
}

// room returns memory for the text of so many codes of t and a bit more.
func (s *textScratch) room(t *symbolText, codes int) []byte {
	return s.bytes(min(codes*maxSymbol, t.size) + 2*maxSymbol)
}

// bytes returns memory for at least n bytes.
func (s *textScratch) bytes(n int) []byte {
	if n > len(s.data) {
		s.data = make([]byte, max(n, 2*len(s.data)))
	}
	return s.data
}

// text returns the text of the codes of a row, good until the next use.
func (s *textScratch) text(t *symbolText, codes []byte) []byte {
	dst := s.room(t, len(codes))
	return dst[:t.expand(dst, codes)]
}

func (d *Decoder) viewConstantBytes(n int) (*Text, error) {
	next, err := d.node(Bytes, n, 1)
	if err != nil {
		return nil, err
	}
	if err := next.noParam(); err != nil {
		return nil, err
	}
	v, err := d.anyBuffer()
	if err != nil {
		return nil, err
	}
	return &Text{n: n, values: Strings{Offsets: []int32{0, int32(len(v))}, Data: v}, codes: &Ints{n, constantView(0)}}, nil
}

func (d *Decoder) viewDictionaryStrings(n int) (*Text, error) {
	next, err := d.node(Bytes, n, 1)
	if err != nil {
		return nil, err
	}
	distinct, codes, err := viewCodes(d, next, 1)
	if err != nil {
		return nil, err
	}
	values, err := getValues(d, distinct, 2)
	return &Text{n: n, values: values, codes: codes}, err
}
