package format

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tarnlake/tarn/schema"
)

// The contents of the three sections of the footer. Texts are a u32 length
// and the bytes.
//
//	schema     schema id u32, fields u32, then for each field: id i32,
//	           nullable u8, 3 × zero, name text, type text, doc text
//	info       segment text, table text, properties u32, then for each
//	           property in ascending order: key text, value text
//	directory  32 bytes for each column, ascending by field id

func appendSchema(b []byte, s *schema.Schema) []byte {
	b = le.AppendUint32(b, uint32(s.ID))
	b = le.AppendUint32(b, uint32(len(s.Fields)))
	for _, f := range s.Fields {
		nullable := byte(0)
		if f.Nullable {
			nullable = 1
		}
		b = le.AppendUint32(b, uint32(f.ID))
		b = append(b, nullable, 0, 0, 0)
		b = appendText(b, f.Name)
		b = appendText(b, schema.TypeText(f.Type))
		b = appendText(b, f.Doc)
	}
	return b
}

func appendInfo(b []byte, info Info) []byte {
	b = appendText(b, info.Segment)
	b = appendText(b, info.Table)
	b = le.AppendUint32(b, uint32(len(info.Properties)))
	for _, key := range slices.Sorted(maps.Keys(info.Properties)) {
		b = appendText(b, key)
		b = appendText(b, info.Properties[key])
	}
	return b
}

func parseInfo(b []byte) (Info, error) {
	c := cursor{b: b}
	info := Info{Segment: c.text(), Table: c.text()}
	n, last := c.u32(), ""
	for i := uint32(0); i < n && c.err == nil; i++ {
		key, value := c.text(), c.text()
		if c.err == nil && i > 0 && key <= last {
			c.err = fmt.Errorf("property %.40q is out of order", key)
		}
		if info.Properties == nil {
			info.Properties = map[string]string{}
		}
		info.Properties[key], last = value, key
	}
	return info, c.done()
}

// column is one entry of the directory.
//
//	0  4  field id     4  4  position in the schema
//	8  8  meta offset     16  8  meta length     24  8  meta xxh3
type column struct {
	fieldID  int32
	position uint32
	meta     span
}

const columnSize = 32

func appendColumn(b []byte, c column) []byte {
	b = le.AppendUint32(b, uint32(c.fieldID))
	b = le.AppendUint32(b, c.position)
	b = le.AppendUint64(b, c.meta.off)
	b = le.AppendUint64(b, c.meta.len)
	return le.AppendUint64(b, c.meta.sum)
}
