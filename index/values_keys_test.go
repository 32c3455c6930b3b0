package index

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// TestValuesKeys compares the directory of columns of every way to number
// values, cut out of longer ones, with one made from the key of each row.
func TestValuesKeys(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 1))
	decimals := func(b array.Builder) {
		b.(*array.Decimal128Builder).Append(decimal128.New(int64(r.IntN(5)-2)*math.MaxInt32, uint64(r.IntN(40))<<58))
	}
	for _, c := range []struct {
		typ arrow.DataType
		add func(b array.Builder)
	}{
		{&arrow.Decimal128Type{Precision: 38, Scale: 2}, decimals},
		{arrow.BinaryTypes.String, func(b array.Builder) { b.(*array.StringBuilder).Append(fmt.Sprint(r.IntN(300))) }},
		{arrow.BinaryTypes.Binary, func(b array.Builder) { b.(*array.BinaryBuilder).Append(make([]byte, r.IntN(20))) }},
		{&arrow.FixedSizeBinaryType{ByteWidth: 2}, func(b array.Builder) { b.(*array.FixedSizeBinaryBuilder).Append([]byte{byte(r.IntN(9)), 1}) }},
		{arrow.FixedWidthTypes.Boolean, func(b array.Builder) { b.(*array.BooleanBuilder).Append(r.IntN(3) == 0) }},
		{arrow.PrimitiveTypes.Float64, func(b array.Builder) { b.(*array.Float64Builder).Append(float64(r.IntN(200) - 100)) }},
		{arrow.FixedWidthTypes.Date32, func(b array.Builder) { b.(*array.Date32Builder).Append(arrow.Date32(r.IntN(500) - 250)) }},
	} {
		for _, rows := range []int{0, 1, tryRows + 1, BlockRows + 4321} {
			b := array.NewBuilder(memory.DefaultAllocator, c.typ)
			for range rows + 9 {
				if r.IntN(8) == 0 {
					b.AppendNull()
				} else {
					c.add(b)
				}
			}
			checkDirectory(t, array.NewSlice(b.NewArray(), 9, int64(rows+9)))
		}
	}
}

func checkDirectory(t *testing.T, col arrow.Array) {
	t.Helper()
	s := &segment{rows: col.Len(), cols: map[int32]arrow.Array{1: col}}
	b := buildValues(t, s, 1, 1<<20)
	if col.Len() == 0 {
		if b != nil {
			t.Errorf("%s without rows has a directory", col.DataType())
		}
		return
	}
	v, err := ParseValues(b, int64(col.Len()), int64(col.NullN()), nil)
	if err == nil {
		err = v.Check()
	}
	if err != nil {
		t.Fatalf("%s, %d rows: %v", col.DataType(), col.Len(), err)
	}
	count, rank := map[string]int64{}, map[string]int{}
	for i := range col.Len() {
		k := "null"
		if col.IsValid(i) {
			k = "key " + string(AppendKey(nil, col, i))
		}
		if count[k]++; count[k] == 1 {
			rank[k] = len(rank)
		}
	}
	delete(count, "null")
	if v.Len() != len(count) {
		t.Errorf("%s, %d rows: %d values; want %d", col.DataType(), col.Len(), v.Len(), len(count))
	}
	_ = v.Each(func(i int, k []byte) {
		if at := "key " + string(k); v.Count(i) != count[at] || v.Rank(i) != rank[at] {
			t.Errorf("%s: %x has %d rows and rank %d; want %d and %d", col.DataType(), k, v.Count(i), v.Rank(i), count[at], rank[at])
		}
	})
}
