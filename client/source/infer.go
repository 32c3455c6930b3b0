package source

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
)

// A kind is what one text looks like.
type kind int

const (
	kindNull    kind = iota // empty
	kindToken               // a word that may stand for null, such as NA
	kindBool                // true, false
	kindInt                 // 17850
	kindWhole               // 17850.0
	kindDecimal             // 2.55, and whole numbers beyond int64
	kindFloat               // 1e9, inf, nan
	kindDate                // 2010-12-01
	kindStamp               // 2010-12-01 08:26:00
	kindZoned               // 2010-12-01T08:26:00Z
	kindText
	kinds
)

var kindNames = [kinds]string{"null", "null word", "bool", "integer", "whole number", "decimal", "float", "date", "timestamp", "timestamp with offset", "text"}

// nullTokens are words that stand for null in a column whose other values
// have a type other than string. In a string column they are text.
var nullTokens = []string{"NULL", "null", "NA", "N/A", "#N/A", `\N`, "None", "-"}

// A guess gathers what the sampled texts of one column look like.
type guess struct {
	seen       [kinds]int64
	first      [kinds]sighting
	whole      int  // most digits before the point
	digits     int  // most digits of a number, without leading zeros
	frac       int  // most digits after it
	nanosecond bool // some timestamp has more than six digits of fraction
	bigInt     bool // some integer is beyond int64
}

type sighting struct {
	line int64
	text string
}

// see adds one text that stands at a line.
func (g *guess) see(text []byte, line int64) {
	k := g.classify(text)
	if g.seen[k]++; g.seen[k] == 1 {
		g.first[k] = sighting{line, string(text[:min(len(text), 40)])}
	}
}

func (g *guess) classify(text []byte) kind {
	if len(text) == 0 {
		return kindNull
	}
	if k, ok := g.classifyNumber(text); ok {
		return k
	}
	if c := text[0]; len(text) >= 10 && (c == '-' || '0' <= c && c <= '9') {
		if k, ok := g.classifyStamp(text); ok {
			return k
		}
	}
	switch {
	case bytes.EqualFold(text, []byte("true")), bytes.EqualFold(text, []byte("false")):
		return kindBool
	case isFloatWord(text):
		return kindFloat
	case slices.Contains(nullTokens, string(text)):
		return kindToken
	}
	return kindText
}

func isFloatWord(text []byte) bool {
	word := bytes.TrimLeft(text, "-+")
	return len(text)-len(word) <= 1 && (bytes.EqualFold(word, []byte("nan")) || bytes.EqualFold(word, []byte("inf")) || bytes.EqualFold(word, []byte("infinity")))
}

// classifyNumber tells numbers from codes: a leading zero (00123) or plus sign
// (+49 30…) means a code, which stays text.
func (g *guess) classifyNumber(text []byte) (kind, bool) {
	if c := text[len(text)-1]; text[0] == '+' || (c < '0' || c > '9') && c != '.' {
		return 0, false
	}
	n, fixed := splitNumeral(text)
	if !fixed {
		i := bytes.IndexAny(text, "eE")
		if i < 1 {
			return 0, false
		}
		if n, fixed = splitNumeral(text[:i]); !fixed {
			return 0, false
		}
		_, isFloat := parseFloat(text, 64)
		return kindFloat, isFloat
	}
	if len(n.whole) > 1 && n.whole[0] == '0' {
		return 0, false
	}
	g.whole, g.frac = max(g.whole, len(n.whole)), max(g.frac, len(n.frac))
	g.digits = max(g.digits, n.digits())
	if len(n.frac) == 1 && n.frac[0] == '0' {
		if _, ok := parseInt64(text); ok {
			return kindWhole, true
		}
	}
	if len(n.whole) == len(text) || n.negative && len(n.whole)+1 == len(text) {
		if _, ok := parseInt64(text); ok {
			return kindInt, true
		}
		g.bigInt = true
	}
	return kindDecimal, true
}

func (g *guess) classifyStamp(text []byte) (kind, bool) {
	s, ok := parseStamp(text)
	if !ok || s.days != int64(int32(s.days)) {
		return 0, false
	}
	g.nanosecond = g.nanosecond || s.clock.nanos%1000 != 0
	switch {
	case bytes.IndexByte(text, ':') < 0:
		return kindDate, true
	case s.zoned:
		return kindZoned, true
	}
	return kindStamp, true
}

// only reports whether nothing was seen but the named kinds, nulls and null
// words, and at least one of the named.
func (g *guess) only(allowed ...kind) bool {
	var in, all int64
	for k := kindBool; k < kinds; k++ {
		all += g.seen[k]
		if slices.Contains(allowed, k) {
			in += g.seen[k]
		}
	}
	return in > 0 && in == all
}

