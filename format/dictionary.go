package format

import (
	"context"
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

// dictionarySpan returns where the dictionary of a column is, if it has one.
func (m *meta) dictionarySpan() (span, bool) {
	at := slices.IndexFunc(m.sections, func(s section) bool { return s.id == sectionDictionary })
	if at < 0 {
		return span{}, false
	}
	return m.sections[at].span, true
}

// dictionaryAt returns the dictionary of the column at a place, which is nil if
// it has none.
func (r *Reader) dictionaryAt(place int, m *meta) (*codec.SharedTexts, error) {
	s, ok := m.dictionarySpan()
	if !ok {
		return nil, nil
	}
	if d := r.knownDictionary(place, s); d != nil {
		return d, nil
	}
	b := make([]byte, s.len)
	if err := readFull(r.file, b, int64(s.off)); err != nil {
		return nil, err
	}
	return r.openDictionary(place, s, b)
}

// knownDictionary returns a dictionary that is in the cache, or that somebody
// uses: while that is so it is there once.
func (r *Reader) knownDictionary(place int, s span) *codec.SharedTexts {
	if d, ok := r.cache.get(s.off).(*codec.SharedTexts); ok {
		return d
	}
	if used := r.dictionaries[place].Load(); used != nil {
		if d := used.Value(); d != nil {
			r.cache.put(s.off, d, d.Bytes())
			return d
		}
	}
	return nil
}

// openDictionary checks the bytes of a dictionary, and leaves it in the cache.
func (r *Reader) openDictionary(place int, s span, b []byte) (*codec.SharedTexts, error) {
	err := s.check(r.file, sectionDictionary.String(), b)
	if err != nil {
		return nil, err
	}
	d, used, err := codec.OpenSharedTexts(b)
	if err == nil && Features(used)&^r.trailer.required != 0 {
		err = fmt.Errorf("uses encodings %v that the trailer does not name", used.List())
	}
	if err != nil {
		return nil, r.badIndex(place, sectionDictionary, err)
	}
	known := weak.Make(d)
	r.dictionaries[place].Store(&known)
	r.cache.put(s.off, d, d.Bytes())
	return d, nil
}

// dictionaryOf returns the dictionary that a page needs, whose meta has been
// read; nil if it needs none.
func (r *Reader) dictionaryOf(p pageAt) (*codec.SharedTexts, error) {
	if !p.encodings.Has(codec.Shared) {
		return nil, nil
	}
	return r.dictionaryAt(p.place, r.metas[p.place].Load())
}

// shareDictionaries gives columns the dictionaries that their pages need. Those
// that have to be read are read at once: they lie together.
func (r *Reader) shareDictionaries(ctx context.Context, columns []*Column) error {
	var missing []*Column
	var spans []span
	for _, c := range columns {
		if !c.at.encodings.Has(codec.Shared) {
			continue
		}
		s, ok := r.metas[c.at.place].Load().dictionarySpan()
		if !ok {
			continue // its page says so
		}
		if c.shared = r.knownDictionary(c.at.place, s); c.shared == nil {
			missing, spans = append(missing, c), append(spans, s)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	read, err := fetch(ctx, r.file, spans)
	if err != nil {
		return err
	}
	for i, c := range missing {
		if c.shared = r.knownDictionary(c.at.place, spans[i]); c.shared != nil {
			continue // the column was asked for twice
		}
		if c.shared, err = r.openDictionary(c.at.place, spans[i], read[i]); err != nil {
			return err
		}
	}
	return nil
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
