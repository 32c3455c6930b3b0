package codec

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/tarnlake/tarn/format/kern"
)

// Fields: text of one pattern, as ids, versions, invoice numbers, dates and
// labels are: "order-0815/3". Each value is cut into parts, the longest runs
// of digits, of small letters and of other bytes; where all values have the
// same kinds of parts in the same order, each part is a column of its own.
// The parameter is the number of parts. One buffer: the kinds of the parts (u8
// each); then the columns of the parts, in order: Word64 for digits and
// letters, Bytes for the rest. As the halves of a wide value do, they count
// their depth from one again; they are no Fields themselves.

// partKind says how a part is kept. Numbers reach disk.
type partKind uint8

const (
	partText    partKind = 0  // as it is
	partNumber  partKind = 1  // digits without leading zeroes, as a number
	partLetters partKind = 2  // a is 1, z is 26, aa is 27: as columns of a spreadsheet are counted
	partPadded  partKind = 16 // plus n: n digits, as a number
)

const (
	maxParts = 16
	// maxPartValues bounds the memory for parts while writing.
	maxPartValues = 1 << 24
	maxNumber     = 18 // digits
	maxLetters    = 12
	// maxRendered is how long any 64-bit number may get.
	maxRendered = 20
)

// part is a column of parts.
type part struct {
	class   partKind // partText, partNumber or partLetters
	numbers []uint64
	text    Strings
	zeroes  bool // a number has leading ones
	widths  [2]int
}

// classOf returns what a part made of bytes such as c is.
func classOf(c byte) partKind {
	switch {
	case c >= '0' && c <= '9':
		return partNumber
	case c >= 'a' && c <= 'z':
		return partLetters
	}
	return partText
}

// run returns how many bytes v begins with that are of class.
func run(v []byte, class partKind) int {
	for i, c := range v {
		if classOf(c) != class {
			return i
		}
	}
	return len(v)
}

// patternOf returns the empty parts of a value, for as many rows, or nil if it
// has too many or only one of text.
func patternOf(v []byte, rows int) (parts []part) {
	numbers := false
	for len(v) > 0 {
		if len(parts) == maxParts || len(parts)*rows > maxPartValues {
			return nil
		}
		p := part{class: classOf(v[0]), widths: [2]int{math.MaxInt, 0}}
		if p.class == partText {
			p.text.Offsets = make([]int32, 1, rows+1)
		} else {
			p.numbers, numbers = make([]uint64, rows), true
		}
		parts, v = append(parts, p), v[run(v, p.class):]
	}
	if !numbers {
		return nil
	}
	return parts
}

// split cuts all values of s into the parts that the first has; nil if one
// does not fit. A null row repeats the row before it.
func split(s Strings) []part {
	v, first := []byte(nil), 0
	for first < s.rows() && s.null(first) {
		first++
	}
	if first < s.rows() {
		v = s.value(first)
	}
	parts := patternOf(v, s.rows())
	for i := 0; i < s.rows() && parts != nil; i++ {
		if !s.null(i) {
			v = s.value(i)
		}
		rest := v
		for k := range parts {
			n := parts[k].take(rest, i)
			if n == 0 {
				return nil
			}
			rest = rest[n:]
		}
		if len(rest) > 0 {
			return nil
		}
	}
	return parts
}

// take makes what v begins with value i of the part. It returns how many bytes
// that has; 0 if it is of another class, or too long to count.
func (p *part) take(v []byte, i int) (n int) {
	x := uint64(0)
	switch p.class {
	case partText:
		n = run(v, partText)
		p.text.Data = append(p.text.Data, v[:n]...)
		p.text.Offsets = append(p.text.Offsets, int32(len(p.text.Data)))
		return n
	case partNumber:
		for n < len(v) && v[n]-'0' < 10 {
			x = x*10 + uint64(v[n]-'0')
			n++
		}
		if n > maxNumber {
			return 0
		}
		p.zeroes = p.zeroes || n > 1 && v[0] == '0'
	case partLetters:
		for n < len(v) && v[n]-'a' < 26 {
			x = x*26 + uint64(v[n]-'a'+1)
			n++
		}
		if n > maxLetters {
			return 0
		}
	}
	p.numbers[i] = x
	p.widths = [2]int{min(p.widths[0], n), max(p.widths[1], n)}
	return n
}

