package index

import "bytes"

// Pred is a filter bound to fields and keys: what zones can answer. A leaf
// compares one field with keys of that field's type; anything that zones know
// nothing about is an Unknown leaf. Null operands make unknown results, as in
// SQL.
type Pred struct {
	Op    PredOp
	Field int32    // of a leaf
	Keys  [][]byte // Eq…Ge, HasToken: exactly one; Within: two; In: any number, none of them null
	Args  []*Pred  // And, Or: any number; Not: one
}

// PredOp says what a Pred does.
type PredOp uint8

// Predicates. These values stay in memory.
const (
	Unknown PredOp = iota // may be anything for any row
	Never                 // false for every row
	Always                // true for every row
	NullRow               // unknown (null) for every row
	Eq
	Ne
	Lt
	Le
	Gt
	Ge
	In
	IsNull
	HasToken // the key, one token, is in the text (see EachToken)
	Within   // at least the first key, less than the second
	And
	Or
	Not
)

// Verdict says how many rows of a zone a filter can keep.
type Verdict uint8

// None and All are certain; Some means that the rows have to be looked at.
const (
	Some Verdict = iota
	None         // no row makes the predicate true
	All          // every row makes it true
)

// Prune tells what p makes of a run of rows that zone summarises by field id.
// A zone that is not known is reported as false by zone; the zone of a column
// that the rows do not have is one of nulls. A nil p keeps all rows.
func Prune(p *Pred, zone func(field int32) (Zone, bool)) Verdict {
	if p == nil {
		return All
	}
	switch got := outcomesOf(p, zone); {
	case got&canTrue == 0:
		return None
	case got == canTrue:
		return All
	}
	return Some
}

// outcomes is the set of results that a predicate may have over some rows: an
// over-approximation, so that what is not in the set happens for no row.
type outcomes uint8

const (
	canTrue outcomes = 1 << iota
	canFalse
	canNull
	anything = canTrue | canFalse | canNull
)

func outcomesOf(p *Pred, zone func(int32) (Zone, bool)) outcomes {
	switch p.Op {
	case Unknown:
		return anything
	case Never:
		return canFalse
	case Always:
		return canTrue
	case NullRow:
		return canNull
	case Not:
		return negate(outcomesOf(p.Args[0], zone))
	case And:
		all := canTrue
		for _, a := range p.Args {
			all = both(all, outcomesOf(a, zone))
		}
		return all
	case Or: // by De Morgan
		none := canTrue
		for _, a := range p.Args {
			none = both(none, negate(outcomesOf(a, zone)))
		}
		return negate(none)
	}
	z, ok := zone(p.Field)
	switch {
	case ok:
		return leaf(p, z)
	case p.Op == In && len(p.Keys) == 0:
		return canFalse | canNull
	}
	return anything
}

func negate(o outcomes) outcomes {
	n := o & canNull
	if o&canTrue != 0 {
		n |= canFalse
	}
	if o&canFalse != 0 {
		n |= canTrue
	}
	return n
}

// both is a AND b: null where neither is false and one is null.
func both(a, b outcomes) outcomes {
	out := a & b & canTrue
	out |= (a | b) & canFalse
	if a&canNull != 0 && b&(canNull|canTrue) != 0 || b&canNull != 0 && a&(canNull|canTrue) != 0 {
		out |= canNull
	}
	if a == 0 || b == 0 {
		return 0 // no rows, no outcome
	}
	return out
}

func leaf(p *Pred, z Zone) outcomes {
	var out outcomes
	if p.Op == IsNull {
		if z.Nulls > 0 {
			out |= canTrue
		}
		if z.Nulls < z.Rows {
			out |= canFalse
		}
		return out
	}
	if z.Nulls > 0 {
		out |= canNull
	}
	if z.Nulls == z.Rows {
		return out
	}
	return out | compareZone(p, z)
}

// compareZone tells the outcomes among the rows of z that are not null.
func compareZone(p *Pred, z Zone) outcomes {
	switch p.Op {
	case HasToken:
		return canTrue | canFalse
	case Within:
		lo, hi := p.Keys[0], p.Keys[1]
		return split((above(z, lo) || reaches(z, lo)) && below(z, hi), below(z, lo) || above(z, hi) || reaches(z, hi))
	case Eq, In:
		return among(p.Keys, z)
	case Ne:
		return negate(among(p.Keys, z))
	case Lt:
		return split(below(z, p.Keys[0]), above(z, p.Keys[0]) || reaches(z, p.Keys[0]))
	case Ge:
		return split(above(z, p.Keys[0]) || reaches(z, p.Keys[0]), below(z, p.Keys[0]))
	case Gt:
		return split(above(z, p.Keys[0]), below(z, p.Keys[0]) || reaches(z, p.Keys[0]))
	case Le:
		return split(below(z, p.Keys[0]) || reaches(z, p.Keys[0]), above(z, p.Keys[0]))
	}
	panic("BUG: no zone rule for predicate")
}

func split(t, f bool) outcomes {
	var out outcomes
	if t {
		out |= canTrue
	}
	if f {
		out |= canFalse
	}
	return out
}

func among(keys [][]byte, z Zone) outcomes {
	out := canFalse
	for _, k := range keys {
		if !reaches(z, k) {
			continue
		}
		out |= canTrue
		if constant(z) {
			return canTrue
		}
	}
	return out
}

// constant reports whether all values of z that are not null are equal.
func constant(z Zone) bool {
	return z.MinExact && z.MaxExact && z.Min != nil && bytes.Equal(z.Min, z.Max)
}

// below reports whether z may hold a value less than k.
func below(z Zone, k []byte) bool { return z.Min == nil || bytes.Compare(z.Min, k) < 0 }

// above reports whether z may hold a value greater than k.
func above(z Zone, k []byte) bool { return z.Max == nil || bytes.Compare(z.Max, k) > 0 }

// reaches reports whether z may hold the value k. A bound that is not exact is
// taken as one that may be reached: merged zones may say so of real values.
func reaches(z Zone, k []byte) bool {
	return (z.Min == nil || bytes.Compare(z.Min, k) <= 0) && (z.Max == nil || bytes.Compare(k, z.Max) <= 0)
}
