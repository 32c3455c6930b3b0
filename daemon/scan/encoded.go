package scan

import (
	mathbits "math/bits"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/format/kern"
)

// Columns as they are stored become values only for the rows that are left,
// and a dictionary stays one as long as it can.

// maskRows returns the rows of masks.
func maskRows(masks []kern.Mask, n int) []int32 {
	if n <= fewRows {
		return maskRowsOneByOne(masks, n)
	}
	out := make([]int32, 0, n+kern.Vector)
	var rows [kern.Vector]int32
	for k := range masks {
		if masks[k].Any() {
			found := kern.Rows(&rows, &masks[k], int32(k*kern.Vector))
			out = append(out, rows[:found]...)
		}
	}
	return out
}

// maskRowsOneByOne is maskRows for few rows, without room for vectors of them.
func maskRowsOneByOne(masks []kern.Mask, n int) []int32 {
	out := make([]int32, 0, n)
	for k := range masks {
		for w, word := range masks[k] {
			for ; word != 0; word &= word - 1 {
				out = append(out, int32(k*kern.Vector+w*64+mathbits.TrailingZeros64(word)))
			}
		}
	}
	return out
}

// vectorsOf returns masks with a bit in each vector of which rows has one; nil
// rows are all n.
func vectorsOf(rows []int32, n int) []kern.Mask {
	masks := make([]kern.Mask, kern.MasksFor(n))
	if rows == nil {
		for k := range masks {
			masks[k][0] = 1
		}
	}
	for _, r := range rows {
		masks[r/kern.Vector][0] = 1
	}
	return masks
}

// fewRows is how many rows are got without decoding all the vectors they are in.
const fewRows = 256

// readInts returns the values of the given rows; nil rows are all.
func readInts(x *codec.Ints, rows []int32) []int64 {
	if rows != nil && len(rows) <= fewRows {
		out := make([]int64, len(rows))
		x.Gather(out, rows)
		return out
	}
	masks := vectorsOf(rows, x.Len())
	if rows == nil {
		all := make([]int64, len(masks)*kern.Vector)
		x.Read(all, masks)
		return all[:x.Len()]
	}
	scratch := intScratch.Get().(*[]int64)
	defer intScratch.Put(scratch)
	if len(*scratch) < len(masks)*kern.Vector {
		*scratch = make([]int64, len(masks)*kern.Vector)
	}
	x.Read(*scratch, masks)
	return gather(*scratch, rows)
}

// intScratch holds blocks of integers of which some rows are wanted.
var intScratch = sync.Pool{New: func() any { return new([]int64) }}

// vecOfColumn returns the values of the given rows of a stored column as
// values of type t, whose lane is that of the stored type; nil rows are all.
func vecOfColumn(c *column, rows []int32) *vec {
	n := c.enc.Rows()
	if rows != nil {
		n = len(rows)
	}
	v := &vec{typ: c.typ, n: n, valid: validRows(c.enc, rows)}
	switch {
	case c.enc.Text() != nil:
		v.strs = readText(c, rows)
	case laneOf(c.typ) == laneDec:
		v.small = readInts(c.enc.Ints(), rows)
	default:
		v.ints = readInts(c.enc.Ints(), rows)
	}
	return v
}

func validRows(col *format.Column, rows []int32) bits {
	bitmap, nulls := col.Validity()
	switch {
	case nulls == 0:
		return nil
	case rows == nil:
		return copyBits(bitmap, 0, col.Rows())
	}
	return fill(len(rows), func(i int) bool { r := rows[i]; return bitmap[r>>3]>>(r&7)&1 == 1 })
}

func readText(c *column, rows []int32) []string {
	text := c.enc.Text()
	if texts, codes, ok := text.Codes(); ok && rows != nil && len(rows) < len(texts.Offsets) {
		return valuesOf(texts, readInts(codes, rows)) // and nothing is made for all values
	}
	if values, codes := dictionaryOf(c); codes != nil {
		return gather(values.strs, readInts(codes, rows))
	}
	return stringsOf(text.Read(rows))
}

// valuesOf returns the strings with those codes.
func valuesOf(s codec.Strings, codes []int64) []string {
	out := make([]string, len(codes))
	for i, code := range codes {
		out[i] = viewString(s.Data[s.Offsets[code]:s.Offsets[code+1]])
	}
	return out
}

func stringsOf(s codec.Strings) []string {
	out := make([]string, len(s.Offsets)-1)
	for i := range out {
		out[i] = viewString(s.Data[s.Offsets[i]:s.Offsets[i+1]])
	}
	return out
}

// dictionaryOf returns the distinct values of a stored column in ascending
// order, and the code of each row; nil codes if it is no dictionary.
func dictionaryOf(c *column) (values *vec, codes *codec.Ints) {
	if codesOf(c) != nil && c.values == nil {
		c.values = c.dictionary()
	}
	return c.values, c.codes
}

