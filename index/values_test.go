package index

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"math/rand/v2"
)

// segment is a Source of columns in memory, with the indexes that they have.
type segment struct {
	rows   int
	cols   map[int32]arrow.Array
	values map[int32]*Values
	more   map[int32][]func(*Pred) (Probe, error)
}

func (s *segment) Has(field int32) bool { return s.cols[field] != nil }
func (s *segment) BlockRows(b int) int  { return min(BlockRows, s.rows-b*BlockRows) }
func (s *segment) blocks() int          { return (s.rows + BlockRows - 1) / BlockRows }

func (s *segment) block(field int32, b int) arrow.Array {
	return array.NewSlice(s.cols[field], int64(b)*BlockRows, int64(b)*BlockRows+int64(s.BlockRows(b)))
}

func (s *segment) Zone(field int32, b int) (Zone, error) { return ZoneOf(s.block(field, b)), nil }

func (s *segment) Probes(_ context.Context, leaf *Pred) ([]Probe, error) {
	var out []Probe
	ask := slices.Clone(s.more[leaf.Field])
	if v := s.values[leaf.Field]; v != nil {
		ask = append(ask, v.Probe)
	}
	for _, f := range ask {
		p, err := f(leaf)
		if err != nil {
			return nil, err
		}
		if p != nil {
			out = append(out, p)
		}
	}
	return out, nil
}

// buildValues indexes a column; room is that of the listed rows.
func buildValues(t testing.TB, s *segment, field int32, room int64) []byte {
	t.Helper()
	v := NewValuesBuilder(s.cols[field].DataType())
	scratch := new(Scratch)
	for b := range s.blocks() {
		v.Add(scratch, s.block(field, b), room)
	}
	section, err := v.Finish(1 << 30)
	if err != nil {
		t.Fatal(err)
	}
	return section
}

// skewed returns n values below distinct, small ones more often, in runs if
// they are clustered, one in ten null if nulls.
func skewed(r *rand.Rand, n, distinct int, clustered, nulls bool) arrow.Array {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	for b.Len() < n {
		v, run := int64(r.IntN(1+r.IntN(1+r.IntN(distinct)))), 1
		if clustered {
			run = 1 + r.IntN(3000)
		}
		null := nulls && r.IntN(10) == 0
		for range min(run, n-b.Len()) {
			if null {
				b.AppendNull()
			} else {
				b.Append(v - int64(distinct)/3)
			}
		}
	}
	return b.NewArray()
}

func key(v int64) []byte { return IntKey(nil, v) }

