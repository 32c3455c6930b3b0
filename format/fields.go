package format

import (
	"bytes"
	"fmt"
	"math/bits"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/schema"
	"github.com/zeebo/xxh3"
)

// fields is the schema as it lies in the file. All of it is checked when the
// file is opened; a field is made of it when it is asked for, and the whole
// schema not before somebody wants all: wide files have thousands of fields of
// which few are read.
type fields struct {
	id     int
	b      []byte
	starts []uint32 // of each field in b
	types  map[string]arrow.DataType
	once   sync.Once
	whole  *schema.Schema // after once
}

// fieldFixed is the least size of a field: it bounds their number.
const fieldFixed = 4 + 4 + 3*4

func parseFields(b []byte) (*fields, error) {
	c := cursor{b: b}
	f := &fields{b: b, id: int(c.u32()), types: map[string]arrow.DataType{}}
	n := c.u32()
	if c.err != nil || uint64(n)*fieldFixed > uint64(len(c.b)) {
		return nil, fmt.Errorf("%d fields in %d bytes", n, len(b))
	}
	f.starts = make([]uint32, n)
	names := newNameSet(int(n))
	at, unsure := len(b)-len(c.b), n == 0
	var last []byte // type; neighbours are often of one
	for i := range f.starts {
		f.starts[i] = uint32(at)
		name, typ, end, err := fieldAt(b, at)
		if err == nil && !bytes.Equal(typ, last) {
			last, err = typ, f.learn(typ)
		}
		if err != nil {
			return nil, fmt.Errorf("field %d: %w", i, err)
		}
		unsure = unsure || !names.add(name)
		at = end
	}
	if at != len(b) {
		return nil, fmt.Errorf("%d bytes too many", len(b)-at)
	}
	if unsure { // it is not valid, or two names have the same hash
		return f, f.schema().Validate()
	}
	return f, nil
}

// fieldAt checks a field by itself and returns where it ends. All the rules
// are those of schema.Validate.
func fieldAt(b []byte, at int) (name, typ []byte, end int, err error) {
	if len(b)-at < fieldFixed {
		return nil, nil, 0, fmt.Errorf("%d bytes are too few", len(b)-at)
	}
	id, flags := int32(le.Uint32(b[at:])), le.Uint32(b[at+4:])
	name, at = textAt(b, at+8)
	typ, at = textAt(b, at)
	_, at = textAt(b, at)
	switch {
	case at < 0:
		return nil, nil, 0, fmt.Errorf("a text reaches past the end")
	case flags > 1:
		return nil, nil, 0, fmt.Errorf("nullable and reserved bytes are %#x", flags)
	case id <= 0:
		return nil, nil, 0, fmt.Errorf("id %d is not positive", id)
	case len(name) == 0 || len(name) > schema.MaxNameBytes || bytes.IndexByte(name, 0) >= 0 || !utf8.Valid(name):
		return nil, nil, 0, fmt.Errorf("%.40q is no name", name)
	}
	return name, typ, at, nil
}

// textAt returns a text and where it ends, or -1, which is where it is then
// taken to begin, too.
func textAt(b []byte, at int) (text []byte, end int) {
	if at < 0 || len(b)-at < 4 {
		return nil, -1
	}
	n := int(le.Uint32(b[at:]))
	if at += 4; n > len(b)-at {
		return nil, -1
	}
	return b[at : at+n], at + n
}

// learn checks a type, once.
func (f *fields) learn(text []byte) error {
	if f.types[string(text)] != nil {
		return nil
	}
	t, err := schema.ParseType(string(text))
	if err != nil {
		return err
	}
	one := schema.Schema{Fields: []schema.Field{{ID: 1, Name: "x", Type: t}}}
	if err := one.Validate(); err != nil {
		return err
	}
	f.types[string(text)] = t
	return nil
}

func (f *fields) len() int { return len(f.starts) }

