package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/source"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

// cutType splits COLUMN=TYPE at the first equals sign.
func cutType(text string) (column, typ string, ok bool) {
	column, typ, ok = strings.Cut(text, "=")
	return strings.TrimSpace(column), strings.TrimSpace(typ), ok
}

// inferSchema opens each file, looks at its beginning, and returns the schema
// that fits all of them. Below roots paths have columns.
func inferSchema(ctx context.Context, files, roots []string, opts source.Options) (*schema.Schema, error) {
	fit := &fitting{}
	for _, path := range files {
		if readOnce(path) && len(files) > 1 {
			return nil, wire.Errorf(wire.Unsupported, "%s can be read only once: beside other files it cannot be used to make a table", path).
				WithHint("tarn table create first, or ingest it alone")
		}
		opts.Parts = source.PathParts(roots, path)
		src, err := source.Open(ctx, path, opts)
		if err != nil {
			return nil, err
		}
		err = fit.add(path, src)
		src.Close()
		if err != nil {
			return nil, err
		}
	}
	return &schema.Schema{ID: 1, Fields: fit.fields}, nil
}

// fitting grows a schema until it fits every file: columns in order of their
// first appearance, each of a type that holds all values seen.
type fitting struct {
	fields []schema.Field
	from   []string // the file that a column's type is from; "" where no file had a value
}

// noValue is why a text column without a value in the sample is a string.
const noValue = "no value in the sample"

func (f *fitting) add(path string, src *source.Source) error {
	empty := map[string]bool{}
	for _, found := range src.Explain() {
		empty[found.Column] = found.Why == noValue
	}
	for _, field := range src.Schema().Fields {
		from := path
		if empty[field.Name] {
			from = ""
		}
		if err := f.fit(field, from); err != nil {
			return err
		}
	}
	return nil
}

// fit makes room for one column of a file. A column that was empty so far
// takes any type.
func (f *fitting) fit(field schema.Field, from string) error {
	i := (&schema.Schema{Fields: f.fields}).Index(field.Name)
	switch {
	case i < 0:
		field.ID, field.Nullable = int32(len(f.fields)+1), true
		f.fields, f.from = append(f.fields, field), append(f.from, from)
		return nil
	case from == "":
		return nil
	case f.from[i] == "":
		f.fields[i].Type, f.from[i] = field.Type, from
		return nil
	}
	t := unify(f.fields[i].Type, field.Type)
	if t == nil {
		return wire.Errorf(wire.SchemaMismatch, "column %q is %s in %s and %s in %s: no type holds both",
			field.Name, schema.TypeText(f.fields[i].Type), f.from[i], schema.TypeText(field.Type), from).
			WithHint("ingest the files into two tables, or make one of the columns another type first")
	}
	f.fields[i].Type = t
	return nil
}

// unify returns the narrowest type that holds the values of both types, or
// nil. Text holds the values of everything that was inferred from text.
func unify(a, b arrow.DataType) arrow.DataType {
	switch {
	case arrow.TypeEqual(a, b):
		return a
	case schema.Widens(a, b):
		return b
	case schema.Widens(b, a):
		return a
	case isNumber(a) && isNumber(b):
		return unifyNumbers(a, b)
	case isTime(a) && isTime(b):
		return unifyTimes(a, b)
	case isPlain(a) && isPlain(b):
		return arrow.BinaryTypes.String
	}
	return nil
}

func isNumber(t arrow.DataType) bool {
	return arrow.IsInteger(t.ID()) || arrow.IsFloating(t.ID()) || t.ID() == arrow.DECIMAL128
}

func isTime(t arrow.DataType) bool { return t.ID() == arrow.DATE32 || t.ID() == arrow.TIMESTAMP }

// isPlain reports whether values of t are one word of text each.
func isPlain(t arrow.DataType) bool {
	return isNumber(t) || isTime(t) || t.ID() == arrow.BOOL || t.ID() == arrow.STRING || t.ID() == arrow.TIME32 || t.ID() == arrow.TIME64
}

