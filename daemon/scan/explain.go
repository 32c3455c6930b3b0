package scan

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/tarnlake/tarn/client/wire"
)

// Explain tells what Run would read and why, after pruning by the blocks'
// zones: it opens the segments that are left, and reads no rows. The text of
// the query is left to the caller, who knows SQL.
func (p *Plan) Explain(ctx context.Context, o Opener, s Spread) (wire.Explanation, error) {
	e := wire.Explanation{
		Version: int64(p.snap.Version), Segments: p.pruned.asked,
		PrunedPartition: p.pruned.partition, PrunedZone: p.pruned.zone, Columns: []string{},
	}
	for _, in := range p.inputs {
		e.Columns = append(e.Columns, in.field.Name)
	}
	segments, err := p.askedFor()
	if err != nil {
		return e, err
	}
	for _, seg := range segments {
		e.Rows += seg.Rows
	}
	answered := 0
	if p.limit > 0 {
		if answered, err = p.count(ctx, o, &e); err != nil {
			return e, wrap(err)
		}
	}
	e.Plan = p.steps(e, answered, s.text(p))
	return e, nil
}

// count fills in the segments, blocks and rows that are left, and returns the
// number of segments and blocks that zones answer without reading.
func (p *Plan) count(ctx context.Context, o Opener, e *wire.Explanation) (answered int, err error) {
	for _, seg := range p.segments {
		if p.answeredBy(seg) {
			answered++
			continue
		}
		r, err := o.OpenSegment(ctx, seg)
		if err != nil {
			return 0, fmt.Errorf("segment %s: %w", seg.ID, err)
		}
		e.Blocks += r.Blocks()
		if groups, err := p.fromValues(ctx, r); err != nil {
			return 0, fmt.Errorf("segment %s: %w", seg.ID, err)
		} else if groups != nil {
			answered++
			continue
		}
		read := 0
		var out leftOut
		p.blocks(ctx, seg, r, &out, func(t task, failed error) bool {
			if err = failed; err != nil {
				return false
			}
			if _, ok := p.fromZones(t); ok && p.grouped {
				answered++
				return true
			}
			read++
			e.RowsRead += int64(t.rows)
			return true
		})
		if err != nil {
			return 0, err
		}
		e.BlocksRead += read
		e.BlocksByIndex += out.index
		if read > 0 {
			e.SegmentsRead++
		}
	}
	return answered, ctx.Err()
}

// steps returns the plan as text, a line a step, outermost first.
func (p *Plan) steps(e wire.Explanation, answered int, spread string) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	limited := p.limit < math.MaxInt64
	switch {
	case len(p.order) > 0 && limited:
		add("top %d by %s", p.window(), strings.Join(p.orderBy, ", "))
	case len(p.order) > 0:
		add("sort by %s, in memory (at most %s)", strings.Join(p.orderBy, ", "), sizeText(p.opts.MemoryBytes))
	case limited:
		add("stop after %d rows", p.window())
	}
	if p.offset > 0 {
		add("skip %d rows", p.offset)
	}
	add("compute %s", strings.Join(fieldNames(p.schema), ", "))
	if p.having != nil {
		add("keep groups where %s", p.q.Having)
	}
	if p.grouped {
		add("%s", p.groupStep())
	}
	if spread != "" {
		add("%s", spread)
	}
	if p.filter != nil {
		add("filter %s", p.q.Where)
	}
	if answered > 0 {
		add("answer %d segments or blocks from their zones and indexes, unread", answered)
	}
	add("read %d of %d rows in %d blocks of %d segments of %s, version %d", e.RowsRead, e.Rows, e.BlocksRead, e.SegmentsRead, p.snap.Name, p.snap.Version)
	if e.BlocksByIndex > 0 {
		add("left out %d of %d blocks by index", e.BlocksByIndex, e.Blocks)
	}
	if byZone := e.Blocks - e.BlocksRead - e.BlocksByIndex; byZone > 0 {
		add("left out %d of %d blocks by zone map", byZone, e.Blocks)
	}
	if e.PrunedPartition+e.PrunedZone > 0 {
		add("left out %d of %d segments by partition, %d by zone map", e.PrunedPartition, e.Segments, e.PrunedZone)
	}
	return out
}

func (p *Plan) groupStep() string {
	keys, aggs := p.labels[:len(p.keys)], p.labels[len(p.keys):]
	text := "group"
	if len(keys) > 0 {
		text += " by " + strings.Join(keys, ", ")
	}
	if len(aggs) > 0 {
		text += ": " + strings.Join(aggs, ", ")
	}
	return text
}
