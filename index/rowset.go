package index

// rowset is a set of rows of one block; none and all need no mask.
type rowset struct {
	kind setKind
	mask *Mask // of some
}

type setKind uint8

const (
	none setKind = iota
	all
	some
)

// masks hands out masks that are all free again at the end of a block.
type masks struct {
	rows int // of the block
	all  []*Mask
	used int
}

func (a *masks) get() *Mask {
	if a.used == len(a.all) {
		a.all = append(a.all, new(Mask))
	}
	a.used++
	return a.all[a.used-1]
}

// intersect returns the rows of both a and b.
func (s *masks) intersect(a, b rowset) rowset {
	switch {
	case a.kind == none || b.kind == all:
		return a
	case b.kind == none || a.kind == all:
		return b
	}
	m := s.get()
	for i := range m {
		m[i] = a.mask[i] & b.mask[i]
	}
	return of(m)
}

// union returns the rows of a or b.
func (s *masks) union(a, b rowset) rowset {
	switch {
	case a.kind == all || b.kind == none:
		return a
	case b.kind == all || a.kind == none:
		return b
	}
	m := s.get()
	for i := range m {
		m[i] = a.mask[i] | b.mask[i]
	}
	return rowset{some, m}
}

// others returns the rows of the block that are not in a.
func (s *masks) others(a rowset) rowset {
	switch a.kind {
	case none:
		return rowset{kind: all}
	case all:
		return rowset{}
	}
	m := s.get()
	*m = *a.mask
	m.invert(s.rows)
	return of(m)
}

func of(m *Mask) rowset {
	if m.empty() {
		return rowset{}
	}
	return rowset{some, m}
}
