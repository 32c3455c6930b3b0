package format

import (
	"fmt"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/format/kern"
)

// columnReader takes columns out of a page, in the order of putColumn.
type columnReader struct {
	*codec.Decoder
	mem memory.Allocator
}

// decodePage returns the rows values of type t that a page holds, some of them
// maybe in the dictionary that it shares; it may hand out budget bytes of them.
// The decoder tells what it met.
func decodePage(mem memory.Allocator, b []byte, shared *codec.SharedTexts, t arrow.DataType, rows int, budget int64) (arrow.Array, *codec.Decoder, error) {
	d, err := codec.NewDecoder(b, budget)
	if err != nil {
		return nil, nil, err
	}
	d.Share(shared)
	c := columnReader{d, mem}
	data, err := c.column(t, rows)
	if err != nil {
		return nil, nil, err
	}
	if err := d.Done(); err != nil {
		return nil, nil, err
	}
	defer data.Release()
	return array.MakeFromData(data), d, nil
}

// column reads n values of type t.
func (c columnReader) column(t arrow.DataType, n int) (*array.Data, error) {
	validity, nulls, err := c.validity(n)
	if err != nil {
		return nil, err
	}
	bufs, children := []*memory.Buffer{validity}, []arrow.ArrayData(nil)
	switch t := t.(type) {
	case *arrow.BooleanType:
		bufs, err = c.bools(bufs, n)
	case *arrow.StringType, *arrow.BinaryType:
		bufs, err = c.strings(bufs, n)
	case *arrow.FixedSizeBinaryType:
		bufs, err = c.fixed(bufs, t.ByteWidth, n)
	case *arrow.Decimal128Type:
		bufs, err = c.wide(bufs, n)
	case *arrow.StructType:
		children, err = c.children(t, n)
	case *arrow.MapType:
		bufs, children, err = c.entries(bufs, t, n)
	case *arrow.ListType:
		bufs, children, err = c.list(bufs, t, n)
	default:
		bufs, err = c.words(bufs, t.(arrow.FixedWidthDataType), n)
	}
	if err != nil {
		return nil, err
	}
	return owned(t, n, bufs, children, nulls), nil
}

// owned returns array data that holds the only references to its parts.
func owned(t arrow.DataType, n int, bufs []*memory.Buffer, children []arrow.ArrayData, nulls int) *array.Data {
	data := array.NewData(t, n, bufs, children, nulls, 0)
	for _, b := range bufs {
		if b != nil {
			b.Release()
		}
	}
	for _, c := range children {
		c.Release()
	}
	return data
}

// buffer allocates n bytes, within the budget of the page.
func (c columnReader) buffer(n int) (*memory.Buffer, error) {
	if err := c.Spend(int64(n)); err != nil {
		return nil, err
	}
	return c.paid(n), nil
}

// paid allocates n bytes that are paid for.
func (c columnReader) paid(n int) *memory.Buffer {
	b := memory.NewResizableBuffer(c.mem)
	b.Resize(n)
	return b
}

func wordsOf[T kern.Uint | int32](b *memory.Buffer) []T {
	var v T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b.Bytes()))), b.Len()/int(unsafe.Sizeof(v)))
}

// validity reads n bits; without a null there is no buffer.
func (c columnReader) validity(n int) (*memory.Buffer, int, error) {
	valid, constant, err := c.GetConstantBits(n)
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("validity: %w", err)
	case constant && (valid || n == 0):
		return nil, 0, nil
	}
	b, err := c.buffer((n + 7) / 8)
	if err != nil {
		return nil, 0, err
	}
	clear(b.Bytes())
	if constant {
		return b, n, nil
	}
	if err := c.GetBits(b.Bytes(), n); err != nil {
		return nil, 0, fmt.Errorf("validity: %w", err)
	}
	return b, n - codec.CountOnes(b.Bytes(), n), nil
}

func (c columnReader) bools(bufs []*memory.Buffer, n int) ([]*memory.Buffer, error) {
	b, err := c.buffer((n + 7) / 8)
	if err != nil {
		return nil, err
	}
	clear(b.Bytes())
	return append(bufs, b), c.GetBits(b.Bytes(), n)
}

