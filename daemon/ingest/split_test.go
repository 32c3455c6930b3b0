package ingest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/schema"
)

func TestSplitKeepsEveryRowOnceAndInOrder(t *testing.T) {
	s := testSchema(t, "id int64", "country string", "tags list<string>")
	by := []schema.Transform{{Kind: schema.Identity, FieldID: 2}, {Kind: schema.Bucket, FieldID: 1, N: 3}}
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 5000
	cols := randomRows(rng, s, n)
	parts, err := split(t.Context(), s, by, cols, n)
	if err != nil {
		t.Fatal(err)
	}
	if len(parts) != 4*3 { // three countries and null, three buckets
		t.Errorf("%d partitions; want 12", len(parts))
	}
	seen := map[int64]bool{}
	for _, p := range parts {
		last := int64(-1)
		for row := range p.rows {
			id := p.cols[0].(*array.Int64).Value(row)
			if seen[id] || id <= last {
				t.Fatalf("row %d comes twice or out of order", id)
			}
			seen[id], last = true, id
			for c := range cols {
				if got, want := p.cols[c].ValueStr(row), cols[c].ValueStr(int(id)); got != want {
					t.Fatalf("row %d column %d: got %s; want %s", id, c, got, want)
				}
			}
			if got := country(p.cols[1], row); got != p.values[0] {
				t.Fatalf("row %d of %v is in partition %v", id, got, p.values[0])
			}
		}
	}
	if len(seen) != n {
		t.Errorf("%d rows came out of %d", len(seen), n)
	}
}

func TestSplitTellsNullFromEmpty(t *testing.T) {
	s := testSchema(t, "id int64", "country string")
	cols := []arrow.Array{nil, nil}
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.AppendValues([]int64{0, 1}, nil)
	cols[0] = b.NewArray()
	sb := array.NewStringBuilder(memory.DefaultAllocator)
	sb.Append("")
	sb.AppendNull()
	cols[1] = sb.NewArray()
	parts, err := split(t.Context(), s, []schema.Transform{{Kind: schema.Identity, FieldID: 2}}, cols, 2)
	if err != nil || len(parts) != 2 {
		t.Errorf("%d partitions, %v; want one for the empty string and one for null", len(parts), err)
	}
}

func randomRows(rng *rand.Rand, s *schema.Schema, n int) []arrow.Array {
	b := array.NewRecordBuilder(memory.DefaultAllocator, s.Arrow())
	for id := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(id))
		if c := rng.IntN(4); c == 3 {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append(strings.Repeat("x", c))
		}
		list := b.Field(2).(*array.ListBuilder)
		list.Append(true)
		for i := range rng.IntN(3) {
			list.ValueBuilder().(*array.StringBuilder).Append(fmt.Sprint(id, i))
		}
	}
	return b.NewRecordBatch().Columns()
}

func country(col arrow.Array, row int) schema.PartitionValue {
	if col.IsNull(row) {
		return schema.PartitionValue{Null: true}
	}
	return schema.PartitionValue{Text: col.(*array.String).Value(row)}
}
