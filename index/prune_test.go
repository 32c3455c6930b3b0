package index

import (
	"bytes"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"
)

func zone(rows, nulls int64, lo, hi string) Zone {
	z := Zone{Rows: rows, Nulls: nulls}
	if lo != "" {
		z.Min, z.MinExact = []byte(lo), true
	}
	if hi != "" {
		z.Max, z.MaxExact = []byte(hi), true
	}
	return z
}

func leafOf(op PredOp, keys ...string) *Pred {
	p := &Pred{Op: op, Field: 1}
	for _, k := range keys {
		p.Keys = append(p.Keys, []byte(k))
	}
	return p
}

func not(p *Pred) *Pred       { return &Pred{Op: Not, Args: []*Pred{p}} }
func and(ps ...*Pred) *Pred   { return &Pred{Op: And, Args: ps} }
func or(ps ...*Pred) *Pred    { return &Pred{Op: Or, Args: ps} }
func inexact(z Zone) Zone     { z.MinExact, z.MaxExact = false, false; return z }
func only(op PredOp) *Pred    { return &Pred{Op: op} }
func (v Verdict) str() string { return [...]string{"some", "none", "all"}[v] }

func TestPrune(t *testing.T) {
	full, withNulls, nulls := zone(10, 0, "c", "m"), zone(10, 4, "c", "m"), zone(10, 10, "", "")
	tests := []struct {
		name string
		p    *Pred
		z    Zone
		want Verdict
	}{
		{"no filter", nil, full, All},
		{"eq inside", leafOf(Eq, "d"), full, Some},
		{"eq outside", leafOf(Eq, "x"), full, None},
		{"not eq outside", not(leafOf(Eq, "x")), full, All},
		{"ne outside", leafOf(Ne, "x"), full, All},
		{"ne outside, nulls", leafOf(Ne, "x"), withNulls, Some},
		{"eq of a constant", leafOf(Eq, "c"), zone(3, 0, "c", "c"), All},
		{"eq of a constant, nulls", leafOf(Eq, "c"), zone(3, 1, "c", "c"), Some},
		{"ne of a constant", leafOf(Ne, "c"), zone(3, 1, "c", "c"), None},
		{"eq of a cut constant", leafOf(Eq, "c"), inexact(zone(3, 0, "c", "c")), Some},
		{"lt all", leafOf(Lt, "n"), full, All},
		{"lt at max", leafOf(Lt, "m"), full, Some},
		{"le at max", leafOf(Le, "m"), full, All},
		{"lt at min", leafOf(Lt, "c"), full, None},
		{"le at min", leafOf(Le, "c"), full, Some},
		{"gt at max", leafOf(Gt, "m"), full, None},
		{"ge at min", leafOf(Ge, "c"), full, All},
		{"not lt at min", not(leafOf(Lt, "c")), full, All},
		{"not lt at min, nulls", not(leafOf(Lt, "c")), withNulls, Some},
		{"compare all nulls", leafOf(Ge, "c"), nulls, None},
		{"not compare all nulls", not(leafOf(Ge, "c")), nulls, None},
		{"is null of nulls", leafOf(IsNull), nulls, All},
		{"is not null of nulls", not(leafOf(IsNull)), nulls, None},
		{"is null of none", leafOf(IsNull), full, None},
		{"is not null of none", not(leafOf(IsNull)), full, All},
		{"in nothing", leafOf(In), full, None},
		{"not in nothing", not(leafOf(In)), full, All},
		{"in, one inside", leafOf(In, "a", "d"), full, Some},
		{"in, all outside", leafOf(In, "a", "x"), full, None},
		{"in with null, nothing else", or(leafOf(In, "x"), only(NullRow)), full, None},
		{"not in with null", not(or(leafOf(In, "x"), only(NullRow))), full, None},
		{"and of some and none", and(leafOf(Eq, "d"), leafOf(Eq, "x")), full, None},
		{"or of some and all", or(leafOf(Eq, "d"), leafOf(Ge, "c")), full, All},
		{"unknown and none", and(only(Unknown), leafOf(Eq, "x")), full, None},
		{"unknown or all", or(only(Unknown), leafOf(Ge, "c")), full, All},
		{"not unknown", not(only(Unknown)), full, Some},
		{"no bounds", leafOf(Eq, "x"), zone(3, 0, "", ""), Some},
		{"cut bound is reached", leafOf(Eq, "m"), inexact(full), Some},
		{"no rows", leafOf(Eq, "d"), Zone{}, None},
	}
	for _, test := range tests {
		got := Prune(test.p, func(int32) (Zone, bool) { return test.z, true })
		if got != test.want {
			t.Errorf("%s: got %s; want %s", test.name, got.str(), test.want.str())
		}
	}
	for p, want := range map[*Pred]Verdict{leafOf(Eq, "d"): Some, leafOf(In): None, not(leafOf(In)): Some} {
		if got := Prune(p, func(int32) (Zone, bool) { return Zone{}, false }); got != want {
			t.Errorf("predicate %d, zone not known: got %s; want %s", p.Op, got.str(), want.str())
		}
	}
}

