package format

import (
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
	"github.com/zeebo/xxh3"
)

// Profile says what a Writer favours.
type Profile = codec.Profile

// The profiles; what they mean stands with codec.Profile.
const (
	ProfileDefault = codec.Default
	ProfileFast    = codec.Fast
	ProfileCompact = codec.Compact
)

// Options of a Writer. The zero value is the default.
type Options struct {
	// Profile trades the time to write and to scan for bytes.
	Profile Profile
	// Lookup names the columns, by field id, whose values are looked up one by
	// one: they get an index from value to row. Their type is index.Bounded.
	Lookup []int32
	// Text names the columns, by field id, whose words are looked for: they
	// get an index from word to rows. Their type is string.
	Text []int32

	// IndexRows is how many rows a segment needs for any index to be made;
	// default 4096: one page of fewer is scanned as fast.
	IndexRows int

	// Goroutines is how many columns are worked on at a time, if a block has
	// more than a few rows; default 1. What is written does not depend on it.
	Goroutines int
}

// Summary is what a Writer wrote.
type Summary struct {
	Rows    int64
	Bytes   int64           // of the whole file
	Columns []ColumnSummary // in the order of the schema
}

// ColumnSummary is one column of a Summary.
type ColumnSummary struct {
	FieldID int32
	Zone    index.Zone // over all rows
	Bytes   int64      // of all its pages
}

// Writer writes one segment, front to back, to an io.Writer. The same batches
// make the same bytes, wherever batches end. It is not safe for concurrent
// use. After an error every call returns that error.
type Writer struct {
	out    output
	schema *schema.Schema
	info   Info
	opts   Options

	pending      [][]arrow.Array  // by column: rows of the block that is not full yet
	waiting      int              // rows in pending
	waitingBytes int64            // bytes of them
	rows         int64            // rows in blocks written
	metas        []meta           // by column
	indexes      []*columnIndexes // by column
	valuesHeld   int64            // by the indexes of values
	memory       []codec.Memory   // by column
	used         codec.Set
	err          error

	dictionaries []*codec.SharedBuilder // by column; nil: it is no text
}

// output counts and remembers the first error, so that offsets cannot drift.
type output struct {
	w   io.Writer
	at  int64
	err error
}

func (o *output) write(b []byte) {
	if o.err != nil {
		return
	}
	n, err := o.w.Write(b)
	o.at += int64(n)
	o.err = err
}

// align writes zeroes up to a multiple of n.
func (o *output) align(n int64) { o.write(make([]byte, alignUp(o.at, n)-o.at)) }

// put writes b at the next multiple of align and returns where it is.
func (o *output) put(b []byte, align int64) span {
	o.align(align)
	s := span{uint64(o.at), uint64(len(b)), xxh3.Hash(b)}
	o.write(b)
	return s
}

// NewWriter starts a segment with the columns of s, which must not change
// while the Writer is in use. It writes to w at once; w is never closed.
func NewWriter(w io.Writer, s *schema.Schema, info Info, opts Options) (*Writer, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	sw := &Writer{
		out: output{w: w}, schema: s, info: info,
		pending: make([][]arrow.Array, len(s.Fields)), metas: make([]meta, len(s.Fields)),
		memory:  make([]codec.Memory, len(s.Fields)),
		indexes: make([]*columnIndexes, len(s.Fields)), opts: opts,
		dictionaries: newDictionaries(s),
	}
	if err := opts.check(s); err != nil {
		return nil, err
	}
	sw.out.write(appendHead(nil))
	return sw, sw.out.err
}

// Write adds the rows of a batch. Its columns are those of the schema, by
// position and of exactly those types; a null in a column that is not nullable
// is an error. The batch may be of any length. The Writer keeps the arrays of
// up to one block; they must not change until then.
func (w *Writer) Write(batch arrow.RecordBatch) error {
	if w.err == nil {
		w.err = w.add(batch)
	}
	return w.err
}

func (w *Writer) add(batch arrow.RecordBatch) error {
	if err := w.check(batch); err != nil {
		return err
	}
	rows, bytes := int(batch.NumRows()), schema.BatchBytes(batch)
	for from := 0; from < rows; {
		to := min(rows, from+BlockRows-w.waiting)
		for i, col := range batch.Columns() {
			w.pending[i] = append(w.pending[i], array.NewSlice(col, int64(from), int64(to)))
		}
		w.waiting += to - from
		w.waitingBytes += bytes * int64(to-from) / int64(rows)
		if from = to; w.waiting == BlockRows {
			if err := w.writeBlock(); err != nil {
				return err
			}
		}
	}
	return nil
}

// check refuses a batch that does not have the columns of the schema.
func (w *Writer) check(batch arrow.RecordBatch) error {
	if int(batch.NumCols()) != len(w.schema.Fields) {
		return fmt.Errorf("batch has %d columns, the segment %d", batch.NumCols(), len(w.schema.Fields))
	}
	if w.rows+int64(w.waiting)+batch.NumRows() > MaxBlocks*BlockRows {
		return fmt.Errorf("a segment has at most %d rows", int64(MaxBlocks)*BlockRows)
	}
	for i, f := range w.schema.Fields {
		col := batch.Column(i)
		if !arrow.TypeEqual(col.DataType(), f.Type) {
			return fmt.Errorf("column %q is %s in the batch; want %s", f.Name, col.DataType(), f.Type)
		}
		if n := col.NullN(); n > 0 && !f.Nullable {
			return fmt.Errorf("column %q is not nullable and has %d nulls in the batch", f.Name, n)
		}
	}
	return nil
}

