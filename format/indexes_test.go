package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

// allIndexes are options with every index on every column that can have it.
func allIndexes(s *schema.Schema) Options {
	o := Options{IndexRows: 1}
	for _, f := range s.Fields {
		if index.Bounded(f.Type) {
			o.Lookup = append(o.Lookup, f.ID)
		}
		if f.Type.ID() == arrow.STRING {
			o.Text = append(o.Text, f.ID)
		}
	}
	return o
}

// askIndexes asks every index of a file that may be damaged.
func askIndexes(r *Reader) {
	ctx := context.Background()
	for _, f := range r.Schema().Fields {
		for _, op := range []index.PredOp{index.Eq, index.Ne, index.Lt, index.IsNull, index.HasToken} {
			rows, err := r.FindRows(ctx, &index.Pred{Op: op, Field: f.ID, Keys: [][]byte{index.IntKey(nil, 7)}})
			if err != nil {
				continue
			}
			for b := range min(r.Blocks(), 4) {
				_, _ = rows.Block(b, new(index.Mask))
			}
		}
	}
}

// orders are rows of id (unique), country (few), city (many, rare ones too)
// and note (free text).
func orders(rows int) (*schema.Schema, arrow.RecordBatch) {
	s := &schema.Schema{ID: 1, Fields: []schema.Field{
		{ID: 1, Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{ID: 2, Name: "country", Type: arrow.BinaryTypes.String, Nullable: true},
		{ID: 3, Name: "city", Type: arrow.BinaryTypes.String},
		{ID: 4, Name: "note", Type: arrow.BinaryTypes.String, Nullable: true},
	}}
	r := rand.New(rand.NewPCG(1, 9))
	b := array.NewRecordBuilder(memory.DefaultAllocator, s.Arrow())
	for i := range rows {
		b.Field(0).(*array.Int64Builder).Append(int64(i)*7919%int64(1<<40) + 1)
		if r.IntN(20) == 0 {
			b.Field(1).AppendNull()
			b.Field(3).AppendNull()
		} else {
			country := []string{"DE", "FR", "NO", "IT"}[r.IntN(4)]
			if r.IntN(400) == 0 {
				country = fmt.Sprint("rare", r.IntN(5))
			}
			b.Field(1).(*array.StringBuilder).Append(country)
			b.Field(3).(*array.StringBuilder).Append(fmt.Sprintf("parcel %d, handle with care %d", r.IntN(900), r.IntN(1+r.IntN(90_000))))
		}
		b.Field(2).(*array.StringBuilder).Append(fmt.Sprint("city", r.IntN(1+r.IntN(1+r.IntN(3000)))))
	}
	return s, b.NewRecordBatch()
}

func indexedOrders(t testing.TB, rows int) (*Reader, arrow.RecordBatch) {
	s, batch := orders(rows)
	file, _ := write(t, s, Options{Lookup: []int32{1, 3}, Text: []int32{4}}, batch)
	return open(t, file), batch
}

func TestIndexesOfASegment(t *testing.T) {
	r, batch := indexedOrders(t, 2*BlockRows+100)
	if err := r.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		p    *index.Pred
		true func(row int) bool
		want index.Found // in block 0
	}{
		{"id", &index.Pred{Op: index.Eq, Field: 1, Keys: [][]byte{index.IntKey(nil, 7919*5+1)}}, func(i int) bool { return i == 5 }, index.Candidates},
		{"no id", &index.Pred{Op: index.Eq, Field: 1, Keys: [][]byte{index.IntKey(nil, 7919*5+2)}}, func(i int) bool { return false }, index.NoRow},
		{"no country", &index.Pred{Op: index.Eq, Field: 2, Keys: [][]byte{[]byte("FI")}}, func(i int) bool { return false }, index.NoRow},
		{"rare country", &index.Pred{Op: index.Eq, Field: 2, Keys: [][]byte{[]byte("rare3")}}, func(i int) bool { return text(batch, 1, i) == "rare3" }, index.TheseRows},
		{"token", &index.Pred{Op: index.HasToken, Field: 4, Keys: [][]byte{[]byte("777")}}, func(i int) bool { return index.TokenIn(text(batch, 3, i), "777") }, index.TheseRows},
		{"common token", &index.Pred{Op: index.HasToken, Field: 4, Keys: [][]byte{[]byte("care")}}, func(i int) bool { return index.TokenIn(text(batch, 3, i), "care") }, index.Unsure},
	} {
		rows, err := r.FindRows(t.Context(), c.p)
		if err != nil {
			t.Fatal(err)
		}
		for b := range r.Blocks() {
			m := new(index.Mask)
			found, err := rows.Block(b, m)
			if err != nil {
				t.Fatal(err)
			}
			if b == 0 && found != c.want {
				t.Errorf("%s: found %d; want %d", c.name, found, c.want)
			}
			for i := range r.BlockRows(b) {
				is := c.true(b*BlockRows + i)
				if is && (found == index.NoRow || found >= index.Candidates && !m.Has(i)) || !is && found == index.TheseRows && m.Has(i) {
					t.Fatalf("%s: row %d of block %d is %v, found %d", c.name, i, b, is, found)
				}
			}
		}
	}
}

