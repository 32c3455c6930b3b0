package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

// Two ways in which JSON comes as rows:
//
//	lines     one value a line; a bad line is one reject
//	document  values that may span lines, each with a line end behind it; an
//	          array at the top is its elements, one by one, so that it may be
//	          of any size; an error ends it, for nobody knows where the next
//	          value starts
//
// A row is an object; where less than half of the sample are objects, or none
// of them has a key, the file has the one column "value".
const valueColumn = "value"

// A jsonScanner yields the values of a stream.
type jsonScanner struct {
	w       *window
	v       value
	lines   bool
	inArray bool
	comma   bool  // inArray: a value stands before
	open    bool  // no line end yet behind the value before
	line    int64 // of what comes next
	start   int64 // line of the value that next returned last
	raw     []byte
	used    int // bytes of the last value
}

// errLine is a bad line; the scanner goes on behind it.
type errLine struct{ err error }

func (e errLine) Error() string { return e.err.Error() }

// next parses the next value into s.v, or returns io.EOF.
func (s *jsonScanner) next() error {
	s.used = 0
	if s.lines {
		return s.nextLine()
	}
	return s.nextInDocument()
}

func (s *jsonScanner) nextLine() error {
	for {
		i := bytes.IndexByte(s.w.rest(), '\n')
		if i < 0 && !s.w.eof {
			if err := s.w.more(); err != nil {
				return fmt.Errorf("line %d: %w", s.line, err)
			}
			continue
		}
		if i < 0 && len(s.w.rest()) == 0 {
			return io.EOF
		}
		line := s.w.rest()
		if i >= 0 {
			line = line[:i+1]
		}
		s.start, s.raw = s.line, trimEOL(line)
		s.use(len(line))
		if len(bytes.TrimLeft(line, " \t\r\n")) > 0 {
			return s.parseLine(line)
		}
	}
}

func (s *jsonScanner) use(n int) {
	s.line += int64(bytes.Count(s.w.rest()[:n], newline))
	s.w.pos += n
	s.used += n
}

func (s *jsonScanner) parseLine(line []byte) error {
	n, err := s.v.parse(line, true)
	if err == nil && len(bytes.TrimLeft(line[n:], " \t\r\n")) > 0 {
		err = errors.New("not JSON: text behind the value")
	}
	if err != nil {
		return errLine{err}
	}
	return nil
}

// nextInDocument returns errors that name their line and end the document.
func (s *jsonScanner) nextInDocument() error {
	line := s.line
	c, err := s.skipSpace()
	if err != nil {
		return err
	}
	if s.open && s.line == line {
		return fmt.Errorf("line %d: not JSON: %q behind the value", s.line, rune(c))
	}
	s.open = false
	if !s.inArray && c == '[' {
		s.inArray, s.comma = true, false
		s.use(1)
		if c, err = s.skipSpace(); err != nil {
			return err
		}
		if c == ']' {
			return s.closeArray()
		}
	} else if s.inArray && c == ']' {
		return s.closeArray()
	}
	if s.inArray && s.comma {
		if c != ',' {
			return fmt.Errorf("line %d: not JSON: %q where ',' or ']' is due", s.line, rune(c))
		}
		s.use(1)
		if _, err = s.skipSpace(); err != nil {
			return err
		}
	}
	return s.document()
}

// skipSpace returns the next byte that is none; io.EOF only between values.
func (s *jsonScanner) skipSpace() (byte, error) {
	for {
		rest := s.w.rest()
		n := len(rest) - len(bytes.TrimLeft(rest, " \t\r\n"))
		s.use(n)
		if n < len(rest) {
			return rest[n], nil
		}
		if s.w.eof {
			if s.inArray {
				return 0, fmt.Errorf("line %d: %w", s.line, errShort)
			}
			return 0, io.EOF
		}
		if err := s.w.more(); err != nil {
			return 0, fmt.Errorf("line %d: %w", s.line, err)
		}
	}
}

func (s *jsonScanner) closeArray() error {
	s.inArray, s.open = false, true
	s.use(1)
	return s.nextInDocument()
}

// document parses the value that begins here.
func (s *jsonScanner) document() error {
	for {
		n, err := s.v.parse(s.w.rest(), s.w.eof)
		if errors.Is(err, errShort) && !s.w.eof {
			err = s.w.more()
			if err == nil {
				continue
			}
		}
		if err != nil {
			s.line += int64(bytes.Count(s.w.rest()[:min(n, len(s.w.rest()))], newline))
			return fmt.Errorf("line %d: %w", s.line, err)
		}
		s.start, s.raw = s.line, s.w.rest()[:n]
		s.comma, s.open = s.inArray, !s.inArray
		s.use(n)
		return nil
	}
}

