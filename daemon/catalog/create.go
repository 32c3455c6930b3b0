package catalog

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

// createTable makes a table. Field ids are given here, from 1 in order.
func (s *State) createTable(c wire.CreateTable) (Result, error) {
	if err := checkTableName(c.Name); err != nil {
		return Result{}, err
	}
	if old, err := s.named(c.Name); err == nil {
		if c.IfNotExists {
			return Result{Table: old.newest, Version: old.newest.Version, Duplicate: true}, nil
		}
		return Result{}, wire.Errorf(wire.TableExists, "table %q exists already", c.Name).WithHint("tarn table describe %s", c.Name)
	}
	t, err := newTable(c)
	if err != nil {
		return Result{}, err
	}
	s.lastTable++
	t.id = s.lastTable
	edit(&s.names).Set(t.name, t.id)
	return s.commitTo(t, Commit{Operation: "create", SchemaID: 1}), nil
}

func newTable(c wire.CreateTable) (*table, error) {
	first, err := firstSchema(c.Fields)
	if err != nil {
		return nil, err
	}
	t := &table{
		name: c.Name, options: c.Options, lastField: int32(len(first.Fields)),
		schemas:   map[int]*schema.Schema{1: first},
		producers: newWindow[producer](), keys: newWindow[Version](),
	}
	if err := checkOptions(c.Options); err != nil {
		return nil, err
	}
	if t.options, err = settleIndexes(first, c.Options); err != nil {
		return nil, err
	}
	if t.partition, err = parsePartition(first, c.PartitionBy); err != nil {
		return nil, err
	}
	t.sort, err = parseSort(first, c.SortBy)
	return t, err
}

// checkTableName keeps a name usable as a directory of the mount and as a
// word of SQL and of the command line.
func checkTableName(name string) error {
	bad := strings.IndexFunc(name, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-' || r == '.')
	})
	if name == "" || len(name) > schema.MaxNameBytes || bad >= 0 || name[0] == '.' || name[0] == '_' {
		return wire.Errorf(wire.InvalidArgument, "table name %.80q: want 1 to %d letters, digits, '_', '-' or '.', the first of them a letter, a digit or '-'", name, schema.MaxNameBytes)
	}
	return nil
}

func firstSchema(fields []schema.Field) (*schema.Schema, error) {
	first := &schema.Schema{ID: 1, Fields: make([]schema.Field, len(fields))}
	for i, f := range fields {
		if err := checkType(f); err != nil {
			return nil, err
		}
		f.ID = int32(i + 1)
		first.Fields[i] = f
	}
	if err := first.Validate(); err != nil {
		return nil, invalid(err)
	}
	return first, nil
}

func checkType(f schema.Field) error {
	if f.Type == nil {
		return wire.Errorf(wire.InvalidArgument, "column %q has no type", f.Name)
	}
	one := schema.Schema{Fields: []schema.Field{{ID: 1, Name: f.Name, Type: f.Type}}}
	if err := one.Validate(); err != nil {
		return invalid(err)
	}
	return nil
}

func parsePartition(s *schema.Schema, texts []string) ([]schema.Transform, error) {
	var transforms []schema.Transform
	for _, text := range texts {
		t, err := schema.ParseTransform(s, text)
		if err != nil {
			return nil, invalid(err)
		}
		transforms = append(transforms, t)
	}
	return transforms, checkPartitionNames(s, transforms)
}

// checkPartitionNames refuses expressions that would share a name, which is
// the name of a directory level on the mount.
func checkPartitionNames(s *schema.Schema, transforms []schema.Transform) error {
	seen := map[string]string{}
	for _, t := range transforms {
		name := strings.ToLower(t.Name(s))
		if other, ok := seen[name]; ok {
			return wire.Errorf(wire.InvalidArgument, "partition expressions %q and %q would both be called %q", other, t.Text(s), name).
				WithHint("rename a column or leave one of them out")
		}
		seen[name] = t.Text(s)
	}
	return nil
}

