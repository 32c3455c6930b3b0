package source

import (
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	pqschema "github.com/apache/arrow-go/v18/parquet/schema"
	"github.com/tarnlake/tarn/client/wire"
)

// parquetReader reads row group after row group. Pages are streamed: of each
// column one page is in memory, and of the rows one batch.
type parquetReader struct {
	at      io.ReaderAt
	file    *file.Reader
	columns []*pqarrow.ColumnReader
	schema  *arrow.Schema // of the columns
	total   int64         // rows, as the row groups say
	conform *conformer
	done    int64 // rows handed out
	checked int   // row groups whose checksums are verified
	ahead   int64 // rows in them
	batch   int64
	mem     *wire.Budget
}

// maxParquetRows bounds a batch of rows whose size is only known from what the
// file says of it; rows said to be large make it smaller.
const maxParquetRows = 8192

func (s *Source) startParquet(opts Options) error {
	at, size, err := s.in.randomAccess()
	if err != nil {
		return err
	}
	budget := wire.NewBudget(wire.MaxBatchMemory)
	props := parquet.NewReaderProperties(budget)
	props.BufferedStreamEnabled = true
	pf, err := file.NewParquetReader(io.NewSectionReader(at, 0, size), file.WithReadProps(props))
	if err != nil {
		return err
	}
	r := &parquetReader{at: at, file: pf, batch: min(parquetBatch(pf), int64(opts.BatchRows)), mem: budget}
	s.rows = r
	if err := touchChunks(pf, size); err != nil {
		return err
	}
	fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: r.batch}, budget)
	if err != nil {
		return s.badParquetColumn(pf, err)
	}
	fileSchema, err := fr.Schema()
	if err != nil {
		return err
	}
	if r.conform, err = s.conformTo(fileSchema, opts); err != nil {
		return err
	}
	r.conform.mem = budget
	r.columns, r.schema, err = fr.GetFieldReaders(s.ctx, upTo(pf.MetaData().Schema.NumColumns()), upTo(pf.NumRowGroups()))
	for g := range pf.NumRowGroups() {
		r.total += pf.MetaData().RowGroup(g).NumRows()
	}
	return err
}

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// badParquetColumn finds the column that the library could not make sense of.
func (s *Source) badParquetColumn(pf *file.Reader, err error) error {
	root := pf.MetaData().Schema.Root()
	for i := range root.NumFields() {
		field := root.Field(i)
		one, groupErr := pqschema.NewGroupNode("schema", parquet.Repetitions.Required, pqschema.FieldList{field}, -1)
		if groupErr != nil {
			continue
		}
		if _, err := pqarrow.FromParquet(pqschema.NewSchema(one), nil, nil); err != nil {
			return wire.Errorf(wire.Unsupported, "%s: column %q (%s): %w", s.name, field.Name(), parquetTypeText(field), err).
				WithHint("leave the column out, or write it as another type")
		}
	}
	return err
}

// parquetTypeText names the type of a column in Parquet's words.
func parquetTypeText(n pqschema.Node) string {
	if logical := n.LogicalType(); logical != nil && !logical.IsNone() {
		return logical.String()
	}
	if p, ok := n.(*pqschema.PrimitiveNode); ok {
		return p.PhysicalType().String()
	}
	return "group"
}

// parquetBatch is as many rows as make a batch by the sizes in the footer.
func parquetBatch(pf *file.Reader) int64 {
	batch := int64(maxParquetRows)
	for i := range pf.NumRowGroups() {
		group := pf.MetaData().RowGroup(i)
		if rows, size := group.NumRows(), group.TotalByteSize(); rows > 0 && size/rows > 0 {
			batch = min(batch, batchBytes/(size/rows))
		}
	}
	return max(1, batch)
}

// touchChunks looks at what the footer says of every column chunk. The library
// does the same later in goroutines of its own, where nobody could catch its
// panic over a damaged one.
func touchChunks(pf *file.Reader, size int64) error {
	columns := pf.MetaData().Schema.NumColumns()
	for g := range pf.NumRowGroups() {
		group := pf.MetaData().RowGroup(g)
		if group.NumRows() < 0 {
			return fmt.Errorf("row group %d has %d rows", g, group.NumRows())
		}
		if group.NumColumns() != columns {
			return fmt.Errorf("row group %d has %d columns; the schema has %d", g, group.NumColumns(), columns)
		}
		for c := range columns {
			chunk, err := group.ColumnChunk(c)
			if err != nil {
				return fmt.Errorf("row group %d, column %q: %w", g, pf.MetaData().Schema.Column(c).Path(), err)
			}
			if start, length := chunkRange(chunk); start < 0 || length < 0 || start+length > size || start+length < start {
				return fmt.Errorf("row group %d, column %q: bytes %d to %d lie outside the file", g, chunk.PathInSchema(), start, start+length)
			}
			if _, err := pf.RowGroup(g).GetColumnPageReader(c); err != nil {
				return fmt.Errorf("row group %d, column %q (%s): %w", g, chunk.PathInSchema(), chunk.Type(), err)
			}
		}
	}
	return nil
}

func (r *parquetReader) close() error {
	for _, c := range r.columns {
		c.Release()
	}
	return r.file.Close()
}

func (r *parquetReader) next() (arrow.RecordBatch, error) {
	if r.done == r.total {
		return nil, io.EOF
	}
	if err := r.verifyAhead(); err != nil {
		return nil, err
	}
	r.mem.Renew()
	cols := make([]arrow.Array, len(r.columns))
	for i, c := range r.columns {
		var err error
		if cols[i], err = r.column(c); err != nil {
			return nil, fmt.Errorf("column %q (%s), row %d and on: %w", r.schema.Field(i).Name, r.schema.Field(i).Type, r.done+1, err)
		}
	}
	rows := int64(cols[0].Len())
	first := r.done + 1
	r.done += rows
	return r.conform.conform(array.NewRecordBatch(r.schema, cols, rows), first)
}

// column reads the next rows of one column: as many as every other column.
func (r *parquetReader) column(c *pqarrow.ColumnReader) (arrow.Array, error) {
	want := min(r.batch, r.total-r.done)
	chunks, err := c.NextBatch(want)
	if err != nil {
		return nil, err
	}
	if int64(chunks.Len()) != want {
		return nil, fmt.Errorf("has %d values where the file says %d", chunks.Len(), want)
	}
	a := chunks.Chunk(0)
	if len(chunks.Chunks()) > 1 {
		if a, err = array.Concatenate(chunks.Chunks(), r.mem); err != nil {
			return nil, err
		}
	}
	return a, array.ValidateFull(a) // levels of a damaged file may make lists that point nowhere
}

// verifyAhead checks the pages of each row group just before its first row is
// read.
func (r *parquetReader) verifyAhead() error {
	for r.checked < r.file.NumRowGroups() && r.ahead < r.done+r.batch {
		group := r.file.MetaData().RowGroup(r.checked)
		for c := range group.NumColumns() {
			chunk, err := group.ColumnChunk(c)
			if err != nil {
				return err
			}
			if err := verifyPages(r.at, chunk); err != nil {
				return fmt.Errorf("row group %d, column %q: %w", r.checked, chunk.PathInSchema(), err)
			}
		}
		r.checked++
		r.ahead += group.NumRows()
	}
	return nil
}
