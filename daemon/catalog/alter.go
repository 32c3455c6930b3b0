package catalog

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

// alterTable changes schema or options by one step, which is a version of its
// own. Segments stay as they are: columns are read by field id, a column that
// a segment lacks reads as null, and a narrower type is widened.
func (s *State) alterTable(a wire.AlterTable) (Result, error) {
	old, err := s.named(a.Name)
	if err != nil {
		return Result{}, err
	}
	if n := changes(a); n != 1 {
		return Result{}, wire.Errorf(wire.InvalidArgument, "an alteration of table %q holds %d changes; want 1", a.Name, n)
	}
	t := *old
	c := Commit{Operation: "alter", SchemaID: t.lastCommit().SchemaID}
	if a.Options != nil {
		c.Detail = "options"
		err = t.alterOptions(*a.Options)
	} else {
		c.Detail, err = t.alterSchema(a)
		c.SchemaID++
	}
	if err != nil {
		return Result{}, err
	}
	return s.commitTo(&t, c), nil
}

func (t *table) alterOptions(changed wire.TableOptions) (err error) {
	t.options, err = settleIndexes(t.newest.Schema, mergeOptions(t.options, changed))
	if err != nil {
		return err
	}
	return checkOptions(t.options)
}

func changes(a wire.AlterTable) int {
	n := 0
	for _, set := range []bool{a.Add != nil, a.Drop != "", a.Rename != nil, a.Widen != nil, a.Options != nil} {
		if set {
			n++
		}
	}
	return n
}

// alterSchema gives t, a copy, its next schema and says in words what changed.
func (t *table) alterSchema(a wire.AlterTable) (string, error) {
	current := t.newest.Schema
	next := &schema.Schema{ID: current.ID + 1, Fields: slices.Clone(current.Fields)}
	detail, err := t.evolve(next, a)
	if err != nil {
		return "", err
	}
	if err := next.Validate(); err != nil {
		return "", invalid(fmt.Errorf("table %q: %w", t.name, err))
	}
	if err := checkPartitionNames(next, t.partition); err != nil {
		return "", err
	}
	t.schemas = maps.Clone(t.schemas)
	t.schemas[next.ID] = next
	return detail, nil
}

// evolve changes the fields of next.
func (t *table) evolve(next *schema.Schema, a wire.AlterTable) (string, error) {
	switch {
	case a.Add != nil:
		return t.addColumn(next, *a.Add)
	case a.Drop != "":
		return t.dropColumn(next, a.Drop)
	case a.Rename != nil:
		return t.renameColumn(next, *a.Rename)
	}
	return t.widenColumn(next, *a.Widen)
}

func (t *table) addColumn(next *schema.Schema, f schema.Field) (string, error) {
	if err := checkType(f); err != nil {
		return "", err
	}
	if !f.Nullable {
		return "", wire.Errorf(wire.InvalidArgument, "table %q: column %q must be nullable: the rows that are there have no value for it", t.name, f.Name)
	}
	if t.lastField == math.MaxInt32 {
		return "", wire.Errorf(wire.LimitExceeded, "table %q: all field ids have been used up", t.name)
	}
	t.lastField++
	f.ID = t.lastField
	next.Fields = append(next.Fields, f)
	return fmt.Sprintf("add %s %s", f.Name, schema.TypeText(f.Type)), nil
}

func (t *table) dropColumn(next *schema.Schema, column string) (string, error) {
	i, err := t.column(next, column)
	if err != nil {
		return "", err
	}
	f := next.Fields[i]
	if use := t.useOf(next, f.ID); use != "" {
		return "", wire.Errorf(wire.InvalidArgument, "table %q: column %q cannot be dropped: %s", t.name, f.Name, use)
	}
	if len(next.Fields) == 1 {
		return "", wire.Errorf(wire.InvalidArgument, "table %q: column %q cannot be dropped: it is the last one", t.name, f.Name).
			WithHint("tarn table drop %s", t.name)
	}
	next.Fields = slices.Delete(next.Fields, i, i+1)
	t.options = renameIndexed(t.options, f.Name, "")
	return "drop " + f.Name, nil
}

// useOf says what the table needs a field for, or "".
func (t *table) useOf(s *schema.Schema, id int32) string {
	for _, p := range t.partition {
		if p.FieldID == id {
			return "the table is partitioned by " + p.Text(s)
		}
	}
	for _, k := range t.sort {
		if k.FieldID == id {
			return "the table is sorted by it"
		}
	}
	return ""
}

func (t *table) renameColumn(next *schema.Schema, r wire.Rename) (string, error) {
	i, err := t.column(next, r.From)
	if err != nil {
		return "", err
	}
	from := next.Fields[i].Name
	if from == r.To {
		return "", wire.Errorf(wire.InvalidArgument, "table %q: column %q has that name already", t.name, r.To)
	}
	next.Fields[i].Name = r.To
	t.options = renameIndexed(t.options, from, r.To)
	return fmt.Sprintf("rename %s to %s", from, r.To), nil
}

func (t *table) widenColumn(next *schema.Schema, w wire.Widen) (string, error) {
	i, err := t.column(next, w.Column)
	if err != nil {
		return "", err
	}
	to, err := schema.ParseType(w.Type)
	if err != nil {
		return "", invalid(err)
	}
	f := &next.Fields[i]
	if !schema.Widens(f.Type, to) {
		return "", wire.Errorf(wire.InvalidArgument, "table %q: column %q cannot go from %s to %s", t.name, f.Name, schema.TypeText(f.Type), schema.TypeText(to)).
			WithHint("integers and floats take more bits, decimals more digits at the same scale")
	}
	f.Type = to
	return fmt.Sprintf("widen %s to %s", f.Name, schema.TypeText(to)), nil
}

func (t *table) column(s *schema.Schema, name string) (int, error) {
	i := s.Index(name)
	if i < 0 {
		return 0, noColumn(s, fmt.Sprintf("table %q", t.name), name)
	}
	return i, nil
}
