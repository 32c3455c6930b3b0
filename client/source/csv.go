package source

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

// csvReader reads CSV rows into batches.
type csvReader struct {
	split   *splitter
	columns []csvColumn // by position in the file
	batch   *batchBuilder
	maxRows int
	rejects *rejects

	plain    stretch
	misfits  []misfitCell // of plain
	oneByOne bool         // for tests: no row is plain
}

// csvColumn fills one column of the batch from the cells of the file.
type csvColumn struct {
	name     string
	add      appender
	plain    plainColumn // may be nil
	null     func()
	nullable bool
	text     bool     // string or binary: an empty cell in quotes is a value
	nulls    []string // texts that mean null, besides nothing at all
	emptyOK  bool     // nothing at all is an empty text, not null
}

// startCSV reads the sample, settles dialect and types, and goes back to the
// first row.
func (s *Source) startCSV(format string, opts Options) error {
	sample, whole, err := s.in.sample()
	if err != nil {
		return err
	}
	d, err := s.sniffDialect(format, sample, whole, opts)
	if err != nil {
		return err
	}
	first := firstRows(sample, whole, d, 1)
	if len(first) == 0 {
		return s.startEmpty(opts)
	}
	if first[0] == nil {
		return wire.Errorf(wire.BadInput, "%s: the first row is broken: with %s there is text after a closing quote", s.name, delimText(d.delim)).
			WithHint("give --delimiter or --quote if they are others; a quote inside quotes is written twice")
	}
	names := s.columnNames(first[0], d.header)
	target, err := s.csvSchema(names, sample, whole, d, opts)
	if err != nil {
		return err
	}
	r := &csvReader{batch: newBatchBuilder(target), maxRows: opts.BatchRows, rejects: s.rejects}
	if r.columns, err = csvColumns(s.name, names, target, r.batch, opts, d); err != nil {
		return s.calledInFile(err)
	}
	r.split = newSplitter(newWindow(io.MultiReader(bytes.NewReader(sample), s.in.head), maxRowBytes), d.delim, d.quote)
	r.plain.fields = len(r.columns)
	s.schema, s.rows = target, r
	if d.header {
		return r.skipHeader()
	}
	return nil
}

// crReader turns the carriage returns that end the lines of old files into
// line feeds.
type crReader struct{ r io.Reader }

func (c crReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	for i, b := range p[:n] {
		if b == '\r' {
			p[i] = '\n'
		}
	}
	return n, err
}

// sample reads the first bytes of a text file, without a byte order mark, and
// says whether they are all of it.
func (in *input) sample() (sample []byte, whole bool, err error) {
	if head, _ := in.head.Peek(3); bytes.Equal(head, utf8BOM) {
		in.head.Discard(3)
	}
	sample, err = io.ReadAll(io.LimitReader(in.head, sampleBytes))
	if err != nil {
		return nil, false, fmt.Errorf("read: %w", err)
	}
	if bytes.IndexByte(sample, '\n') < 0 && bytes.IndexByte(sample, '\r') >= 0 {
		in.head = bufio.NewReaderSize(crReader{in.head}, 64<<10)
		sample = bytes.ReplaceAll(sample, []byte{'\r'}, newline)
	}
	_, err = in.head.Peek(1)
	return sample, errors.Is(err, io.EOF), nil
}

// startEmpty is for a file without a row: fine for a known table, too little
// to infer one from.
func (s *Source) startEmpty(opts Options) error {
	if opts.Want == nil {
		return wire.Errorf(wire.BadInput, "%s: is empty: no columns to infer", s.name).
			WithHint("tarn table create makes the table first")
	}
	s.schema, s.rows = opts.Want, ended{}
	return nil
}

// calledInFile adds to an error about names which of them the file has
// otherwise.
func (s *Source) calledInFile(err error) error {
	var mended []string
	for _, f := range s.findings {
		if f.Found == foundName {
			mended = append(mended, fmt.Sprintf("column %q has that name here; %s", f.Column, f.Why))
		}
	}
	if len(mended) == 0 {
		return err
	}
	e := wire.FromError(err)
	return e.WithHint("%s", strings.Join(append(mended[:min(len(mended), 3)], e.Hint), "\n"))
}

// csvSchema returns the schema of the batches: the one wanted, or one
// inferred from the sample.
func (s *Source) csvSchema(names []string, sample []byte, whole bool, d dialect, opts Options) (*schema.Schema, error) {
	if opts.Want != nil {
		return opts.Want, nil
	}
	if len(names) > maxColumns {
		return nil, wire.Errorf(wire.LimitExceeded, "%s: has %d columns; at most %d are read", s.name, len(names), maxColumns)
	}
	types, err := overrides(s.name, opts.Types, names)
	if err != nil {
		return nil, err
	}
	var guesses []guess
	if len(types) < len(names) {
		guesses = guessColumns(len(names), sample, whole, d)
	}
	out := &schema.Schema{ID: 1}
	for i, name := range names {
		t, why := types[name], "as asked"
		if t == nil {
			t, why = guesses[i].decide()
		}
		s.found(name, schema.TypeText(t), why)
		out.Fields = append(out.Fields, schema.Field{ID: int32(i + 1), Name: name, Type: t, Nullable: true})
	}
	if err := out.Validate(); err != nil {
		return nil, err
	}
	return out, nil
}

// overrides parses Options.Types; names are the columns there are.
func overrides(file string, types map[string]string, names []string) (map[string]arrow.DataType, error) {
	out := map[string]arrow.DataType{}
	for name, text := range types {
		if !slices.Contains(names, name) {
			return nil, wire.Errorf(wire.ColumnNotFound, "%s: a type is given for column %q, which the file does not have%s", file, name, wire.DidYouMean(name, names))
		}
		t, err := schema.ParseType(text)
		if err != nil {
			return nil, wire.Errorf(wire.InvalidArgument, "column %q: %w", name, err)
		}
		out[name] = t
	}
	return out, nil
}

