package scan

import (
	"bytes"
	"slices"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

// pruneCount says how many segments were left out, and by what.
type pruneCount struct{ asked, partition, zone int }

// choose sets the segments to read: those that the query names, without those
// in which the catalog shows that no row can match.
func (p *Plan) choose() error {
	asked, err := p.askedFor()
	if err != nil {
		return err
	}
	p.pruned.asked = len(asked)
	for _, seg := range asked {
		switch {
		case p.opts.NoPrune:
			p.segments = append(p.segments, seg)
		case p.verdict(seg, p.partitionZones(seg)) == index.None:
			p.pruned.partition++
		case p.verdict(seg, p.catalogZones(seg)) == index.None:
			p.pruned.zone++
		default:
			p.segments = append(p.segments, seg)
		}
	}
	return nil
}

func (p *Plan) askedFor() ([]*catalog.Segment, error) {
	if len(p.q.Segments) == 0 {
		return p.snap.Segments, nil
	}
	named := map[string]bool{}
	for _, id := range p.q.Segments {
		named[id] = true
	}
	var out []*catalog.Segment
	for _, seg := range p.snap.Segments {
		if id := seg.ID.String(); named[id] {
			out = append(out, seg)
			delete(named, id)
		}
	}
	for _, id := range p.q.Segments {
		if named[id] {
			return nil, wire.Errorf(wire.InvalidArgument, "segment %s is not part of table %s at version %d", id, p.snap.Name, p.snap.Version).
				WithHint("tarn segment list %s", p.snap.Name)
		}
	}
	return out, nil
}

// zones finds the zone of a field, if it is known.
type zones func(field int32) (index.Zone, bool)

// verdict prunes a segment by zones and by its buckets.
func (p *Plan) verdict(seg *catalog.Segment, z zones) index.Verdict {
	return index.Prune(p.inBuckets(p.pred, seg), z)
}

// catalogZones are the zones that the catalog has for seg. A column that came
// into the table after seg was written is null in all of its rows.
func (p *Plan) catalogZones(seg *catalog.Segment) zones {
	return func(field int32) (index.Zone, bool) {
		if s := p.snap.Schemas[seg.SchemaID]; s != nil && s.ByID(field) < 0 {
			return index.Zone{Rows: seg.Rows, Nulls: seg.Rows}, true
		}
		z, ok := seg.Zones[field]
		return z, ok
	}
}

// partitionZones are the zones of the columns that the table is partitioned
// by: a segment holds rows of one partition, so its bounds are within the
// partition's.
func (p *Plan) partitionZones(seg *catalog.Segment) zones {
	all := p.catalogZones(seg)
	return func(field int32) (index.Zone, bool) {
		if !slices.ContainsFunc(p.snap.PartitionBy, func(t schema.Transform) bool { return t.FieldID == field }) {
			return index.Zone{}, false
		}
		return all(field)
	}
}

// inBuckets returns a predicate that means the same as pred in the rows of
// seg: a value whose bucket is not that of seg is in no row, so it leaves the
// lists that a column is compared with.
func (p *Plan) inBuckets(pred *index.Pred, seg *catalog.Segment) *index.Pred {
	if pred == nil || len(seg.Partition) != len(p.snap.PartitionBy) {
		return pred
	}
	if pred.Op == index.Eq || pred.Op == index.In {
		return p.inBucket(pred, seg)
	}
	if len(pred.Args) == 0 {
		return pred
	}
	c := *pred
	c.Args = make([]*index.Pred, len(pred.Args))
	for i, a := range pred.Args {
		c.Args[i] = p.inBuckets(a, seg)
	}
	return &c
}

func (p *Plan) inBucket(leaf *index.Pred, seg *catalog.Segment) *index.Pred {
	for i, t := range p.snap.PartitionBy {
		if t.Kind != schema.Bucket || t.FieldID != leaf.Field {
			continue
		}
		keys := slices.DeleteFunc(slices.Clone(leaf.Keys), func(key []byte) bool {
			bucket, ok := p.bucketOf(t, key)
			return ok && bucket != seg.Partition[i]
		})
		leaf = &index.Pred{Op: index.In, Field: leaf.Field, Keys: keys}
	}
	return leaf
}

// bucketOf returns the bucket of the value with that key.
func (p *Plan) bucketOf(t schema.Transform, key []byte) (schema.PartitionValue, bool) {
	i := p.snap.Schema.ByID(t.FieldID)
	if i < 0 {
		return schema.PartitionValue{}, false
	}
	v, ok := vecOfKeys(p.snap.Schema.Fields[i].Type, [][]byte{bytes.Clone(key)})
	if !ok {
		return schema.PartitionValue{}, false
	}
	values, err := t.Apply(v.array())
	if err != nil {
		return schema.PartitionValue{}, false
	}
	return values[0], true
}
