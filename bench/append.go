package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/bench/engine"
	"github.com/tarnlake/tarn/bench/result"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

const appends = 300

// appendLatency times one writer's acknowledged appends of 100 rows beside
// what one fsync of the same disk takes, in turn.
func appendLatency(ctx context.Context, b *bench, w work) (*result.Work, error) {
	dir, err := os.MkdirTemp(b.cache, "append")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	n, err := engine.StartNode(ctx, b.bin, filepath.Join(dir, "lake"), b.threads)
	if err != nil {
		return nil, err
	}
	defer n.Close()
	const interval = 5 * time.Millisecond
	_, err = n.Client.CreateTable(ctx, wire.CreateTable{
		Name:    "log",
		Fields:  []schema.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true}},
		Options: wire.TableOptions{FlushInterval: interval},
	})
	if err != nil {
		return nil, err
	}
	r := &result.Work{Data: "a table of one column", Rows: 100 * appends, Unit: "ms", Ours: result.Figure{Engine: "tarn"}}
	sync := result.Figure{Engine: "one fsync"}
	batch := hundredRows()
	for range appends {
		start := time.Now()
		if err := oneFsync(dir); err != nil {
			return nil, err
		}
		middle := time.Now()
		if _, err := n.Client.Append(ctx, "log", batch); err != nil {
			return nil, err
		}
		sync.Runs, r.Ours.Runs = append(sync.Runs, millis(middle.Sub(start))), append(r.Ours.Runs, millis(time.Since(middle)))
	}
	r.Ours.Median, sync.Median = result.Median(r.Ours.Runs), result.Median(sync.Runs)
	r.Notes = []string{fmt.Sprintf("flush interval %s; the 99th of 100 takes %.1f ms, of fsyncs %.1f ms", interval, result.Percentile(r.Ours.Runs, .99), result.Percentile(sync.Runs, .99))}
	r.Ours.Runs, sync.Runs = nil, nil // many, and summed up
	r.Peers = []result.Figure{sync}
	r.Compare()
	return r, nil
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