// goroutines returns how many are worth it for a block of so many rows.
func (w *Writer) goroutines(rows int) int {
	if rows < minIndexRows {
		return 1
	}
	return max(1, w.opts.Goroutines)
}

// writeBlock writes the rows that wait, as one page a column.
func (w *Writer) writeBlock() error {
	err := inOrder(len(w.pending), w.goroutines(w.waiting), w.opts.Profile, func(m *maker, i int) (func() error, error) {
		if err := w.makePage(m, i); err != nil {
			return nil, fmt.Errorf("column %q, rows from %d: %w", w.schema.Fields[i].Name, w.rows, err)
		}
		return func() error { return w.putPage(m, i) }, nil
	})
	w.rows += int64(w.waiting)
	w.waiting, w.waitingBytes = 0, 0
	return err
}

// Rows returns the rows that have been written to it.
func (w *Writer) Rows() int64 { return w.rows + int64(w.waiting) }

// Size returns the bytes that it has written.
func (w *Writer) Size() int64 { return w.out.at }

// Held returns the bytes that the Writer holds, about: rows that wait for
// their block to be full, indexes, and what Close will take to write those.
// Call it between other calls.
func (w *Writer) Held() int64 {
	const column, page = 2 << 10, 256 // what is remembered of each
	held := w.waitingBytes
	for i, c := range w.indexes {
		held += column + page*int64(len(w.metas[i].pages)) + c.bytesHeld()
		if b := w.dictionaries[i]; b != nil {
			held += b.Held()
		}
	}
	return held
}

// makePage makes the page of column i in m, its entry in the meta but for
// where it is, and adds its values to the indexes.
func (w *Writer) makePage(m *maker, i int) error {
	col, err := joined(w.pending[i])
	if err != nil {
		return err
	}
	if n := schema.Bytes(col); n > MaxBlockBytes {
		return fmt.Errorf("%d rows hold %d bytes, limit is %d: keep values this large outside the table", col.Len(), n, MaxBlockBytes)
	}
	m.encoder.Remember(&w.memory[i])
	if b := w.dictionaries[i]; b != nil {
		m.encoder.Share(b, w.waiting == BlockRows)
	}
	if err := putColumn(m.encoder, col); err != nil {
		return err
	}
	var p page
	m.page, p.encodings = m.encoder.Page(m.page[:0])
	p.len = uint64(len(m.page))
	w.metas[i].pages = append(w.metas[i].pages, p)
	w.metas[i].pages[len(w.metas[i].pages)-1].zone = w.index(&m.scratch, i, col)
	release(w.pending[i])
	w.pending[i] = w.pending[i][:0]
	return nil
}

// putPage writes the page that m has made of column i.
func (w *Writer) putPage(m *maker, i int) error {
	p := &w.metas[i].pages[len(w.metas[i].pages)-1]
	p.span = w.out.put(m.page, pageAlign)
	w.used |= p.encodings
	w.boundValues(w.indexes[i])
	return w.out.err
}

func joined(parts []arrow.Array) (arrow.Array, error) {
	if len(parts) == 1 {
		return parts[0], nil
	}
	return array.Concatenate(parts, memory.DefaultAllocator)
}

func release(arrays []arrow.Array) {
	for i, a := range arrays {
		a.Release()
		arrays[i] = nil
	}
}

// Close writes what is left: the last block, metas, sections, footer and
// trailer. Without it there is no segment. It does not close or sync the
// io.Writer.
func (w *Writer) Close() (Summary, error) {
	if w.err == nil && w.waiting > 0 {
		w.err = w.writeBlock()
	}
	if w.err == nil {
		w.putDictionaries()
		w.err = w.putIndexes()
	}
	if w.err == nil {
		w.finish()
		w.err = w.out.err
	}
	if w.err != nil {
		return Summary{}, w.err
	}
	w.err = fmt.Errorf("segment is closed")
	return w.summary(), nil
}

func (w *Writer) finish() {
	columns := make([]column, len(w.metas))
	for i, m := range w.metas {
		columns[i] = column{w.schema.Fields[i].ID, uint32(i), w.out.put(m.append(nil), partAlign)}
	}
	slices.SortFunc(columns, func(a, b column) int { return int(a.fieldID) - int(b.fieldID) })
	var directory []byte
	for _, c := range columns {
		directory = appendColumn(directory, c)
	}
	foot := footer{rows: uint64(w.rows), columns: uint32(len(columns)), sections: []section{
		{id: sectionSchema, flags: mustKnow, span: w.out.put(appendSchema(nil, w.schema), partAlign)},
		{id: sectionColumns, flags: mustKnow, span: w.out.put(directory, partAlign)},
		{id: sectionInfo, flags: mustKnow, span: w.out.put(appendInfo(nil, w.info), partAlign)},
	}}
	end := trailer{required: Features(w.used), minor: Minor}
	end.footer = w.out.put(foot.append(nil), partAlign)
	w.out.align(partAlign)
	end.fileSize = uint64(w.out.at + trailerSize)
	w.out.write(end.append(nil))
}

func (w *Writer) summary() Summary {
	s := Summary{Rows: w.rows, Bytes: w.out.at}
	for i, m := range w.metas {
		c := ColumnSummary{FieldID: w.schema.Fields[i].ID}
		for _, p := range m.pages {
			c.Zone = c.Zone.Merge(p.zone)
			c.Bytes += int64(p.len)
		}
		s.Columns = append(s.Columns, c)
	}
	return s
}