func guessColumns(n int, sample []byte, whole bool, d dialect) []guess {
	guesses := make([]guess, n)
	sp := newSampleSplitter(sample, whole, d)
	header := d.header
	for {
		row, err := sp.row()
		if _, broken := err.(errBroken); broken {
			continue
		}
		if err != nil {
			return guesses
		}
		if len(row) != n || n > 1 && len(sp.raw) == 0 {
			continue
		}
		if header {
			header = false
			continue
		}
		for i, f := range row {
			guesses[i].see(f.text, sp.start)
		}
	}
}

// csvColumns plans what becomes of each cell.
func csvColumns(file string, names []string, target *schema.Schema, b *batchBuilder, opts Options, d dialect) ([]csvColumn, error) {
	positions, err := matchColumns(file, names, target, d.header || opts.Want == nil)
	if err != nil {
		return nil, err
	}
	columns := make([]csvColumn, len(names))
	for i, p := range positions {
		f, builder := target.Fields[p], b.builders[p]
		c := csvColumn{name: f.Name, add: newTextAppender(builder), null: builder.AppendNull, nullable: f.Nullable}
		c.text = f.Type.ID() == arrow.STRING || f.Type.ID() == arrow.BINARY
		switch {
		case opts.CSV.Null != nil:
			c.nulls, c.emptyOK = opts.CSV.Null, !slices.Contains(opts.CSV.Null, "")
		case !c.text:
			c.nulls = nullTokens
		}
		if opts.CSV.Null == nil { // or what looks like a number might mean null
			c.plain = newPlainColumn(builder)
		}
		columns[i] = c
	}
	return columns, nil
}

// matchColumns returns the field of each named column of the file; without
// names (byName false) columns go by position. Fields that no column fills
// must be nullable.
func matchColumns(file string, names []string, target *schema.Schema, byName bool) ([]int, error) {
	if !byName && len(names) != len(target.Fields) {
		return nil, wire.Errorf(wire.SchemaMismatch, "%s: has %d columns and no header; the table has %d", file, len(names), len(target.Fields)).
			WithHint("--header says that the first row has names")
	}
	positions, filled := make([]int, len(names)), make([]bool, len(target.Fields))
	for i, name := range names {
		p := i
		if byName {
			p = target.Index(name)
		}
		if p < 0 {
			return nil, wire.Errorf(wire.SchemaMismatch, "%s: column %q is not in the table%s", file, name, wire.DidYouMean(name, target.Names())).
				WithHint("add the column (tarn table alter … add '%s TYPE'), or leave it out of the file", name)
		}
		if filled[p] {
			return nil, wire.Errorf(wire.SchemaMismatch, "%s: two columns are called %q", file, target.Fields[p].Name)
		}
		positions[i], filled[p] = p, true
	}
	for p, f := range target.Fields {
		if !filled[p] && !f.Nullable {
			return nil, wire.Errorf(wire.SchemaMismatch, "%s: has no column %q, which may not be null", file, f.Name)
		}
	}
	return positions, nil
}

func (r *csvReader) skipHeader() error {
	for {
		if _, err := r.split.row(); err != nil || len(r.split.raw) > 0 { // blank lines may stand before it
			return err
		}
	}
}

func (r *csvReader) close() error { return nil }

func (r *csvReader) next() (arrow.RecordBatch, error) {
	for taken := 0; r.batch.rows < r.maxRows && taken < batchBytes; {
		n, err := 0, error(nil)
		if !r.oneByOne {
			n, err = r.nextPlain(batchBytes - taken)
		}
		if err != nil {
			return nil, err
		}
		if taken += n; n > 0 {
			continue
		}
		fields, err := r.split.row()
		if errors.Is(err, io.EOF) {
			break
		}
		taken += r.split.consumedBy
		if err == nil {
			err = r.row(fields)
		} else if broken, ok := err.(errBroken); ok {
			err = r.reject("", broken.reason)
		}
		if err != nil {
			return nil, err
		}
	}
	if r.batch.rows == 0 {
		return nil, io.EOF
	}
	return r.batch.finish()
}

// row adds a row, or rejects it.
func (r *csvReader) row(fields []field) error {
	if len(fields) != len(r.columns) {
		if len(r.split.raw) == 0 {
			return nil // a blank line
		}
		return r.reject("", fmt.Sprintf("has %d fields where the first row has %d", len(fields), len(r.columns)))
	}
	var bad *csvColumn
	var why error
	for i := range r.columns {
		if err := r.columns[i].append(fields[i]); err != nil && bad == nil {
			bad, why = &r.columns[i], err
		}
	}
	r.batch.rows++
	if bad == nil {
		return nil
	}
	r.batch.bad = append(r.batch.bad, r.batch.rows-1)
	return r.reject(bad.name, why.Error())
}

func (r *csvReader) reject(column, reason string) error {
	return r.rejects.add(Reject{Line: r.split.start, Column: column, Reason: reason, Text: string(r.split.raw)})
}

func (c *csvColumn) append(f field) error {
	if !c.isNull(f) {
		return c.add(f.text)
	}
	c.null()
	if !c.nullable {
		return errNull
	}
	return nil
}

var errNull = errors.New("is null; the column may not be")

func (c *csvColumn) isNull(f field) bool {
	if len(f.text) == 0 {
		return !c.text || !f.quoted && !c.emptyOK
	}
	if f.quoted && c.text {
		return false
	}
	for _, word := range c.nulls {
		if word == string(f.text) {
			return true
		}
	}
	return false
}
