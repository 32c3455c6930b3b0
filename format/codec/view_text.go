package codec

import (
	"fmt"
	"math"
	"sync"
	"unsafe"

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

	shared  *SharedTexts // what values are of; nil: the run's own
	numbers []uint32     // the values by number; nil: all are
}

// textView is a run of byte strings with one value a row. What has been checked
// cannot fail.
type textView interface {
	kern.Text
	// read returns the values of those rows, or of all for nil.
	read(rows []int32) Strings
}

// uncheckedText is a textView that leaves it to its user how much is checked.
type uncheckedText interface {
	check() error
	checkRows(rows []int32) error
}

// Check checks all values, which takes about as long as to decode a tenth of
// them, but only once.
func (t *Text) Check() error {
	if u, ok := t.plain.(uncheckedText); ok {
		return u.check()
	}
	return nil
}

// CheckRows is Check for whoever will read no other rows, and search nothing.
func (t *Text) CheckRows(rows []int32) error {
	if u, ok := t.plain.(uncheckedText); ok {
		return u.checkRows(rows)
	}
	return nil
}

// Len returns the number of values.
func (t *Text) Len() int { return t.n }

// Codes returns distinct values, and the code of each row, which is the place
// of its value; ok is false where the run has no codes. A single value for all
// rows is a dictionary of one. There may be values that no row has.
func (t *Text) Codes() (values Strings, codes *Ints, ok bool) {
	if t.numbers != nil {
		return t.shared.pick(t.numbers), t.codes, true
	}
	return t.values, t.codes, t.codes != nil
}

// Shared returns the dictionary that the values of Codes are of, the number
// there of each code (nil: codes are numbers), and the code of each row. The
// dictionary is nil where the run has its own.
func (t *Text) Shared() (dictionary *SharedTexts, numbers []uint32, codes *Ints) {
	return t.shared, t.numbers, t.codes
}

// Search returns the run as text to look for something in; ok is false where
// it has codes, which are the way then. It has been checked.
func (t *Text) Search() (text kern.Text, ok bool) { return t.plain, t.plain != nil }

// Read returns the values of rows, of which none is there twice and all have
// been checked; nil rows are all. It decodes no others where they can be told apart. The values may be
// memory of the page: they are not to be changed. The run has no codes.
func (t *Text) Read(rows []int32) Strings {
	if t.plain == nil {
		panic("BUG: codec: Read of text that has codes")
	}
	return t.plain.read(rows)
}

// ViewStrings reads the next n byte strings as a view, of which Check or
// CheckRows says whether values can be had.
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
	case Shared:
		return d.viewSharedStrings(n)
	case Fields:
		return d.viewFields(n)
	}
	if next, err = d.node(Bytes, n, 1); err != nil {
		return nil, err
	}
	var v textView
	switch next.enc {
	case FSST:
		v, err = d.viewSymbols(next)
	case Raw:
		v, err = d.viewPlainStrings(next)
	default:
		err = next.unknown()
	}
	if err != nil {
		return nil, err
	}
	return &Text{n: n, plain: v}, nil
}

// viewSymbols pays for what the view holds. What may be read later has to fit
// the budget, too, but takes nothing of it.
func (d *Decoder) viewSymbols(n node) (textView, error) {
	if err := d.Spend(int64(unsafe.Sizeof(kern.Symbols{}))); err != nil {
		return nil, err
	}
	t, err := readSymbolText(d, n, func() (*textRows, error) { return viewRows(d, n.count, 2) })
	if err != nil {
		return nil, err
	}
	return t, d.afford(int64(n.count+1)*4 + int64(t.size))
}

// viewPlainStrings leaves the bytes of the strings where they are in the page,
// unless they are compressed.
func (d *Decoder) viewPlainStrings(n node) (textView, error) {
	if err := n.noParam(); err != nil {
		return nil, err
	}
	rows, err := viewRows(d, n.count, 2)
	if err != nil {
		return nil, err
	}
	if err := d.afford(int64(n.count+1) * 4); err != nil {
		return nil, err
	}
	data, err := d.viewBlob(rows.total(), 2)
	return plainText{rows, data}, err
}

