package format

import (
	"bytes"
	"context"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/schema"
)

// fuzzBudget keeps fuzzing fast; the limits themselves have tests.
const fuzzBudget = 1 << 24

func decodeBounded(t arrow.DataType, rows int, page []byte) (arrow.Array, error) {
	a, _, err := decodePage(memory.DefaultAllocator, page, nil, t, rows, fuzzBudget)
	return a, err
}

func encodePage(t testing.TB, a arrow.Array, profile Profile) []byte {
	t.Helper()
	e := codec.NewEncoder(profile)
	if err := putColumn(e, a); err != nil {
		t.Fatal(err)
	}
	page, _ := e.Page(nil)
	return page
}

// FuzzOpen changes whole files and makes their checksums right again: opening,
// reading, verifying and dumping them may fail but not panic or run away.
func FuzzOpen(f *testing.F) {
	s := smallSchema(f)
	for seed := range uint64(moods) {
		file, _ := write(f, s, Options{}, batchIn(s, seed, 300, true, moods))
		f.Add(file)
	}
	all := allTypes(f)
	file, _ := write(f, all, Options{Profile: ProfileCompact}, batchOf(all, 2, 3, true))
	f.Add(file)
	file, _ = write(f, s, allIndexes(s), batchOf(s, 2, 300, true))
	f.Add(file)
	f.Add(dictionaryFile(f))
	f.Fuzz(func(t *testing.T, file []byte) {
		file = bytes.Clone(file)
		reseal(file)
		_ = Dump(new(bytes.Buffer), bytes.NewReader(file), int64(len(file)))
		r, err := Open(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		r.budget = fuzzBudget
		for b := range min(r.Blocks(), 4) {
			_, _ = r.ReadBlock(context.Background(), memory.DefaultAllocator, b, fieldIDs(r.Schema()))
		}
		_, _ = r.Stats()
		askIndexes(r)
		_ = r.Verify(context.Background())
	})
}

// FuzzPage decodes changed pages. Whatever decodes has to be a sound array
// that can be written and read again.
func FuzzPage(f *testing.F) {
	for i, text := range everyType {
		for m := range mood(moods) {
			a := newRandom(uint64(i), m, i%2 == 0).array(parseType(f, text), 90)
			f.Add(uint8(i), uint16(90), encodePage(f, a, Profile(m%3)))
		}
	}
	f.Fuzz(func(t *testing.T, typ uint8, rows uint16, page []byte) {
		dt := parseType(t, everyType[int(typ)%len(everyType)])
		a, err := decodeBounded(dt, int(rows), page)
		if err != nil {
			return
		}
		if v, ok := a.(interface{ ValidateFull() error }); ok && v.ValidateFull() != nil {
			if _, text := a.(*array.String); !text { // text need not be UTF-8
				t.Fatalf("unsound %s: %v", dt, v.ValidateFull())
			}
		}
		again, _, err := decodePage(memory.DefaultAllocator, encodePage(t, a, ProfileDefault), nil, dt, int(rows), codec.MaxPageValues)
		if err != nil || !identical(a, again) {
			t.Fatalf("%s: written and read again: %v", dt, err)
		}
	})
}

// FuzzRoundTrip writes random rows of every type, whole and sliced.
func FuzzRoundTrip(f *testing.F) {
	for i := range everyType {
		f.Add(uint8(i), uint64(i), uint8(i), uint16(200+i*77), i%2 == 0, uint16(i*3))
		f.Add(uint8(i), uint64(i), uint8(slow)+uint8(i)%4, uint16(2000), i%2 == 0, uint16(i*3))
	}
	f.Fuzz(func(t *testing.T, typ uint8, seed uint64, m uint8, rows uint16, nulls bool, skip uint16) {
		dt := parseType(t, everyType[int(typ)%len(everyType)])
		a := newRandom(seed, mood(m)%moods, nulls).array(dt, int(rows)%5000)
		a = array.NewSlice(a, int64(int(skip)%(a.Len()+1)), int64(a.Len()))
		s := &schema.Schema{ID: 1, Fields: []schema.Field{{ID: 1, Name: "c", Type: dt, Nullable: true}}}
		checkRoundTrip(t, s, Options{Profile: Profile((seed + 0) % 3)}, array.NewRecordBatch(s.Arrow(), []arrow.Array{a}, int64(a.Len())))
	})
}
