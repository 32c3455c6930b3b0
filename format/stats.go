package format

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/format/codec"
)

// ColumnStats is what a segment spends on a column.
type ColumnStats struct {
	FieldID   int32
	Name      string
	Type      arrow.DataType
	Rows      int64
	Nulls     int64
	Pages     int
	Bytes     int64                  // of all its pages
	Encodings map[codec.Encoding]int // how many pages use each
}

// Stats returns the stats of every column, in the order of the schema. It
// reads all metas and no page.
func (r *Reader) Stats() ([]ColumnStats, error) {
	metas, err := r.load(context.Background(), r.all())
	if err != nil {
		return nil, err
	}
	out := make([]ColumnStats, len(metas))
	for i, m := range metas {
		at := r.columns[i].position
		f := r.schema.Fields[at]
		s := ColumnStats{FieldID: f.ID, Name: f.Name, Type: f.Type, Pages: len(m.pages), Encodings: map[codec.Encoding]int{}}
		for _, p := range m.pages {
			s.Rows += p.zone.Rows
			s.Nulls += p.zone.Nulls
			s.Bytes += int64(p.len)
			for _, e := range p.encodings.List() {
				s.Encodings[e]++
			}
		}
		out[at] = s
	}
	return out, nil
}

// all returns the places of all columns in the directory.
func (r *Reader) all() []int {
	places := make([]int, len(r.columns))
	for i := range places {
		places[i] = i
	}
	return places
}
