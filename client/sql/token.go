package sql

import (
	"strings"
	"unicode/utf8"

	"github.com/tarnlake/tarn/client/wire"
)

// token is one word of a query. Comments and white space are not tokens.
type token struct {
	kind       tokenKind
	text       string // a name or string without its quotes, else as written
	start, end int    // bytes of the query text; of an inserted token the place it stands for
}

type tokenKind byte

const (
	word   tokenKind = iota // SELECT, orders
	quoted                  // "a name"
	str                     // 'text'
	hex                     // X'00ff'
	number                  // 12.50e3
	punct                   // an operator, a bracket, a comma
)

// is reports whether t is that keyword or operator.
func (t token) is(text string) bool {
	return t.kind == punct && t.text == text || t.kind == word && strings.EqualFold(t.text, text)
}

// isName reports whether t may stand where a name stands.
func (t token) isName() bool { return t.kind == word || t.kind == quoted }

// words makes tokens to stand before a query text.
func words(texts ...string) []token {
	tokens := make([]token, len(texts))
	for i, text := range texts {
		tokens[i] = token{kind: word, text: text}
	}
	return tokens
}

// operators that are longer than a byte, longest first.
var operators = []string{"<=>", "->>", "<>", "!=", "<=", ">=", "||", "&&", "::", "<<", ">>", "->", ":="}

// maxDepth bounds how deep brackets nest.
const maxDepth = 200

// scanner cuts a query text into tokens.
type scanner struct {
	in     string
	pos    int
	open   []token // brackets not yet closed
	tokens []token
}

func scan(text string) ([]token, error) {
	if len(text) > MaxBytes {
		return nil, wire.Errorf(wire.LimitExceeded, "the query is %d bytes long; the limit is %d", len(text), MaxBytes)
	}
	if !utf8.ValidString(text) {
		return nil, wire.Errorf(wire.InvalidArgument, "the query is not valid UTF-8")
	}
	s := scanner{in: text}
	for s.skip(); s.pos < len(s.in); s.skip() {
		if err := s.next(); err != nil {
			return nil, err
		}
	}
	if n := len(s.open); n > 0 {
		return nil, errorAt(text, s.open[n-1].start, s.open[n-1].end, "%q is never closed", s.open[n-1].text)
	}
	return s.tokens, nil
}

// skip passes over white space and comments: -- to the end of the line, and
// /* … */. An open comment runs to the end of the text.
func (s *scanner) skip() {
	for s.pos < len(s.in) {
		rest := s.in[s.pos:]
		switch {
		case strings.IndexByte(" \t\r\n\f\v", rest[0]) >= 0:
			s.pos++
		case strings.HasPrefix(rest, "--"):
			s.pos += lengthTo(rest, "\n")
		case strings.HasPrefix(rest, "/*"):
			s.pos += 2 + lengthTo(rest[2:], "*/")
		default:
			return
		}
	}
}

// lengthTo returns the length of s up to and including the first end.
func lengthTo(s, end string) int {
	if i := strings.Index(s, end); i >= 0 {
		return i + len(end)
	}
	return len(s)
}

func (s *scanner) next() error {
	c := s.in[s.pos]
	following := byte(0)
	if s.pos+1 < len(s.in) {
		following = s.in[s.pos+1]
	}
	switch {
	case following == '\'' && (c == 'x' || c == 'X'):
		s.pos++
		return s.quoted(hex, s.pos-1)
	case following == '\'' && strings.IndexByte("bBeEnNrRuU", c) >= 0:
		return wire.Errorf(wire.Unsupported, "strings of the form %c'…' are not supported", c).
			WithHint("write '…' as it is, or X'…' for bytes in hexadecimal")
	case c == '\'':
		return s.quoted(str, s.pos)
	case c == '"' || c == '`':
		return s.quoted(quoted, s.pos)
	case isLetter(c):
		return s.add(word, s.pos+lengthOf(s.in[s.pos:], isWordByte))
	case isDigit(c) || c == '.' && isDigit(following):
		return s.number()
	}
	return s.operator()
}

func (s *scanner) add(kind tokenKind, end int) error {
	s.tokens = append(s.tokens, token{kind: kind, text: s.in[s.pos:end], start: s.pos, end: end})
	s.pos = end
	return nil
}

