package sink

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/tarnlake/tarn/schema"
)

const (
	defaultMaxRows = 40
	maxCellWidth   = 60
)

// tableSink draws a box for people: names and types on top, the first rows,
// how many more there are, and a count.
type tableSink struct {
	w      io.Writer
	schema *arrow.Schema
	opts   Options
	table  table.Writer
	rows   int64
}

func newTable(w io.Writer, s *arrow.Schema, opts Options) *tableSink {
	if opts.MaxRows == 0 {
		opts.MaxRows = defaultMaxRows
	}
	if opts.Null == "" {
		opts.Null = "NULL"
	}
	t := &tableSink{w: w, schema: s, opts: opts, table: table.NewWriter()}
	t.table.SetStyle(style())
	names, types, columns := table.Row{}, table.Row{}, []table.ColumnConfig{}
	for i, f := range s.Fields() {
		names, types = append(names, Printable(f.Name)), append(types, t.dim(shorten(schema.TypeText(f.Type))))
		columns = append(columns, table.ColumnConfig{Number: i + 1, Align: alignment(f.Type), AlignHeader: text.AlignCenter})
	}
	t.table.AppendHeader(names)
	t.table.AppendHeader(types)
	t.table.SetColumnConfigs(columns)
	return t
}

func style() table.Style {
	s := table.StyleLight
	s.Format.Header = text.FormatDefault
	s.Options.SeparateRows = false
	return s
}

// alignment puts numbers to the right, as they are compared.
func alignment(t arrow.DataType) text.Align {
	if id := t.ID(); arrow.IsInteger(id) || arrow.IsFloating(id) || arrow.IsDecimal(id) {
		return text.AlignRight
	}
	return text.AlignLeft
}

func (t *tableSink) dim(s string) string {
	if !t.opts.Color {
		return s
	}
	return text.Escape(s, text.Faint.EscapeSeq())
}

func (t *tableSink) Write(b arrow.RecordBatch) error {
	show := b.NumRows()
	if t.opts.MaxRows >= 0 {
		show = max(0, min(show, int64(t.opts.MaxRows)-t.rows))
	}
	t.rows += b.NumRows()
	cells := make([]cell, b.NumCols())
	for i, col := range b.Columns() {
		cells[i] = textOf(col)
	}
	for row := range int(show) {
		line := make(table.Row, len(cells))
		for i, c := range cells {
			line[i] = t.cell(b.Column(i), c, row)
		}
		t.table.AppendRow(line)
	}
	return nil
}

func (t *tableSink) cell(a arrow.Array, c cell, row int) string {
	if a.IsNull(row) {
		return t.dim(t.opts.Null)
	}
	return shorten(Printable(string(c(nil, row))))
}

// Printable shows control characters as escapes, and bytes that are no text as
// the sign for that: the result is one line, and does not talk to a terminal.
func Printable(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

func shorten(s string) string {
	if text.StringWidthWithoutEscSequences(s) <= maxCellWidth {
		return s
	}
	return text.Trim(s, maxCellWidth-1) + "…"
}

// Close draws the table: what is shown stays in memory until then, for the
// widths.
func (t *tableSink) Close() error {
	out := t.table.Render() + "\n"
	shown := t.rows
	if t.opts.MaxRows >= 0 {
		shown = min(shown, int64(t.opts.MaxRows))
	}
	if more := t.rows - shown; more > 0 {
		out += t.dim(fmt.Sprintf("… %d more", more)) + "\n"
	}
	rows := "rows"
	if t.rows == 1 {
		rows = "row"
	}
	_, err := io.WriteString(t.w, out+t.dim(fmt.Sprintf("%d %s", t.rows, rows))+"\n")
	return err
}
