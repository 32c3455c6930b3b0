package format

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/schema"
)

// textSchema has one column, t, of strings or bytes.
func textSchema(t arrow.DataType) *schema.Schema {
	return &schema.Schema{ID: 1, Fields: []schema.Field{{ID: 1, Name: "t", Type: t, Nullable: true}}}
}

// textColumn is rows of text; nil is null.
type textColumn func(row int) *string

func (c textColumn) batch(s *schema.Schema, rows int) arrow.RecordBatch {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	for i := range rows {
		if v := c(i); v != nil {
			b.Append(*v)
		} else {
			b.AppendNull()
		}
	}
	a := arrow.Array(b.NewArray())
	if s.Fields[0].Type.ID() == arrow.BINARY {
		a = array.MakeFromData(array.NewData(arrow.BinaryTypes.Binary, rows, a.Data().Buffers(), nil, a.NullN(), 0))
	}
	return array.NewRecordBatch(s.Arrow(), []arrow.Array{a}, int64(rows))
}

func name(i int) *string {
	s := fmt.Sprintf("value %d of the column's dictionary", i*i)
	return &s
}

// mixed returns a number below n that is the same for the same row.
func mixed(row, n int) int { return int(rand.New(rand.NewPCG(uint64(row), 7)).Uint64() % uint64(n)) }

// dictionaryCases are columns, how they are stored, and whether the directory
// of values has the dictionary's keys.
var dictionaryCases = []struct {
	name   string
	rows   int
	column textColumn
	shared []bool // by block
	values int    // of the dictionary; 0: there is none
}{
	{"many blocks", 3*BlockRows + 5000, func(row int) *string { return name(mixed(row, 3000)) }, []bool{true, true, true, true}, 3000},
	{"one block", BlockRows - 1, func(row int) *string { return name(mixed(row, 3000)) }, []bool{false}, 0},
	{"nulls and empty", 2 * BlockRows, func(row int) *string {
		switch i := mixed(row, 500); i {
		case 0, 1, 2:
			return nil
		case 3:
			return new(string)
		default:
			return name(i)
		}
	}, []bool{true, true}, 497},
	{"nulls first", 2 * BlockRows, func(row int) *string {
		if row < 70 {
			return nil
		}
		return name(mixed(row, 100))
	}, []bool{true, true}, 100},
	{"a block of nulls", 3 * BlockRows, func(row int) *string {
		if row/BlockRows == 1 {
			return nil
		}
		return name(mixed(row, 900))
	}, []bool{true, false, true}, 900},
	{"a block of one value", 3 * BlockRows, func(row int) *string {
		if row/BlockRows == 1 {
			return name(5)
		}
		return name(mixed(row, 900))
	}, []bool{true, true, true}, 900},
	{"values of one block only", 3 * BlockRows, func(row int) *string {
		if row/BlockRows == 1 {
			return name(mixed(row, 1000))
		}
		return name(5000 + mixed(row, 40))
	}, []bool{true, true, true}, 1040},
	{"few in each block", 6 * BlockRows, func(row int) *string {
		if row < BlockRows {
			return name(mixed(row, 9000))
		}
		return name(mixed(row, 5) + 20*(row/BlockRows))
	}, []bool{true, true, true, true, true, true}, 8998},
	{"always new", 3 * BlockRows, func(row int) *string { return name(row / 30) }, []bool{false, false, false}, 0},
	{"one value", 3 * BlockRows, func(int) *string { return name(1) }, []bool{false, false, false}, 0},
	{"too many in the middle", 6 * BlockRows, func(row int) *string {
		if block := row / BlockRows; block > 0 && block < 5 {
			return name(20000*block + mixed(row, 20000))
		}
		return name(mixed(row, 700))
	}, []bool{true, true, true, true, false, true}, 58484},
	{"too long in the middle", 3 * BlockRows, func(row int) *string {
		if row/BlockRows != 1 {
			return name(mixed(row, 700))
		}
		if row%700 > 0 {
			return nil
		}
		long := fmt.Sprintf("%0*d", codec.MaxSharedBytes/64, row)
		return &long
	}, []bool{true, false, true}, 700},
}

