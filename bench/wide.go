package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/tarnlake/tarn/bench/result"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/schema"
)

const (
	wideColumns = 10_000
	wideRows    = 2048
	wideOpens   = 21
)

// openWide opens a file of 10,000 columns from nothing, as far as knowing
// where the pages of ten of them are and what they hold (their bounds), and
// counts the bytes that this reads. The peer is arrow-go's reader of Parquet.
func openWide(_ context.Context, b *bench, w work) (*result.Work, error) {
	dir, err := os.MkdirTemp(b.cache, "wide")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	batch := wideBatch()
	s, err := schema.FromArrow(batch.Schema())
	if err != nil {
		return nil, err
	}
	ours, theirs := filepath.Join(dir, "wide.seg"), filepath.Join(dir, "wide.parquet")
	if err := writeSegment(ours, s, batch); err != nil {
		return nil, err
	}
	if err := writeParquet(theirs, batch); err != nil {
		return nil, err
	}
	r := &result.Work{Data: fmt.Sprintf("%d columns of int64", wideColumns), Rows: wideRows, Unit: "ms", Threads: 1, Ours: result.Figure{Engine: "tarn"}}
	peer := result.Figure{Engine: "arrow-go-parquet"}
	var read, peerRead int64
	for range wideOpens {
		took, n, err := openTen(ours, func(f *countingFile) error { return openTenSegment(f, s) })
		if err != nil {
			return nil, err
		}
		r.Ours.Runs, read = append(r.Ours.Runs, millis(took)), n
		if took, n, err = openTen(theirs, openTenParquet); err != nil {
			return nil, err
		}
		peer.Runs, peerRead = append(peer.Runs, millis(took)), n
	}
	r.Ours.Median, peer.Median = result.Median(r.Ours.Runs), result.Median(peer.Runs)
	r.Peers = []result.Figure{peer}
	r.Compare()
	r.Targets = []result.Target{result.Against("2 ms", 2/r.Ours.Median, 1, 0), result.Against("1 MB read", 1e6/float64(read), 1, 0)}
	r.Notes = []string{fmt.Sprintf("%.3f MB read; Parquet %.3f MB", float64(read)/1e6, float64(peerRead)/1e6)}
	return r, nil
}

func wideBatch() arrow.RecordBatch {
	rng := rand.New(rand.NewPCG(seed, 0))
	fields, columns := make([]arrow.Field, wideColumns), make([]arrow.Array, wideColumns)
	for c := range fields {
		fields[c] = arrow.Field{Name: fmt.Sprintf("measure_%05d", c), Type: arrow.PrimitiveTypes.Int64, Nullable: true}
		b := array.NewInt64Builder(memory.DefaultAllocator)
		for range wideRows {
			b.Append(rng.Int64N(1000))
		}
		columns[c] = b.NewArray()
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, wideRows)
}

func writeSegment(path string, s *schema.Schema, batch arrow.RecordBatch) error {
	var out bytes.Buffer
	w, err := format.NewWriter(&out, s, format.Info{Segment: "wide", Table: "wide"}, format.Options{})
	if err != nil {
		return err
	}
	if err := w.Write(batch); err != nil {
		return err
	}
	if _, err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

func writeParquet(path string, batch arrow.RecordBatch) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w, err := pqarrow.NewFileWriter(batch.Schema(), f, parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd)), pqarrow.DefaultWriterProps())
	if err != nil {
		return err
	}
	if err := w.Write(batch); err != nil {
		return err
	}
	return w.Close()
}

// countingFile counts the bytes that are read.
type countingFile struct {
	*os.File
	read atomic.Int64
}

func (c *countingFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.File.ReadAt(p, off)
	c.read.Add(int64(n))
	return n, err
}

func (c *countingFile) Read(p []byte) (int, error) {
	n, err := c.File.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func openTen(path string, open func(*countingFile) error) (time.Duration, int64, error) {
	start := time.Now()
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	c := &countingFile{File: f}
	err = open(c)
	return time.Since(start), c.read.Load(), err
}

// wideColumn is where the i-th of the ten columns is: spread over all of them.
func wideColumn(i int) int { return i*997 + 13 }

func openTenSegment(f *countingFile, s *schema.Schema) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r, err := format.Open(f, info.Size())
	if err != nil {
		return err
	}
	for i := range 10 {
		if _, err := r.Zone(s.Fields[wideColumn(i)].ID, 0); err != nil {
			return err
		}
	}
	return nil
}

func openTenParquet(f *countingFile) error {
	r, err := file.NewParquetReader(f)
	if err != nil {
		return err
	}
	for i := range 10 {
		c, err := r.MetaData().RowGroup(0).ColumnChunk(wideColumn(i))
		if err != nil {
			return err
		}
		if _, err := c.Statistics(); err != nil {
			return err
		}
	}
	return nil
}

var _ io.ReaderAt = (*countingFile)(nil)
