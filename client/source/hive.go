package source

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

// Hive, Spark, DuckDB and others keep a column that they partition by in the
// names of directories, as in country=IT/part-0.parquet, and often nowhere
// else. A Part is one such directory: a column that all rows of the file
// below have, unless the file has a column of that name itself.
type Part struct {
	Name string
	Text string // the value; meaningless where Null
	Null bool
}

// hiveNull is the name of the directory of nulls.
const hiveNull = "__HIVE_DEFAULT_PARTITION__"

// Roots returns the directories below which directories mean columns: those
// given to Expand, of a glob what stands before the first pattern, and of
// files given by name the directory that all of them are in.
func Roots(patterns []string) []string {
	var roots, dirs []string
	for _, p := range patterns {
		info, err := os.Stat(p)
		switch {
		case p == "-":
		case err == nil && info.IsDir():
			roots = append(roots, filepath.Clean(p))
		case err == nil:
			dirs = append(dirs, filepath.Dir(p))
		default:
			roots = append(roots, plainPrefix(p))
		}
	}
	if len(dirs) > 0 {
		roots = append(roots, slices.MinFunc(dirs, func(a, b string) int { return len(a) - len(b) }))
		for last := len(roots) - 1; slices.ContainsFunc(dirs, func(d string) bool { return !below(roots[last], d) }); {
			roots[last] = filepath.Dir(roots[last])
		}
	}
	return roots
}