func (c columnReader) words(bufs []*memory.Buffer, t arrow.FixedWidthDataType, n int) ([]*memory.Buffer, error) {
	b, err := c.buffer(n * t.BitWidth() / 8)
	if err != nil {
		return nil, err
	}
	switch t.BitWidth() {
	case 8:
		err = codec.GetInts(c.Decoder, wordsOf[uint8](b))
	case 16:
		err = codec.GetInts(c.Decoder, wordsOf[uint16](b))
	case 32:
		err = codec.GetInts(c.Decoder, wordsOf[uint32](b))
	case 64:
		err = codec.GetInts(c.Decoder, wordsOf[uint64](b))
	}
	return append(bufs, b), err
}

func (c columnReader) wide(bufs []*memory.Buffer, n int) ([]*memory.Buffer, error) {
	b, err := c.buffer(n * 16)
	if err != nil {
		return nil, err
	}
	return append(bufs, b), c.GetWide(wordsOf[uint64](b))
}

func (c columnReader) strings(bufs []*memory.Buffer, n int) ([]*memory.Buffer, error) {
	offsets, err := c.buffer((n + 1) * 4)
	if err != nil {
		return nil, err
	}
	data := memory.NewBufferBytes(nil)
	err = c.GetStrings(wordsOf[int32](offsets), func(n int) []byte {
		data = c.paid(n)
		return data.Bytes()
	})
	return append(bufs, offsets, data), err
}

// fixed reads strings and checks that all have the one width.
func (c columnReader) fixed(bufs []*memory.Buffer, width, n int) ([]*memory.Buffer, error) {
	bufs, err := c.strings(bufs, n)
	if err != nil {
		return nil, err
	}
	defer bufs[1].Release() // offsets: an array of one width needs none
	for i, at := range wordsOf[int32](bufs[1]) {
		if int(at) != i*width {
			return nil, fmt.Errorf("value %d has not the width %d", i-1, width)
		}
	}
	return []*memory.Buffer{bufs[0], bufs[2]}, nil
}

func (c columnReader) children(t *arrow.StructType, n int) ([]arrow.ArrayData, error) {
	children := make([]arrow.ArrayData, t.NumFields())
	for i, f := range t.Fields() {
		child, err := c.column(f.Type, n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		children[i] = child
	}
	return children, nil
}

// offsets reads the lengths of n lists; it returns the number of elements too.
func (c columnReader) offsets(bufs []*memory.Buffer, n int) ([]*memory.Buffer, int, error) {
	b, err := c.buffer((n + 1) * 4)
	if err != nil {
		return nil, 0, err
	}
	total, err := c.GetOffsets(wordsOf[int32](b))
	if err == nil && total > codec.MaxElements {
		err = fmt.Errorf("%d list elements; at most %d", total, codec.MaxElements)
	}
	return append(bufs, b), total, err
}

func (c columnReader) list(bufs []*memory.Buffer, t *arrow.ListType, n int) ([]*memory.Buffer, []arrow.ArrayData, error) {
	bufs, total, err := c.offsets(bufs, n)
	if err != nil {
		return nil, nil, err
	}
	elems, err := c.column(t.Elem(), total)
	if err != nil {
		return nil, nil, fmt.Errorf("elements: %w", err)
	}
	return bufs, []arrow.ArrayData{elems}, nil
}

func (c columnReader) entries(bufs []*memory.Buffer, t *arrow.MapType, n int) ([]*memory.Buffer, []arrow.ArrayData, error) {
	bufs, total, err := c.offsets(bufs, n)
	if err != nil {
		return nil, nil, err
	}
	entry := t.Elem().(*arrow.StructType)
	children, err := c.children(entry, total)
	switch {
	case err != nil:
		return nil, nil, err
	case children[0].NullN() > 0:
		return nil, nil, fmt.Errorf("a map key is null")
	}
	entries := owned(entry, total, []*memory.Buffer{nil}, children, 0)
	return bufs, []arrow.ArrayData{entries}, nil
}
