package fuse

import (
	"bufio"
	"context"
	"io"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/client/sink"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
)

// render writes the rows of p to file in format f, the same bytes each time.
func render(ctx context.Context, lake Lake, p *part, f format, file *os.File) error {
	w := bufio.NewWriterSize(file, 1<<20)
	if err := renderRows(ctx, lake, p, f, w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil || f != formatParquet {
		return err
	}
	return settleFooter(file)
}

// renderRows fails rather than write rows of another schema or another number
// of rows than the catalog tells.
func renderRows(ctx context.Context, lake Lake, p *part, f format, w io.Writer) error {
	want := p.schema.Schema().Arrow()
	out, err := sink.New(string(f), w, want, sink.Options{})
	if err != nil {
		return err
	}
	q := &expr.Query{Table: p.table, At: expr.At{Version: p.version.Load()}, Segments: []string{p.segment.ID}}
	rows := int64(0)
	for batch, err := range lake.Scan(ctx, q) {
		if err != nil {
			return err
		}
		rows += batch.NumRows()
		if batch, err = retype(batch, want); err != nil {
			return err
		}
		if err := out.Write(batch); err != nil {
			return err
		}
	}
	if rows != p.segment.Rows {
		return wire.Errorf(wire.Corrupt, "segment %s of table %q gave %d rows; the catalog says %d", p.segment.ID, p.table, rows, p.segment.Rows)
	}
	return out.Close()
}

// retype returns batch under the schema want, which has the field ids that
// the scan's own schema may lack.
func retype(batch arrow.RecordBatch, want *arrow.Schema) (arrow.RecordBatch, error) {
	got := batch.Schema()
	same := got.NumFields() == want.NumFields()
	for i := 0; same && i < want.NumFields(); i++ {
		same = got.Field(i).Name == want.Field(i).Name && arrow.TypeEqual(got.Field(i).Type, want.Field(i).Type)
	}
	if !same {
		return nil, wire.Errorf(wire.Internal, "scan gave the columns %s; want %s", got, want)
	}
	return array.NewRecordBatch(want, batch.Columns(), batch.NumRows()), nil
}
