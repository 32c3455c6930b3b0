package index

import (
	"context"
	"slices"
	"sync"
)

// Found says what is known of a filter, or of one leaf of it, in a block.
type Found uint8

// What may be found. These values stay in memory.
const (
	Unsure     Found = iota // any row may pass
	NoRow                   // none does
	EveryRow                // every one does (of a leaf: that is not null)
	Candidates              // only rows of the mask may pass, not all of them need to
	TheseRows               // the rows of the mask pass, and no other
)

// Probe is what one index knows of one leaf of a filter. It is safe for
// concurrent use.
type Probe interface {
	// Block tells for which rows of a block the leaf is true. For Candidates
	// and TheseRows it overwrites m; otherwise what m holds then means nothing.
	Block(block int, m *Mask) (Found, error)
}

// Source is a segment that can be asked: a format.Reader.
type Source interface {
	// Zone returns the zone of a column in a block. The column is there.
	Zone(field int32, block int) (Zone, error)
	// Has reports whether the segment has the column at all.
	Has(field int32) bool
	// Probes returns what the column's indexes know of a leaf: none or more.
	Probes(ctx context.Context, leaf *Pred) ([]Probe, error)
	// BlockRows returns the number of rows of a block.
	BlockRows(block int) int
}

// Rows is what zones and indexes of a segment together know of a filter. It is
// safe for concurrent use.
//
// Each predicate is worked out as three sets of rows: where it may be true,
// where it may be false and where it may be null. All three may hold rows too
// many, never too few; so AND, OR and NOT are plain set operations, and a row
// that is in one of the sets alone is certain.
type Rows struct {
	root   *rowsNode
	source Source
}

// freeMasks are *masks for Block to work with.
var freeMasks = sync.Pool{New: func() any { return new(masks) }}

type rowsNode struct {
	pred   *Pred
	args   []*rowsNode
	probes []Probe
	absent bool // of a leaf: the column is younger than the segment
}

// FindRows asks the indexes of a segment about every leaf of p. It reads what
// it needs of them; the errors are those of source. A nil p passes every row.
func FindRows(ctx context.Context, p *Pred, source Source) (*Rows, error) {
	if p == nil {
		p = &Pred{Op: Always}
	}
	root, err := ask(ctx, p, source)
	if err != nil {
		return nil, err
	}
	return &Rows{root: root, source: source}, nil
}

func ask(ctx context.Context, p *Pred, source Source) (*rowsNode, error) {
	n := &rowsNode{pred: p}
	var err error
	switch p.Op {
	case Unknown, Never, Always, NullRow:
	case And:
		n.args, err = askAll(ctx, withRanges(p.Args), source)
	case Or, Not:
		n.args, err = askAll(ctx, p.Args, source)
	default:
		if n.absent = !source.Has(p.Field); !n.absent {
			n.probes, err = source.Probes(ctx, p)
		}
	}
	return n, err
}

