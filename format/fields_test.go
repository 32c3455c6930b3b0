package format

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/schema"
)

func TestFieldsComeBack(t *testing.T) {
	s := allTypes(t)
	for i := range s.Fields {
		s.Fields[i].Doc = fmt.Sprintf("what %d is", i)
	}
	f, err := parseFields(appendSchema(nil, s))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.schema(); !reflect.DeepEqual(got.Fields, s.Fields) || got.ID != s.ID {
		t.Errorf("got %+v; want %+v", got, s)
	}
	for i, want := range s.Fields {
		if typ, nullable := f.typeOf(uint32(i)); f.idOf(uint32(i)) != want.ID || typ != f.at(uint32(i)).Type || nullable != want.Nullable {
			t.Errorf("field %d: got id %d, %v, nullable %v; want %+v", i, f.idOf(uint32(i)), typ, nullable, want)
		}
	}
}

// TestFieldsThatAreNone: what schema.Validate refuses is refused when a file
// is opened.
func TestFieldsThatAreNone(t *testing.T) {
	of := func(fields ...schema.Field) []byte { return appendSchema(nil, &schema.Schema{Fields: fields}) }
	named := func(names ...string) []byte {
		var fields []schema.Field
		for i, name := range names {
			fields = append(fields, schema.Field{ID: int32(i + 1), Name: name, Type: arrow.PrimitiveTypes.Int64})
		}
		return of(fields...)
	}
	good := named("a", "B", "ä", "Ö")
	if _, err := parseFields(good); err != nil {
		t.Fatal(err)
	}
	bad := map[string][]byte{
		"none": of(), "twice": named("a", "b", "a"), "twice but for case": named("Name", "nAME"), "twice past ASCII": named("Ä", "ä"),
		"no name": named(""), "zero byte": named("a\x00"), "no UTF-8": named("\xff"), "long": named(string(make([]byte, schema.MaxNameBytes+1))),
		"no id":        of(schema.Field{Name: "a", Type: arrow.PrimitiveTypes.Int64}),
		"no such type": bytes.Replace(named("a"), []byte("int64"), []byte("int65"), 1),
		"too many":     append(named("a"), 0), "nullable": named("a"), "reserved": named("a"),
	}
	bad["nullable"][12] = 2
	bad["reserved"][14] = 1
	for n := range good {
		bad[fmt.Sprintf("first %d bytes", n)] = good[:n]
	}
	for name, b := range bad {
		if _, err := parseFields(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
