package catalog

import (
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

// settleIndexes returns o with the names of indexed columns as s has them. It
// refuses columns that are not there, are named twice, or are of a type that
// the index does not serve.
func settleIndexes(s *schema.Schema, o wire.TableOptions) (_ wire.TableOptions, err error) {
	if o.Lookup, err = indexedColumns(s, "lookup", o.Lookup); err != nil {
		return o, err
	}
	o.Text, err = indexedColumns(s, "text", o.Text)
	return o, err
}

func indexedColumns(s *schema.Schema, option string, names []string) ([]string, error) {
	var out []string
	for _, name := range names {
		i := s.Index(name)
		if i < 0 {
			name = strings.Trim(strings.TrimSpace(name), `"`)
			i = s.Index(name)
		}
		if i < 0 {
			return nil, noColumn(s, option, name)
		}
		f := s.Fields[i]
		if slices.Contains(out, f.Name) {
			return nil, wire.Errorf(wire.InvalidArgument, "%s: column %q is named twice", option, f.Name)
		}
		if err := checkIndexed(option, f); err != nil {
			return nil, err
		}
		out = append(out, f.Name)
	}
	return out, nil
}

func checkIndexed(option string, f schema.Field) error {
	switch typ := schema.TypeText(f.Type); {
	case option == "text" && f.Type.ID() != arrow.STRING:
		return wire.Errorf(wire.InvalidArgument, "text: column %q is a %s, and only strings have words", f.Name, typ)
	case option == "lookup" && !index.Bounded(f.Type):
		return wire.Errorf(wire.InvalidArgument, "lookup: column %q is a %s, whose values are not compared", f.Name, typ)
	case option == "lookup" && f.Type.ID() == arrow.BOOL:
		return wire.Errorf(wire.InvalidArgument, "lookup: column %q is a bool: every second row would be found", f.Name)
	}
	return nil
}

// renameIndexed returns o with another name for a column; "" takes it out.
func renameIndexed(o wire.TableOptions, from, to string) wire.TableOptions {
	rename := func(names []string) []string {
		var out []string
		for _, n := range names {
			switch {
			case n != from:
				out = append(out, n)
			case to != "":
				out = append(out, to)
			}
		}
		return out
	}
	o.Lookup, o.Text = rename(o.Lookup), rename(o.Text)
	return o
}
