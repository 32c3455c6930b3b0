package format

import (
	"context"
	"fmt"

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
	Indexes   []IndexStats
}

// IndexStats is what a column's index takes and holds.
type IndexStats struct {
	Name  string // values, bloom, locate, tokens, dictionary
	Bytes int64
	Holds string // in words
}

// Stats returns the stats of every column, in the order of the schema. It
// reads all metas, what of the indexes says what they hold, and no page.
func (r *Reader) Stats() ([]ColumnStats, error) {
	metas, err := r.load(context.Background(), r.all())
	if err != nil {
		return nil, err
	}
	out := make([]ColumnStats, len(metas))
	for i, m := range metas {
		at := r.columns.at(i).position
		f := r.fields.at(at)
		s := ColumnStats{FieldID: f.ID, Name: f.Name, Type: f.Type, Pages: len(m.pages), Encodings: map[codec.Encoding]int{}}
		for _, p := range m.pages {
			s.Rows += p.zone.Rows
			s.Nulls += p.zone.Nulls
			s.Bytes += int64(p.len)
			for _, e := range p.encodings.List() {
				s.Encodings[e]++
			}
		}
		if s.Indexes, err = r.indexStats(i, m); err != nil {
			return nil, err
		}
		out[at] = s
	}
	return out, nil
}

func (r *Reader) indexStats(place int, m *meta) (out []IndexStats, err error) {
	for _, s := range m.sections {
		x := IndexStats{Name: s.id.String(), Bytes: int64(s.len)}
		if x.Holds, err = r.holds(place, s.id); err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// holds says in words what is in an index; nothing of one that is not known.
func (r *Reader) holds(place int, id sectionID) (string, error) {
	ctx := context.Background()
	switch id {
	case sectionValues:
		v, err := r.values(ctx, place)
		if v == nil || err != nil {
			return "", err
		}
		listed, bytes := v.Listed()
		return fmt.Sprintf("%d values, the rows of %d in %d bytes", v.Len(), listed, bytes), nil
	case sectionLocate:
		l, err := r.locator(ctx, place)
		if l == nil || err != nil {
			return "", err
		}
		return fmt.Sprintf("%d rows", l.Entries()), nil
	case sectionTokens:
		x, err := r.text(ctx, place)
		if x == nil || err != nil {
			return "", err
		}
		return fmt.Sprintf("%d tokens", x.Terms()), nil
	case sectionDictionary:
		d, err := r.dictionaryAt(place, r.metas[place].Load())
		if d == nil || err != nil {
			return "", err
		}
		return fmt.Sprintf("%d values of %d bytes", d.Len(), d.TextBytes()), nil
	}
	return "", nil
}

// all returns the places of all columns in the directory.
func (r *Reader) all() []int {
	places := make([]int, r.columns.len())
	for i := range places {
		places[i] = i
	}
	return places
}