// TestDictionaries writes columns with and without dictionaries, and reads them
// back in every way.
func TestDictionaries(t *testing.T) {
	for _, c := range dictionaryCases {
		for _, typ := range []arrow.DataType{arrow.BinaryTypes.String, arrow.BinaryTypes.Binary} {
			t.Run(c.name+" "+typ.Name(), func(t *testing.T) {
				if testing.Short() && typ.ID() == arrow.BINARY {
					t.Skip("strings are enough for a short test")
				}
				s := textSchema(typ)
				batch := c.column.batch(s, c.rows)
				r := open(t, checkRoundTrip(t, s, Options{}, batch))
				checkShared(t, r, c.shared, c.values)
				checkViews(t, r, batch.Column(0))
			})
		}
	}
}

// checkShared compares which pages share values, and how many there are.
func checkShared(t *testing.T, r *Reader, want []bool, values int) {
	t.Helper()
	metas, err := r.load(t.Context(), []int{0})
	if err != nil {
		t.Fatal(err)
	}
	var got []bool
	for _, p := range metas[0].pages {
		got = append(got, p.encodings.Has(codec.Shared))
	}
	d, err := r.dictionaryAt(0, metas[0])
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if d != nil {
		n = d.Len()
	}
	if !slices.Equal(got, want) || n != values {
		t.Errorf("got shared %v with %d values; want %v, %d", got, n, want, values)
	}
}

// checkViews compares the codes of all blocks with the rows.
func checkViews(t *testing.T, r *Reader, want arrow.Array) {
	t.Helper()
	value := func(row int) []byte {
		if a, ok := want.(*array.String); ok {
			return []byte(a.Value(row))
		}
		return want.(*array.Binary).Value(row)
	}
	for b := range r.Blocks() {
		cols, err := r.ReadColumns(t.Context(), b, []int32{1})
		if err != nil {
			t.Fatal(err)
		}
		if err := cols[0].Open(); err != nil {
			t.Fatal(err)
		}
		values, codes, ok := cols[0].Text().Codes()
		if !ok {
			continue // plain text has tests of its own
		}
		rows := make([]int32, cols[0].Rows())
		for i := range rows {
			rows[i] = int32(i)
		}
		got := make([]int64, len(rows))
		codes.Gather(got, rows)
		for i, code := range got {
			if row := b*BlockRows + i; want.IsValid(row) && !bytes.Equal(values.Data[values.Offsets[code]:values.Offsets[code+1]], value(row)) {
				t.Fatalf("row %d: code %d is not its value", row, code)
			}
		}
	}
}

// dictionaryFile is small and has a dictionary, a page of numbers and one of
// codes for numbers, and a directory of values without keys.
func dictionaryFile(t testing.TB) []byte {
	t.Helper()
	s := textSchema(arrow.BinaryTypes.String)
	column := textColumn(func(row int) *string {
		switch {
		case row == 9:
			return nil
		case row < BlockRows:
			return name(row / 400 % 41)
		}
		return name(mixed(row, 3) * 7)
	})
	file, _ := write(t, s, Options{}, column.batch(s, BlockRows+500))
	return file
}

// TestDictionaryFile pins what is in that file, and how it is shown.
func TestDictionaryFile(t *testing.T) {
	file := dictionaryFile(t)
	r := open(t, file)
	checkShared(t, r, []bool{true, true}, 41)
	metas, _ := r.load(t.Context(), []int{0})
	if p := metas[0].pages[1]; !p.encodings.Has(codec.Dictionary) {
		t.Errorf("the second page has encodings %v; want a dictionary of its own numbers", p.encodings.List())
	}
	v, err := r.Values(t.Context(), 1)
	if v == nil || err != nil || v.Len() != 41 || v.Rank(v.Len()) != 1 {
		t.Fatalf("got values %v, %v; want 41, null the second to come", v, err)
	}
	text := dump(t, file)
	for _, want := range []string{`dictionary of "t" (field 1): 41 values of `, "shared of 65536 bytes, parameter 41", "section: dictionary", "rank of null: 1", "reserved: zero"} {
		if !strings.Contains(text, want) {
			t.Errorf("dump does not show %q", want)
		}
	}
	stats, err := r.Stats()
	if err != nil || stats[0].Indexes[0].Name != "dictionary" || !strings.HasPrefix(stats[0].Indexes[0].Holds, "41 values of ") {
		t.Errorf("got stats %v, %v; want the dictionary", stats, err)
	}
}