func askAll(ctx context.Context, args []*Pred, source Source) ([]*rowsNode, error) {
	out := make([]*rowsNode, len(args))
	for i, a := range args {
		var err error
		if out[i], err = ask(ctx, a, source); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// withRanges returns the operands of an AND and, for each column that they
// bound from both sides, what that says together: an index knows more of a
// range than of its two sides.
func withRanges(args []*Pred) []*Pred {
	out := slices.Clone(args)
	for _, lower := range args {
		for _, upper := range args {
			if lower.Field == upper.Field && (lower.Op == Ge || lower.Op == Gt) && (upper.Op == Le || upper.Op == Lt) {
				keys := [][]byte{atOrAfter(lower.Keys[0], lower.Op == Gt), atOrAfter(upper.Keys[0], upper.Op == Le)}
				out = append(out, &Pred{Op: Within, Field: lower.Field, Keys: keys})
			}
		}
	}
	return out
}

// atOrAfter returns key, or the least bytes that sort after it.
func atOrAfter(key []byte, after bool) []byte {
	if after {
		return append(slices.Clone(key), 0)
	}
	return key
}

// Indexed reports whether any index had a word to say: if not, Block knows no
// more than the zones do.
func (r *Rows) Indexed() bool { return r.root.indexed() }

func (n *rowsNode) indexed() bool {
	for _, a := range n.args {
		if a.indexed() {
			return true
		}
	}
	return len(n.probes) > 0
}

// Block tells which rows of a block pass. For Candidates and TheseRows it
// overwrites m; otherwise what m holds then means nothing.
func (r *Rows) Block(block int, m *Mask) (Found, error) {
	s := freeMasks.Get().(*masks)
	defer freeMasks.Put(s)
	s.rows, s.used = r.source.BlockRows(block), 0
	got, err := (&blockRows{r.source, block, s}).of(r.root)
	if err != nil {
		return Unsure, err
	}
	doubt := s.union(got.no, got.null)
	switch {
	case got.yes.kind == none:
		return NoRow, nil
	case doubt.kind == none:
		return EveryRow, nil
	case got.yes.kind == all:
		return Unsure, nil
	}
	*m = *got.yes.mask
	if s.intersect(got.yes, doubt).kind == none {
		return TheseRows, nil
	}
	return Candidates, nil
}

// results are the rows of a block for which a predicate may be true, false and
// null.
type results struct{ yes, no, null rowset }

// blockRows works out predicates in one block.
type blockRows struct {
	source Source
	block  int
	*masks
}

func (b *blockRows) of(n *rowsNode) (results, error) {
	switch n.pred.Op {
	case Not:
		r, err := b.of(n.args[0])
		return results{r.no, r.yes, r.null}, err
	case And:
		return b.every(n.args, func(r results) results { return r })
	case Or: // by De Morgan
		r, err := b.every(n.args, func(r results) results { return results{r.no, r.yes, r.null} })
		return results{r.no, r.yes, r.null}, err
	}
	return b.leaf(n)
}

// every is the AND of args, each of them turned.
func (b *blockRows) every(args []*rowsNode, turned func(results) results) (results, error) {
	out := results{yes: rowset{kind: all}}
	for _, a := range args {
		r, err := b.of(a)
		if err != nil {
			return r, err
		}
		out = b.both(out, turned(r))
	}
	return out, nil
}

// both is x AND y: null where neither is false and one is null.
func (b *blockRows) both(x, y results) results {
	return results{
		yes: b.intersect(x.yes, y.yes),
		no:  b.union(x.no, y.no),
		null: b.union(b.intersect(x.null, b.union(y.null, y.yes)),
			b.intersect(y.null, b.union(x.null, x.yes))),
	}
}

func (b *blockRows) leaf(n *rowsNode) (results, error) {
	possible, err := b.fromZone(n)
	if err != nil {
		return results{}, err
	}
	r := results{wholeIf(possible & canTrue), wholeIf(possible & canFalse), wholeIf(possible & canNull)}
	for _, p := range n.probes {
		if r.yes.kind == none {
			return r, nil
		}
		m := b.get()
		found, err := p.Block(b.block, m)
		if err != nil {
			return results{}, err
		}
		r = b.narrow(r, found, m)
	}
	return r, nil
}

func wholeIf(o outcomes) rowset {
	if o != 0 {
		return rowset{kind: all}
	}
	return rowset{}
}

// narrow returns r after what a probe has found.
func (b *blockRows) narrow(r results, found Found, m *Mask) results {
	switch found {
	case NoRow:
		r.yes = rowset{}
	case EveryRow:
		r.no = rowset{}
	case Candidates:
		r.yes = b.intersect(r.yes, of(m))
	case TheseRows:
		these := of(m)
		others := b.others(these)
		r = results{b.intersect(r.yes, these), b.intersect(r.no, others), b.intersect(r.null, others)}
	}
	return r
}

// fromZone returns the outcomes that the zones leave open for a leaf.
func (b *blockRows) fromZone(n *rowsNode) (got outcomes, err error) {
	got = outcomesOf(n.pred, func(field int32) (z Zone, ok bool) {
		if n.absent {
			return Zone{Rows: int64(b.rows), Nulls: int64(b.rows)}, true
		}
		z, err = b.source.Zone(field, b.block)
		return z, err == nil
	})
	return got, err
}
