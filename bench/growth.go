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

// growth asks the same five scans of 1, 4 and 16 times the rows, and looks at
// the most memory that each engine's process has held.
func growth(ctx context.Context, b *bench, w work) (*result.Work, error) {
	kinds := []engine.Kind{engine.Tarn, engine.DuckDB}
	r := &result.Work{Data: "lines", Rows: 16 * b.growthBase, Unit: "ms", Ours: result.Figure{Engine: string(engine.Tarn)}}
	curves := map[string]*result.Curve{}
	for _, times := range []int64{1, 4, 16} {
		p, err := b.prepare(ctx, "lines", times*b.growthBase)
		if err != nil {
			return nil, err
		}
		for _, k := range kinds {
			if err := b.growthOf(ctx, k, p, curves); err != nil {
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

func (b *bench) growthOf(ctx context.Context, k engine.Kind, p *prepared, curves map[string]*result.Curve) error {
	e, err := engine.Start(ctx, k, p.place)
	if err != nil {
		return err
	}
	defer e.Stop()
	for _, q := range growthQueries {
		point, err := b.growthPoint(e, p.rows, q.sql)
		if err != nil {
			return err
		}
		c := curves[string(k)+q.name]
		if c == nil {
			c = &result.Curve{Engine: string(k), Query: q.name}
			curves[string(k)+q.name] = c
		}
		c.Points = append(c.Points, point)
	}
	return nil
}

func (b *bench) growthPoint(e *engine.Engine, rows int64, sql string) (result.Point, error) {
	point := result.Point{Rows: rows}
	if err := e.ResetPeak(); err != nil {
		return point, err
	}
	var times []float64
	for run := range b.runs + 1 {
		took, _, err := e.Ask(sql)
		if err != nil {
			return point, err
		}
		if run > 0 {
			times = append(times, millis(took))
		}
	}
	peak, err := e.Peak()
	point.Millis, point.PeakMB = result.Median(times), float64(peak)/1e6
	return point, err
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
