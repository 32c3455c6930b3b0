package source

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/schema"
)

// A jsonAppender adds the value at node i to its builder. Like an appender it
// adds exactly one value in any case; after an error that value is to be
// thrown away.
type jsonAppender func(v *value, i int32) error

func newJSONAppender(b array.Builder) jsonAppender {
	var add jsonAppender
	switch b := b.(type) {
	case *array.MapBuilder: // before list, which it also is
		add = mapAppender(b)
	case *array.ListBuilder:
		add = listAppender(b)
	case *array.StructBuilder:
		add = structAppender(b)
	case *array.StringBuilder:
		add = textValueAppender(b)
	default:
		add = scalarAppender(b)
	}
	return func(v *value, i int32) error {
		if v.nodes[i].kind == nodeNull {
			b.AppendNull()
			return nil
		}
		return add(v, i)
	}
}

// misfitNode says that a value has another kind than its column.
func misfitNode(n node, t arrow.DataType) error {
	return fmt.Errorf("%s %s is no %s", nodeNames[n.kind], quoted(n.raw), schema.TypeText(t))
}

// scalarAppender reads numbers, booleans, and the text in strings.
func scalarAppender(b array.Builder) jsonAppender {
	add := newTextAppender(b)
	isBool := b.Type().ID() == arrow.BOOL
	return func(v *value, i int32) error {
		n := v.nodes[i]
		if n.kind == nodeArray || n.kind == nodeObject || n.kind == nodeBool && !isBool || n.kind == nodeNumber && isBool {
			b.AppendNull()
			return misfitNode(n, b.Type())
		}
		return add(n.text)
	}
}

// textValueAppender takes a string as it is and any other value as its JSON
// text.
func textValueAppender(b *array.StringBuilder) jsonAppender {
	return func(v *value, i int32) error {
		b.BinaryBuilder.Append(v.nodes[i].text)
		return nil
	}
}

func listAppender(b *array.ListBuilder) jsonAppender {
	elem := newJSONAppender(b.ValueBuilder())
	return func(v *value, i int32) error {
		n := v.nodes[i]
		if n.kind != nodeArray {
			b.AppendNull()
			return misfitNode(n, b.Type())
		}
		b.Append(true)
		var first error
		for at := i + 1; at < n.end; at = v.nodes[at].end {
			if err := elem(v, at); err != nil && first == nil {
				first = err
			}
		}
		return first
	}
}

// structAppender takes objects by key. Of a key that is there twice the last
// value counts; a key that the type does not have is an error.
func structAppender(b *array.StructBuilder) jsonAppender {
	t := b.Type().(*arrow.StructType)
	fields := make([]jsonAppender, t.NumFields())
	index := map[string]int{}
	for f := range fields {
		fields[f] = newJSONAppender(b.FieldBuilder(f))
		index[t.Field(f).Name] = f
	}
	at := make([]int32, len(fields))
	return func(v *value, i int32) error {
		n := v.nodes[i]
		if n.kind != nodeObject {
			b.AppendNull()
			return misfitNode(n, t)
		}
		b.Append(true)
		first := locate(v, i, index, at)
		for f, add := range fields {
			if at[f] == 0 {
				b.FieldBuilder(f).AppendNull()
			} else if err := add(v, at[f]); err != nil && first == nil {
				first = fmt.Errorf("field %q: %w", t.Field(f).Name, err)
			}
		}
		return first
	}
}

// locate sets at[f] to the node of field f, or 0 where the object at i lacks
// it, and names a key that is no field.
func locate(v *value, i int32, index map[string]int, at []int32) error {
	clear(at)
	var unknown error
	for k := i + 1; k < v.nodes[i].end; k = v.nodes[k+1].end {
		f, ok := index[string(v.nodes[k].text)]
		if !ok {
			unknown = errUnknownKey{string(v.nodes[k].text)}
			continue
		}
		at[f] = k + 1
	}
	return unknown
}

type errUnknownKey struct{ key string }

func (e errUnknownKey) Error() string {
	return fmt.Sprintf("has key %q, which the type does not have", e.key)
}

// mapAppender takes objects, and arrays of {"key": …, "value": …}, the form
// of maps whose keys are no strings.
func mapAppender(b *array.MapBuilder) jsonAppender {
	key, item := newJSONAppender(b.KeyBuilder()), newJSONAppender(b.ItemBuilder())
	return func(v *value, i int32) error {
		n := v.nodes[i]
		if n.kind != nodeArray && n.kind != nodeObject {
			b.AppendNull()
			return misfitNode(n, b.Type())
		}
		b.Append(true)
		var first error
		next := func(i int32) int32 { return v.nodes[i+1].end }
		if n.kind == nodeArray {
			next = func(i int32) int32 { return v.nodes[i].end }
		}
		for at := i + 1; at < n.end; at = next(at) {
			k, val := at, at+1
			var err error
			if n.kind == nodeArray {
				if k, val, err = entry(v, at); err != nil {
					first = err
					continue
				}
			}
			if err := errors.Join(key(v, k), item(v, val)); err != nil && first == nil {
				first = err
			}
		}
		return first
	}
}

// entry finds key and value of one element of a map that is an array.
func entry(v *value, i int32) (key, val int32, err error) {
	at := make([]int32, 2)
	n := v.nodes[i]
	if n.kind == nodeObject {
		err = locate(v, i, map[string]int{"key": 0, "value": 1}, at)
	}
	if n.kind != nodeObject || err != nil || at[0] == 0 || at[1] == 0 || v.nodes[at[0]].kind == nodeNull {
		return 0, 0, fmt.Errorf(`%s is no {"key": …, "value": …}`, quoted(n.raw))
	}
	return at[0], at[1], nil
}

// jsonTextAppender reads nested values out of a cell of text.
func jsonTextAppender(b array.Builder) appender {
	add := newJSONAppender(b)
	v := &value{}
	return func(text []byte) error {
		n, err := v.parse(text, true)
		if err == nil && len(bytes.TrimSpace(text[n:])) > 0 {
			err = errors.New("not JSON: more than one value")
		}
		if err != nil {
			b.AppendNull()
			return err
		}
		return add(v, 0)
	}
}