// isLines tells lines from a document: lines begin with a value that ends on
// its line and is no array.
func isLines(sample []byte, whole bool) bool {
	text := bytes.TrimLeft(sample, " \t\r\n")
	if len(text) == 0 || text[0] == '[' {
		return false
	}
	line, _, found := bytes.Cut(text, newline)
	if !found && !whole {
		return false
	}
	s := jsonScanner{}
	return s.parseLine(line) == nil
}

// jsonReader reads JSON values into batches.
type jsonReader struct {
	scan    *jsonScanner
	batch   *batchBuilder
	columns []jsonAppender
	byKey   map[string]int // nil: the rows are values, of the one column
	fields  []schema.Field
	at      []int32
	maxRows int
	rejects *rejects
}

func (s *Source) startJSON(format string, opts Options) error {
	sample, whole, err := s.in.sample()
	if err != nil {
		return err
	}
	lines := format == "ndjson" || isLines(sample, whole)
	s.found("", map[bool]string{true: "one value a line", false: "a JSON document"}[lines], "by the first value")
	target, byKey := opts.Want, map[string]int(nil)
	if target == nil {
		if target, byKey, err = s.jsonSchema(sample, whole, lines, opts); err != nil {
			return err
		}
	} else if byKey, err = s.wantedKeys(sample, whole, lines, target); err != nil {
		return err
	}
	r := &jsonReader{batch: newBatchBuilder(target), fields: target.Fields, byKey: byKey, maxRows: opts.BatchRows, rejects: s.rejects}
	for _, b := range r.batch.builders {
		r.columns = append(r.columns, newJSONAppender(b))
	}
	r.at = make([]int32, len(r.columns))
	w := newWindow(io.MultiReader(bytes.NewReader(sample), s.in.head), maxRowBytes)
	r.scan = &jsonScanner{w: w, lines: lines, line: 1}
	s.schema, s.rows = target, r
	return nil
}

// sampleShape gathers the shape of the rows in the sample. bad is the first
// line that is not JSON.
func sampleShape(sample []byte, whole, lines bool) (root *shape, bad, err error) {
	scan := &jsonScanner{w: &window{buf: sample, end: len(sample), eof: whole}, lines: lines, line: 1}
	root = &shape{}
	for {
		err := scan.next()
		var line errLine
		switch {
		case errors.As(err, &line) && bad == nil:
			bad = fmt.Errorf("line %d: %w", scan.start, line.err)
		case errors.As(err, &line):
		case err == io.EOF, err != nil && !whole: // the sample cuts a value off; the reader meets other errors again
			return root, bad, nil
		case err != nil:
			return root, bad, err
		default:
			root.see(&scan.v, 0, scan.start, 0)
		}
	}
}

// jsonSchema infers the schema, and which column each key goes to.
func (s *Source) jsonSchema(sample []byte, whole, lines bool, opts Options) (*schema.Schema, map[string]int, error) {
	root, bad, err := sampleShape(sample, whole, lines)
	if err != nil {
		return nil, nil, err
	}
	if root.typed()+root.seen[nodeNull] == 0 && bad != nil {
		return nil, nil, fmt.Errorf("no line is JSON; %w", bad)
	}
	if root.typed()+root.seen[nodeNull] == 0 && (lines || len(bytes.TrimSpace(sample)) == 0) {
		return nil, nil, s.startEmpty(opts)
	}
	shapes, names := []*shape{root}, []string{valueColumn}
	var byKey map[string]int
	if root.areRows() && len(root.keys) > 0 {
		shapes, byKey = nil, map[string]int{}
		for i, key := range root.keys {
			shapes, byKey[key] = append(shapes, root.fields[key]), i
		}
		for _, name := range slices.Sorted(maps.Keys(opts.Types)) { // keys that the sample has not got
			if _, ok := byKey[name]; !ok {
				byKey[name] = len(shapes)
				shapes, root.keys = append(shapes, &shape{}), append(root.keys, name)
			}
		}
		names = s.mendNames(append([]string(nil), root.keys...))
	}
	if len(names) > maxColumns {
		return nil, nil, wire.Errorf(wire.LimitExceeded, "%s: has more than %d columns", s.name, maxColumns)
	}
	types, err := overrides(s.name, opts.Types, names)
	if err != nil {
		return nil, nil, err
	}
	out := &schema.Schema{ID: 1}
	for i, name := range names {
		t, why := types[name], "as asked"
		if t == nil {
			t, why = shapes[i].decide(1)
		}
		s.found(name, schema.TypeText(t), why)
		out.Fields = append(out.Fields, schema.Field{ID: int32(i + 1), Name: name, Type: t, Nullable: true})
	}
	return out, byKey, out.Validate()
}

