package source

import (
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// A value is one JSON value as a flat list of nodes in the order of the text:
// a container stands before its members and says where they end. The list and
// the decoded strings are used again for the next value.
type value struct {
	nodes   []node
	scratch []byte // strings that had escapes
}

type nodeKind byte

const (
	nodeNull nodeKind = iota
	nodeBool
	nodeNumber
	nodeString
	nodeArray
	nodeObject // members are key, value, key, value…; a key is a string node
)

type node struct {
	kind nodeKind
	end  int32  // index of the node behind this one and its members
	text []byte // a string decoded; anything else as it stands in the file
	raw  []byte // as it stands in the file
}

// Limits of JSON values.
const (
	maxJSONDepth = 512
	maxJSONNodes = 8 << 20
)

// errShort says that the text ends inside a value.
var errShort = errors.New("ends inside a JSON value")

// parse reads the value that data begins with, strictly by RFC 8259, and
// returns its length. UTF-8 is checked, and a \u escape that is half a
// surrogate pair is refused: no UTF-8 can carry it. final says that nothing
// comes behind data: without it, errShort is returned where more bytes could
// change the answer (a number at the very end, too).
func (v *value) parse(data []byte, final bool) (n int, err error) {
	v.nodes, v.scratch = v.nodes[:0], v.scratch[:0]
	p := jsonParser{in: data, v: v, final: final}
	err = p.value(0)
	return p.pos, err
}

type jsonParser struct {
	in    []byte
	pos   int
	v     *value
	final bool
}

func (p *jsonParser) space() {
	for p.pos < len(p.in) && isSpace(p.in[p.pos]) {
		p.pos++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// peek skips white space and returns the next byte, or an error at the end.
func (p *jsonParser) peek() (byte, error) {
	p.space()
	if p.pos == len(p.in) {
		return 0, errShort
	}
	return p.in[p.pos], nil
}

func (p *jsonParser) unexpected(want string) error {
	r, _ := utf8.DecodeRune(p.in[p.pos:])
	return fmt.Errorf("not JSON: %q where %s is due", r, want)
}

func (p *jsonParser) value(depth int) error {
	c, err := p.peek()
	if err != nil {
		return err
	}
	if depth > maxJSONDepth {
		return fmt.Errorf("nests deeper than %d", maxJSONDepth)
	}
	if len(p.v.nodes) >= maxJSONNodes {
		return fmt.Errorf("one value with more than %d parts", maxJSONNodes)
	}
	switch {
	case c == '{':
		return p.container(nodeObject, '}', depth)
	case c == '[':
		return p.container(nodeArray, ']', depth)
	case c == '"':
		return p.string()
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	case c == 't':
		return p.word("true", nodeBool)
	case c == 'f':
		return p.word("false", nodeBool)
	case c == 'n':
		return p.word("null", nodeNull)
	}
	return p.unexpected("a value")
}

// leaf adds a node for the text from start to here.
func (p *jsonParser) leaf(k nodeKind, start int) {
	text := p.in[start:p.pos]
	p.v.nodes = append(p.v.nodes, node{k, int32(len(p.v.nodes) + 1), text, text})
}

func (p *jsonParser) word(w string, k nodeKind) error {
	have := p.in[p.pos:min(len(p.in), p.pos+len(w))]
	if string(have) != w[:len(have)] {
		return p.unexpected("a value")
	}
	if len(have) < len(w) {
		return errShort
	}
	start := p.pos
	p.pos += len(w)
	p.leaf(k, start)
	return nil
}

func (p *jsonParser) container(k nodeKind, closing byte, depth int) error {
	at, start := len(p.v.nodes), p.pos
	p.v.nodes = append(p.v.nodes, node{kind: k})
	p.pos++
	c, err := p.peek()
	if err != nil {
		return err
	}
	for more := c != closing; more; {
		if err := p.member(k, depth); err != nil {
			return err
		}
		switch c, err = p.peek(); {
		case err != nil:
			return err
		case c == ',':
			p.pos++
		case c == closing:
			more = false
		default:
			return p.unexpected(fmt.Sprintf("',' or '%c'", closing))
		}
	}
	p.pos++
	text := p.in[start:p.pos]
	p.v.nodes[at] = node{k, int32(len(p.v.nodes)), text, text}
	return nil
}

func (p *jsonParser) member(k nodeKind, depth int) error {
	if k == nodeObject {
		if c, err := p.peek(); err != nil {
			return err
		} else if c != '"' {
			return p.unexpected("a key in quotes")
		}
		if err := p.string(); err != nil {
			return err
		}
		if c, err := p.peek(); err != nil {
			return err
		} else if c != ':' {
			return p.unexpected("':'")
		}
		p.pos++
	}
	return p.value(depth + 1)
}

// number reads -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (p *jsonParser) number() error {
	start := p.pos
	p.skip('-')
	whole := p.digits()
	switch {
	case whole == 0:
		return p.endOr("a digit")
	case whole > 1 && p.in[p.pos-whole] == '0':
		p.pos -= whole - 1
		return p.unexpected("the end of 0")
	}
	if p.skip('.') && p.digits() == 0 {
		return p.endOr("a digit")
	}
	if p.skip('e') || p.skip('E') {
		_ = p.skip('+') || p.skip('-')
		if p.digits() == 0 {
			return p.endOr("a digit")
		}
	}
	if p.pos == len(p.in) && !p.final {
		return errShort
	}
	p.leaf(nodeNumber, start)
	return nil
}

func (p *jsonParser) skip(c byte) bool {
	if p.pos < len(p.in) && p.in[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *jsonParser) digits() int {
	n := digits(p.in[p.pos:])
	p.pos += n
	return n
}

// endOr tells a number that is cut off from one that is wrong.
func (p *jsonParser) endOr(want string) error {
	if p.pos == len(p.in) {
		return errShort
	}
	return p.unexpected(want)
}

// string reads a string that begins here. Most have no escapes and are not
// copied.
func (p *jsonParser) string() error {
	start := p.pos
	escaped, ascii := false, true
	for i := start + 1; i < len(p.in); i++ {
		switch c := p.in[i]; {
		case c == '"':
			p.pos = i + 1
			return p.finishString(start, escaped, ascii)
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			p.pos = i
			return fmt.Errorf("not JSON: %q inside a string must be written as an escape", c)
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return errShort
}

func (p *jsonParser) finishString(start int, escaped, ascii bool) error {
	raw := p.in[start:p.pos]
	text := raw[1 : len(raw)-1]
	if !ascii && !utf8.Valid(text) {
		return fmt.Errorf("a string is not valid UTF-8: %s", quoted(text))
	}
	if escaped {
		var err error
		if text, err = p.v.unescape(text); err != nil {
			return err
		}
	}
	p.v.nodes = append(p.v.nodes, node{nodeString, int32(len(p.v.nodes) + 1), text, raw})
	return nil
}

var escapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (v *value) unescape(text []byte) ([]byte, error) {
	start := len(v.scratch)
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			v.scratch = append(v.scratch, text[i])
			continue
		}
		i++ // never past the end: string stops only at a quote without a backslash
		if c, ok := escapes[text[i]]; ok {
			v.scratch = append(v.scratch, c)
			continue
		}
		if text[i] != 'u' {
			return nil, fmt.Errorf(`not JSON: escape \%c`, text[i])
		}
		r, n, err := unicodeEscape(text[i-1:])
		if err != nil {
			return nil, err
		}
		v.scratch = utf8.AppendRune(v.scratch, r)
		i += n - 2
	}
	return v.scratch[start:len(v.scratch):len(v.scratch)], nil
}

// unicodeEscape reads \uXXXX, or two of them that are a surrogate pair.
func unicodeEscape(b []byte) (r rune, n int, err error) {
	r, ok := hex4(b)
	if !ok {
		return 0, 0, fmt.Errorf(`not JSON: escape %s needs four hexadecimal digits`, quoted(b[:min(6, len(b))]))
	}
	if !utf16.IsSurrogate(r) {
		return r, 6, nil
	}
	low, ok := hex4(b[6:])
	if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
		return 0, 0, fmt.Errorf("escape %s is half a surrogate pair, which is no text", b[:6])
	}
	return r, 12, nil
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
