package index

import (
	"bytes"
	"encoding/binary"
	"slices"
	"unicode"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// TextIndexBuilder makes the TextIndex of a column from its blocks, in order.
// A token that is in more than a quarter of the rows, at the end of any block,
// keeps no rows: a scan finds it as fast. The same blocks make the same bytes.
// It is not safe for concurrent use.
type TextIndexBuilder struct {
	coder *coder
	terms []gathered // by code
	rows  int64
	bytes int // held, about
}

// gathered is the rows of a term so far.
type gathered struct {
	count  int64
	last   uint32 // row
	common bool
	deltas []byte // uvarints
}

const (
	commonShare = 4         // a term in more than one of so many rows is common
	termBytes   = 100       // that a term takes in memory beside its rows
	maxHeld     = 512 << 20 // bytes; a segment that needs more has no index
)

// NewTextIndexBuilder returns a builder for a column of strings.
func NewTextIndexBuilder() *TextIndexBuilder { return &TextIndexBuilder{coder: newCoder()} }

// Add takes the next block. It reports whether there is any use in adding
// more.
func (x *TextIndexBuilder) Add(arr *array.String) bool {
	var scratch [64]byte
	for i := range arr.Len() {
		if arr.IsValid(i) {
			row := uint32(x.rows) + uint32(i)
			EachToken(arr.Value(i), scratch[:0], func(token []byte) bool {
				x.add(token, row)
				return true
			})
		}
		if x.bytes > maxHeld {
			return false
		}
	}
	x.rows += int64(arr.Len())
	for i := range x.terms {
		if t := &x.terms[i]; !t.common && t.count*commonShare > x.rows {
			x.bytes -= cap(t.deltas)
			t.deltas, t.common = nil, true
		}
	}
	return true
}

func (x *TextIndexBuilder) add(token []byte, row uint32) {
	if len(token) > MaxTokenBytes {
		return
	}
	code := int(x.coder.ofKey(token))
	if code == len(x.terms) {
		x.terms = append(x.terms, gathered{})
		x.bytes += termBytes + len(token)
	}
	t := &x.terms[code]
	if t.count > 0 && t.last == row {
		return
	}
	if !t.common {
		before := cap(t.deltas)
		t.deltas = binary.AppendUvarint(t.deltas, uint64(row-t.last))
		x.bytes += cap(t.deltas) - before
	}
	t.count, t.last = t.count+1, row
}

// Held returns the bytes that the builder holds between blocks, about.
func (x *TextIndexBuilder) Held() int64 { return int64(x.bytes) }

// rowsOf returns the rows of a term.
func (t *gathered) rowsOf() []uint32 {
	out := make([]uint32, 0, t.count)
	row := uint32(0)
	for rest := t.deltas; len(rest) > 0; {
		d, n := binary.Uvarint(rest)
		row += uint32(d)
		out, rest = append(out, row), rest[n:]
	}
	return out
}

// Finish returns the section.
func (x *TextIndexBuilder) Finish() ([]byte, error) {
	if x.rows == 0 {
		return nil, nil
	}
	order := make([]int, len(x.terms))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(x.coder.keys[a], x.coder.keys[b]) })
	w := textWriter{width: widthOf(uint64(x.rows - 1))}
	for _, code := range order {
		if err := w.add(x.coder.keys[code], &x.terms[code]); err != nil {
			return nil, err
		}
	}
	w.closePage()
	fields := le.AppendUint16(nil, tokenizerID)
	fields = le.AppendUint16(fields, tokenizerVersion)
	fields = le.AppendUint32(fields, 0)
	fields = le.AppendUint64(fields, uint64(x.rows))
	fields = le.AppendUint64(fields, uint64(len(order)))
	fields = append(fields, byte(w.width), byte(len(unicode.Version)))
	fields = append(fields, unicode.Version...)
	return pagesOf(appendTerms(fields, w.firsts), w.pages), nil
}

// textWriter writes pages.
type textWriter struct {
	width  uint
	firsts [][]byte
	pages  [][]byte

	// of the page at hand
	keys                 [][]byte
	size                 int // bytes of keys
	places, counts, ends []uint64
	data                 []byte
}

func (w *textWriter) add(key []byte, t *gathered) error {
	place := tooMany
	if !t.common {
		var err error
		if place, err = w.addRows(t.rowsOf()); err != nil {
			return err
		}
	}
	w.keys, w.size = append(w.keys, key), w.size+len(key)
	w.places = append(w.places, uint64(place))
	w.counts = append(w.counts, uint64(t.count))
	w.ends = append(w.ends, uint64(len(w.data)))
	if w.size+len(w.data) >= textPageBytes {
		w.closePage()
	}
	return nil
}

// addRows adds rows in the shape that takes fewer bytes.
func (w *textWriter) addRows(rows []uint32) (termPlace, error) {
	bitmap := roaring.BitmapOf(rows...)
	bitmap.RunOptimize()
	if int(bitmap.GetSerializedSizeInBytes()) < packedBytes(len(rows), w.width) {
		b, err := bitmap.ToBytes()
		w.data = append(w.data, b...)
		return inBitmap, err
	}
	ids := make([]uint64, len(rows))
	for i, r := range rows {
		ids[i] = uint64(r)
	}
	w.data = appendPacked(w.data, ids, w.width)
	return inList, nil
}

func (w *textWriter) closePage() {
	if len(w.keys) == 0 {
		return
	}
	counts, ends := widthOf(slices.Max(w.counts)), widthOf(uint64(len(w.data)))
	b := appendTerms(nil, w.keys)
	b = append(b, byte(counts), byte(ends))
	b = appendPacked(b, w.places, 2)
	b = appendPacked(b, w.counts, counts)
	b = appendPacked(b, w.ends, ends)
	w.firsts, w.pages = append(w.firsts, w.keys[0]), append(w.pages, append(b, w.data...))
	*w = textWriter{width: w.width, firsts: w.firsts, pages: w.pages}
}
