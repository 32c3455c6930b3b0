package codec

import (
	"fmt"
	"math"
	"math/bits"

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
	if d.inFields || n.param == 0 || n.param > maxParts {
		return fmt.Errorf("fields of %d parts, or within fields", n.param)
	}
	d.inFields = true
	defer func() { d.inFields = false }()
	kinds, err := d.buffer(int(n.param))
	if err != nil {
		return err
	}
	columns, total := make([]partColumn, len(kinds)), int64(0)
	for i, kind := range kinds {
		bytes, err := columns[i].get(d, partKind(kind), n.count)
		if err != nil {
			return err
		}
		total += bytes
	}
	dst, err := d.allocBytes(total, alloc)
	if err != nil {
		return err
	}
	at := 0
	for i := range n.count {
		offsets[i] = int32(at)
		for k := range columns {
			at += columns[k].write(dst[at:], i)
		}
	}
	offsets[n.count] = int32(at)
	return nil
}

// partColumn is a part when read.
type partColumn struct {
	kind    partKind
	numbers []uint64
	text    Strings

	last     uint64 // of numbers, as written:
	rendered [maxRendered]byte
	length   int
}

// get reads n parts and returns how many bytes they have.
func (c *partColumn) get(d *Decoder, kind partKind, n int) (int64, error) {
	c.kind = kind
	switch {
	case kind == partText:
		values, err := getValues(d, n, 1)
		c.text = values
		return int64(len(values.Data)), err
	case kind != partNumber && kind != partLetters && (kind <= partPadded || kind > partPadded+maxNumber):
		return 0, fmt.Errorf("part of kind %d", kind)
	}
	if err := d.Spend(int64(n) * 8); err != nil {
		return 0, err
	}
	c.numbers = make([]uint64, n)
	if err := getInts(d, c.numbers, 1); err != nil {
		return 0, err
	}
	if top := kern.Max(c.numbers); kind > partPadded && top >= tens[kind-partPadded] {
		return 0, fmt.Errorf("number %d in %d digits", top, kind-partPadded)
	}
	total, last, width := int64(0), uint64(0), c.width(0)
	for _, x := range c.numbers {
		if x != last { // neighbours are often equal
			last, width = x, c.width(x)
		}
		total += int64(width)
	}
	return total, nil
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

// write writes part i to the beginning of dst and returns its length.
func (c *partColumn) write(dst []byte, i int) int {
	if c.kind == partText {
		return copy(dst, c.text.value(i))
	}
	if x := c.numbers[i]; x != c.last || c.length == 0 {
		c.last, c.length = x, c.width(x)
		c.render()
	}
	if len(dst) >= len(c.rendered) { // what is too much the next part overwrites
		*(*[maxRendered]byte)(dst) = c.rendered
		return c.length
	}
	return copy(dst, c.rendered[:c.length])
}

// render writes the last number.
func (c *partColumn) render() {
	x, text := c.last, c.rendered[:c.length]
	for k := len(text) - 1; k >= 0; k-- {
		if c.kind == partLetters {
			text[k] = byte('a' + (x-1)%26)
			x = (x - 1) / 26
		} else {
			text[k] = byte('0' + x%10)
			x /= 10
		}
	}
}