// TestPruneAgreesWithRows draws rows and predicates and holds the verdict
// against what each row says.
func TestPruneAgreesWithRows(t *testing.T) {
	text := rapid.OneOf(
		rapid.StringMatching(`[a-d]{0,2}`),
		rapid.Map(rapid.StringMatching(`[a-c]?`), func(s string) string { // longer than a bound is kept
			return string(bytes.Repeat([]byte("b"), MaxBoundBytes)) + s
		}),
		rapid.Just(string(bytes.Repeat([]byte{0xff}, MaxBoundBytes+1))),
	)
	row := rapid.Custom(func(t *rapid.T) [2]*string {
		return [2]*string{rapid.Ptr(text, true).Draw(t, "a"), rapid.Ptr(text, true).Draw(t, "b")}
	})
	rapid.Check(t, func(t *rapid.T) {
		p := drawPred(t, text, 3)
		rows := rapid.SliceOfN(row, 1, 6).Draw(t, "rows")
		half := rapid.IntRange(0, len(rows)).Draw(t, "half")
		verdict := Prune(p, func(f int32) (Zone, bool) {
			return columnZone(rows[:half], f).Merge(columnZone(rows[half:], f)), true
		})
		kept := 0
		for _, r := range rows {
			if evaluate(p, r) == canTrue {
				kept++
			}
		}
		if verdict == None && kept > 0 || verdict == All && kept < len(rows) {
			t.Fatalf("got %s where %d of %d rows match", verdict.str(), kept, len(rows))
		}
	})
}

func columnZone(rows [][2]*string, field int32) Zone {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	for _, r := range rows {
		if v := r[field]; v != nil {
			b.Append(*v)
		} else {
			b.AppendNull()
		}
	}
	arr := b.NewArray()
	if arr.DataType().ID() != arrow.STRING {
		panic("BUG: not a string array")
	}
	return ZoneOf(arr)
}

func drawPred(t *rapid.T, text *rapid.Generator[string], depth int) *Pred {
	ops := []PredOp{Unknown, Never, Always, NullRow, Eq, Ne, Lt, Le, Gt, Ge, In, IsNull}
	if depth > 0 {
		ops = append(ops, And, Or, Not, And, Or, Not)
	}
	p := &Pred{Op: rapid.SampledFrom(ops).Draw(t, "op"), Field: rapid.Int32Range(0, 1).Draw(t, "field")}
	keys, args := 0, 0
	switch p.Op {
	case Eq, Ne, Lt, Le, Gt, Ge:
		keys = 1
	case In:
		keys = rapid.IntRange(0, 3).Draw(t, "keys")
	case Not:
		args = 1
	case And, Or:
		args = rapid.IntRange(0, 3).Draw(t, "args")
	}
	for range keys {
		p.Keys = append(p.Keys, []byte(text.Draw(t, "key")))
	}
	for range args {
		p.Args = append(p.Args, drawPred(t, text, depth-1))
	}
	return p
}

// evaluate is the predicate over one row; Unknown counts as true, which any
// verdict but None must allow.
func evaluate(p *Pred, row [2]*string) outcomes {
	switch p.Op {
	case Unknown, Always:
		return canTrue
	case Never:
		return canFalse
	case NullRow:
		return canNull
	case Not:
		return negate(evaluate(p.Args[0], row))
	case And:
		out := canTrue
		for _, a := range p.Args {
			out = and3(out, evaluate(a, row))
		}
		return out
	case Or:
		out := canTrue
		for _, a := range p.Args {
			out = and3(out, negate(evaluate(a, row)))
		}
		return negate(out)
	}
	v := row[p.Field]
	if p.Op == IsNull {
		return truth(v == nil)
	}
	if v == nil {
		return canNull
	}
	return truth(matches(p, *v))
}

func and3(a, b outcomes) outcomes {
	switch {
	case a == canFalse || b == canFalse:
		return canFalse
	case a == canNull || b == canNull:
		return canNull
	}
	return canTrue
}

func truth(b bool) outcomes {
	if b {
		return canTrue
	}
	return canFalse
}

func matches(p *Pred, v string) bool {
	if p.Op == In {
		for _, k := range p.Keys {
			if string(k) == v {
				return true
			}
		}
		return false
	}
	k := string(p.Keys[0])
	return map[PredOp]bool{Eq: v == k, Ne: v != k, Lt: v < k, Le: v <= k, Gt: v > k, Ge: v >= k}[p.Op]
}