// manyDigits reports whether values of t may have more digits than a float
// carries, as they have where inference took the wider kind of decimal.
func manyDigits(t arrow.DataType) bool {
	d, ok := t.(*arrow.Decimal128Type)
	return ok && d.Precision > 18
}

// unifyNumbers keeps exact numbers exact: an integer and a decimal make a
// decimal with room for both, and only a float makes a float; where that would
// lose digits, text keeps them.
func unifyNumbers(a, b arrow.DataType) arrow.DataType {
	if arrow.IsFloating(a.ID()) || arrow.IsFloating(b.ID()) {
		if manyDigits(a) || manyDigits(b) {
			return arrow.BinaryTypes.String
		}
		return arrow.PrimitiveTypes.Float64
	}
	whole := max(wholeDigits(a), wholeDigits(b))
	scale := max(scaleOf(a), scaleOf(b), 0)
	if whole+scale > 38 {
		return arrow.BinaryTypes.String
	}
	if scale == 0 && arrow.IsInteger(a.ID()) && arrow.IsInteger(b.ID()) && whole <= 19 {
		return arrow.PrimitiveTypes.Int64
	}
	return &arrow.Decimal128Type{Precision: whole + scale, Scale: scale}
}

// wholeDigits returns how many digits a number may have before the point.
func wholeDigits(t arrow.DataType) int32 {
	if d, ok := t.(*arrow.Decimal128Type); ok {
		return d.Precision - d.Scale
	}
	if t.ID() == arrow.UINT64 {
		return 20
	}
	return map[int]int32{8: 3, 16: 5, 32: 10, 64: 19}[t.(arrow.FixedWidthDataType).BitWidth()]
}

func scaleOf(t arrow.DataType) int32 {
	if d, ok := t.(*arrow.Decimal128Type); ok {
		return d.Scale
	}
	return 0
}

// unifyTimes takes the finer unit; a date becomes the timestamp of its start.
// A timestamp with a zone and one without are no one type but text.
func unifyTimes(a, b arrow.DataType) arrow.DataType {
	ta, okA := a.(*arrow.TimestampType)
	tb, okB := b.(*arrow.TimestampType)
	switch {
	case okA && okB && ta.TimeZone == tb.TimeZone:
		return &arrow.TimestampType{Unit: max(ta.Unit, tb.Unit), TimeZone: ta.TimeZone}
	case okA && !okB && ta.TimeZone == "":
		return ta
	case okB && !okA && tb.TimeZone == "":
		return tb
	}
	return arrow.BinaryTypes.String
}

// finding is one line of ingest --explain.
type finding struct {
	file string
	source.Finding
}

// explainFiles prints what would be inferred from each file, and the schema
// that fits all of them.
func (a *app) explainFiles(ctx context.Context, f ingestFlags, files []string) error {
	opts, err := f.options()
	if err != nil {
		return err
	}
	var list []finding
	fit := &fitting{}
	for _, path := range files {
		opts.Parts = source.PathParts(f.roots, path)
		src, err := source.Open(ctx, path, opts)
		if err != nil {
			return err
		}
		for _, found := range src.Explain() {
			list = append(list, finding{path, found})
		}
		err = fit.add(path, src)
		src.Close()
		if err != nil {
			return err
		}
	}
	for _, field := range fit.fields {
		list = append(list, finding{"(table)", source.Finding{Column: field.Name, Found: schema.TypeText(field.Type), Why: fmt.Sprintf("fits %s", countText(len(files), "file"))}})
	}
	return a.printList(
		texts("file", list, func(r finding) string { return r.file }),
		texts("column", list, func(r finding) string { return r.Column }),
		texts("found", list, func(r finding) string { return r.Found }),
		texts("why", list, func(r finding) string { return r.Why }),
	)
}
