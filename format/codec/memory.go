package codec

import "math"

// Memory is what an Encoder learns about a column from one block for the next:
// which encodings were chosen, and what they cost. While they cost about the
// same, the next block looks no further. The zero value knows nothing. It is
// as little safe for concurrent use as an Encoder.
type Memory struct {
	choices []*choice
}

// choice is what was chosen for one put of a page.
type choice struct {
	used    Set      // encodings of the tree; 0 if nothing was chosen yet
	top     Encoding // its root
	cost    float64  // of a value
	runs    float64  // of equal neighbours, by value
	age     int      // blocks since the last search
	symbols []symbol
	ratio   float64   // of the symbols
	parts   []*choice // of fields, by part; else values, codes and lengths
}

const (
	// drift is how far a cost may move before there is a new search, and
	// fieldsDrift that of fields: to fit a pattern is rare enough.
	drift, fieldsDrift = 0.05, 0.25
	// maxAge is how many blocks in a row may trust one search.
	maxAge = 16
)

// Remember says that what is put next, up to Page, belongs to the column that
// m knows from earlier blocks, and lets m learn. Pages then depend on the
// pages before them, and still on nothing else.
func (e *Encoder) Remember(m *Memory) { e.memory, e.puts = m, 0 }

// recall returns the choice of the next put.
func (e *Encoder) recall() *choice {
	if e.memory == nil {
		return new(choice)
	}
	e.puts++
	return nth(&e.memory.choices, e.puts-1)
}

// nth returns the i-th of choices, a new one if there is none.
func nth(choices *[]*choice, i int) *choice {
	for len(*choices) <= i {
		*choices = append(*choices, new(choice))
	}
	return (*choices)[i]
}

// holds reports whether n values for that cost are no news, give or take a
// part of it.
func (c *choice) holds(cost, n int, drift float64) bool {
	return math.Abs(float64(cost)/float64(n)-c.cost) <= drift*c.cost
}

// trusted reports whether there is a choice to try first. Raw values cost the
// same whatever they are: that one says nothing.
func (c *choice) trusted() bool { return c.used != 0 && c.top != Raw && c.age < maxAge }

// learn runs write and notes which encodings it used, at what cost.
func (c *choice) learn(e *Encoder, cost, n int, write func()) {
	before, root := e.used, len(e.nodes)
	e.used = 0
	write()
	c.top = Encoding(e.nodes[root])
	c.used, c.cost, c.age = e.used, float64(cost)/float64(max(1, n)), 0
	e.used |= before
}
