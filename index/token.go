package index

import (
	"unicode"
	"unicode/utf8"
)

// EachToken calls f for the tokens of text, in order, until f returns false: a
// token is a longest run of letters, marks and digits, each of them in lower
// case by itself. Bytes that are no UTF-8 stand between tokens. The token is
// good until f returns; scratch is room for it.
func EachToken(text string, scratch []byte, f func(token []byte) bool) {
	token := scratch[:0]
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if lower := asciiToken[c]; lower != 0 {
				token = append(token, lower)
				i++
				continue
			}
			i++
		} else {
			r, n := utf8.DecodeRuneInString(text[i:])
			i += n
			if inToken(r) {
				token = utf8.AppendRune(token, unicode.ToLower(r))
				continue
			}
		}
		if len(token) > 0 && !f(token) {
			return
		}
		token = token[:0]
	}
	if len(token) > 0 {
		f(token)
	}
}

// inToken is false for utf8.RuneError: it is a symbol.
func inToken(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

// asciiToken maps a byte to its lower case, or to 0 if it is in no token.
var asciiToken = func() (t [utf8.RuneSelf]byte) {
	for c := range rune(utf8.RuneSelf) {
		if inToken(c) {
			t[c] = byte(unicode.ToLower(c))
		}
	}
	return t
}()

// Tokens of a text, in order, each as a string of its own.
func Tokens(text string) []string {
	var out []string
	EachToken(text, nil, func(token []byte) bool {
		out = append(out, string(token))
		return true
	})
	return out
}

// TokenIn reports whether token is one of the tokens of text. The token is as
// EachToken gives it.
func TokenIn(text, token string) bool {
	var room [64]byte
	found := false
	EachToken(text, room[:0], func(t []byte) bool {
		found = string(t) == token
		return !found
	})
	return found
}
