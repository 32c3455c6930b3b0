package wire

import (
	"encoding/binary"
	"errors"
)

// Arrow's messages are flatbuffers, and Go's flatbuffers library believes
// every offset and count in them. A verifier walks a message once by the
// tables of Arrow's format, so that what is read later lies inside the
// message and no count is larger than the bytes that would hold it.
type verifier struct {
	buf   []byte
	left  int // tables that may still be looked at: offsets may share them
	depth int
}

const (
	maxFlatTables = 1 << 20
	maxFlatDepth  = 100
)

var errFlat = errors.New("damaged Arrow message")

// A slot is one field of a flatbuffers table.
type slot struct {
	kind  slotKind
	size  int    // bytes of a scalar, or of one element of a vector
	table *table // of a table, or of the elements of a vector of tables
	union []*table
}

type slotKind byte

const (
	scalar8   slotKind = iota
	vector             // of scalars or structs
	tableRef           // a table
	tableList          // a vector of tables
	unionRef           // a table, of the kind that the byte slot before it says
)

type table struct{ slots []slot }

// The tables of Arrow's Message.fbs and Schema.fbs.
var (
	flatBytes    = slot{kind: vector, size: 1} // a string
	flatByte     = slot{size: 1}
	flatShort    = slot{size: 2}
	flatInt      = slot{size: 4}
	flatLong     = slot{size: 8}
	flatKeyValue = slot{kind: tableList, table: &table{[]slot{flatBytes, flatBytes}}}

	typeTables = func() []*table {
		types := make([]*table, 27)
		for i := range types {
			types[i] = &table{} // nothing but its kind
		}
		types[2] = &table{[]slot{flatInt, flatByte}}                            // int
		types[3] = &table{[]slot{flatShort}}                                    // floating point
		types[7] = &table{[]slot{flatInt, flatInt, flatInt}}                    // decimal
		types[8] = &table{[]slot{flatShort}}                                    // date
		types[9] = &table{[]slot{flatShort, flatInt}}                           // time
		types[10] = &table{[]slot{flatShort, flatBytes}}                        // timestamp
		types[11] = &table{[]slot{flatShort}}                                   // interval
		types[14] = &table{[]slot{flatShort, slot{kind: vector, size: 4}}}      // union
		types[15], types[16] = &table{[]slot{flatInt}}, &table{[]slot{flatInt}} // fixed-size binary, list
		types[17] = &table{[]slot{flatByte}}                                    // map
		types[18] = &table{[]slot{flatShort}}                                   // duration
		return types
	}()

	dictionaryTable = &table{[]slot{flatLong, {kind: tableRef, table: typeTables[2]}, flatByte, flatShort}}
	fieldTable      = func() *table {
		t := &table{}
		t.slots = []slot{flatBytes, flatByte, flatByte, {kind: unionRef, union: typeTables},
			{kind: tableRef, table: dictionaryTable}, {kind: tableList, table: t}, flatKeyValue}
		return t
	}()
	schemaTable = &table{[]slot{flatShort, {kind: tableList, table: fieldTable}, flatKeyValue, {kind: vector, size: 8}}}
	batchTable  = &table{[]slot{flatLong, {kind: vector, size: 16}, {kind: vector, size: 16},
		{kind: tableRef, table: &table{[]slot{flatByte, flatByte}}}, {kind: vector, size: 8}}}
	dictionaryBatchTable = &table{[]slot{flatLong, {kind: tableRef, table: batchTable}, flatByte}}
	messageTable         = &table{[]slot{flatShort, flatByte,
		{kind: unionRef, union: []*table{nil, schemaTable, dictionaryBatchTable, batchTable}}, flatLong, flatKeyValue}}
)

// Message is what the metadata of an Arrow IPC message says of it.
type Message struct {
	BodyBytes    int64
	IsDictionary bool  // its values stay with the reader of the stream
	DictionaryID int64 // which dictionary it replaces
	IsDelta      bool  // or adds to
}

// dictionaryBatch is the kind of a message, in Arrow's union of them.
const dictionaryBatch = 2

