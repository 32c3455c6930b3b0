package source

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

// A conformer turns the batches of a file that has types of its own into
// batches of the source's schema.
type conformer struct {
	name    string
	mem     *wire.Budget
	schema  *arrow.Schema
	columns []conformed // by field of the schema
}

type conformed struct {
	field schema.Field
	from  int // column of the file, or -1: null
	cast  caster
}

// conformTo plans the way from the schema of a file to the source's, which it
// sets.
func (s *Source) conformTo(from *arrow.Schema, opts Options) (*conformer, error) {
	from, err := s.tidy(from)
	if err != nil {
		return nil, err
	}
	target := opts.Want
	if target == nil {
		if target, err = s.fileSchema(from, opts); err != nil {
			return nil, err
		}
	}
	names := make([]string, from.NumFields())
	for i := range names {
		names[i] = from.Field(i).Name
	}
	positions, err := matchColumns(s.name, names, target, true)
	if err != nil {
		return nil, err
	}
	c := &conformer{name: s.name, mem: wire.NewBudget(wire.MaxBatchMemory), schema: target.Arrow()}
	for _, f := range target.Fields {
		c.columns = append(c.columns, conformed{field: f, from: -1})
	}
	for i, p := range positions {
		col := &c.columns[p]
		col.from = i
		if col.cast = newCaster(from.Field(i).Type, col.field.Type); col.cast == nil {
			return nil, wire.Errorf(wire.SchemaMismatch, "%s: column %q is %s in the file and %s in the table, and not all values of the one are values of the other",
				s.name, names[i], schema.TypeText(from.Field(i).Type), schema.TypeText(col.field.Type))
		}
	}
	s.schema = target
	return c, nil
}

// tidy returns the file's schema with canonical types and names that a table
// can have.
func (s *Source) tidy(from *arrow.Schema) (*arrow.Schema, error) {
	if from.NumFields() == 0 {
		return nil, wire.Errorf(wire.BadInput, "%s: has no columns", s.name)
	}
	if from.NumFields() > maxColumns {
		return nil, wire.Errorf(wire.LimitExceeded, "%s: has %d columns; at most %d are read", s.name, from.NumFields(), maxColumns)
	}
	names := make([]string, from.NumFields())
	for i := range names {
		names[i] = from.Field(i).Name
	}
	fields := make([]arrow.Field, len(names))
	for i, name := range s.mendNames(names) {
		t, err := schema.Canonical(from.Field(i).Type)
		if err != nil {
			return nil, wire.Errorf(wire.Unsupported, "%s: column %q: %w", s.name, name, err).
				WithHint("leave the column out, or write it as another type")
		}
		fields[i] = arrow.Field{Name: name, Type: t, Nullable: true}
	}
	return arrow.NewSchema(fields, nil), nil
}

// fileSchema is the schema of a table made from the file.
func (s *Source) fileSchema(from *arrow.Schema, opts Options) (*schema.Schema, error) {
	out, err := schema.FromArrow(from)
	if err != nil {
		return nil, wire.Errorf(wire.Unsupported, "%s: %w", s.name, err)
	}
	types, err := overrides(s.name, opts.Types, out.Names())
	if err != nil {
		return nil, err
	}
	for i, f := range out.Fields {
		why := "the file's own type"
		if t := types[f.Name]; t != nil {
			out.Fields[i].Type, why = t, fmt.Sprintf("as asked; %s in the file", schema.TypeText(f.Type))
		}
		s.found(f.Name, schema.TypeText(out.Fields[i].Type), why)
	}
	return out, out.Validate()
}

// conform returns the rows of batch under the source's schema. firstRow is
// the number of its first row, for messages.
func (c *conformer) conform(batch arrow.RecordBatch, firstRow int64) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, len(c.columns))
	for i, col := range c.columns {
		var err error
		if cols[i], err = c.column(col, batch); err != nil {
			return nil, wire.Errorf(wire.BadInput, "%s: column %q, rows %d to %d: %w", c.name, col.field.Name, firstRow, firstRow+batch.NumRows()-1, err)
		}
	}
	return array.NewRecordBatch(c.schema, cols, batch.NumRows()), nil
}

func (c *conformer) column(col conformed, batch arrow.RecordBatch) (arrow.Array, error) {
	if col.from < 0 {
		return array.MakeArrayOfNull(c.mem, col.field.Type, int(batch.NumRows())), nil
	}
	a, err := schema.Canonicalize(c.mem, batch.Column(col.from))
	if err != nil {
		return nil, err
	}
	if a, err = col.cast(a); err != nil {
		return nil, err
	}
	if !col.field.Nullable && a.NullN() > 0 {
		return nil, fmt.Errorf("%d of %d values are null; the column may not be", a.NullN(), a.Len())
	}
	return a, nil
}
