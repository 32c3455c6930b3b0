package format

import (
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
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

// fieldFixed is the least size of a field: it bounds their number.
const fieldFixed = 4 + 4 + 3*4

func parseSchema(b []byte) (*schema.Schema, error) {
	c := cursor{b: b}
	s := &schema.Schema{ID: int(c.u32())}
	n := c.u32()
	if uint64(n)*fieldFixed > uint64(len(c.b)) {
		return nil, fmt.Errorf("%d fields in %d bytes", n, len(b))
	}
	s.Fields = make([]schema.Field, n)
	types := map[string]arrow.DataType{} // wide tables have few types
	for i := range s.Fields {
		if err := c.field(&s.Fields[i], types); err != nil {
			return nil, fmt.Errorf("field %d: %w", i, err)
		}
	}
	if err := c.done(); err != nil {
		return nil, err
	}
	return s, s.Validate()
}

func (c *cursor) field(f *schema.Field, types map[string]arrow.DataType) error {
	f.ID = int32(c.u32())
	nullable := c.u8()
	c.zero(3)
	f.Name = c.text()
	typeText := c.text()
	f.Doc = c.text()
	if c.err != nil {
		return c.err
	}
	if nullable > 1 {
		return fmt.Errorf("nullable is %d", nullable)
	}
	f.Nullable = nullable == 1
	if f.Type = types[typeText]; f.Type == nil {
		t, err := schema.ParseType(typeText)
		if err != nil {
			return err
		}
		f.Type, types[typeText] = t, t
	}
	return nil
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

// parseColumns reads the directory of a file with schema s; metas have to end
// before limit.
func parseColumns(b []byte, s *schema.Schema, limit uint64) ([]column, error) {
	if len(b) != len(s.Fields)*columnSize {
		return nil, fmt.Errorf("%d bytes for %d columns", len(b), len(s.Fields))
	}
	c, cols := cursor{b: b}, make([]column, len(s.Fields))
	for i := range cols {
		cols[i] = column{int32(c.u32()), c.u32(), span{c.u64(), c.u64(), c.u64()}}
		switch col := cols[i]; {
		case i > 0 && col.fieldID <= cols[i-1].fieldID:
			return nil, fmt.Errorf("field id %d is out of order", col.fieldID)
		case int64(col.position) >= int64(len(s.Fields)) || s.Fields[col.position].ID != col.fieldID:
			return nil, fmt.Errorf("field id %d is not at position %d of the schema", col.fieldID, col.position)
		}
		if err := cols[i].meta.inside(limit); err != nil {
			return nil, fmt.Errorf("meta of field %d: %w", cols[i].fieldID, err)
		}
	}
	return cols, c.done()
}
