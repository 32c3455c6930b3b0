package source

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// Most rows of most files are plain: one line, with the right number of
// fields, in which a quote only ever opens and closes a whole field. Rows like
// that are cut many at a time, and their fields are read column by column (see
// plainColumn). Whatever is not plain is left to the splitter, row by row: it
// alone knows what is wrong with a row, and what quotes can do.

// A span is a field: bytes from-to of a stretch, without its quotes.
type span struct{ from, to uint32 }

// A stretch is some plain rows, one after the other.
type stretch struct {
	data   []byte // from the first byte of the first row; what is behind the last row may be looked at
	spans  []span // of all fields, row by row
	ends   []int  // by row: where the next one begins
	texts  bool   // all of it is valid UTF-8
	fields int    // of a row
}

// Limits of one stretch: its fields stay in the cache from being cut until
// they are read.
const (
	stretchBytes = 64 << 10
	stretchRows  = 4096
)

func (s *stretch) rows() int { return len(s.ends) }

// start returns where a row begins.
func (s *stretch) start(row int) int {
	if row == 0 {
		return 0
	}
	return s.ends[row-1]
}

// raw returns a row without its line end.
func (s *stretch) raw(row int) []byte { return trimEOL(s.data[s.start(row):s.ends[row]]) }

// cell returns a field as the splitter would.
func (s *stretch) cell(row, column int, quote byte) field {
	at := s.spans[row*s.fields+column]
	return field{s.data[at.from:at.to], at.from > 0 && s.data[at.from-1] == quote}
}

// cut takes the plain rows that data begins with: whole lines, at most rows
// many, and none that begins at limit or behind it.
func (s *stretch) cut(data []byte, delim, quote byte, rows, limit int) {
	s.data, s.spans, s.ends = data, s.spans[:0], s.ends[:0]
	rows, limit = min(rows, stretchRows), min(limit, stretchBytes)
	cutter := plainCutter{stretch: s, delim: delim, quote: quote, rows: rows, limit: limit}
	cutter.run()
	s.spans = s.spans[:len(s.ends)*s.fields]
	s.texts = len(s.ends) > 0 && utf8.Valid(data[:s.ends[len(s.ends)-1]])
}

// plainCutter finds the fields of a stretch.
type plainCutter struct {
	*stretch
	delim, quote byte
	rows, limit  int
	from         int // where the field at hand begins
	row          int // how many spans there were when its row began
	skip         int // what is before it has been looked at already
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// equals returns the high bit of each byte of w that is the one which pattern
// repeats. Of bytes behind such a one it may set more.
func equals(w, pattern uint64) uint64 {
	w ^= pattern
	return (w - lowBits) &^ w & highBits
}

// run looks at eight bytes at a time for those that end fields.
func (c *plainCutter) run() {
	delims, quotes := lowBits*uint64(c.delim), lowBits*uint64(c.quote)
	at := 0
	for ; at+8 <= len(c.data); at += 8 {
		w := binary.LittleEndian.Uint64(c.data[at:])
		found := equals(w, delims) | equals(w, lowBits*'\n') | equals(w, quotes)
		for ; found != 0; found &= found - 1 {
			if !c.see(at + bits.TrailingZeros64(found)/8) {
				return
			}
		}
	}
	for ; at < len(c.data); at++ {
		if !c.see(at) {
			return
		}
	}
}

// see looks at one byte. It reports whether to go on.
func (c *plainCutter) see(at int) bool {
	if at < c.skip {
		return true
	}
	switch c.data[at] {
	case c.delim:
		c.spans = append(c.spans, span{uint32(c.from), uint32(at)})
		c.from = at + 1
		return len(c.spans)-c.row < c.fields
	case '\n':
		end := at
		if end > c.from && c.data[end-1] == '\r' {
			end--
		}
		c.spans = append(c.spans, span{uint32(c.from), uint32(end)})
		return c.endRow(at + 1)
	case c.quote:
		return c.quoted(at)
	}
	return true
}

// endRow reports whether another row may begin at next.
func (c *plainCutter) endRow(next int) bool {
	if len(c.spans)-c.row != c.fields {
		return false
	}
	c.from, c.row = next, len(c.spans)
	c.ends = append(c.ends, next)
	return len(c.ends) < c.rows && next < c.limit
}

// quoted takes a field in quotes with the delimiter or line end behind it.
// Quotes or line ends within it are not plain.
func (c *plainCutter) quoted(at int) bool {
	n := bytes.IndexByte(c.data[at+1:], c.quote)
	if at != c.from || n < 0 || bytes.IndexByte(c.data[at+1:][:n], '\n') >= 0 {
		return false
	}
	end := at + 1 + n
	next := end + 1
	if next+1 < len(c.data) && c.data[next] == '\r' && c.data[next+1] == '\n' {
		next++
	}
	if next == len(c.data) {
		return false
	}
	c.spans = append(c.spans, span{uint32(at + 1), uint32(end)})
	c.skip = next + 1
	switch c.data[next] {
	case c.delim:
		c.from = next + 1
		return len(c.spans)-c.row < c.fields
	case '\n':
		return c.endRow(next + 1)
	}
	return false
}

// nextPlain adds the plain rows at hand to the batch, none that begins limit
// bytes from here or later. It returns how many bytes they were: 0 if the
// next row is not plain.
func (r *csvReader) nextPlain(limit int) (int, error) {
	s := &r.plain
	s.cut(r.split.w.rest(), r.split.delim, r.split.quote, r.maxRows-r.batch.rows, limit)
	rows := s.rows()
	if rows == 0 {
		return 0, nil
	}
	r.misfits = r.misfits[:0]
	for i := range r.columns {
		r.takeColumn(i)
	}
	first, line := r.batch.rows, r.split.line
	r.batch.rows += rows
	r.split.line += int64(rows)
	r.split.w.pos += s.ends[rows-1]
	slices.SortStableFunc(r.misfits, func(a, b misfitCell) int { return a.row - b.row })
	for i, m := range r.misfits {
		if i > 0 && m.row == r.misfits[i-1].row {
			continue // the first column that does not fit is the one to name
		}
		r.batch.bad = append(r.batch.bad, first+m.row)
		err := r.rejects.add(Reject{Line: line + int64(m.row), Column: m.column.name, Reason: m.why.Error(), Text: string(s.raw(m.row))})
		if err != nil {
			return 0, err
		}
	}
	return s.ends[rows-1], nil
}

// misfitCell is a field of a stretch that does not fit its column.
type misfitCell struct {
	row    int
	column *csvColumn
	why    error
}

// takeColumn adds the fields of column i to its builder: runs of plain ones
// together, all others one by one.
func (r *csvReader) takeColumn(i int) {
	c, s := &r.columns[i], &r.plain
	for row := 0; row < s.rows(); row++ {
		if c.plain != nil {
			if row += c.plain(s, i, row); row == s.rows() {
				return
			}
		}
		if err := c.append(s.cell(row, i, r.split.quote)); err != nil {
			r.misfits = append(r.misfits, misfitCell{row, c, err})
		}
	}
}