// plainPrefix returns the directories of a glob before the first that is a
// pattern.
func plainPrefix(glob string) string {
	if i := strings.IndexAny(glob, `*?[\`); i >= 0 {
		glob = glob[:i] + "x" // not a separator at the end
	}
	return filepath.Dir(glob)
}

func below(root, path string) bool {
	rel, err := filepath.Rel(root, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) || filepath.Dir(root) == root
}

// PathParts returns the columns that the directories between a root and a
// file mean, outermost first.
func PathParts(roots []string, file string) []Part {
	i := slices.IndexFunc(roots, func(root string) bool { return below(root, file) })
	if i < 0 || file == "-" {
		return nil
	}
	rel, err := filepath.Rel(roots[i], filepath.Dir(file))
	if err != nil {
		return nil
	}
	var parts []Part
	for _, dir := range strings.Split(filepath.ToSlash(rel), "/") {
		if name, value, ok := strings.Cut(dir, "="); ok && name != "" {
			parts = append(parts, Part{Name: unescape(name), Text: unescape(value), Null: value == hiveNull})
		}
	}
	return parts
}

// unescape undoes percent signs; text that is none of theirs is itself.
func unescape(s string) string {
	if text, err := url.PathUnescape(s); err == nil {
		return text
	}
	return s
}

// openParts opens a file whose path has columns: those that the file does not
// have are added to it.
func openParts(ctx context.Context, path string, opts Options) (*Source, error) {
	parts := opts.Parts
	if twice := doubled(parts); twice != "" {
		return nil, wire.Errorf(wire.BadInput, "%s: the path has %s= twice", path, twice).WithHint("--hive=false reads no columns from paths")
	}
	opts.Parts = nil
	plain := opts
	plain.Want, plain.Types = nil, withoutTypes(opts.Types, parts)
	s, err := Open(ctx, path, plain)
	if err != nil && opts.Want == nil {
		return nil, err
	}
	if err == nil {
		parts = slices.DeleteFunc(slices.Clone(parts), func(p Part) bool { return s.schema.Index(p.Name) >= 0 })
	}
	if err != nil || opts.Want != nil || len(plain.Types) != len(opts.Types) { // now for good
		if s != nil {
			s.Close()
		}
		inner := opts
		inner.Types = withoutTypes(opts.Types, parts)
		if inner.Want, err = withoutParts(path, opts.Want, parts); err != nil {
			return nil, err
		}
		if s, err = Open(ctx, path, inner); err != nil {
			return nil, err
		}
	}
	if err := s.addParts(parts, opts); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func doubled(parts []Part) string {
	for i, p := range parts {
		if slices.ContainsFunc(parts[:i], func(o Part) bool { return strings.EqualFold(o.Name, p.Name) }) {
			return p.Name
		}
	}
	return ""
}

func isPart(parts []Part, name string) bool {
	return slices.ContainsFunc(parts, func(p Part) bool { return strings.EqualFold(p.Name, name) })
}

func withoutTypes(types map[string]string, parts []Part) map[string]string {
	out := map[string]string{}
	for name, t := range types {
		if !isPart(parts, name) {
			out[name] = t
		}
	}
	return out
}

// withoutParts returns the part of a table's schema that the file fills.
func withoutParts(path string, want *schema.Schema, parts []Part) (*schema.Schema, error) {
	if want == nil || len(parts) == 0 {
		return want, nil
	}
	taken := map[int]bool{}
	for _, p := range parts {
		i := want.Index(p.Name)
		if i < 0 {
			return nil, wire.Errorf(wire.SchemaMismatch, "%s: column %q, which the path has, is not in the table%s", path, p.Name, wire.DidYouMean(p.Name, want.Names())).
				WithHint("add the column (tarn table alter … add '%s TYPE'), or read no columns from paths: --hive=false", p.Name)
		}
		taken[i] = true
	}
	out := &schema.Schema{ID: want.ID}
	for i, f := range want.Fields {
		if !taken[i] {
			out.Fields = append(out.Fields, f)
		}
	}
	return out, nil
}

// addParts makes s a source that has the columns of parts as well: in the
// places that the wanted schema gives them, or behind its own.
func (s *Source) addParts(parts []Part, opts Options) error {
	if len(parts) == 0 {
		return nil
	}
	target := opts.Want
	if target == nil {
		target = &schema.Schema{ID: s.schema.ID, Fields: slices.Clone(s.schema.Fields)}
		for _, p := range parts {
			t, why, err := p.decide(opts.Types)
			if err != nil {
				return wire.Errorf(wire.InvalidArgument, "column %q: %w", p.Name, err)
			}
			s.found(p.Name, schema.TypeText(t), why)
			target.Fields = append(target.Fields, schema.Field{ID: int32(len(target.Fields) + 1), Name: p.Name, Type: t, Nullable: true})
		}
		if err := target.Validate(); err != nil {
			return wire.Errorf(wire.BadInput, "%s: %w", s.name, err).WithHint("--hive=false reads no columns from paths")
		}
	}
	r := &partReader{inner: s.rows, schema: target.Arrow(), constant: make([]*constant, len(target.Fields))}
	for _, p := range parts {
		i := target.Index(p.Name)
		c, err := newConstant(p, target.Fields[i])
		if err != nil {
			return wire.Errorf(wire.BadInput, "%s: %s= in the path: %w", s.name, p.Name, err).WithHint("--hive=false reads no columns from paths")
		}
		r.constant[i] = c
	}
	s.schema, s.rows = target, r
	return nil
}

// decide returns the type of a part's column, and why. It is int64 or date
// only where the value is written as these are, so that none is changed.
func (p Part) decide(types map[string]string) (arrow.DataType, string, error) {
	for name, text := range types {
		if strings.EqualFold(name, p.Name) {
			t, err := schema.ParseType(text)
			return t, "as asked", err
		}
	}
	if p.Null {
		return arrow.BinaryTypes.String, NoValue, nil
	}
	why := p.Name + "=" + p.Text + " in the path"
	if n, err := strconv.ParseInt(p.Text, 10, 64); err == nil && strconv.FormatInt(n, 10) == p.Text {
		return arrow.PrimitiveTypes.Int64, why, nil
	}
	if _, err := time.Parse(time.DateOnly, p.Text); err == nil {
		return arrow.FixedWidthTypes.Date32, why, nil
	}
	return arrow.BinaryTypes.String, why, nil
}

// constant is a column of one value, made as long as batches need it.
type constant struct {
	b     array.Builder
	add   func() error
	array arrow.Array
}

func newConstant(p Part, f schema.Field) (*constant, error) {
	c := &constant{b: array.NewBuilder(mem, f.Type)}
	text := newTextAppender(c.b)
	c.add = func() error { return text([]byte(p.Text)) }
	if p.Null {
		if !f.Nullable {
			return nil, errNull
		}
		c.add = func() error { c.b.AppendNull(); return nil }
	}
	err := c.add()
	c.array = c.b.NewArray()
	return c, err
}

func (c *constant) of(n int) (arrow.Array, error) {
	if c.array.Len() < n {
		for range n {
			if err := c.add(); err != nil {
				return nil, err
			}
		}
		c.array = c.b.NewArray()
	}
	return array.NewSlice(c.array, 0, int64(n)), nil
}

// partReader puts constant columns between those of another reader.
type partReader struct {
	inner    reader
	schema   *arrow.Schema
	constant []*constant // by column; nil: the next one of inner
}

func (r *partReader) next() (arrow.RecordBatch, error) {
	batch, err := r.inner.next()
	if err != nil {
		return nil, err
	}
	own := batch.Columns()
	cols := make([]arrow.Array, len(r.constant))
	for i, c := range r.constant {
		if c == nil {
			cols[i], own = own[0], own[1:]
		} else if cols[i], err = c.of(int(batch.NumRows())); err != nil {
			return nil, err
		}
	}
	return array.NewRecordBatch(r.schema, cols, batch.NumRows()), nil
}

func (r *partReader) close() error { return r.inner.close() }
