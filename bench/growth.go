package main

import (
	"context"
	"fmt"

	"github.com/tarnlake/tarn/bench/engine"
	"github.com/tarnlake/tarn/bench/result"
	"github.com/tarnlake/tarn/generate"
)

// growthQueries are the five scans of the work growth.
var growthQueries = []struct{ name, sql string }{
	{"sum-product", sumProductSQL},
	{"group-eight", eightSQL},
	{"group-string", byModeSQL},
	{"substring", likeSQL(generate.RareWord)},
	{"top", topSQL},
}

// growthMemory is what engines are told to stay under where their memory is
// looked at, and Tarn keeps no pages there: what grows then is what scans hold.
const growthMemory = 64 << 20

// growth asks the same five scans of 1, 4 and 16 times the rows, and then looks
// at the most memory that each engine's process has held, in processes that
// are short of it.
func growth(ctx context.Context, b *bench, w work) (*result.Work, error) {
	kinds := []engine.Kind{engine.Tarn, engine.DuckDB}
	r := &result.Work{Data: "lines", Rows: 16 * b.growthBase, Unit: "ms", Ours: result.Figure{Engine: string(engine.Tarn)},
		Notes: []string{fmt.Sprintf("times are those of engines with the memory that they take; memory is that of processes told to stay under %d MiB, Tarn without its cache of pages, which ask so often that as many rows are read at each size", growthMemory>>20)}}
	curves := map[string]*result.Curve{}
	for _, times := range []int64{1, 4, 16} {
		p, err := b.prepare(ctx, "lines", times*b.growthBase)
		if err != nil {
			return nil, err
		}
		for _, k := range kinds {
			if err := b.growthOf(ctx, k, p, int(16/times), curves); err != nil {
				return nil, err
			}
		}
	}
	for _, k := range kinds {
		for _, q := range growthQueries {
			r.Growth = append(r.Growth, *curves[string(k)+q.name])
		}
	}
	r.Targets = flatness(r.Growth)
	return r, nil
}

// growthOf adds a point to the curves of an engine. Where memory is looked at
// the engine asks each query more often, by a factor: what garbage it lets lie
// comes with the work that a process has done, and is not the query's.
func (b *bench) growthOf(ctx context.Context, k engine.Kind, p *prepared, factor int, curves map[string]*result.Curve) error {
	times, _, err := b.growthPoints(ctx, k, p.place, b.runs)
	if err != nil {
		return err
	}
	short := p.place
	short.Memory, short.Uncached = growthMemory, true
	_, peaks, err := b.growthPoints(ctx, k, short, factor*b.runs)
	if err != nil {
		return err
	}
	for i, q := range growthQueries {
		c := curves[string(k)+q.name]
		if c == nil {
			c = &result.Curve{Engine: string(k), Query: q.name}
			curves[string(k)+q.name] = c
		}
		c.Points = append(c.Points, result.Point{Rows: p.rows, Millis: times[i], PeakMB: peaks[i]})
	}
	return nil
}

// growthPoints returns milliseconds and the most megabytes held, by query, of
// one process that asks each of them so often.
func (b *bench) growthPoints(ctx context.Context, k engine.Kind, place engine.Place, often int) (times, peaks []float64, err error) {
	e, err := engine.Start(ctx, k, place)
	if err != nil {
		return nil, nil, err
	}
	defer e.Stop()
	for _, q := range growthQueries {
		if err := e.ResetPeak(); err != nil {
			return nil, nil, err
		}
		var runs []float64
		for run := range often + 1 {
			took, _, err := e.Ask(q.sql)
			if err != nil {
				return nil, nil, fmt.Errorf("%s %s: %w", k, q.name, err)
			}
			if run > 0 {
				runs = append(runs, millis(took))
			}
		}
		peak, err := e.Peak()
		if err != nil {
			return nil, nil, err
		}
		times, peaks = append(times, result.Median(runs)), append(peaks, float64(peak)/1e6)
	}
	return times, peaks, nil
}

// flatness: 16 times the rows may take Tarn at most a quarter more memory than
// the first size did, and at most 16 times as long (and a little noise).
func flatness(curves []result.Curve) []result.Target {
	var ts []result.Target
	for _, c := range curves {
		if c.Engine != string(engine.Tarn) {
			continue
		}
		first, last := c.Points[0], c.Points[len(c.Points)-1]
		ts = append(ts,
			result.Against(fmt.Sprintf("flat memory, %s", c.Query), first.PeakMB/last.PeakMB, .8, 0),
			result.Against(fmt.Sprintf("time in step, %s", c.Query), 16*first.Millis/last.Millis, .8, 0))
	}
	return ts
}