// typed counts the values that are not null.
func (g *guess) typed() (n int64) {
	for k := kindBool; k < kinds; k++ {
		n += g.seen[k]
	}
	return n
}

// floatDigits is how many digits programs write at most to carry a float.
const floatDigits = 17

// NoValue is the Why of a column that has no value in the sample, and is a
// string for want of anything better.
const NoValue = "no value in the sample"

// decide returns the narrowest type that carries every sampled value exactly,
// and why.
func (g *guess) decide() (arrow.DataType, string) {
	all := fmt.Sprintf("all %s sampled values", count(g.typed()))
	if g.typed() == 1 {
		all = "the one sampled value"
	}
	if n := g.seen[kindToken]; n > 0 {
		all += fmt.Sprintf("; %q (%s times) is null", g.first[kindToken].text, count(n))
	}
	switch {
	case g.typed() == 0 && g.seen[kindToken] == 0:
		return arrow.BinaryTypes.String, NoValue
	case g.only(kindBool):
		return arrow.FixedWidthTypes.Boolean, all
	case g.only(kindInt):
		return arrow.PrimitiveTypes.Int64, all
	case g.only(kindInt, kindWhole):
		return arrow.PrimitiveTypes.Int64, all + fmt.Sprintf("; they are whole, though written like %s", g.first[kindWhole].text)
	case g.only(kindInt, kindWhole, kindDecimal):
		return g.decideDecimal(all)
	case g.only(kindInt, kindWhole, kindDecimal, kindFloat):
		f := g.first[kindFloat]
		if g.digits > floatDigits {
			return arrow.BinaryTypes.String, fmt.Sprintf("line %d has %s, and other numbers have %d digits: more than a float holds", f.line, f.text, g.digits)
		}
		return arrow.PrimitiveTypes.Float64, fmt.Sprintf("line %d has %s", f.line, f.text)
	case g.only(kindDate):
		return arrow.FixedWidthTypes.Date32, all
	case g.only(kindDate, kindStamp):
		return &arrow.TimestampType{Unit: g.unit()}, all
	case g.only(kindZoned):
		return &arrow.TimestampType{Unit: g.unit(), TimeZone: "UTC"}, all + "; offsets are turned to UTC"
	}
	return arrow.BinaryTypes.String, g.whyText()
}

func (g *guess) unit() arrow.TimeUnit {
	if g.nanosecond {
		return arrow.Nanosecond
	}
	return arrow.Microsecond
}

// decideDecimal leaves room, for later rows are rarely as tame as the sample:
// three digits after the point at least, as SQL's DECIMAL(18,3) has, two more
// than were seen before it, and then all that 64 or 128 bits hold.
func (g *guess) decideDecimal(all string) (arrow.DataType, string) {
	scale := max(3, g.frac)
	if g.frac == 0 && g.bigInt {
		scale = 0
	}
	why := fmt.Sprintf("%s; at most %d digits before and %d after the point", all, g.whole, g.frac)
	for _, precision := range []int{18, 38} {
		if g.whole+2+scale <= precision {
			return &arrow.Decimal128Type{Precision: int32(precision), Scale: int32(scale)}, why
		}
	}
	if g.whole+g.frac <= 38 {
		return &arrow.Decimal128Type{Precision: 38, Scale: int32(g.frac)}, why
	}
	return arrow.BinaryTypes.String, why + ": more than a decimal holds"
}

// whyText names the first text that stands in the way of a narrower type.
func (g *guess) whyText() string {
	if t := g.first[kindText]; g.seen[kindText] > 0 {
		if g.seen[kindText] == g.typed() {
			return fmt.Sprintf("text, such as %q", t.text)
		}
		return fmt.Sprintf("line %d has %q", t.line, t.text)
	}
	var kinds []string
	for k := kindBool; k < kindText; k++ {
		if g.seen[k] > 0 {
			kinds = append(kinds, fmt.Sprintf("%s (line %d: %s)", kindNames[k], g.first[k].line, g.first[k].text))
		}
	}
	if len(kinds) == 0 {
		return fmt.Sprintf("text, such as %q", g.first[kindToken].text)
	}
	return fmt.Sprintf("a mix of %s", join(kinds))
}

func join(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	out := words[0]
	for _, w := range words[1 : len(words)-1] {
		out += ", " + w
	}
	return out + " and " + words[len(words)-1]
}

// count writes 8192 as 8,192.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
