package source

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/apache/arrow-go/v18/parquet/metadata"
)

// Parquet pages may carry a CRC-32 of their bytes, which arrow-go neither
// writes nor checks. Here the headers of the pages are read, which are Thrift
// structs in the compact protocol, only as far as it takes to check it.

func chunkRange(c *metadata.ColumnChunkMetaData) (start, length int64) {
	start = c.DataPageOffset()
	if dict := c.DictionaryPageOffset(); c.HasDictionaryPage() && dict > 0 && dict < start {
		start = dict
	}
	return start, c.TotalCompressedSize()
}

// verifyPages checks the pages of a column chunk until the first one without
// a checksum: writers put one on every page or on none.
func verifyPages(at io.ReaderAt, c *metadata.ColumnChunkMetaData) error {
	start, length := chunkRange(c)
	section := io.NewSectionReader(at, start, length)
	r := bufio.NewReaderSize(section, 64<<10)
	for n := 0; ; n++ {
		if _, err := r.Peek(1); errors.Is(err, io.EOF) {
			return nil
		}
		h, err := readPageHeader(r)
		if err != nil {
			return fmt.Errorf("header of page %d: %w", n, err)
		}
		if !h.hasCRC {
			return nil
		}
		sum := crc32.NewIEEE()
		if _, err := io.CopyN(sum, r, h.size); err != nil {
			return fmt.Errorf("page %d: %w", n, err)
		}
		if sum.Sum32() != h.crc {
			return fmt.Errorf("page %d: checksum is %08x; the file says %08x", n, sum.Sum32(), h.crc)
		}
	}
}

// A pageHeader is what we need of Parquet's PageHeader.
type pageHeader struct {
	size   int64 // field 3: bytes of the page as stored
	crc    uint32
	hasCRC bool // field 4
}

func readPageHeader(r *bufio.Reader) (h pageHeader, err error) {
	t := &thriftReader{r: r, left: 16 << 20}
	for id := int16(0); ; {
		kind := t.field(&id)
		if t.err != nil || kind == 0 {
			return h, t.err
		}
		switch {
		case id == 3 && kind == thriftI32:
			if h.size = t.zigzag(); h.size < 0 {
				return h, fmt.Errorf("size %d", h.size)
			}
		case id == 4 && kind == thriftI32:
			h.crc, h.hasCRC = uint32(t.zigzag()), true
		default:
			t.skip(kind, 0)
		}
	}
}

// Kinds of the Thrift compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftStruct = 12
)

// A thriftReader reads until its first error, which it keeps; then it yields
// zeros. left bounds how many bytes it may take.
type thriftReader struct {
	r    *bufio.Reader
	left int
	err  error
}

func (t *thriftReader) byte() byte {
	if t.err == nil && t.left == 0 {
		t.err = errors.New("too long")
	}
	if t.err != nil {
		return 0
	}
	t.left--
	b, err := t.r.ReadByte()
	t.err = err
	return b
}

func (t *thriftReader) varint() (v uint64) {
	for shift := 0; shift < 64; shift += 7 {
		b := t.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	t.fail("a number longer than 64 bits")
	return 0
}

func (t *thriftReader) fail(why string) {
	if t.err == nil {
		t.err = errors.New(why)
	}
}

func (t *thriftReader) zigzag() int64 {
	v := t.varint()
	return int64(v>>1) ^ -int64(v&1)
}

// field reads the head of the next field, or 0 at the end of the struct.
func (t *thriftReader) field(id *int16) (kind byte) {
	b := t.byte()
	if b == 0 {
		return 0
	}
	if delta := int16(b >> 4); delta != 0 {
		*id += delta
	} else {
		*id = int16(t.zigzag())
	}
	return b & 0x0f
}

func (t *thriftReader) skip(kind byte, depth int) {
	if depth > 16 {
		t.fail("nests too deep")
	}
	if t.err != nil {
		return
	}
	switch kind {
	case thriftTrue, thriftFalse:
	case thriftByte:
		t.byte()
	case thriftI16, thriftI32, thriftI64:
		t.varint()
	case thriftDouble:
		t.discard(8)
	case thriftBinary:
		t.discard(t.varint())
	case thriftList, thriftSet:
		t.skipList(depth)
	case thriftStruct:
		for id := int16(0); t.err == nil; {
			inner := t.field(&id)
			if inner == 0 {
				return
			}
			t.skip(inner, depth+1)
		}
	default:
		t.fail(fmt.Sprintf("kind %d", kind)) // page headers have no maps
	}
}

func (t *thriftReader) skipList(depth int) {
	b := t.byte()
	n, kind := uint64(b>>4), b&0x0f
	if n == 15 {
		n = t.varint()
	}
	if kind == thriftTrue || kind == thriftFalse {
		kind = thriftByte // a bool in a list takes a byte
	}
	for ; n > 0 && t.err == nil; n-- {
		t.skip(kind, depth+1)
	}
}

func (t *thriftReader) discard(n uint64) {
	if n > uint64(t.left) {
		t.fail("too long")
		return
	}
	t.left -= int(n)
	if _, err := t.r.Discard(int(n)); err != nil {
		t.fail(err.Error())
	}
}
