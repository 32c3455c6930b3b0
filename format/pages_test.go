package format

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/schema"
)

// storedPages returns the pages of a block as a scan gets them.
func storedPages(t testing.TB, r *Reader, block int) (_ [][]byte, needs Features) {
	t.Helper()
	ids := fieldIDs(r.Schema())
	pages, err := r.Pages(t.Context(), block, ids)
	if err != nil {
		t.Fatal(err)
	}
	dictionaries := storedDictionaries(t, r)
	for i, page := range pages {
		told, err := r.Stored(t.Context(), ids[i], block)
		if err != nil {
			t.Fatal(err)
		}
		if told.Bytes != int64(len(page)) || told.Dictionary != int64(len(dictionaries[i])) || !arrow.TypeEqual(told.Type, r.Schema().Fields[i].Type) || told.Needs == 0 {
			t.Errorf("field %d: told %+v of a page of %d bytes of %s, dictionary of %d", ids[i], told, len(page), r.Schema().Fields[i].Type, len(dictionaries[i]))
		}
		needs |= told.Needs
	}
	return pages, needs
}

// storedDictionaries returns the dictionaries of all columns as they are stored.
func storedDictionaries(t testing.TB, r *Reader) [][]byte {
	t.Helper()
	stored, err := r.Dictionaries(t.Context(), fieldIDs(r.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// dirty is an allocator whose memory was used before.
type dirty struct{ *memory.GoAllocator }

func (d dirty) Allocate(size int) []byte {
	b := d.GoAllocator.Allocate(size)
	for i := range b {
		b[i] = 0xa5
	}
	return b
}

// TestDecodePages holds pages that are decoded elsewhere against the reader's
// own word, for all types, in all profiles.
func TestDecodePages(t *testing.T) {
	s := allTypes(t)
	for _, profile := range []Profile{ProfileDefault, ProfileFast, ProfileCompact} {
		for _, nulls := range []bool{false, true} {
			for _, rows := range []int{1, 3000} {
				batch := batchOf(s, uint64(rows), rows, nulls)
				file, _ := write(t, s, Options{Profile: profile}, batch)
				r := open(t, file)
				pages, needs := storedPages(t, r, 0)
				if needs&^PageAbilities != 0 {
					t.Errorf("pages need %#x; PageAbilities is %#x", needs, PageAbilities)
				}
				got, err := DecodePages(dirty{memory.NewGoAllocator()}, s.Arrow(), rows, pages, nil, 1<<30)
				if err != nil {
					t.Fatal(err)
				}
				want, err := r.ReadBlock(t.Context(), memory.DefaultAllocator, 0, fieldIDs(s))
				if err != nil {
					t.Fatal(err)
				}
				for i := range want {
					if !identical(got.Column(i), want[i]) {
						t.Errorf("%v, nulls %v, %d rows: column %s\n got %v\nwant %v", profile, nulls, rows, got.ColumnName(i), got.Column(i), want[i])
					}
				}
			}
		}
	}
}

// TestDecodePagesRefuses: pages may come from anywhere.
func TestDecodePagesRefuses(t *testing.T) {
	s := smallSchema(t)
	file, _ := write(t, s, Options{}, batchOf(s, 2, 300, true))
	whole, _ := storedPages(t, open(t, file), 0)
	narrow := arrow.NewSchema(s.Arrow().Fields()[1:], nil)
	strict := arrow.NewSchema(notNull(s.Arrow().Fields()), nil)
	cut := append([][]byte{}, whole...)
	cut[len(cut)-1] = cut[len(cut)-1][:20]
	tests := []struct {
		name   string
		schema *arrow.Schema
		rows   int
		pages  [][]byte
		budget int64
		want   error
	}{
		{"too few columns", narrow, 300, whole, 1 << 20, ErrCorrupt},
		{"other types", narrow, 300, whole[:len(whole)-1], 1 << 20, ErrCorrupt},
		{"too few rows", s.Arrow(), 299, whole, 1 << 20, ErrCorrupt},
		{"negative rows", s.Arrow(), -1, whole, 1 << 20, ErrCorrupt},
		{"too many rows", s.Arrow(), BlockRows + 1, whole, 1 << 20, ErrCorrupt},
		{"nulls", strict, 300, whole, 1 << 20, ErrCorrupt},
		{"a page that is cut", s.Arrow(), 300, cut, 1 << 20, ErrCorrupt},
		{"a small budget", s.Arrow(), 300, whole, 1 << 10, ErrTooLarge},
	}
	for _, test := range tests {
		_, err := DecodePages(memory.DefaultAllocator, test.schema, test.rows, test.pages, nil, test.budget)
		if !errors.Is(err, test.want) || errors.Is(err, ErrCorrupt) && errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: got %v; want %v", test.name, err, test.want)
		}
	}
}

func notNull(fields []arrow.Field) []arrow.Field {
	for i := range fields {
		fields[i].Nullable = false
	}
	return fields
}

// TestDecodePagesOfDictionaries holds pages that share dictionaries, and are
// decoded elsewhere, against the reader's own word.
func TestDecodePagesOfDictionaries(t *testing.T) {
	for _, c := range dictionaryCases {
		s := textSchema(arrow.BinaryTypes.String)
		file, _ := write(t, s, Options{}, c.column.batch(s, c.rows))
		r := open(t, file)
		stored := storedDictionaries(t, r)
		if (len(stored[0]) > 0) != (c.values > 0) {
			t.Errorf("%s: a dictionary of %d bytes; want %d values", c.name, len(stored[0]), c.values)
		}
		shared, err := OpenDictionaries(s.Arrow(), stored, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		for block := range r.Blocks() {
			pages, needs := storedPages(t, r, block)
			if needs&^PageAbilities != 0 {
				t.Errorf("%s: pages need %#x; PageAbilities is %#x", c.name, needs, PageAbilities)
			}
			got, err := DecodePages(memory.DefaultAllocator, s.Arrow(), r.BlockRows(block), pages, shared, 1<<30)
			if err != nil {
				t.Fatal(err)
			}
			want, err := r.ReadBlock(t.Context(), memory.DefaultAllocator, block, fieldIDs(s))
			if err != nil {
				t.Fatal(err)
			}
			if !identical(got.Column(0), want[0]) {
				t.Errorf("%s, block %d: other rows than the reader's", c.name, block)
			}
		}
	}
}

// TestDictionariesRefused: so may dictionaries, or they may never have come.
func TestDictionariesRefused(t *testing.T) {
	r := open(t, dictionaryFile(t))
	stored := storedDictionaries(t, r)
	s := r.Schema().Arrow()
	words := arrow.NewSchema([]arrow.Field{{Name: "t", Type: arrow.PrimitiveTypes.Int64}}, nil)
	for _, test := range []struct {
		name   string
		schema *arrow.Schema
		stored [][]byte
		budget int64
		want   error
	}{
		{"too many", s, append(stored, nil), 1 << 20, ErrCorrupt},
		{"of numbers", words, stored, 1 << 20, ErrCorrupt},
		{"cut", s, [][]byte{stored[0][:len(stored[0])-1]}, 1 << 20, ErrCorrupt},
		{"no page", s, [][]byte{stored[0][:8]}, 1 << 20, ErrCorrupt},
		{"a small budget", s, stored, 1 << 10, ErrTooLarge},
	} {
		d, err := OpenDictionaries(test.schema, test.stored, test.budget)
		if d != nil || !errors.Is(err, test.want) || errors.Is(err, ErrCorrupt) && errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: got %v, %v; want %v", test.name, d, err, test.want)
		}
	}
	pages, _ := storedPages(t, r, 0)
	whole, err := OpenDictionaries(s, stored, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	none, err := OpenDictionaries(s, [][]byte{nil}, 0)
	if err != nil {
		t.Fatal(err)
	}
	least := int64(BlockRows * (4 + len("value 0 of the column's dictionary")))
	for _, test := range []struct {
		name   string
		shared *Dictionaries
		budget int64
		want   error
	}{
		{"dictionaries never came", nil, 1 << 30, ErrCorrupt},
		{"the column has none", none, 1 << 30, ErrCorrupt},
		{"values beyond the budget", whole, least, ErrTooLarge},
	} {
		if _, err := DecodePages(memory.DefaultAllocator, s, BlockRows, pages, test.shared, test.budget); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v; want %v", test.name, err, test.want)
		}
	}
}

// TestDictionariesDamaged: no damaged dictionary leaves.
func TestDictionariesDamaged(t *testing.T) {
	file := dictionaryFile(t)
	r := open(t, file)
	metas, err := r.load(t.Context(), []int{0})
	if err != nil {
		t.Fatal(err)
	}
	s, _ := metas[0].dictionarySpan()
	file[s.off+20] ^= 1
	if got, err := r.Dictionaries(t.Context(), []int32{1}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %d, %v; want ErrCorrupt", len(got), err)
	}
	if got, err := r.Dictionaries(t.Context(), []int32{9}); err == nil {
		t.Errorf("a field that is not there: got %d dictionaries", len(got))
	}
}

// TestStoredUnknown: fields and blocks that are not there are errors.
func TestStoredUnknown(t *testing.T) {
	s := smallSchema(t)
	file, _ := write(t, s, Options{}, batchOf(s, 2, 300, true))
	r := open(t, file)
	for _, at := range []struct {
		field int32
		block int
	}{{99, 0}, {s.Fields[0].ID, 1}, {s.Fields[0].ID, -1}} {
		if _, err := r.Stored(t.Context(), at.field, at.block); err == nil {
			t.Errorf("field %d, block %d: no error", at.field, at.block)
		}
	}
}

// FuzzDecodePages: damaged pages give an error or rows, never a panic, and no
// more memory than the budget.
func FuzzDecodePages(f *testing.F) {
	s := smallSchema(f)
	for seed := range uint64(moods) {
		file, _ := write(f, s, Options{}, batchIn(s, seed, 300, true, moods))
		r, err := Open(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			f.Fatal(err)
		}
		pages, _ := storedPages(f, r, 0)
		for i, p := range pages {
			f.Add(p, []byte{}, uint16(300), uint8(i))
		}
	}
	shared := open(f, dictionaryFile(f))
	pages, _ := storedPages(f, shared, 1)
	dictionary := storedDictionaries(f, shared)[0]
	text := slices.IndexFunc(s.Fields, func(f schema.Field) bool { return isText(f.Type) })
	f.Add(pages[0], dictionary, uint16(500), uint8(text))
	f.Add(pages[0], []byte{}, uint16(500), uint8(text))
	f.Add(pages[0], dictionary[:len(dictionary)-1], uint16(500), uint8(text))
	f.Fuzz(func(t *testing.T, page, dictionary []byte, rows uint16, column uint8) {
		one := arrow.NewSchema([]arrow.Field{s.Arrow().Field(int(column) % len(s.Fields))}, nil)
		shared, err := OpenDictionaries(one, [][]byte{dictionary}, fuzzBudget)
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTooLarge) {
			t.Errorf("error %v of the dictionary is of neither kind", err)
		}
		batch, err := DecodePages(memory.DefaultAllocator, one, int(rows), [][]byte{page}, shared, fuzzBudget)
		if err == nil && batch.NumRows() != int64(rows) {
			t.Errorf("%d rows; want %d", batch.NumRows(), rows)
		}
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, codec.ErrTooLarge) {
			t.Errorf("error %v is of neither kind", err)
		}
	})
}
