package format

import (
	"fmt"
	"slices"
	"weak"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

// The dictionary of a column is a section of its meta: the texts that its pages
// share (see codec.SharedTexts). Unlike an index it cannot be skipped.

// dictionaryRoom bounds what the dictionaries of all columns hold while a
// segment is written.
const dictionaryRoom = 128 << 20

// newDictionaries returns a builder for each column that may have a dictionary.
func newDictionaries(s *schema.Schema) []*codec.SharedBuilder {
	out := make([]*codec.SharedBuilder, len(s.Fields))
	texts := 0
	for _, f := range s.Fields {
		if isText(f.Type) {
			texts++
		}
	}
	for i, f := range s.Fields {
		if isText(f.Type) {
			out[i] = codec.NewSharedBuilder(dictionaryRoom / texts)
		}
	}
	return out
}

func isText(t arrow.DataType) bool { return t.ID() == arrow.STRING || t.ID() == arrow.BINARY }

// putDictionaries writes the dictionaries of all columns, one after another.
func (w *Writer) putDictionaries() {
	m := takeMaker(w.opts.Profile)
	defer makers.Put(m)
	for i, b := range w.dictionaries {
		if b == nil {
			continue
		}
		bytes, used := m.encoder.AppendShared(nil, b)
		if len(bytes) == 0 {
			continue
		}
		w.used |= used
		w.metas[i].sections = append(w.metas[i].sections, section{id: sectionDictionary, flags: mustKnow, span: w.out.put(bytes, partAlign)})
		if c := w.indexes[i]; c != nil && c.values != nil && b.Complete() {
			c.values.ShareKeys()
		}
	}
}

// dictionaryAt returns the dictionary of the column at a place, which is nil if
// it has none. While somebody uses it, it is there once.
func (r *Reader) dictionaryAt(place int, m *meta) (*codec.SharedTexts, error) {
	at := slices.IndexFunc(m.sections, func(s section) bool { return s.id == sectionDictionary })
	if at < 0 {
		return nil, nil
	}
	s := indexBytes{r, m.sections[at]}
	if d, ok := r.cache.get(s.off).(*codec.SharedTexts); ok {
		return d, nil
	}
	d := r.rememberedDictionary(place)
	if d == nil {
		var err error
		if d, err = r.openDictionary(s); err != nil {
			return nil, r.badIndex(place, sectionDictionary, err)
		}
		known := weak.Make(d)
		r.dictionaries[place].Store(&known)
	}
	r.cache.put(s.off, d, d.Bytes())
	return d, nil
}

func (r *Reader) rememberedDictionary(place int) *codec.SharedTexts {
	if known := r.dictionaries[place].Load(); known != nil {
		return known.Value()
	}
	return nil
}

func (r *Reader) openDictionary(s indexBytes) (*codec.SharedTexts, error) {
	b, err := s.all()
	if err != nil {
		return nil, err
	}
	d, used, err := codec.OpenSharedTexts(b)
	if err == nil && Features(used)&^r.trailer.required != 0 {
		err = fmt.Errorf("uses encodings %v that the trailer does not name", used.List())
	}
	return d, err
}

// dictionaryOf returns the dictionary that a page needs, whose meta has been
// read; nil if it needs none.
func (r *Reader) dictionaryOf(p pageAt) (*codec.SharedTexts, error) {
	if !p.encodings.Has(codec.Shared) {
		return nil, nil
	}
	return r.dictionaryAt(p.place, r.metas[p.place].Load())
}

// keysOf returns the dictionary of a column as the keys of its directory of
// values, which has to do without where there is none.
func (r *Reader) keysOf(place int, m *meta) (index.Keys, error) {
	d, err := r.dictionaryAt(place, m)
	if d == nil {
		return nil, err
	}
	return d, nil
}
