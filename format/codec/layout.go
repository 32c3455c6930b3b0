package codec

// Layout is the outline of a page, for people to look at.
type Layout struct {
	Nodes   []NodeLayout
	Lengths int // where the buffer lengths start
	Buffers []BufferLayout
}

// NodeLayout is one node of a page, at an offset in it.
type NodeLayout struct {
	Offset   int
	Encoding Encoding
	Shape    Shape
	Count    int
	Param    uint64
}

// BufferLayout is one buffer of a page.
type BufferLayout struct{ Offset, Bytes int }

// LayoutOf returns the outline of a page; an error says where it breaks off,
// with the outline up to there.
func LayoutOf(page []byte) (Layout, error) {
	d, err := NewDecoder(page, 0)
	if err != nil {
		return Layout{}, err
	}
	l := Layout{Lengths: headerSize + len(d.nodes)}
	for at := headerSize; len(d.nodes) > 0; at += nodeSize {
		n, err := d.anyNode()
		if err != nil {
			return l, err
		}
		l.Nodes = append(l.Nodes, NodeLayout{at, n.enc, n.shape, n.count, n.param})
	}
	for len(d.lens) > 0 {
		b, err := d.anyBuffer()
		if err != nil {
			return l, err
		}
		l.Buffers = append(l.Buffers, BufferLayout{d.at - len(b), len(b)})
	}
	return l, d.Done()
}
