package main

import (
	"context"
	"fmt"

	"github.com/tarnlake/tarn/bench/engine"
	"github.com/tarnlake/tarn/bench/result"
)

// export reads a whole table through Flight; node and client share the cores.
// Bytes are those of the values as Arrow has them, not those on the disk.
func export(ctx context.Context, b *bench, w work) (*result.Work, error) {
	p, err := b.prepare(ctx, "lines", b.rows)
	if err != nil {
		return nil, err
	}
	r := &result.Work{Data: "lines", Rows: p.rows, Unit: "GiB/s", SQL: "SELECT * FROM lines"}
	if r.Ours, err = b.exportFrom(ctx, engine.TarnFlight, p, r.SQL); err != nil {
		return nil, err
	}
	inProcess, err := b.exportFrom(ctx, engine.Tarn, p, r.SQL)
	if err != nil {
		return nil, err
	}
	inProcess.Ratio = r.Ours.Median / inProcess.Median
	r.Peers = []result.Figure{inProcess}
	r.Targets = []result.Target{result.Against("1 GiB/s of values", r.Ours.Median, 1, 1.5)}
	return r, nil
}

func (b *bench) exportFrom(ctx context.Context, k engine.Kind, p *prepared, sql string) (result.Figure, error) {
	f := result.Figure{Engine: string(k)}
	e, err := engine.Start(ctx, k, p.place)
	if err != nil {
		return f, err
	}
	defer e.Stop()
	for run := range b.runs + 1 {
		reply, err := e.Do(engine.Request{SQL: []string{sql}, Count: true})
		if err != nil {
			return f, err
		}
		if reply.Rows != p.rows {
			return f, fmt.Errorf("%s exports %d rows; want %d", k, reply.Rows, p.rows)
		}
		if run > 0 {
			f.Runs = append(f.Runs, float64(reply.Bytes)/(1<<30)/(float64(reply.Nanos)/1e9))
		}
	}
	f.Median = result.Median(f.Runs)
	return f, nil
}
