package format

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/format/codec"
)

// TestRowsAlone reads single rows and small sets of them, each from a page that
// was opened for nothing else, and compares them with the page decoded whole:
// all types, moods and profiles, with and without nulls.
func TestRowsAlone(t *testing.T) {
	s, met := allTypes(t), codec.Set(0)
	for seed := range uint64(2 * moods) {
		nulls, profile := seed%2 == 0, []Profile{codec.Default, codec.Fast, codec.Compact}[seed%3]
		rows := []int{1, 1023, 1024, 1025, 3000}[seed%5]
		file, _ := write(t, s, Options{Profile: profile}, batchIn(s, seed, rows, nulls, moods))
		t.Run(fmt.Sprint(seed), func(t *testing.T) { met |= testRowsAlone(t, file) })
	}
	for _, enc := range []codec.Encoding{codec.Constant, codec.Packed, codec.Patched, codec.Dictionary, codec.Raw, codec.Runs, codec.Scaled, codec.Delta, codec.Sparse, codec.FSST} {
		if !met.Has(enc) {
			t.Errorf("no page was %v", enc)
		}
	}
}

func testRowsAlone(t *testing.T, file []byte) (met codec.Set) {
	for _, f := range open(t, file).Schema().Fields {
		r, err := NewCache(1<<20).Open(1, bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		column := func() *Column {
			c, err := r.ReadColumns(t.Context(), 0, []int32{f.ID})
			if err != nil {
				t.Fatal(err)
			}
			return c[0]
		}
		whole, err := column().Array(memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		met |= column().at.encodings
		for _, rows := range someRows(whole.Len()) {
			c := column()
			if err := c.OpenFor(rows); err != nil {
				t.Fatalf("column %s, rows %v: %v", f.Name, rows, err)
			}
			got, want := storedRows(c, rows), decodedRows(whole, rows)
			if got != nil && !slices.Equal(got, want) {
				t.Fatalf("column %s, rows %v in %v: got %q; want %q", f.Name, rows, c.at.encodings.List(), got, want)
			}
		}
	}
	return met
}

// someRows are single rows at boundaries, and a few together.
func someRows(n int) (sets [][]int32) {
	for _, row := range []int{0, 1, 7, 1022, 1023, 1024, 1025, n / 2, n - 1} {
		if row >= 0 && row < n && (len(sets) == 0 || int32(row) > sets[len(sets)-1][0]) {
			sets = append(sets, []int32{int32(row)})
		}
	}
	var many []int32
	for row := 0; row < n; row += 1 + n/20 {
		many = append(many, int32(row))
	}
	return append(sets, many)
}

// storedRows returns the values of rows as text, "null" for nulls; nil for a
// column without a view.
func storedRows(c *Column, rows []int32) (out []string) {
	valid, _ := c.Validity()
	switch {
	case c.Ints() != nil:
		values := make([]int64, len(rows))
		c.Ints().Gather(values, rows)
		for _, v := range values {
			out = append(out, fmt.Sprint(v))
		}
	case c.Text() != nil:
		out = storedText(c.Text(), rows)
	default:
		return nil
	}
	for i, row := range rows {
		if valid != nil && valid[row/8]>>(row%8)&1 == 0 {
			out[i] = "null"
		}
	}
	return out
}

func storedText(text *codec.Text, rows []int32) (out []string) {
	values, codes, coded := text.Codes()
	places := make([]int64, len(rows))
	if coded {
		codes.Gather(places, rows)
	} else {
		values = text.Read(rows)
	}
	for i, place := range places {
		if !coded {
			place = int64(i)
		}
		out = append(out, string(values.Data[values.Offsets[place]:values.Offsets[place+1]]))
	}
	return out
}

// decodedRows is the same of an array.
func decodedRows(a arrow.Array, rows []int32) (out []string) {
	for _, row := range rows {
		i := int(row)
		switch a := a.(type) {
		case array.StringLike:
			out = append(out, a.Value(i))
		case *array.Binary:
			out = append(out, string(a.Value(i)))
		default:
			out = append(out, fixedValue(a, i))
		}
		if a.IsNull(i) {
			out[len(out)-1] = "null"
		}
	}
	return out
}

// fixedValue returns the integer that lies in the memory of value i.
func fixedValue(a arrow.Array, i int) string {
	t, ok := a.DataType().(arrow.FixedWidthDataType)
	if !ok || a.DataType().ID() == arrow.BOOL {
		return ""
	}
	width := t.Bytes()
	var b [16]byte
	copy(b[:], a.Data().Buffers()[1].Bytes()[i*width:][:width])
	word := binary.LittleEndian.Uint64(b[:])
	if width < 8 && !arrow.IsUnsignedInteger(t.ID()) {
		shift := 64 - 8*width
		return fmt.Sprint(int64(word<<shift) >> shift)
	}
	return fmt.Sprint(int64(word))
}