func TestValuesCount(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, distinct := range []int{1, 2, 40, 3000} {
		s := &segment{rows: BlockRows + 1234}
		s.cols = map[int32]arrow.Array{1: skewed(r, s.rows, distinct, distinct == 40, distinct%2 == 0)}
		col := s.cols[1].(*array.Int64)
		v, err := ParseValues(buildValues(t, s, 1, 20_000), int64(s.rows), int64(col.NullN()), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Check(); err != nil {
			t.Fatal(err)
		}
		want, order := map[string]int64{}, []string{}
		for i := range col.Len() {
			k := "null"
			if col.IsValid(i) {
				k = string(key(col.Value(i)))
			}
			if want[k]++; want[k] == 1 {
				order = append(order, k)
			}
		}
		got := 0
		err = v.Each(func(i int, k []byte) {
			got++
			if v.Count(i) != want[string(k)] {
				t.Errorf("value %x: %d rows; want %d", k, v.Count(i), want[string(k)])
			}
			if order[v.Rank(i)] != string(k) {
				t.Errorf("value %x has rank %d, which is that of %x", k, v.Rank(i), order[v.Rank(i)])
			}
		})
		if err != nil || got != len(order)-min(1, col.NullN()) {
			t.Errorf("%d distinct: %d values, %v; want %d with null", distinct, got, err, len(order))
		}
		if col.NullN() > 0 && order[v.Rank(v.Len())] != "null" {
			t.Errorf("null has rank %d", v.Rank(v.Len()))
		}
	}
}

func TestValuesGiveUp(t *testing.T) {
	ints := func(n int, f func(i int) int64) arrow.Array {
		b := array.NewInt64Builder(memory.DefaultAllocator)
		for i := range n {
			b.Append(f(i))
		}
		return b.NewArray()
	}
	unique := &segment{rows: 10_000, cols: map[int32]arrow.Array{1: ints(10_000, func(i int) int64 { return int64(i) })}}
	if b := buildValues(t, unique, 1, 1<<20); b != nil {
		t.Errorf("a column of unique values has a directory of %d bytes", len(b))
	}
	n := 2 * BlockRows
	many := &segment{rows: n, cols: map[int32]arrow.Array{1: ints(n, func(i int) int64 { return int64(max(0, i-20_000)) })}}
	if b := buildValues(t, many, 1, 1<<20); b != nil {
		t.Errorf("a column of more than %d values has a directory of %d bytes", MaxValues, len(b))
	}
}

// TestListedRowsKeepToTheirRoom also checks that the rarest are listed.
func TestListedRowsKeepToTheirRoom(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	s := &segment{rows: 3*BlockRows + 77}
	s.cols = map[int32]arrow.Array{1: skewed(r, s.rows, 5000, false, false)}
	for _, room := range []int64{0, 500, 30_000, 200_000} {
		v, err := ParseValues(buildValues(t, s, 1, room), int64(s.rows), 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		listed, size := v.Listed()
		if int64(size) > room {
			t.Errorf("room %d: listed rows take %d bytes", room, size)
		}
		if room >= 30_000 && listed < 20 {
			t.Errorf("room %d: %d values are listed", room, listed)
		}
	}
}

// TestRoaringReadsWhatIsStored holds our reading of bitmaps against the
// library's.
func TestRoaringReadsWhatIsStored(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	for round := range 60 {
		b, blocks := roaring.New(), 1+r.IntN(6)
		for range r.IntN(40) {
			from := uint64(r.IntN(blocks * BlockRows))
			if round%3 == 0 {
				b.AddRange(from, from+uint64(r.IntN(9000)))
			} else {
				b.Add(uint32(from))
			}
		}
		if round%4 == 1 {
			for range 9000 {
				b.Add(uint32(r.IntN(BlockRows)))
			}
		}
		if round%2 == 0 {
			b.RunOptimize()
		}
		stored, err := b.ToBytes()
		if err != nil {
			t.Fatal(err)
		}
		sameRows(t, b, stored, blocks+1)
	}
}

func sameRows(t *testing.T, want *roaring.Bitmap, stored []byte, blocks int) {
	t.Helper()
	if n, err := checkRows(stored, int64(blocks)*BlockRows); err != nil || n != int64(want.GetCardinality()) {
		t.Fatalf("%d rows, %v; want %d", n, err, want.GetCardinality())
	}
	for block := range blocks {
		var m Mask
		if _, err := addRows(stored, block, &m); err != nil {
			t.Fatal(err)
		}
		for i := range BlockRows {
			if m.Has(i) != want.Contains(uint32(block*BlockRows+i)) {
				t.Fatalf("block %d row %d: got %v", block, i, m.Has(i))
			}
		}
	}
}

// rowTruth is a predicate's three-valued result for one row.
func rowTruth(p *Pred, s *segment, row int) outcomes {
	switch p.Op {
	case Unknown:
		return anything
	case Not:
		return negate(rowTruth(p.Args[0], s, row))
	case And:
		out := canTrue
		for _, a := range p.Args {
			out = both(out, rowTruth(a, s, row))
		}
		return out
	case Or:
		out := canTrue
		for _, a := range p.Args {
			out = both(out, negate(rowTruth(a, s, row)))
		}
		return negate(out)
	}
	col := s.cols[p.Field]
	null := col == nil || col.IsNull(row)
	switch {
	case p.Op == IsNull && null:
		return canTrue
	case p.Op == IsNull:
		return canFalse
	case null:
		return canNull
	}
	if leafTrue(p, AppendKey(nil, col, row)) {
		return canTrue
	}
	return canFalse
}

func leafTrue(p *Pred, k []byte) bool {
	if p.Op == In {
		return slices.ContainsFunc(p.Keys, func(x []byte) bool { return bytes.Equal(x, k) })
	}
	switch c := bytes.Compare(k, p.Keys[0]); p.Op {
	case Eq:
		return c == 0
	case Ne:
		return c != 0
	case Lt:
		return c < 0
	case Le:
		return c <= 0
	case Gt:
		return c > 0
	case Ge:
		return c >= 0
	}
	panic("no such leaf")
}

func randomPred(r *rand.Rand, depth int, fields []int32, literal func(field int32) []byte) *Pred {
	if depth > 0 && r.IntN(3) > 0 {
		op := []PredOp{And, Or, Not}[r.IntN(3)]
		n := 1
		if op != Not {
			n = r.IntN(4)
		}
		p := &Pred{Op: op}
		for range n {
			p.Args = append(p.Args, randomPred(r, depth-1, fields, literal))
		}
		return p
	}
	p := &Pred{Op: []PredOp{Eq, Eq, Eq, In, In, Ne, Lt, Le, Gt, Ge, IsNull, Unknown}[r.IntN(12)], Field: fields[r.IntN(len(fields))]}
	n := 1
	switch p.Op {
	case In:
		n = r.IntN(5)
	case IsNull, Unknown:
		n = 0
	}
	for range n {
		p.Keys = append(p.Keys, literal(p.Field))
	}
	return p
}

// checkFound holds what is found of p against every row.
func checkFound(t *testing.T, p *Pred, s *segment, tally *[5]int) {
	t.Helper()
	rows, err := FindRows(context.Background(), p, s)
	if err != nil {
		t.Fatal(err)
	}
	for b := range s.blocks() {
		m := new(Mask)
		found, err := rows.Block(b, m)
		if err != nil {
			t.Fatal(err)
		}
		tally[found]++
		for i := range s.BlockRows(b) {
			got := rowTruth(p, s, b*BlockRows+i)
			bad := false
			switch found {
			case NoRow:
				bad = got&canTrue != 0
			case EveryRow:
				bad = got != canTrue
			case Candidates:
				bad = got&canTrue != 0 && !m.Has(i)
			case TheseRows:
				bad = m.Has(i) && got != canTrue || !m.Has(i) && got&canTrue != 0
			}
			if bad {
				t.Fatalf("%s: block %d row %d is %03b, found %d, in mask %v", text(p), b, i, got, found, m.Has(i))
			}
		}
		if found >= Candidates && s.BlockRows(b) < BlockRows && m.Has(BlockRows-1) {
			t.Fatalf("%s: rows past the last of block %d", text(p), b)
		}
	}
}

func text(p *Pred) string {
	out := fmt.Sprintf("(%d f%d %x", p.Op, p.Field, p.Keys)
	for _, a := range p.Args {
		out += " " + text(a)
	}
	return out + ")"
}

// TestFindRows compares random predicates over random columns with every row.
func TestFindRows(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	var tally [5]int
	for round := range 8 {
		s := &segment{rows: 1 + r.IntN(3*BlockRows), cols: map[int32]arrow.Array{}, values: map[int32]*Values{}}
		if round%4 == 0 {
			s.rows = (1 + r.IntN(2)) * BlockRows
		}
		for f := int32(1); f <= 3; f++ {
			col := skewed(r, s.rows, []int{1 + r.IntN(400), 3000}[r.IntN(2)], f == 2, round%2 == 0 && f != 3)
			s.cols[f] = col
			b := buildValues(t, s, f, []int64{0, 10_000, 1 << 30}[r.IntN(3)])
			v, err := ParseValues(b, int64(s.rows), int64(col.NullN()), nil)
			if err != nil {
				t.Fatal(err)
			}
			s.values[f] = v
		}
		literal := func(int32) []byte { return key(int64(r.IntN(1+r.IntN(420)) - []int{133, 1000}[r.IntN(2)])) }
		for range 15 {
			checkFound(t, randomPred(r, 3, []int32{1, 2, 3, 4}, literal), s, &tally)
		}
	}
	for found, n := range tally {
		if n == 0 {
			t.Errorf("found %d never came up", found)
		}
	}
}

// FuzzValues reads changed directories: what can be read can be asked.
func FuzzValues(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 1))
	const rows = BlockRows + 200
	for _, distinct := range []int{1, 3, 60} {
		s := &segment{rows: rows}
		s.cols = map[int32]arrow.Array{1: skewed(r, rows, distinct, distinct > 3, distinct == 3)}
		f.Add(buildValues(f, s, 1, 4000), int64(s.cols[1].NullN()))
	}
	f.Fuzz(func(t *testing.T, b []byte, nulls int64) {
		v, err := ParseValues(b, rows, nulls, nil)
		if err != nil || v == nil {
			return
		}
		sound := v.Check() == nil
		var keys [][]byte
		_ = v.Each(func(_ int, k []byte) {
			if len(keys) < 8 {
				keys = append(keys, bytes.Clone(k))
			}
		})
		keys = append(keys, binary.BigEndian.AppendUint64(nil, 7))
		for _, op := range []PredOp{Eq, Ne, Lt, Ge, IsNull} {
			for _, k := range keys {
				p, err := v.Probe(&Pred{Op: op, Keys: [][]byte{k}})
				if err != nil {
					if sound {
						t.Fatal(err)
					}
					continue
				}
				var m Mask
				for block := range 2 {
					if _, err := p.Block(block, &m); err != nil && sound {
						t.Fatal(err)
					}
				}
			}
		}
	})
}