// codesOf is dictionaryOf without the values, of which there are c.distinct.
func codesOf(c *column) *codec.Ints {
	if c.codes != nil || c.enc == nil {
		return c.codes
	}
	t := c.enc.Text()
	if t == nil {
		if ints, codes, ok := c.enc.Ints().Codes(); ok {
			c.codes, c.distinct = codes, len(ints)
		}
		return c.codes
	}
	if c.shared, c.numbers, c.codes = t.Shared(); c.shared == nil {
		if texts, codes, ok := t.Codes(); ok {
			c.codes, c.distinct = codes, len(texts.Offsets)-1
		}
		return c.codes
	}
	if c.distinct = c.shared.Len(); c.numbers != nil {
		c.distinct = len(c.numbers)
	}
	return c.codes
}

// dictionary returns the values of a column's codes.
func (c *column) dictionary() *vec {
	if c.shared != nil {
		return sharedValues(c.typ, c.shared, c.numbers)
	}
	v := &vec{typ: c.typ, n: c.distinct}
	if t := c.enc.Text(); t != nil {
		texts, _, _ := t.Codes()
		v.strs = stringsOf(texts)
		return v
	}
	ints, _, _ := c.enc.Ints().Codes()
	if laneOf(c.typ) == laneDec {
		v.small = ints
	} else {
		v.ints = ints
	}
	return v
}

// sharedValues returns the values of numbers; nil numbers are all.
func sharedValues(t arrow.DataType, d *codec.SharedTexts, numbers []uint32) *vec {
	if numbers == nil {
		return &vec{typ: t, n: d.Len(), strs: d.Texts()}
	}
	texts := d.Texts()
	return &vec{typ: t, n: len(numbers), strs: convert(numbers, func(n uint32) string { return texts[n] })}
}

// arrayOfVec returns the values of the common types as an Arrow array, with
// nothing done for each value but its copy; nil for other types.
func arrayOfVec(v *vec) arrow.Array {
	if v.one {
		return nil
	}
	switch t := v.typ.(type) {
	case *arrow.StringType, *arrow.BinaryType:
		return textArray(v)
	case *arrow.Decimal128Type:
		if v.small == nil {
			return nil
		}
		b := memory.NewResizableBuffer(mem)
		b.Resize(16 * v.n)
		words := arrow.Int64Traits.CastFromBytes(b.Bytes())
		for i, x := range v.small {
			words[2*i], words[2*i+1] = x, x>>63
		}
		return arrayOfBuffers(v, b)
	case arrow.FixedWidthDataType:
		if laneOf(t) != laneInt {
			return nil
		}
		return arrayOfBuffers(v, narrowed(v.ints, t.Bytes()))
	}
	return nil
}

// narrowed returns integers in so many bytes each.
func narrowed(ints []int64, width int) *memory.Buffer {
	b := memory.NewResizableBuffer(mem)
	b.Resize(width * len(ints))
	switch width {
	case 1:
		copyNarrow(arrow.Int8Traits.CastFromBytes(b.Bytes()), ints)
	case 2:
		copyNarrow(arrow.Int16Traits.CastFromBytes(b.Bytes()), ints)
	case 4:
		copyNarrow(arrow.Int32Traits.CastFromBytes(b.Bytes()), ints)
	case 8:
		copy(arrow.Int64Traits.CastFromBytes(b.Bytes()), ints)
	}
	return b
}

func copyNarrow[T int8 | int16 | int32](dst []T, src []int64) {
	for i, x := range src {
		dst[i] = T(x)
	}
}

// arrayOfBuffers makes an array of v's type and validity.
func arrayOfBuffers(v *vec, bufs ...*memory.Buffer) arrow.Array {
	var validity *memory.Buffer
	nulls := 0
	if v.valid != nil {
		nulls = v.n - v.valid.count()
		validity = memory.NewBufferBytes(arrow.Uint64Traits.CastToBytes(v.valid))
	}
	return array.MakeFromData(array.NewData(v.typ, v.n, append([]*memory.Buffer{validity}, bufs...), nil, nulls, 0))
}

func textArray(v *vec) arrow.Array {
	offsets := memory.NewResizableBuffer(mem)
	offsets.Resize(4 * (v.n + 1))
	at := arrow.Int32Traits.CastFromBytes(offsets.Bytes())
	total := int64(0)
	for i, s := range v.strs {
		at[i] = int32(total)
		if !v.null(i) {
			total += int64(len(s))
		}
	}
	if total > 1<<31-1 {
		return nil // the builder says so
	}
	at[v.n] = int32(total)
	data := memory.NewResizableBuffer(mem)
	data.Resize(int(total))
	bytes := data.Bytes()
	for i, s := range v.strs {
		copy(bytes[at[i]:at[i+1]], s)
	}
	return arrayOfBuffers(v, offsets, data)
}
