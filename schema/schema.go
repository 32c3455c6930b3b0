// Package schema holds the nouns that every part of Tarn shares: what a
// column is, which Arrow types a table may have, how a schema may change, and
// how rows are cut into partitions. It does no I/O and knows no bytes on disk.
//
// Words: a field is one column, known for ever by its id (never by its name
// or position); a schema is an ordered list of fields with a number; a
// transform is one partition expression such as day(ts).
package schema

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
)

// Field is one column of a table. ID is given once and never reused, so a
// rename keeps the data and a dropped name that comes back is a new column.
type Field struct {
	ID       int32
	Name     string
	Type     arrow.DataType // a canonical type: see Canonical
	Nullable bool
	Doc      string
}

// Schema is an ordered list of fields. ID numbers the schemas of one table
// from 1; a Schema is immutable once it is published.
type Schema struct {
	ID     int
	Fields []Field
}

// Index returns the position of the field called name, or -1. Names are
// matched exactly first and then without regard to case, as SQL users expect.
func (s *Schema) Index(name string) int {
	if i := slices.IndexFunc(s.Fields, func(f Field) bool { return f.Name == name }); i >= 0 {
		return i
	}
	return slices.IndexFunc(s.Fields, func(f Field) bool { return strings.EqualFold(f.Name, name) })
}

// ByID returns the position of the field with that id, or -1.
func (s *Schema) ByID(id int32) int {
	return slices.IndexFunc(s.Fields, func(f Field) bool { return f.ID == id })
}

// Names returns the field names in order.
func (s *Schema) Names() []string {
	names := make([]string, len(s.Fields))
	for i, f := range s.Fields {
		names[i] = f.Name
	}
	return names
}

// Arrow returns the Arrow schema of the same fields, in order. Field ids go
// along as metadata under the key FieldIDKey, the key that Parquet readers use.
func (s *Schema) Arrow() *arrow.Schema {
	fields := make([]arrow.Field, len(s.Fields))
	for i, f := range s.Fields {
		fields[i] = arrow.Field{
			Name: f.Name, Type: f.Type, Nullable: f.Nullable,
			Metadata: arrow.NewMetadata([]string{FieldIDKey}, []string{fmt.Sprint(f.ID)}),
		}
	}
	return arrow.NewSchema(fields, nil)
}

// FieldIDKey is the Arrow field metadata key under which a field id travels.
const FieldIDKey = "PARQUET:field_id"

// FromArrow makes a schema with ids 1..n from an Arrow schema. Types are
// turned into canonical ones; a type that Tarn does not store is refused with
// an error that names the column and the type.
func FromArrow(a *arrow.Schema) (*Schema, error) {
	s := &Schema{ID: 1}
	for i, f := range a.Fields() {
		t, err := Canonical(f.Type)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", f.Name, err)
		}
		s.Fields = append(s.Fields, Field{ID: int32(i + 1), Name: f.Name, Type: t, Nullable: true})
	}
	return s, s.Validate()
}

// Validate reports the first rule that the schema breaks: no fields, an empty
// or doubled name, an id that is not positive or used twice, a type that is
// not canonical.
func (s *Schema) Validate() error {
	if len(s.Fields) == 0 {
		return fmt.Errorf("a table needs at least one column")
	}
	names, ids := map[string]bool{}, map[int32]bool{}
	for _, f := range s.Fields {
		if err := checkName(f.Name); err != nil {
			return err
		}
		if names[strings.ToLower(f.Name)] {
			return fmt.Errorf("column %q is there twice (names differ at most in case)", f.Name)
		}
		if f.ID <= 0 || ids[f.ID] {
			return fmt.Errorf("column %q: field id %d is not positive or used twice", f.Name, f.ID)
		}
		if t, err := Canonical(f.Type); err != nil {
			return fmt.Errorf("column %q: %w", f.Name, err)
		} else if !arrow.TypeEqual(t, f.Type) {
			return fmt.Errorf("column %q: type %s is stored as %s; ask for that", f.Name, f.Type, TypeText(t))
		} else if n := len(TypeText(t)); n > MaxTypeText {
			return fmt.Errorf("column %q: the text of its type takes %d bytes; at most %d do", f.Name, n, MaxTypeText)
		}
		names[strings.ToLower(f.Name)], ids[f.ID] = true, true
	}
	return nil
}

// MaxNameBytes bounds the name of a table or column.
const MaxNameBytes = 255

func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a column has no name")
	case len(name) > MaxNameBytes:
		return fmt.Errorf("column name %.20q… is longer than %d bytes", name, MaxNameBytes)
	case strings.ContainsRune(name, 0):
		return fmt.Errorf("column name %q holds a zero byte", name)
	case !utf8.ValidString(name):
		return fmt.Errorf("column name %q is not valid UTF-8", name)
	}
	return nil
}