// parseSort reads sort keys: a column, and perhaps asc or desc behind it.
func parseSort(s *schema.Schema, texts []string) ([]schema.SortKey, error) {
	var keys []schema.SortKey
	seen := map[int32]bool{}
	for _, text := range texts {
		k, err := parseSortKey(s, text)
		if err != nil {
			return nil, err
		}
		if seen[k.FieldID] {
			return nil, wire.Errorf(wire.InvalidArgument, "sort key %q: the column is in the sort key already", text)
		}
		seen[k.FieldID] = true
		keys = append(keys, k)
	}
	return keys, nil
}

func parseSortKey(s *schema.Schema, text string) (schema.SortKey, error) {
	column, desc := strings.TrimSpace(text), false
	if s.Index(column) < 0 { // a column may be called "price desc"
		if cut := strings.LastIndexAny(column, " \t"); cut >= 0 {
			switch strings.ToLower(column[cut+1:]) {
			case "desc":
				column, desc = strings.TrimSpace(column[:cut]), true
			case "asc":
				column = strings.TrimSpace(column[:cut])
			}
		}
	}
	column = strings.Trim(column, `"`)
	i := s.Index(column)
	if i < 0 {
		return schema.SortKey{}, noColumn(s, "sort key", column)
	}
	if f := s.Fields[i]; !index.Bounded(f.Type) {
		return schema.SortKey{}, wire.Errorf(wire.InvalidArgument, "sort key %q: type %s has no order", text, schema.TypeText(f.Type))
	}
	return schema.SortKey{FieldID: s.Fields[i].ID, Desc: desc}, nil
}

func noColumn(s *schema.Schema, where, column string) error {
	return wire.Errorf(wire.ColumnNotFound, "%s: no column %q%s", where, column, wire.DidYouMean(column, s.Names())).
		WithHint("columns are %s", strings.Join(s.Names(), ", "))
}

// Defaults and bounds of table options.
const (
	DefaultFlushInterval  = 20 * time.Millisecond
	MinFlushInterval      = 5 * time.Millisecond
	MaxFlushInterval      = 5 * time.Second
	DefaultRetainVersions = 1000
	DefaultRetainFor      = 7 * 24 * time.Hour
)

// Profiles are how the segments of a table may be encoded; the first is the
// default. They are those of format/codec, a test says.
var Profiles = []string{"default", "fast", "compact"}

func checkOptions(o wire.TableOptions) error {
	var err error
	switch {
	case o.FlushInterval != 0 && (o.FlushInterval < MinFlushInterval || o.FlushInterval > MaxFlushInterval):
		err = fmt.Errorf("flush_interval is %v; want %v to %v", o.FlushInterval, MinFlushInterval, MaxFlushInterval)
	case o.RetainVersions < 0:
		err = fmt.Errorf("retain_versions is %d; want 1 or more", o.RetainVersions)
	case o.Profile != "" && !slices.Contains(Profiles, o.Profile):
		err = fmt.Errorf("profile is %q; want %s", o.Profile, strings.Join(Profiles, ", "))
	case o.RetainFor < 0:
		err = fmt.Errorf("retain_for is %v; want a time that is not negative", o.RetainFor)
	}
	if err != nil {
		return invalid(err)
	}
	return nil
}

func withDefaults(o wire.TableOptions) wire.TableOptions {
	return mergeOptions(wire.TableOptions{
		Profile: Profiles[0], FlushInterval: DefaultFlushInterval, RetainVersions: DefaultRetainVersions, RetainFor: DefaultRetainFor,
	}, o)
}

// mergeOptions returns old with what is set in changed.
func mergeOptions(old, changed wire.TableOptions) wire.TableOptions {
	if changed.FlushInterval != 0 {
		old.FlushInterval = changed.FlushInterval
	}
	if changed.RetainVersions != 0 {
		old.RetainVersions = changed.RetainVersions
	}
	if changed.RetainFor != 0 {
		old.RetainFor = changed.RetainFor
	}
	if changed.Profile != "" {
		old.Profile = changed.Profile
	}
	if changed.Lookup != nil {
		old.Lookup = changed.Lookup
	}
	if changed.Text != nil {
		old.Text = changed.Text
	}
	return old
}
