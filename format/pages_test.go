package format

import (
	"bytes"
	"errors"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/format/codec"
)

// storedPages returns the pages of a block as a scan gets them.
func storedPages(t testing.TB, r *Reader, block int) (pages [][]byte, needs Features) {
	t.Helper()
	ids := fieldIDs(r.Schema())
	columns, err := r.ReadColumns(t.Context(), block, ids)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range columns {
		told, err := r.Stored(t.Context(), ids[i], block)
		if err != nil {
			t.Fatal(err)
		}
		if told.Bytes != int64(len(c.Page())) || !arrow.TypeEqual(told.Type, c.Type()) || told.Needs == 0 {
			t.Errorf("field %d: told %+v of a page of %d bytes of %s", ids[i], told, len(c.Page()), c.Type())
		}
		pages, needs = append(pages, c.Page()), needs|told.Needs
	}
	return pages, needs
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
				if needs&^AlonePages != 0 {
					t.Errorf("pages need %#x; AlonePages is %#x", needs, AlonePages)
				}
				got, err := DecodePages(dirty{memory.NewGoAllocator()}, s.Arrow(), rows, pages, 1<<30)
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
		_, err := DecodePages(memory.DefaultAllocator, test.schema, test.rows, test.pages, test.budget)
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
			f.Add(p, uint16(300), uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, page []byte, rows uint16, column uint8) {
		field := s.Arrow().Field(int(column) % len(s.Fields))
		batch, err := DecodePages(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{field}, nil), int(rows), [][]byte{page}, fuzzBudget)
		if err == nil && batch.NumRows() != int64(rows) {
			t.Errorf("%d rows; want %d", batch.NumRows(), rows)
		}
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, codec.ErrTooLarge) {
			t.Errorf("error %v is of neither kind", err)
		}
	})
}
