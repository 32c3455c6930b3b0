package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

const appends = 300

// appendLatency times one writer's acknowledged appends of 100 rows beside
// what one fsync of the same disk takes, in turn.
func appendLatency(ctx context.Context, work string) error {
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	t, err := openTarn(ctx, filepath.Join(work, "lake"))
	if err != nil {
		return err
	}
	defer t.close()
	const interval = 5 * time.Millisecond
	_, err = t.client.CreateTable(ctx, wire.CreateTable{
		Name:    "log",
		Fields:  []schema.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true}},
		Options: wire.TableOptions{FlushInterval: interval},
	})
	if err != nil {
		return err
	}
	var acks, syncs times
	batch := hundredRows()
	for range appends {
		d, err := timed(func() error { return oneFsync(work) })
		if err != nil {
			return err
		}
		syncs = append(syncs, d)
		if d, err = timed(func() error { _, err := t.client.Append(ctx, "log", batch); return err }); err != nil {
			return err
		}
		acks = append(acks, d)
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer out.Flush()
	fmt.Fprintf(out, "\nappend of 100 rows, flush interval %s\tack, ms\tone fsync, ms\tratio\t\n", interval)
	row(out, "p50", acks.percentile(.5), syncs.percentile(.5))
	row(out, "p99", acks.percentile(.99), syncs.percentile(.99))
	return nil
}

func oneFsync(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "fsync"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, 4096)); err != nil {
		return err
	}
	return f.Sync()
}

func hundredRows() arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil))
	for i := range int64(100) {
		b.Field(0).(*array.Int64Builder).Append(i)
	}
	return b.NewRecordBatch()
}