func text(batch arrow.RecordBatch, column, row int) string {
	if batch.Column(column).IsNull(row) {
		return ""
	}
	return batch.Column(column).(*array.String).Value(row)
}

// TestIndexesKeepToTheirShare also prints what they take.
func TestIndexesKeepToTheirShare(t *testing.T) {
	r, _ := indexedOrders(t, 3*BlockRows)
	stats, err := r.Stats()
	if err != nil {
		t.Fatal(err)
	}
	found := ""
	for _, c := range stats {
		for _, x := range c.Indexes {
			found += x.Name + " "
			t.Logf("%s %s: %d bytes beside %d, %.2f a row: %s", c.Name, x.Name, x.Bytes, c.Bytes, float64(x.Bytes)/float64(c.Rows), x.Holds)
			if x.Name == "values" && x.Bytes > c.Bytes*(listedShare+directoryShare)/100+directoryFloor {
				t.Errorf("%s: values take %d bytes beside a column of %d", c.Name, x.Bytes, c.Bytes)
			}
		}
	}
	if want := "bloom locate dictionary values dictionary values bloom locate tokens "; found != want {
		t.Errorf("got indexes %q; want %q", found, want)
	}
}

func TestSmallSegmentsHaveNoIndexes(t *testing.T) {
	r, _ := indexedOrders(t, minIndexRows-1)
	stats, err := r.Stats()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range stats {
		if len(c.Indexes) > 0 {
			t.Errorf("%s has indexes %v", c.Name, c.Indexes)
		}
	}
}

