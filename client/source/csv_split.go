package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// A field is one cell of a CSV row.
type field struct {
	text   []byte
	quoted bool // it stood in quotes: an empty one is a value, not a null
}

// A splitter cuts a stream into CSV rows by RFC 4180: fields in quotes may
// hold delimiters, line ends and doubled quotes. It is lenient where nothing
// is ambiguous: a quote inside an unquoted field is itself, and rows end with
// LF or CRLF. Bytes inside quotes are kept as they are, CRLF too.
type splitter struct {
	w          *window
	delim      byte
	quote      byte
	line       int64 // of the next row
	start      int64 // of the row that row returned last
	fields     []field
	scratch    []byte // texts with doubled quotes taken out
	raw        []byte // the row as it stands, without its line end
	consumedBy int    // bytes of the last row
}

func newSplitter(w *window, delim, quote byte) *splitter {
	return &splitter{w: w, delim: delim, quote: quote, line: 1}
}

// errBroken is a row whose quotes make no sense. The splitter goes on at the
// next line.
type errBroken struct{ reason string }

func (e errBroken) Error() string { return e.reason }

var errMore = errors.New("the row does not end in the bytes at hand")

// row returns the next row, io.EOF at the end, or an errBroken. Fields are
// valid until the next call.
func (s *splitter) row() ([]field, error) {
	for {
		n, err := s.split(s.w.rest())
		if err != errMore {
			return s.take(n, err)
		}
		if err := s.w.more(); err != nil {
			return nil, fmt.Errorf("line %d: row: %w%s", s.line, err, s.unclosed())
		}
	}
}

// unclosed is what to say of a row that is far too long.
func (s *splitter) unclosed() string {
	if bytes.IndexByte(s.w.rest(), s.quote) < 0 {
		return ""
	}
	return "; a quote that never closes?"
}

// take uses n bytes for the row that split found.
func (s *splitter) take(n int, err error) ([]field, error) {
	if err == io.EOF {
		return nil, err
	}
	used := s.w.rest()[:n]
	s.start = s.line
	s.raw = trimEOL(used)
	s.line += int64(bytes.Count(used, newline))
	s.w.pos += n
	s.consumedBy = n
	return s.fields, err
}

var newline = []byte{'\n'}

func trimEOL(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
	}
	if n := len(b); n > 0 && b[n-1] == '\r' {
		b = b[:n-1]
	}
	return b
}

// split cuts the first row of data into s.fields and returns its length with
// its line end. errMore: data ends before the row does.
func (s *splitter) split(data []byte) (int, error) {
	s.fields, s.scratch = s.fields[:0], s.scratch[:0]
	end := bytes.IndexByte(data, '\n')
	switch {
	case end < 0 && !s.w.eof:
		return 0, errMore
	case end < 0 && len(data) == 0:
		return 0, io.EOF
	case end < 0:
		end = len(data) - 1
	}
	if bytes.IndexByte(data[:end+1], s.quote) < 0 {
		s.splitPlain(trimEOL(data[:end+1]))
		return end + 1, nil
	}
	return s.splitQuoted(data)
}

// splitPlain cuts a line that has no quote in it.
func (s *splitter) splitPlain(line []byte) {
	for {
		i := bytes.IndexByte(line, s.delim)
		if i < 0 {
			s.fields = append(s.fields, field{text: line})
			return
		}
		s.fields = append(s.fields, field{text: line[:i]})
		line = line[i+1:]
	}
}

// splitQuoted cuts a row with quotes, which may span lines.
func (s *splitter) splitQuoted(data []byte) (int, error) {
	p := 0
	for {
		n, err := s.splitField(data[p:])
		if err != nil {
			return s.resync(data, p+n, err)
		}
		p += n
		switch {
		case p == len(data):
			return p, nil
		case data[p] == s.delim:
			p++
		case data[p] == '\n':
			return p + 1, nil
		default: // the CR of a CRLF
			return min(p+2, len(data)), nil
		}
	}
}

// splitField adds the field that data begins with and returns its length: up
// to the delimiter, the LF or the CRLF behind it, or the end of the stream.
func (s *splitter) splitField(data []byte) (int, error) {
	if len(data) == 0 || data[0] != s.quote {
		n, err := s.unquotedEnd(data)
		s.fields = append(s.fields, field{text: data[:n]})
		return n, err
	}
	end, doubled, err := s.closingQuote(data)
	if err != nil {
		return end, err
	}
	text := data[1:end]
	if doubled {
		text = s.undouble(text)
	}
	s.fields = append(s.fields, field{text, true})
	switch rest := data[end+1:]; {
	case len(rest) == 0 && s.w.eof, len(rest) > 0 && (rest[0] == s.delim || rest[0] == '\n'):
		return end + 1, nil
	case len(rest) == 0, len(rest) == 1 && rest[0] == '\r' && !s.w.eof:
		return 0, errMore
	case rest[0] == '\r' && (len(rest) == 1 || rest[1] == '\n'):
		return end + 1, nil
	}
	return end + 1, errBroken{fmt.Sprintf("text after the closing quote of field %d (a quote inside quotes is written twice)", len(s.fields))}
}

func (s *splitter) unquotedEnd(data []byte) (int, error) {
	for i, c := range data {
		if c == s.delim {
			return i, nil
		}
		if c == '\n' {
			if i > 0 && data[i-1] == '\r' {
				i--
			}
			return i, nil
		}
	}
	if !s.w.eof {
		return 0, errMore
	}
	if n := len(data); n > 0 && data[n-1] == '\r' {
		return n - 1, nil
	}
	return len(data), nil
}

// closingQuote returns where the quote stands that closes data[0], and
// whether doubled quotes are on the way.
func (s *splitter) closingQuote(data []byte) (end int, doubled bool, err error) {
	for p := 1; ; {
		i := bytes.IndexByte(data[p:], s.quote)
		if i < 0 || p+i+1 == len(data) && !s.w.eof {
			if s.w.eof {
				return 0, false, fmt.Errorf("line %d: a quote opens in this row and never closes", s.line)
			}
			return 0, false, errMore
		}
		p += i
		if p+1 == len(data) || data[p+1] != s.quote {
			return p, doubled, nil
		}
		p, doubled = p+2, true
	}
}

// undouble copies text with each doubled quote made one.
func (s *splitter) undouble(text []byte) []byte {
	start := len(s.scratch)
	for {
		i := bytes.IndexByte(text, s.quote)
		if i < 0 {
			s.scratch = append(s.scratch, text...)
			return s.scratch[start:]
		}
		s.scratch = append(s.scratch, text[:i+1]...)
		text = text[i+2:]
	}
}

// resync returns how much of data a broken row takes: up to the end of the
// line at p.
func (s *splitter) resync(data []byte, p int, err error) (int, error) {
	if _, ok := err.(errBroken); !ok {
		return 0, err
	}
	if i := bytes.IndexByte(data[p:], '\n'); i >= 0 {
		return p + i + 1, err
	}
	if !s.w.eof {
		return 0, errMore
	}
	return len(data), err
}