// quoted reads a quoted token whose opening quote stands at s.pos; a quote
// within is doubled.
func (s *scanner) quoted(kind tokenKind, start int) error {
	quote := s.in[s.pos : s.pos+1]
	var text strings.Builder
	for at := s.pos + 1; ; {
		n := strings.Index(s.in[at:], quote)
		if n < 0 {
			return errorAt(s.in, start, len(s.in), "the text that starts here has no closing %s", quote)
		}
		text.WriteString(s.in[at : at+n])
		at += n + 1
		if !strings.HasPrefix(s.in[at:], quote) {
			s.tokens = append(s.tokens, token{kind, text.String(), start, at})
			s.pos = at
			break
		}
		text.WriteString(quote)
		at++
	}
	return s.checkQuoted(s.tokens[len(s.tokens)-1])
}

func (s *scanner) checkQuoted(t token) error {
	switch {
	case t.kind == hex && (len(t.text)%2 != 0 || lengthOf(t.text, isHexDigit) != len(t.text)):
		return errorAt(s.in, t.start, t.end, "X'…' wants an even number of hexadecimal digits")
	case t.kind == quoted && t.text == "":
		return errorAt(s.in, t.start, t.end, "an empty name").WithHint("strings stand in single quotes: ''")
	case t.kind == quoted && strings.ContainsRune(t.text, 0):
		return errorAt(s.in, t.start, t.end, "a name with a zero byte")
	}
	return nil
}

// number reads digits [. digits] [e [sign] digits].
func (s *scanner) number() error {
	end := s.pos + lengthOf(s.in[s.pos:], isDigit)
	if strings.HasPrefix(s.in[end:], ".") {
		end += 1 + lengthOf(s.in[end+1:], isDigit)
	}
	if rest := s.in[end:]; rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		sign := 1
		if len(rest) > 1 && (rest[1] == '+' || rest[1] == '-') {
			sign = 2
		}
		if digits := lengthOf(rest[sign:], isDigit); digits > 0 {
			end += sign + digits
		}
	}
	if end < len(s.in) && isWordByte(s.in[end]) {
		bad := end + lengthOf(s.in[end:], isWordByte)
		return errorAt(s.in, s.pos, bad, "%q is neither a number nor a name", s.in[s.pos:bad]).
			WithHint("a name that starts with a digit stands in double quotes: \"%s\"", s.in[s.pos:bad])
	}
	return s.add(number, end)
}

func (s *scanner) operator() error {
	for _, op := range operators {
		if strings.HasPrefix(s.in[s.pos:], op) {
			return s.add(punct, s.pos+len(op))
		}
	}
	c := s.in[s.pos]
	if strings.IndexByte("+-*/%=<>!(),.;[]:|&^~", c) < 0 {
		return s.unexpected()
	}
	if err := s.add(punct, s.pos+1); err != nil {
		return err
	}
	return s.bracket(s.tokens[len(s.tokens)-1])
}

func (s *scanner) unexpected() error {
	r, size := utf8.DecodeRuneInString(s.in[s.pos:])
	err := errorAt(s.in, s.pos, s.pos+size, "unexpected character %q", r)
	switch r {
	case '?', '@', '$':
		return err.WithHint("parameters and variables are not supported: write the value itself")
	case '#':
		return err.WithHint("comments are -- to the end of the line, or /* … */")
	}
	return err
}

// bracket keeps count of round and square brackets, so that a text cannot
// close what it did not open.
func (s *scanner) bracket(t token) error {
	n := len(s.open)
	switch t.text {
	case "(", "[":
		if n == maxDepth {
			return wire.Errorf(wire.LimitExceeded, "brackets nest deeper than %d", maxDepth)
		}
		s.open = append(s.open, t)
	case ")", "]":
		if n == 0 || (s.open[n-1].text == "(") != (t.text == ")") {
			return errorAt(s.in, t.start, t.end, "nothing is open that %q could close", t.text)
		}
		s.open = s.open[:n-1]
	}
	return nil
}

func lengthOf(s string, is func(byte) bool) int {
	for i := range len(s) {
		if !is(s[i]) {
			return i
		}
	}
	return len(s)
}

func isDigit(c byte) bool    { return '0' <= c && c <= '9' }
func isHexDigit(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
func isLetter(c byte) bool   { return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c >= utf8.RuneSelf }
func isWordByte(c byte) bool { return isLetter(c) || isDigit(c) || c == '$' }
