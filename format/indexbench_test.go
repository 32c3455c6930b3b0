package format

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

const benchRows = 16 * BlockRows // 1,048,576

// BenchmarkLookup finds one key, there or not, among a million.
func BenchmarkLookup(b *testing.B) {
	r, batch := indexedOrders(b, benchRows)
	rng := rand.New(rand.NewPCG(1, 1))
	keys := make([][]byte, 1000)
	for _, there := range []bool{true, false} {
		for i := range keys {
			keys[i] = index.AppendKey(nil, batch.Column(0), rng.IntN(benchRows))
			if !there {
				binary.BigEndian.PutUint64(keys[i], binary.BigEndian.Uint64(keys[i])+1)
			}
		}
		b.Run(map[bool]string{true: "there", false: "absent"}[there], func(b *testing.B) {
			m := new(index.Mask)
			for i := 0; b.Loop(); i++ {
				rows, err := r.FindRows(b.Context(), &index.Pred{Op: index.Eq, Field: 1, Keys: keys[i%len(keys) : i%len(keys)+1]})
				if err != nil {
					b.Fatal(err)
				}
				for block := range r.Blocks() {
					if _, err := rows.Block(block, m); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// BenchmarkToken finds the rows of a word.
func BenchmarkToken(b *testing.B) {
	r, _ := indexedOrders(b, benchRows)
	m, rowsFound := new(index.Mask), 0
	for b.Loop() {
		rows, err := r.FindRows(b.Context(), &index.Pred{Op: index.HasToken, Field: 4, Keys: [][]byte{[]byte("777")}})
		if err != nil {
			b.Fatal(err)
		}
		rowsFound = 0
		for block := range r.Blocks() {
			found, err := rows.Block(block, m)
			if err != nil {
				b.Fatal(err)
			}
			if found == index.TheseRows {
				rowsFound += m.Count()
			}
		}
	}
	b.ReportMetric(float64(rowsFound), "rows")
}

// BenchmarkCounts counts the rows of every value: a GROUP BY of a million.
func BenchmarkCounts(b *testing.B) {
	r, _ := indexedOrders(b, benchRows)
	for _, c := range []struct {
		name  string
		field int32
	}{{"few", 2}, {"thousands", 3}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				v, err := r.Values(b.Context(), c.field)
				if err != nil || v == nil {
					b.Fatal(v, err)
				}
				total := v.Nulls()
				if err := v.Each(func(i int, _ []byte) { total += v.Count(i) }); err != nil || total != benchRows {
					b.Fatal(total, err)
				}
			}
		})
	}
}

// BenchmarkBuildIndexes writes a segment with and without indexes.
func BenchmarkBuildIndexes(b *testing.B) {
	s, batch := orders(benchRows)
	for _, c := range []struct {
		name string
		o    Options
		cols []int
	}{
		{"none", Options{IndexRows: 1 << 30}, []int{0, 1, 2, 3}},
		{"values", Options{}, []int{0, 1, 2, 3}},
		{"values and lookup", Options{Lookup: []int32{1}}, []int{0, 1, 2, 3}},
		{"values and text", Options{Text: []int32{4}}, []int{0, 1, 2, 3}},
		{"country none", Options{IndexRows: 1 << 30}, []int{1}},
		{"country", Options{}, []int{1}},
		{"city none", Options{IndexRows: 1 << 30}, []int{2}},
		{"city", Options{}, []int{2}},
	} {
		b.Run(c.name, func(b *testing.B) {
			part, cols := &schema.Schema{ID: 1}, []arrow.Array(nil)
			for _, i := range c.cols {
				part.Fields, cols = append(part.Fields, s.Fields[i]), append(cols, batch.Column(i))
			}
			rec := array.NewRecordBatch(part.Arrow(), cols, batch.NumRows())
			for b.Loop() {
				w, err := NewWriter(io.Discard, part, Info{}, c.o)
				if err != nil {
					b.Fatal(err)
				}
				if err := w.Write(rec); err != nil {
					b.Fatal(err)
				}
				if _, err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
		})
	}
}