// idOf returns the id of the i-th field.
func (f *fields) idOf(i uint32) int32 { return int32(le.Uint32(f.b[f.starts[i]:])) }

// at returns the i-th field.
func (f *fields) at(i uint32) schema.Field {
	b, at := f.b, int(f.starts[i])
	id, nullable := int32(le.Uint32(b[at:])), b[at+4] == 1
	name, at := textAt(b, at+8)
	typ, at := textAt(b, at)
	doc, _ := textAt(b, at)
	return schema.Field{ID: id, Name: string(name), Type: f.types[string(typ)], Nullable: nullable, Doc: string(doc)}
}

// typeOf returns the type of the i-th field, and whether it may be null.
func (f *fields) typeOf(i uint32) (t arrow.DataType, nullable bool) {
	at := int(f.starts[i])
	_, end := textAt(f.b, at+8)
	typ, _ := textAt(f.b, end)
	return f.types[string(typ)], f.b[at+4] == 1
}

// schema returns all of it.
func (f *fields) schema() *schema.Schema {
	f.once.Do(func() {
		f.whole = &schema.Schema{ID: f.id, Fields: make([]schema.Field, len(f.starts))}
		for i := range f.whole.Fields {
			f.whole.Fields[i] = f.at(uint32(i))
		}
	})
	return f.whole
}

// nameSet finds names that differ at most in case, by their hashes.
type nameSet struct{ slots []uint64 } // a power of two; 0 is free

func newNameSet(n int) nameSet { return nameSet{make([]uint64, 2<<bits.Len(uint(n)*3/4))} }

// add reports whether a name is certainly not yet there.
func (s nameSet) add(name []byte) bool {
	var lower [schema.MaxNameBytes]byte
	ascii := true
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i], ascii = c, ascii && c < utf8.RuneSelf
	}
	h := uint64(0)
	if ascii {
		h = xxh3.Hash(lower[:len(name)])
	} else {
		h = xxh3.HashString(strings.ToLower(string(name)))
	}
	h |= 1
	for at := h >> 32; ; at++ {
		switch slot := &s.slots[at%uint64(len(s.slots))]; *slot {
		case 0:
			*slot = h
			return true
		case h:
			return false
		}
	}
}

// directory is the columns as they lie in the file, ascending by field id: 32
// bytes for each of them.
type directory []byte

func (d directory) len() int { return len(d) / columnSize }

func (d directory) idOf(i int) int32 { return int32(le.Uint32(d[i*columnSize:])) }

func (d directory) at(i int) column {
	b := d[i*columnSize:][:columnSize]
	return column{int32(le.Uint32(b)), le.Uint32(b[4:]), span{le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint64(b[24:])}}
}

// parseDirectory checks the directory of a file with those fields; metas have
// to end before limit.
func parseDirectory(b []byte, f *fields, limit uint64) (directory, error) {
	d := directory(b)
	if len(b) != f.len()*columnSize {
		return nil, fmt.Errorf("%d bytes for %d columns", len(b), f.len())
	}
	for i := range d.len() {
		switch col := d.at(i); {
		case i > 0 && col.fieldID <= d.idOf(i-1):
			return nil, fmt.Errorf("field id %d is out of order", col.fieldID)
		case int64(col.position) >= int64(f.len()) || f.idOf(col.position) != col.fieldID:
			return nil, fmt.Errorf("field id %d is not at position %d of the schema", col.fieldID, col.position)
		case col.meta.inside(limit) != nil:
			return nil, fmt.Errorf("meta of field %d: %w", col.fieldID, col.meta.inside(limit))
		}
	}
	return d, nil
}

// find returns the place of a field, if it is there.
func (d directory) find(fieldID int32) (place int, ok bool) {
	lo, hi := 0, d.len()
	for lo < hi {
		if mid := (lo + hi) / 2; d.idOf(mid) < fieldID {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < d.len() && d.idOf(lo) == fieldID
}