// kind returns how the part can be kept; false if leading zeroes differ.
func (p *part) kind() (partKind, bool) {
	switch {
	case p.class != partNumber || !p.zeroes:
		return p.class, true
	case p.widths[0] == p.widths[1]:
		return partPadded + partKind(p.widths[0]), true
	}
	return 0, false
}

// planFields returns how to write s as fields, and the price; nil if s has no
// pattern.
func planFields(e *Encoder, c *choice, s Strings) (write func(), cost int) {
	parts := split(s)
	if parts == nil {
		return nil, 0
	}
	kinds, writers := make([]uint8, len(parts)), make([]func(), len(parts))
	for i := range parts {
		p := &parts[i]
		kind, ok := p.kind()
		if !ok {
			return nil, 0
		}
		kinds[i] = uint8(kind)
		if p.class == partText {
			cost += textGuess(p.text)
			writers[i] = func() { e.putStrings(nth(&c.parts, i), p.text, e.root().without(Fields)) }
			continue
		}
		plan := planRoot(e, nth(&c.parts, i), p.numbers, unsigned)
		cost, writers[i] = cost+plan.cost, plan.write
	}
	return func() {
		e.node(Fields, Bytes, s.rows(), uint64(len(parts)))
		e.buffer(kinds)
		for _, w := range writers {
			w()
		}
	}, cost * costFields / 100
}

// textGuess is about what the punctuation between numbers takes: nothing if it
// is always the same, else a dictionary.
func textGuess(s Strings) int {
	for i := range s.rows() {
		if string(s.value(i)) != string(s.value(0)) {
			return s.rows()/4 + s.size()/8
		}
	}
	return nodeSize
}

func getFields(d *Decoder, n node, offsets []int32, alloc func(int) []byte) error {
	f, err := readFields(d, n)
	if err != nil {
		return err
	}
	dst, err := d.allocBytes(f.size(), alloc)
	if err == nil {
		f.write(dst, offsets, f.writers())
	}
	return err
}

// fieldsText is text as it is stored: parts that are columns of their own. They
// have been checked: each value has all parts, none of them empty, and no two
// neighbours of one class.
type fieldsText struct {
	rows  int
	parts []partColumn
}

// partColumn is a part when read.
type partColumn struct {
	kind    partKind
	numbers []uint64 // with room for whole vectors
	text    Strings
	top     uint64 // of the numbers
}

func readFields(d *Decoder, n node) (*fieldsText, error) {
	if d.inFields || n.param == 0 || n.param > maxParts {
		return nil, fmt.Errorf("fields of %d parts, or within fields", n.param)
	}
	d.inFields = true
	defer func() { d.inFields = false }()
	kinds, err := d.buffer(int(n.param))
	if err != nil {
		return nil, err
	}
	f := &fieldsText{n.count, make([]partColumn, len(kinds))}
	for i, kind := range kinds {
		p := &f.parts[i]
		if err := p.get(d, partKind(kind), n.count); err != nil {
			return nil, err
		}
		if i > 0 && p.class() == f.parts[i-1].class() {
			return nil, fmt.Errorf("parts %d and %d are of one class", i-1, i)
		}
	}
	return f, nil
}

// get reads n parts.
func (c *partColumn) get(d *Decoder, kind partKind, n int) (err error) {
	c.kind = kind
	switch {
	case kind == partText:
		if c.text, err = getValues(d, n, 1); err != nil {
			return err
		}
		return c.checkText()
	case kind != partNumber && kind != partLetters && (kind <= partPadded || kind > partPadded+maxNumber):
		return fmt.Errorf("part of kind %d", kind)
	}
	whole := vectors(n) * kern.Vector
	if err := d.Spend(int64(whole) * 8); err != nil {
		return err
	}
	c.numbers = make([]uint64, n, whole)
	if err := getInts(d, c.numbers, 1); err != nil {
		return err
	}
	if c.top = kern.Max(c.numbers); kind > partPadded && c.top >= tens[kind-partPadded] {
		return fmt.Errorf("number %d in %d digits", c.top, kind-partPadded)
	}
	if kind == partLetters && slices.Contains(c.numbers, 0) {
		return fmt.Errorf("a part has no letters")
	}
	return nil
}

// checkText looks for text that should be another part.
func (c *partColumn) checkText() error {
	for i := range c.text.rows() {
		if c.text.Offsets[i] == c.text.Offsets[i+1] {
			return fmt.Errorf("a part has no text")
		}
	}
	for at := range places(c.text.Data, &digitsAndLetters) {
		return fmt.Errorf("byte %d in a part of text", c.text.Data[at])
	}
	return nil
}