// VerifyMessage checks the metadata of an Arrow IPC message from outside,
// whatever its bytes, and returns what it says. After it Arrow's own reader
// can be trusted with the message.
func VerifyMessage(buf []byte) (Message, error) {
	v := &verifier{buf: buf, left: maxFlatTables}
	root, ok := v.offset(0)
	if !ok || !v.table(root, messageTable) {
		return Message{}, errFlat
	}
	m := Message{BodyBytes: v.number(root, 3, 8)}
	if v.number(root, 1, 1) == dictionaryBatch {
		at, _ := v.field(root, 2)
		if at, ok = v.offset(at); !ok {
			return Message{}, errFlat
		}
		m.IsDictionary, m.DictionaryID, m.IsDelta = true, v.number(at, 0, 8), v.number(at, 2, 1) != 0
	}
	return m, nil
}

// number returns the scalar of that size in slot i of a sound table, or 0
// where it is left out.
func (v *verifier) number(table, i, size int) int64 {
	at, ok := v.field(table, i)
	switch {
	case !ok || at == 0:
		return 0
	case size == 1:
		return int64(v.buf[at])
	}
	return int64(binary.LittleEndian.Uint64(v.buf[at:]))
}

// inside reports whether n bytes at a position lie in the buffer.
func (v *verifier) inside(at, n int) bool { return at >= 0 && n >= 0 && at <= len(v.buf)-n }

// offset follows the offset that stands at a position.
func (v *verifier) offset(at int) (int, bool) {
	if !v.inside(at, 4) {
		return 0, false
	}
	to := at + int(binary.LittleEndian.Uint32(v.buf[at:]))
	return to, v.inside(to, 4)
}

// field returns where slot i of a table stands, or 0 where it is left out.
func (v *verifier) field(at, i int) (int, bool) {
	if !v.inside(at, 4) {
		return 0, false
	}
	vtable := at - int(int32(binary.LittleEndian.Uint32(v.buf[at:])))
	if !v.inside(vtable, 4) {
		return 0, false
	}
	size := int(binary.LittleEndian.Uint16(v.buf[vtable:]))
	if size < 4 || size%2 != 0 || !v.inside(vtable, size) {
		return 0, false
	}
	entry := 4 + 2*i
	if entry+2 > size {
		return 0, true
	}
	rel := int(binary.LittleEndian.Uint16(v.buf[vtable+entry:]))
	if rel == 0 {
		return 0, true
	}
	return at + rel, v.inside(at+rel, 1)
}

func (v *verifier) table(at int, t *table) bool {
	if v.left--; v.left < 0 || v.depth > maxFlatDepth {
		return false
	}
	v.depth++
	defer func() { v.depth-- }()
	for i, s := range t.slots {
		pos, ok := v.field(at, i)
		if !ok || pos != 0 && !v.slot(at, i, pos, s) {
			return false
		}
	}
	return true
}

func (v *verifier) slot(at, i, pos int, s slot) bool {
	if s.kind == scalar8 {
		return v.inside(pos, s.size)
	}
	to, ok := v.offset(pos)
	if !ok {
		return false
	}
	switch s.kind {
	case vector:
		_, ok := v.vector(to, s.size)
		return ok
	case tableRef:
		return v.table(to, s.table)
	case unionRef:
		return v.union(at, i-1, to, s.union)
	}
	return v.tables(to, s.table)
}

// vector returns the number of elements of a vector that lies in the buffer.
func (v *verifier) vector(at, size int) (int, bool) {
	n := int(binary.LittleEndian.Uint32(v.buf[at:]))
	return n, n <= len(v.buf) && v.inside(at+4, n*size)
}

func (v *verifier) tables(at int, t *table) bool {
	n, ok := v.vector(at, 4)
	for i := 0; ok && i < n; i++ {
		var to int
		if to, ok = v.offset(at + 4 + 4*i); ok {
			ok = v.table(to, t)
		}
	}
	return ok
}

// union checks a table whose kind stands in slot kindSlot.
func (v *verifier) union(at, kindSlot, to int, tables []*table) bool {
	pos, ok := v.field(at, kindSlot)
	if !ok || pos == 0 {
		return false
	}
	kind := int(v.buf[pos])
	if kind >= len(tables) || tables[kind] == nil {
		return false
	}
	return v.table(to, tables[kind])
}
