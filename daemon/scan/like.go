package scan

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/index"
)

// pattern is a LIKE pattern, cut at its wildcards: % stands for any text, _
// for one character, and a backslash takes the meaning from the next one.
type pattern []span

// span is literal text, or a wildcard.
type span struct {
	text string
	wild byte // 0, '%' or '_'
}

func parsePattern(s string) (pattern, error) {
	var p pattern
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			p = append(p, span{text: text.String()})
			text.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\\':
			if i++; i == len(s) {
				return nil, fmt.Errorf("the pattern %q ends in the middle of an escape; write \\\\ for a backslash", s)
			}
			text.WriteByte(s[i])
		case '%', '_':
			flush()
			if c == '_' || len(p) == 0 || p[len(p)-1].wild != '%' {
				p = append(p, span{wild: c})
			}
		default:
			text.WriteByte(c)
		}
	}
	flush()
	return p, nil
}

// prefix returns the text that every match begins with.
func (p pattern) prefix() string {
	if len(p) > 0 {
		return p[0].text
	}
	return ""
}

// matcher returns the function that matches p; the common forms have one of
// their own.
func (p pattern) matcher() func(string) bool {
	any := func(i int) bool { return p[i].wild == '%' }
	lit := func(i int) bool { return p[i].wild == 0 }
	switch {
	case len(p) == 0:
		return func(s string) bool { return s == "" }
	case len(p) == 1 && lit(0):
		return func(s string) bool { return s == p[0].text }
	case len(p) == 1 && any(0):
		return func(string) bool { return true }
	case len(p) == 2 && lit(0) && any(1):
		return func(s string) bool { return strings.HasPrefix(s, p[0].text) }
	case len(p) == 2 && any(0) && lit(1):
		return func(s string) bool { return strings.HasSuffix(s, p[1].text) }
	case len(p) == 3 && any(0) && lit(1) && any(2):
		return func(s string) bool { return strings.Contains(s, p[1].text) }
	}
	return p.match
}

// match is the general case. Only the last % seen is ever tried again: an
// earlier one could not match more, so the work is at most |s|·|p|.
func (p pattern) match(s string) bool {
	i, retry, retryText := 0, -1, ""
	for s != "" || i < len(p) {
		if i < len(p) {
			if p[i].wild == '%' {
				i, retry, retryText = i+1, i+1, s
				continue
			}
			if rest, ok := p[i].take(s); ok {
				i, s = i+1, rest
				continue
			}
		}
		if retry < 0 || retryText == "" {
			return false
		}
		_, size := utf8.DecodeRuneInString(retryText)
		retryText = retryText[size:]
		i, s = retry, retryText
	}
	return true
}

// take cuts what the span matches from the front of text.
func (s span) take(text string) (rest string, ok bool) {
	if s.wild == 0 {
		return strings.CutPrefix(text, s.text)
	}
	_, size := utf8.DecodeRuneInString(text)
	return text[size:], size > 0
}

// likeNode is x LIKE pattern, with a pattern that is a literal.
type likeNode struct {
	x       node
	pattern pattern
	fold    bool // ILIKE; the pattern is in lower case
	matches func(string) bool
}

func newLikeNode(x node, text string, fold bool) (*likeNode, error) {
	if fold {
		text = strings.ToLower(text)
	}
	p, err := parsePattern(text)
	if err != nil {
		return nil, err
	}
	n := &likeNode{x: x, pattern: p, fold: fold, matches: p.matcher()}
	if fold {
		inner := n.matches
		n.matches = func(s string) bool { return inner(strings.ToLower(s)) }
	}
	return n, nil
}

func (l *likeNode) typ() arrow.DataType { return arrow.FixedWidthTypes.Boolean }

func (l *likeNode) eval(b *batch, live bits) (*vec, error) {
	x, err := l.x.eval(b, live)
	if err != nil {
		return nil, err
	}
	x = x.spread()
	return boolVec(x.n, fill(x.n, func(i int) bool { return l.matches(x.strs[i]) }), x.valid), nil
}

// pred is the range of strings with the pattern's prefix.
func (l *likeNode) pred() *index.Pred {
	col, ok := l.x.(*colNode)
	prefix := l.pattern.prefix()
	if !ok || l.fold || prefix == "" {
		return unknown
	}
	if len(l.pattern) == 1 {
		return col.leaf(index.Eq, []byte(prefix))
	}
	args := []*index.Pred{col.leaf(index.Ge, []byte(prefix))}
	if end := after(prefix); end != nil {
		args = append(args, col.leaf(index.Lt, end))
	}
	if len(l.pattern) > 2 || l.pattern[1].wild != '%' {
		args = append(args, unknown) // the prefix is needed, not enough
	}
	return &index.Pred{Op: index.And, Args: args}
}

// after returns the least key above all keys that begin with prefix, or nil.
func after(prefix string) []byte {
	k := []byte(prefix)
	for len(k) > 0 && k[len(k)-1] == 0xff {
		k = k[:len(k)-1]
	}
	if len(k) > 0 {
		k[len(k)-1]++
		return k
	}
	return nil
}