// digitsAndLetters are the bytes that parts of text do not have.
var digitsAndLetters = func() (set byteSet) {
	for b := range 256 {
		if classOf(byte(b)) != partText {
			set.add(byte(b))
		}
	}
	return set
}()

// class returns which bytes the part is made of.
func (c *partColumn) class() partKind {
	if c.kind > partPadded {
		return partNumber
	}
	return c.kind
}

// size returns how many bytes all values have.
func (f *fieldsText) size() (total int64) {
	for i := range f.parts {
		p := &f.parts[i]
		if p.kind == partText {
			total += int64(p.text.size())
			continue
		}
		last, width := uint64(0), p.width(0)
		for _, x := range p.numbers {
			if x != last { // neighbours are often equal
				last, width = x, p.width(x)
			}
			total += int64(width)
		}
	}
	return total
}

// atMost returns a number of bytes that no value exceeds.
func (f *fieldsText) atMost() (bytes int) {
	for i := range f.parts {
		if p := &f.parts[i]; p.kind == partText {
			bytes += longest(p.text)
		} else {
			bytes += p.width(p.top)
		}
	}
	return bytes
}

// longest returns the length of the longest of s.
func longest(s Strings) (n int) {
	for i := range s.rows() {
		n = max(n, int(s.Offsets[i+1]-s.Offsets[i]))
	}
	return n
}

// upTo[n] is the greatest number that n letters count.
var upTo = func() (t [14]uint64) {
	for n := range len(t) - 1 {
		t[n+1] = (t[n] + 1) * 26
	}
	return t
}()

// tens are 10^0 to 10^19.
var tens = func() (t [20]uint64) {
	t[0] = 1
	for i := range len(t) - 1 {
		t[i+1] = t[i] * 10
	}
	return t
}()

// width returns how many bytes x is written with.
func (c *partColumn) width(x uint64) int {
	switch c.kind {
	case partNumber:
		return digitsOf(x)
	case partLetters:
		n := 0
		for n < len(upTo) && x > upTo[n] {
			n++
		}
		return n
	}
	return int(c.kind - partPadded)
}

func digitsOf(x uint64) int {
	n := bits.Len64(x|1) * 1233 >> 12 // a bit less than the digits, or as many
	if n < len(tens) && x >= tens[n] {
		n++
	}
	return max(n, 1)
}

// partWriter writes the parts of a column one after the other.
type partWriter struct {
	*partColumn
	last     uint64 // number, as written:
	rendered [maxRendered]byte
	length   int
	hit      bool // of a search, in the last number
}

func (f *fieldsText) writers() []partWriter {
	out := make([]partWriter, len(f.parts))
	for i := range out {
		out[i].partColumn = &f.parts[i]
	}
	return out
}

// write writes all values to dst, which has room for them, and sets offsets to
// where they are.
func (f *fieldsText) write(dst []byte, offsets []int32, writers []partWriter) {
	at := 0
	for i := range f.rows {
		offsets[i] = int32(at)
		at += writeRow(dst[at:], writers, i)
	}
	offsets[f.rows] = int32(at)
}

// writeRow writes the value of a row and returns its length.
func writeRow(dst []byte, writers []partWriter, row int) (at int) {
	for k := range writers {
		at += writers[k].write(dst[at:], row)
	}
	return at
}

// write writes part i to the beginning of dst and returns its length.
func (w *partWriter) write(dst []byte, i int) int {
	if w.kind == partText {
		return copy(dst, w.text.value(i))
	}
	if x := w.numbers[i]; x != w.last || w.length == 0 {
		w.render(x)
	}
	if len(dst) >= len(w.rendered) { // what is too much the next part overwrites
		*(*[maxRendered]byte)(dst) = w.rendered
		return w.length
	}
	return copy(dst, w.rendered[:w.length])
}

// render makes x the last number.
func (w *partWriter) render(x uint64) {
	w.last, w.length = x, w.width(x)
	text := w.rendered[:w.length]
	for k := len(text) - 1; k >= 0; k-- {
		if w.kind == partLetters {
			text[k] = byte('a' + (x-1)%26)
			x = (x - 1) / 26
		} else {
			text[k] = byte('0' + x%10)
			x /= 10
		}
	}
}
