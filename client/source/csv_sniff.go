package source

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

// CSVOptions is a CSV dialect. Zero fields are sniffed.
type CSVOptions struct {
	Delimiter rune     // one ASCII character; sniffed among , ; tab |
	Quote     rune     // one ASCII character; default "
	Header    *bool    // whether the first row is column names
	Null      []string // texts that mean null; nil: nothing between delimiters, and in columns other than string also NULL, null, NA, N/A, #N/A, \N, None and -
}

// A dialect is settled CSVOptions.
type dialect struct {
	delim, quote byte
	header       bool
}

var delimiters = []byte{',', ';', '\t', '|'}

const (
	sniffRows  = 1000
	sniffBytes = 1 << 20
)

// sniffDialect settles the dialect of a file that begins with sample; whole
// says that the sample is all of it.
func (s *Source) sniffDialect(format string, sample []byte, whole bool, opts Options) (dialect, error) {
	d := dialect{quote: '"'}
	var err error
	if d.quote, err = asciiOption("quote", opts.CSV.Quote, '"'); err != nil {
		return d, err
	}
	if d.delim, err = asciiOption("delimiter", opts.CSV.Delimiter, 0); err != nil {
		return d, err
	}
	switch {
	case d.delim != 0:
		s.found("", delimText(d.delim), "as asked")
	case format == "tsv":
		d.delim = '\t'
		s.found("", delimText(d.delim), "format tsv")
	default:
		var why string
		d.delim, why = sniffDelimiter(sample, whole, d.quote)
		s.found("", delimText(d.delim), why)
	}
	if d.delim == d.quote {
		return d, wire.Errorf(wire.InvalidArgument, "delimiter and quote are both %q", d.quote)
	}
	var why string
	d.header, why = sniffHeader(firstRows(sample, whole, d, sniffRows), opts)
	s.found("", map[bool]string{true: "header", false: "no header"}[d.header], why)
	return d, nil
}

func delimText(c byte) string { return fmt.Sprintf("delimiter %q", rune(c)) }

func asciiOption(name string, r rune, ifZero byte) (byte, error) {
	switch {
	case r == 0:
		return ifZero, nil
	case r > 126 || r == '\n' || r == '\r':
		return 0, wire.Errorf(wire.InvalidArgument, "%s %q: one ASCII character is understood, other than a line end", name, r)
	}
	return byte(r), nil
}

// firstRows returns copies of up to n rows. A row that is broken in this
// dialect is nil.
func firstRows(sample []byte, whole bool, d dialect, n int) [][]field {
	sp := newSampleSplitter(sample, whole, d)
	var rows [][]field
	for len(rows) < n {
		row, err := sp.row()
		if _, broken := err.(errBroken); broken {
			rows = append(rows, nil)
			continue
		}
		if err == nil && len(sp.raw) == 0 {
			continue
		}
		if err != nil {
			return rows
		}
		rows = append(rows, cloneRow(row))
	}
	return rows
}

func cloneRow(row []field) []field {
	out := make([]field, len(row))
	for i, f := range row {
		out[i] = field{bytes.Clone(f.text), f.quoted}
	}
	return out
}

// newSampleSplitter cuts a sample. A row that the sample cuts off is an error,
// unless the sample is the whole file.
func newSampleSplitter(sample []byte, whole bool, d dialect) *splitter {
	return newSplitter(&window{buf: sample, end: len(sample), eof: whole}, d.delim, d.quote)
}

// sniffDelimiter takes the delimiter that cuts the most rows into the same
// number of fields, more than one; of equals, the one that makes more fields.
func sniffDelimiter(sample []byte, whole bool, quote byte) (byte, string) {
	if len(sample) > sniffBytes {
		sample, whole = sample[:sniffBytes], false
	}
	best, bestShare, bestFields, rows := byte(','), 0.0, 1, 0
	for _, delim := range delimiters {
		cut := firstRows(sample, whole, dialect{delim: delim, quote: quote}, sniffRows)
		fields, share := commonWidth(cut)
		if fields > 1 && (share > bestShare || share == bestShare && fields > bestFields) {
			best, bestShare, bestFields, rows = delim, share, fields, len(cut)
		}
	}
	if bestFields == 1 {
		return best, "no delimiter in the sample: one column"
	}
	return best, fmt.Sprintf("%.0f%% of the first %s rows have %d fields", 100*bestShare, count(int64(rows)), bestFields)
}

// commonWidth returns the most frequent number of fields and its share of all
// rows, broken ones included.
func commonWidth(rows [][]field) (width int, share float64) {
	seen, most := map[int]int{}, 0
	for _, r := range rows {
		if r != nil {
			seen[len(r)]++
		}
	}
	for n, times := range seen {
		if times > most || times == most && n > width {
			width, most = n, times
		}
	}
	return width, float64(most) / float64(max(1, len(rows)))
}

// sniffHeader tells whether the first row is names: it is unless a cell of it
// is empty (the first cell may be) or looks like a value.
func sniffHeader(rows [][]field, opts Options) (bool, string) {
	if opts.CSV.Header != nil {
		return *opts.CSV.Header, "as asked"
	}
	if len(rows) == 0 {
		return false, "no rows"
	}
	for i, f := range rows[0] {
		if opts.Want != nil && opts.Want.Index(strings.TrimSpace(string(f.text))) >= 0 {
			return true, fmt.Sprintf("column %q is in the table", f.text)
		}
		var g guess
		k := g.classify(f.text)
		switch {
		case k == kindNull && i > 0:
			return false, fmt.Sprintf("cell %d of the first row is empty", i+1)
		case k != kindText && k != kindNull && k != kindToken:
			return false, fmt.Sprintf("the first row has %s %s", article(kindNames[k]), quoted(f.text))
		}
	}
	return true, "all cells of the first row look like names"
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// columnNames makes names of the header, or column1, column2, … without one.
// Names that a table could not have are mended, and the mending is a finding.
func (s *Source) columnNames(first []field, header bool) []string {
	names := make([]string, len(first))
	for i, f := range first {
		if names[i] = fmt.Sprintf("column%d", i+1); header {
			names[i] = strings.TrimSpace(strings.ToValidUTF8(string(f.text), "\ufffd"))
		}
	}
	return s.mendNames(names)
}

// mendNames gives a name to columns without one, and a number to the second
// of two names that differ at most in case. It changes and returns names.
func (s *Source) mendNames(names []string) []string {
	seen := map[string]bool{}
	for i, name := range names {
		mended := mendName(name, i)
		for n := 2; seen[strings.ToLower(mended)]; n++ {
			mended = fmt.Sprintf("%s_%d", mendName(name, i), n)
		}
		if mended != name {
			s.found(mended, foundName, fmt.Sprintf("the file calls it %s", quoted([]byte(name))))
		}
		names[i], seen[strings.ToLower(mended)] = mended, true
	}
	return names
}

// foundName is what was found of a column whose name is mended.
const foundName = "name"

func mendName(name string, i int) string {
	name = strings.ReplaceAll(name, "\x00", `\u0000`)
	if name == "" {
		return fmt.Sprintf("column%d", i+1)
	}
	if cut := schema.MaxNameBytes - 10; len(name) > schema.MaxNameBytes { // room for a number
		name = strings.ToValidUTF8(name[:cut], "")
	}
	return name
}