// TestDictionaryIsOpenedOnce counts how often it is read.
func TestDictionaryIsOpenedOnce(t *testing.T) {
	file := dictionaryFile(t)
	for _, cache := range []*Cache{nil, NewCache(1 << 20)} {
		r, err := cache.Open(1, bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		var pages [][]*Column
		for b := range r.Blocks() {
			cols, err := r.ReadColumns(t.Context(), b, []int32{1})
			if err != nil {
				t.Fatal(err)
			}
			pages = append(pages, cols)
		}
		if pages[0][0].shared == nil || pages[0][0].shared != pages[1][0].shared {
			t.Errorf("blocks do not share one dictionary")
		}
	}
}

// TestDictionaryTooSmall takes the last value of a dictionary away.
func TestDictionaryTooSmall(t *testing.T) {
	file := dictionaryFile(t)
	r := open(t, file)
	metas, err := r.load(t.Context(), []int{0})
	if err != nil {
		t.Fatal(err)
	}
	d, err := r.dictionaryAt(0, metas[0])
	if err != nil {
		t.Fatal(err)
	}
	fewer := fewerTexts(t, d)
	p := metas[0].pages[0]
	page := file[p.off:p.end()]
	if a, _, err := decodePage(memory.DefaultAllocator, page, fewer, arrow.BinaryTypes.String, BlockRows, r.budget); err == nil || !strings.Contains(err.Error(), "numbers below 41 in a dictionary of 40") {
		t.Errorf("got %v, %v; want an error about numbers", a, err)
	}
	c := &Column{r: r, at: pageAt{0, 0, p}, typ: arrow.BinaryTypes.String, bytes: page, shared: fewer}
	if err := c.Open(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("opened as a view: got %v; want ErrCorrupt", err)
	}
}

// fewerTexts returns a dictionary of all texts but the last.
func fewerTexts(t *testing.T, d *codec.SharedTexts) *codec.SharedTexts {
	t.Helper()
	s := textSchema(arrow.BinaryTypes.String)
	column := textColumn(func(row int) *string { return &d.Texts()[row%(d.Len()-1)] })
	r := open(t, func() []byte { f, _ := write(t, s, Options{}, column.batch(s, BlockRows)); return f }())
	metas, err := r.load(t.Context(), []int{0})
	if err != nil {
		t.Fatal(err)
	}
	fewer, err := r.dictionaryAt(0, metas[0])
	if err != nil || fewer == nil {
		t.Fatalf("got no dictionary, %v", err)
	}
	return fewer
}

// TestDictionariesAreExpected wants the dictionary announced with the page that
// needs it, and read with few reads.
func TestDictionariesAreExpected(t *testing.T) {
	file := dictionaryFile(t)
	e := &expecting{Reader: bytes.NewReader(file)}
	r, err := NewCache(1<<20).Open(1, e, int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	metas, err := r.load(t.Context(), []int{0})
	if err != nil {
		t.Fatal(err)
	}
	s, ok := metas[0].dictionarySpan()
	r.Expect(1, []int32{1})
	last := e.ranges[len(e.ranges)-1]
	if !ok || last.off > s.off || last.end() < s.end() {
		t.Errorf("%v is expected; want the dictionary at %d, too", e.ranges, s.off)
	}
	cols, err := r.ReadColumns(t.Context(), 0, []int32{1, 1})
	if err != nil || cols[0].shared == nil || cols[0].shared != cols[1].shared {
		t.Errorf("got %v; want one dictionary for a column asked for twice", err)
	}
}