// TestZoneOfValues: what the builder knows of a block is the zone of its rows,
// and keys that begin and end alike are told apart.
func TestZoneOfValues(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 31))
	texts := func(values ...string) arrow.Array {
		b := array.NewStringBuilder(memory.DefaultAllocator)
		for range 5000 {
			if i := r.IntN(len(values) + 1); i < len(values) {
				b.Append(values[i])
			} else {
				b.AppendNull()
			}
		}
		return b.NewArray()
	}
	prices := array.NewDecimal128Builder(memory.DefaultAllocator, &arrow.Decimal128Type{Precision: 20, Scale: 2})
	floats := array.NewFloat64Builder(memory.DefaultAllocator)
	for range 5000 {
		prices.Append(decimal128.FromI64(r.Int64N(50) - 25))
		floats.Append([]float64{0, math.Copysign(0, -1), -1.5, math.Inf(1), math.NaN()}[r.IntN(5)])
	}
	long := strings.Repeat("x", 70)
	columns := []arrow.Array{
		texts(""), texts("", "\x00", "\x00\x00", "\x00\x00\x00\x00"), texts("a", "aa", "aaa", "aba", "aaaa", "aaaaa", "aaabaaa", "aaaaaaa"),
		texts("delivered in person", "delivered by a person", "delivered in prison", "delivered 1n person"), texts("abcdefgh", "abcdefgi", "bbcdefgh", "abcdefghabcdefgh"),
		texts(long+"a", long+"b", "x"), texts(), prices.NewArray(), floats.NewArray(), skewed(r, 5000, 9, true, true), skewed(r, 5000, 4000, false, false),
	}
	for i, col := range columns {
		v := NewValuesBuilder(col.DataType())
		scratch := new(Scratch)
		for _, block := range []arrow.Array{col, array.NewSlice(col, 1000, 1400), array.NewSlice(col, 7, 7+BlockRows/100)} {
			if !v.Add(scratch, block, 1<<20) {
				t.Fatalf("column %d: given up", i)
			}
			if got, want := fmt.Sprintf("%+v", v.Zone(block)), fmt.Sprintf("%+v", ZoneOf(block)); got != want {
				t.Errorf("column %d, %d rows: got %s; want %s", i, block.Len(), got, want)
			}
			for row, code := range scratch.codes[:block.Len()] {
				if block.IsNull(row) != (int(code) == v.coder.null) || block.IsValid(row) && v.coder.keys != nil && string(v.coder.keys[code]) != string(keyAt(nil, block, row)) {
					t.Fatalf("column %d: row %d has code %d", i, row, code)
				}
			}
		}
	}
}