func TestIndexOptionsAreChecked(t *testing.T) {
	s, _ := orders(1)
	for _, o := range []Options{{Lookup: []int32{9}}, {Text: []int32{1}}, {Text: []int32{9}}} {
		if _, err := NewWriter(new(bytes.Buffer), s, Info{}, o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

// TestLyingIndexes writes the indexes of other rows into a file with checksums
// that hold: verify has to see it.
func TestLyingIndexes(t *testing.T) {
	s, batch := orders(5000)
	_, other := orders(5001)
	lies := 0
	for id := range s.Fields {
		for _, kind := range []string{"values", "bloom", "locate", "tokens"} {
			var file bytes.Buffer
			w, err := NewWriter(&file, s, testInfo, allIndexes(s))
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Write(batch); err != nil {
				t.Fatal(err)
			}
			if err := w.writeBlock(); err != nil {
				t.Fatal(err)
			}
			if !swapIndex(w, id, kind, array.NewSlice(other.Column(id), 1, 5001)) {
				continue
			}
			if _, err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if !hasSection(w.metas[id], kind) {
				continue // it would not have been worth its bytes
			}
			lies++
			if err := open(t, file.Bytes()).Verify(t.Context()); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "index of column") {
				t.Errorf("%s of %s: got %v; want ErrCorrupt", kind, s.Fields[id].Name, err)
			}
		}
	}
	if lies != 1+4*2+3 {
		t.Errorf("%d indexes were swapped; want 12", lies)
	}
}

func hasSection(m meta, kind string) bool {
	return slices.ContainsFunc(m.sections, func(s section) bool { return s.id.String() == kind })
}

// swapIndex builds one index of a column from other values.
func swapIndex(w *Writer, i int, kind string, other arrow.Array) bool {
	lie := &Writer{schema: w.schema, opts: w.opts, metas: w.metas, waiting: other.Len(), indexes: make([]*columnIndexes, len(w.indexes))}
	lie.index(new(index.Scratch), i, other)
	c, l := w.indexes[i], lie.indexes[i]
	switch {
	case kind == "values" && c.values != nil && l.values != nil:
		c.values = l.values
	case (kind == "bloom" || kind == "locate") && c.lookup != nil:
		c.lookup = l.lookup
	case kind == "tokens" && c.text != nil:
		c.text = l.text
	default:
		return false
	}
	return true
}

func TestDumpShowsIndexes(t *testing.T) {
	s, batch := orders(60_000)
	file, _ := write(t, s, allIndexes(s), batch)
	var out bytes.Buffer
	if err := Dump(&out, bytes.NewReader(file), int64(len(file))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`index values of "country" (field 2): 9 values, the rows of 5 in `, `index bloom of "id" (field 1)`, `index locate of "id" (field 1): 60000 rows`, `index tokens of "note" (field 4): `, "section: tokens"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("dump does not show %s", want)
		}
	}
}

// TestDamagedIndex changes bytes of indexes: a question gets the answer that
// it got before, or ErrCorrupt.
func TestDamagedIndex(t *testing.T) {
	s, batch := orders(40_000)
	file, _ := write(t, s, Options{Lookup: []int32{1}, Text: []int32{4}}, batch)
	preds := []*index.Pred{
		{Op: index.Eq, Field: 1, Keys: [][]byte{index.IntKey(nil, 7919*5+1)}},
		{Op: index.Eq, Field: 2, Keys: [][]byte{[]byte("rare3")}},
		{Op: index.HasToken, Field: 4, Keys: [][]byte{[]byte("777")}},
	}
	ask := func(p *index.Pred) (found index.Found, m index.Mask, err error) {
		rows, err := open(t, file).FindRows(t.Context(), p)
		if err == nil {
			found, err = rows.Block(0, &m)
		}
		return found, m, err
	}
	sound := open(t, file)
	for i, p := range preds {
		metas, err := sound.load(t.Context(), []int{int(p.Field) - 1})
		if err != nil {
			t.Fatal(err)
		}
		wantFound, want, err := ask(p)
		if err != nil || wantFound < index.Candidates {
			t.Fatalf("question %d: found %d, %v", i, wantFound, err)
		}
		caught := 0
		for _, at := range flipsIn(metas[0].sections) {
			file[at] ^= 0x10
			found, m, err := ask(p)
			file[at] ^= 0x10
			switch {
			case errors.Is(err, ErrCorrupt):
				caught++
			case err != nil:
				t.Fatalf("question %d, byte %d: %v is not ErrCorrupt", i, at, err)
			case found != wantFound || m != want:
				t.Fatalf("question %d, byte %d: another answer", i, at)
			}
		}
		if caught == 0 {
			t.Errorf("question %d: no damage was seen", i)
		}
	}
}

// flipsIn returns offsets all over sections, every byte of their beginnings.
func flipsIn(sections []section) (out []uint64) {
	for _, s := range sections {
		for at := s.off; at < s.end(); at++ {
			if at < s.off+200 || at%97 == 0 {
				out = append(out, at)
			}
		}
	}
	return out
}
