package format

import (
	"bytes"
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/index"
)

// indexCheck holds the indexes of one column against its rows. What depends on
// the rows alone is built again and compared byte by byte.
type indexCheck struct {
	values  *index.ValuesCheck
	lookup  *index.LookupBuilder
	text    *index.TextIndexBuilder
	columns []section // of the column
	next    int       // block
	scratch index.Scratch
}

// newIndexCheck returns nil for a column without indexes. It reads and checks
// those that are there.
func (r *Reader) newIndexCheck(ctx context.Context, place int, m *meta) (*indexCheck, error) {
	f := r.field(place)
	c := &indexCheck{columns: m.sections}
	for _, s := range m.sections {
		if s.id == sectionTokens && f.Type.ID() != arrow.STRING || s.id >= sectionValues && s.id <= sectionTokens && !index.Bounded(f.Type) {
			return nil, r.badIndex(place, s.id, fmt.Errorf("the column is a %s", f.Type))
		}
	}
	if d, err := r.dictionaryAt(place, m); err != nil {
		return nil, err
	} else if d != nil && !isText(f.Type) {
		return nil, r.badIndex(place, sectionDictionary, fmt.Errorf("the column is a %s", f.Type))
	}
	v, err := r.values(ctx, place)
	if err != nil {
		return nil, err
	}
	if v != nil {
		if c.values, err = index.NewValuesCheck(v, f.Type); err != nil {
			return nil, r.badIndex(place, sectionValues, err)
		}
	}
	bloom, err := r.bloom(ctx, place)
	if err == nil && bloom != nil {
		c.lookup, err = index.NewLookupBuilder(), bloom.Check()
	}
	if err != nil {
		return nil, r.badIndex(place, sectionBloom, err)
	}
	locator, err := r.locator(ctx, place)
	if err == nil && locator != nil {
		c.lookup, err = index.NewLookupBuilder(), locator.Check()
	}
	if err != nil {
		return nil, r.badIndex(place, sectionLocate, err)
	}
	text, err := r.text(ctx, place)
	if err == nil && text != nil {
		c.text, err = index.NewTextIndexBuilder(), text.Check()
	}
	if err != nil {
		return nil, r.badIndex(place, sectionTokens, err)
	}
	return c, nil
}

// add takes a block. Blocks that do not come in order end the check: it would
// need them in order, the file need not have them so.
func (c *indexCheck) add(block int, a arrow.Array) error {
	if block != c.next {
		c.values, c.lookup, c.text = nil, nil, nil
	}
	c.next++
	if c.lookup != nil && !c.lookup.Add(&c.scratch, a) {
		c.lookup = nil
	}
	if c.text != nil && !c.text.Add(a.(*array.String)) {
		c.text = nil
	}
	if c.values == nil {
		return nil
	}
	return c.values.Add(a)
}

// finish compares what has been built from the rows with what is stored.
func (c *indexCheck) finish(r *Reader, place int) error {
	if c.values != nil {
		if err := c.values.Finish(); err != nil {
			return r.badIndex(place, sectionValues, err)
		}
	}
	want := map[sectionID][]byte{}
	if c.lookup != nil {
		want[sectionBloom], want[sectionLocate] = c.lookup.Finish()
	}
	if c.text != nil {
		b, err := c.text.Finish()
		if err != nil {
			return err
		}
		want[sectionTokens] = b
	}
	for _, s := range c.columns {
		if b := want[s.id]; b != nil {
			if err := r.sameBytes(place, s, b); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Reader) sameBytes(place int, s section, want []byte) error {
	got, err := indexBytes{r, s}.all()
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return r.badIndex(place, s.id, fmt.Errorf("is not that of the rows"))
	}
	return nil
}
