package source

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// parquetReader reads row group after row group. Pages are streamed: of each
// column one page is in memory, and of the rows one batch.
type parquetReader struct {
	at      io.ReaderAt
	file    *file.Reader
	rows    pqarrow.RecordReader
	conform *conformer
	done    int64 // rows handed out
	checked int   // row groups whose checksums are verified
	ahead   int64 // rows in them
	batch   int64
}

// maxParquetRows bounds a batch of rows whose size is only known from what the
// file says of it; rows said to be large make it smaller.
const maxParquetRows = 8192

func (s *Source) startParquet(opts Options) error {
	at, size, err := s.in.randomAccess()
	if err != nil {
		return err
	}
	props := parquet.NewReaderProperties(mem)
	props.BufferedStreamEnabled = true
	pf, err := file.NewParquetReader(io.NewSectionReader(at, 0, size), file.WithReadProps(props))
	if err != nil {
		return err
	}
	r := &parquetReader{at: at, file: pf, batch: min(parquetBatch(pf), int64(opts.BatchRows))}
	s.rows = r
	if err := touchChunks(pf, size); err != nil {
		return err
	}
	fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: r.batch}, mem)
	if err != nil {
		return err
	}
	fileSchema, err := fr.Schema()
	if err != nil {
		return err
	}
	if r.conform, err = s.conformTo(fileSchema, opts); err != nil {
		return err
	}
	r.rows, err = fr.GetRecordReader(s.ctx, nil, nil)
	return err
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
		if group.NumColumns() != columns {
			return fmt.Errorf("row group %d has %d columns; the schema has %d", g, group.NumColumns(), columns)
		}
		for c := range columns {
			chunk, err := group.ColumnChunk(c)
			if err != nil {
				return fmt.Errorf("row group %d, column %q: %w", g, pf.MetaData().Schema.Column(c).Path(), err)
			}
			if start, length := chunkRange(chunk); start < 4 || length < 0 || start+length > size || start+length < start {
				return fmt.Errorf("row group %d, column %q: bytes %d to %d lie outside the file", g, chunk.PathInSchema(), start, start+length)
			}
			if _, err := pf.RowGroup(g).GetColumnPageReader(c); err != nil {
				return fmt.Errorf("row group %d, column %q: %w", g, chunk.PathInSchema(), err)
			}
		}
	}
	return nil
}

func (r *parquetReader) close() error {
	if r.rows != nil {
		r.rows.Release()
	}
	return r.file.Close()
}

func (r *parquetReader) next() (arrow.RecordBatch, error) {
	if err := r.verifyAhead(); err != nil {
		return nil, err
	}
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if total := r.file.NumRows(); r.done != total {
			return nil, fmt.Errorf("has %d rows where its footer says %d", r.done, total)
		}
		return nil, io.EOF
	}
	batch := r.rows.RecordBatch()
	first := r.done + 1
	r.done += batch.NumRows()
	return r.conform.conform(batch, first)
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