// wantedKeys returns the column of each key of the sample. Keys are matched
// without regard to case where no column has the exact name; keys that come
// later must be exact. A key that cannot name a column is that of the column
// it would be called by inference.
func (s *Source) wantedKeys(sample []byte, whole, lines bool, want *schema.Schema) (map[string]int, error) {
	root, _, err := sampleShape(sample, whole, lines)
	if err != nil {
		return nil, err
	}
	if bare := !root.areRows() && root.typed()+root.seen[nodeNull] > 0; bare && len(want.Fields) == 1 {
		return nil, nil
	} else if bare && root.typed() > 0 {
		return nil, wire.Errorf(wire.SchemaMismatch, "%s: rows are not all objects, and the table has %d columns", s.name, len(want.Fields))
	}
	byKey := map[string]int{}
	for i, f := range want.Fields {
		byKey[f.Name] = i
	}
	keys := exactFirst(root.keys, byKey)
	of := map[int]string{}
	names := s.mendNames(slices.Clone(keys)) // as they were by inference
	for k, key := range keys {
		i := want.Index(names[k])
		if i < 0 {
			return nil, wire.Errorf(wire.SchemaMismatch, "%s: line %d: key %q is not a column of the table%s", s.name, root.fields[key].line(), key, wire.DidYouMean(key, want.Names())).
				WithHint("add the column (tarn table alter … add '%s TYPE'), or leave the key out of the file", key)
		}
		if other, ok := of[i]; ok {
			return nil, wire.Errorf(wire.SchemaMismatch, "%s: keys %q and %q are both column %q", s.name, other, key, want.Fields[i].Name)
		}
		byKey[key], of[i] = i, key
	}
	return byKey, nil
}

// exactFirst returns keys with those before that are columns by their exact
// name, so that of "a" and "A" the column a is never the other's.
func exactFirst(keys []string, byKey map[string]int) []string {
	out := slices.Clone(keys)
	slices.SortStableFunc(out, func(a, b string) int {
		_, okA := byKey[a]
		_, okB := byKey[b]
		switch {
		case okA == okB:
			return 0
		case okA:
			return -1
		}
		return 1
	})
	return out
}

// areRows reports whether most of the values are objects; the others are then
// rejects.
func (s *shape) areRows() bool { return 2*s.seen[nodeObject] > s.typed() }

// line returns where the shape was seen first.
func (s *shape) line() int64 {
	var line int64
	for k, n := range s.seen {
		if n > 0 && (line == 0 || s.first[k].line < line) {
			line = s.first[k].line
		}
	}
	return line
}

func (r *jsonReader) close() error { return nil }

func (r *jsonReader) next() (arrow.RecordBatch, error) {
	for taken := 0; r.batch.rows < r.maxRows && taken < batchBytes; taken += r.scan.used {
		err := r.scan.next()
		if err == io.EOF {
			break
		}
		var bad errLine
		switch {
		case errors.As(err, &bad):
			err = r.reject("", bad.err)
		case err == nil:
			err = r.row()
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

func (r *jsonReader) reject(column string, reason error) error {
	return r.rejects.add(Reject{Line: r.scan.start, Column: column, Reason: reason.Error(), Text: string(r.scan.raw)})
}

// row adds the value at hand, or rejects it.
func (r *jsonReader) row() error {
	column, err := r.fill(&r.scan.v)
	r.batch.rows++
	if err == nil {
		return nil
	}
	r.batch.bad = append(r.batch.bad, r.batch.rows-1)
	return r.reject(column, err)
}

// fill adds one value to each column and returns the first error with its
// column.
func (r *jsonReader) fill(v *value) (column string, err error) {
	isRow := r.byKey == nil || v.nodes[0].kind == nodeObject
	switch {
	case r.byKey == nil:
		clear(r.at)
	case !isRow:
		clear(r.at)
		err = fmt.Errorf("%s %s is no object", nodeNames[v.nodes[0].kind], quoted(v.nodes[0].raw))
	default:
		var unknown errUnknownKey
		if errors.As(locate(v, 0, r.byKey, r.at), &unknown) {
			column, err = unknown.key, fmt.Errorf("key %q is not a column", unknown.key)
		}
	}
	for i, add := range r.columns {
		if cellErr := r.cell(v, i, add); cellErr != nil && err == nil {
			column, err = r.fields[i].Name, cellErr
		}
	}
	return column, err
}

func (r *jsonReader) cell(v *value, i int, add jsonAppender) error {
	missing := r.byKey != nil && r.at[i] == 0
	if missing {
		r.batch.builders[i].AppendNull()
	}
	if missing || v.nodes[r.at[i]].kind == nodeNull {
		if !missing {
			r.batch.builders[i].AppendNull()
		}
		if !r.fields[i].Nullable {
			return errNull
		}
		return nil
	}
	return add(v, r.at[i])
}
