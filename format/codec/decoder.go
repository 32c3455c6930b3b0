package codec

import (
	"encoding/binary"
	"fmt"

	"github.com/tarnlake/tarn/format/kern"
)

// Decoder reads one page. Take the values in the order in which they were put
// (Bits, Ints, Wide, Strings), then call Done. It trusts nothing: a page that
// is not whole gives an error, never a panic, and it allocates no more than
// its budget. A Decoder is not safe for concurrent use; it does not keep the
// page beyond the calls made on it.
type Decoder struct {
	page   []byte
	nodes  []byte // not yet read
	lens   []byte // of buffers not yet read
	at     int    // end of the last buffer read
	budget int64
	used   Set

	inFields bool // reading the parts of Fields
	shared   *SharedTexts
}

// NewDecoder returns a decoder of page that may give out budget bytes of
// values (MaxPageValues for any page that an Encoder may write).
func NewDecoder(page []byte, budget int64) (*Decoder, error) {
	if len(page) < headerSize {
		return nil, fmt.Errorf("page of %d bytes is shorter than its header", len(page))
	}
	nodes := int64(binary.LittleEndian.Uint32(page[0:])) * nodeSize
	lens := int64(binary.LittleEndian.Uint32(page[4:])) * 4
	if binary.LittleEndian.Uint64(page[8:]) != 0 {
		return nil, fmt.Errorf("reserved header bytes are not zero")
	}
	if nodes+lens > int64(len(page)-headerSize) {
		return nil, fmt.Errorf("%d nodes and %d buffers do not fit a page of %d bytes", nodes/nodeSize, lens/4, len(page))
	}
	endNodes := headerSize + int(nodes)
	endLens := endNodes + int(lens)
	return &Decoder{page: page, nodes: page[headerSize:endNodes], lens: page[endNodes:endLens], at: endLens, budget: budget}, nil
}

// Done reports an error unless everything in the page has been read.
func (d *Decoder) Done() error {
	if len(d.nodes) != 0 || len(d.lens) != 0 || d.at != len(d.page) {
		return fmt.Errorf("page holds more than its column: %d nodes, %d buffers, %d bytes left",
			len(d.nodes)/nodeSize, len(d.lens)/4, len(d.page)-d.at)
	}
	return nil
}

// Used returns the set of encodings met so far.
func (d *Decoder) Used() Set { return d.used }

// Spend takes n bytes of values from the budget. Whoever allocates what the
// decoder fills calls it first.
func (d *Decoder) Spend(n int64) error {
	err := d.afford(n)
	d.budget -= n
	return err
}

// afford reports an error unless n bytes are left in the budget. So whoever may
// need them later, or never, knows that they are.
func (d *Decoder) afford(n int64) error {
	if n > d.budget {
		return fmt.Errorf("page decodes to more than its limit: %w", ErrTooLarge)
	}
	return nil
}

// Left returns what is left of the budget.
func (d *Decoder) Left() int64 { return d.budget }

type node struct {
	enc   Encoding
	shape Shape
	count int
	param uint64
}

// node reads the next node, which must have that shape and count.
func (d *Decoder) node(shape Shape, count, depth int) (node, error) {
	n, err := d.anyNode()
	switch {
	case err != nil:
		return n, err
	case depth > MaxDepth:
		return n, fmt.Errorf("encodings nest deeper than %d", MaxDepth)
	case n.shape != shape:
		return n, fmt.Errorf("node holds %s; want %s", n.shape, shape)
	case n.count != count:
		return n, fmt.Errorf("node counts %d values; want %d", n.count, count)
	}
	return n, nil
}

// anyNode reads the next node.
func (d *Decoder) anyNode() (node, error) {
	n, err := d.peek()
	if err == nil {
		d.nodes = d.nodes[nodeSize:]
		d.used |= 1 << (n.enc % MaxEncodings)
	}
	return n, err
}

// peek returns the next node without moving past it.
func (d *Decoder) peek() (node, error) {
	if len(d.nodes) == 0 {
		return node{}, fmt.Errorf("page ends before its column does")
	}
	b := d.nodes
	n := node{Encoding(b[0]), Shape(b[1]), int(binary.LittleEndian.Uint32(b[4:])), binary.LittleEndian.Uint64(b[8:])}
	if b[2] != 0 || b[3] != 0 {
		return n, fmt.Errorf("reserved node bytes are not zero")
	}
	if n.count > MaxElements {
		return n, fmt.Errorf("node counts %d values, limit is %d", n.count, MaxElements)
	}
	return n, nil
}

// buffer reads the next buffer, which must have exactly n bytes.
func (d *Decoder) buffer(n int) ([]byte, error) {
	b, err := d.anyBuffer()
	if err == nil && len(b) != n {
		return nil, fmt.Errorf("buffer of %d bytes; want %d", len(b), n)
	}
	return b, err
}

// anyBuffer reads the next buffer and checks that the gap before it is zero.
func (d *Decoder) anyBuffer() ([]byte, error) {
	if len(d.lens) == 0 {
		return nil, fmt.Errorf("page has too few buffers")
	}
	n := int(binary.LittleEndian.Uint32(d.lens))
	d.lens = d.lens[4:]
	if n == 0 {
		return nil, nil
	}
	start := alignUp(d.at, n)
	if start > len(d.page) || n > len(d.page)-start {
		return nil, fmt.Errorf("buffer of %d bytes at %d reaches past the page's %d", n, start, len(d.page))
	}
	for _, b := range d.page[d.at:start] {
		if b != 0 {
			return nil, fmt.Errorf("padding before byte %d is not zero", start)
		}
	}
	d.at = start + n
	return d.page[start:d.at:d.at], nil
}

// words reads the next buffer as n words.
func words[T kern.Uint](d *Decoder, n int) ([]T, error) {
	b, err := d.buffer(n * wordBytes[T]())
	return wordsOf[T](b), err
}

func (n node) noParam() error {
	if n.param != 0 {
		return fmt.Errorf("%s node has a parameter", n.enc)
	}
	return nil
}

func (n node) unknown() error {
	return fmt.Errorf("%s is no encoding of %s", n.enc, n.shape)
}