// viewBlob returns n bytes where they are in the page, unless they are
// compressed.
func (d *Decoder) viewBlob(n, depth int) ([]byte, error) {
	blob, err := d.peek()
	if err != nil {
		return nil, err
	}
	if blob.enc != Raw {
		data, err := d.allocBytes(int64(n), func(n int) []byte { return make([]byte, n) })
		if err != nil {
			return nil, err
		}
		return data, getBlob(d, data, depth)
	}
	if blob, err = d.node(Blob, n, depth); err != nil {
		return nil, err
	}
	if err := blob.noParam(); err != nil {
		return nil, err
	}
	return d.buffer(n)
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
type plainText struct {
	rows *textRows // in data
	data []byte
}

// Rows returns the number of rows.
func (t plainText) Rows() int { return t.rows.n }

// Equal keeps the rows that are s.
func (t plainText) Equal(m []kern.Mask, s []byte) { t.search(m, s, kern.Strings.Equal) }

// HasPrefix keeps the rows that begin with s.
func (t plainText) HasPrefix(m []kern.Mask, s []byte) { t.search(m, s, kern.Strings.HasPrefix) }

// HasSuffix keeps the rows that end with s.
func (t plainText) HasSuffix(m []kern.Mask, s []byte) { t.search(m, s, kern.Strings.HasSuffix) }

// Contains keeps the rows with s anywhere in them. It is quickest in long text:
// where most is looked at anyway, all is one.
func (t plainText) Contains(m []kern.Mask, s []byte) {
	if kern.CountMasks(m) < t.Rows()/2 {
		t.search(m, s, kern.Strings.Contains)
		return
	}
	scratch := takeScratch()
	defer scratch.release()
	kern.Strings{Offsets: t.rows.allIn(scratch), Data: t.data}.Contains(m, s)
}

// search looks for s in the vectors that have a bit in m.
func (t plainText) search(m []kern.Mask, s []byte, keep func(text kern.Strings, m []kern.Mask, s []byte)) {
	scratch := takeScratch()
	defer scratch.release()
	for k := range m {
		if m[k].Any() {
			keep(kern.Strings{Offsets: t.rows.vector(&scratch.offsets, k), Data: t.data}, m[k:k+1], s)
		}
	}
}

func (t plainText) read(rows []int32) Strings {
	if rows == nil {
		return Strings{Offsets: t.rows.all(make([]int32, t.rows.n+1)), Data: t.data}
	}
	scratch := takeScratch()
	defer scratch.release()
	spans := t.rows.spans(rows, scratch)
	out, size := Strings{Offsets: make([]int32, len(rows)+1)}, 0
	for i, s := range spans {
		size += int(s.to - s.from)
		out.Offsets[i+1] = int32(size)
	}
	out.Data = make([]byte, size)
	for i, s := range spans {
		copy(out.Data[out.Offsets[i]:], t.data[s.from:s.to])
	}
	return out
}

// textScratch is memory for text that is only looked at.
type textScratch struct {
	offsets [kern.Vector + 1]int32 // of a vector
	data    []byte
	spans   []rowSpan // of rows that are read
	all     []int32   // offsets of all rows
}

// maxScratch is the most memory that is kept for the next search.
const maxScratch = 1 << 20

var textScratches = sync.Pool{New: func() any { return new(textScratch) }}

func takeScratch() *textScratch { return textScratches.Get().(*textScratch) }

func (s *textScratch) release() {
	if len(s.data)+8*cap(s.spans)+4*cap(s.all) <= maxScratch {
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
	distinct, err := next.distinct()
	if err != nil {
		return nil, err
	}
	codes, err := viewCodes(d, n, distinct, 1)
	if err != nil {
		return nil, err
	}
	if next, err = d.peek(); err == nil && next.enc == Shared {
		numbers, err := d.viewSharedValues(distinct)
		return &Text{n: n, shared: d.shared, numbers: numbers, codes: codes}, err
	}
	values, err := getDistinct(d, distinct, 2)
	return &Text{n: n, values: values, codes: codes}, err
}
