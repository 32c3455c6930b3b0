package format

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/tarnlake/tarn/format/codec"
)

// Dump writes the structures of a segment file as annotated hex, one field a
// line, in the order of the file; of the data itself it shows where it is and
// how it begins. A damaged file is shown as far as it goes, and then the error
// returned.
func Dump(w io.Writer, r io.ReaderAt, size int64) error {
	d := &dumper{w: w, file: r}
	d.head()
	if size < headSize+trailerSize {
		return d.or(corrupt("file", 0, "%d bytes are too few for a segment", size))
	}
	s, err := Open(r, size)
	if err != nil {
		d.trailer(size)
		return d.or(err)
	}
	metas, err := s.load(context.Background(), s.all())
	if err != nil {
		d.footer(s)
		d.trailer(size)
		return d.or(err)
	}
	for _, p := range s.parts(metas) {
		d.part(s, metas, p)
	}
	d.trailer(size)
	return d.err
}

// dumper writes fields; the first error stays.
type dumper struct {
	w    io.Writer
	file io.ReaderAt
	at   int64  // of the next field
	b    []byte // what is left of the part
	err  error
}

// or returns the dumper's own error, or err.
func (d *dumper) or(err error) error {
	if d.err != nil {
		return d.err
	}
	return err
}

// open starts a part of the file under a heading.
func (d *dumper) open(at int64, n int, heading string, args ...any) {
	d.at, d.b = at, make([]byte, n)
	if err := readFull(d.file, d.b, at); err != nil && d.err == nil {
		d.err = err
	}
	d.printf("\n%s\n", fmt.Sprintf(heading, args...))
}

func (d *dumper) printf(text string, args ...any) {
	if d.err == nil {
		_, d.err = fmt.Fprintf(d.w, text, args...)
	}
}

// maxHex is how many bytes of a long field are shown.
const maxHex = 16

// field writes the next n bytes with what they mean: text, or if that is
// empty the little-endian number.
func (d *dumper) field(n int, name, text string) {
	n = min(n, len(d.b))
	if text == "" {
		text = fmt.Sprint(number(d.b[:n]))
	}
	hex := fmt.Sprintf("% x", d.b[:min(n, maxHex)])
	if n > maxHex {
		hex += " …"
	}
	d.printf("%08x  %-50s %s: %s\n", d.at, hex, name, text)
	d.at, d.b = d.at+int64(n), d.b[n:]
}

func number(b []byte) (v uint64) {
	for i := min(len(b), 8) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

func (d *dumper) sum(name string) { d.field(8, name, "xxh3") }

func (d *dumper) head() {
	d.open(0, headSize, "head")
	d.field(4, "magic", fmt.Sprintf("%q", d.b[:4]))
	d.field(2, "major version", "")
	d.field(2, "minor version", "")
	d.field(4, "rows of a block", "")
	d.field(44, "reserved", "zero")
	d.sum("head checksum")
}

func (d *dumper) trailer(size int64) {
	d.open(size-trailerSize, trailerSize, "trailer")
	d.field(8, "footer offset", "")
	d.field(8, "footer length", "")
	d.sum("footer checksum")
	d.field(8, "file size", "")
	d.field(8, "required features", encodingNames(number(d.b[:8])))
	d.field(8, "optional features", "")
	d.field(4, "magic", fmt.Sprintf("%q", d.b[:4]))
	d.field(2, "major version", "")
	d.field(2, "minor version", "")
	d.sum("trailer checksum")
}

func encodingNames(set uint64) string {
	var names []string
	for _, e := range codec.Set(set).List() {
		names = append(names, e.String())
	}
	return strings.Join(names, ", ")
}

func (d *dumper) part(s *Reader, metas []*meta, p part) {
	switch {
	case p.page != nil:
		d.page(s, p)
	case p.index != 0:
		d.index(s, p)
	case p.name == "meta":
		d.meta(s, metas, p)
	case p.name == "footer":
		d.footer(s)
	default:
		d.section(s, p)
	}
}

func (d *dumper) page(s *Reader, p part) {
	f := s.field(p.place)
	d.open(int64(p.off), int(p.len), "page of %q (field %d), block %d: %d rows, %d nulls", f.Name, f.ID, p.block, p.page.zone.Rows, p.page.zone.Nulls)
	d.pageBody()
}

// pageBody shows the nodes and buffers of a page, which is what is left of the
// part.
func (d *dumper) pageBody() {
	start := d.at
	layout, err := codec.LayoutOf(d.b)
	if err != nil {
		d.printf("          %v\n", err)
	}
	d.field(4, "nodes", "")
	d.field(4, "buffers", "")
	d.field(8, "reserved", "zero")
	for i, n := range layout.Nodes {
		d.field(16, fmt.Sprintf("node %d", i), fmt.Sprintf("%s of %d %s, parameter %d", n.Encoding, n.Count, n.Shape, n.Param))
	}
	for i := range layout.Buffers {
		d.field(4, fmt.Sprintf("length of buffer %d", i), "")
	}
	for i, b := range layout.Buffers {
		if gap := start + int64(b.Offset) - d.at; gap > 0 && b.Bytes > 0 {
			d.field(int(gap), "padding", "zero")
		}
		d.field(b.Bytes, fmt.Sprintf("buffer %d", i), fmt.Sprintf("%d bytes", b.Bytes))
	}
}

func (d *dumper) meta(s *Reader, metas []*meta, p part) {
	for i, m := range metas {
		if s.columns.at(i).meta != p.span {
			continue
		}
		f := s.field(i)
		d.open(int64(p.off), int(p.len), "meta of %q (field %d)", f.Name, f.ID)
		d.field(4, "pages", "")
		d.field(4, "sections", "")
		d.field(4, "bytes of bounds", "")
		d.field(4, "reserved", "zero")
		for b, pg := range m.pages {
			d.pageEntry(b, pg)
		}
		d.sections(m.sections)
		for b, pg := range m.pages {
			d.field(len(pg.zone.Min), fmt.Sprintf("page %d least key", b), "key")
			d.field(len(pg.zone.Max), fmt.Sprintf("page %d greatest key", b), "key")
		}
		return
	}
}

func (d *dumper) pageEntry(b int, p page) {
	d.field(8, fmt.Sprintf("page %d offset", b), "")
	d.field(4, "length", "")
	d.field(4, "rows", "")
	d.field(4, "nulls", "")
	d.field(1, "length of least key", "")
	d.field(1, "length of greatest key", "")
	d.field(1, "flags", "")
	d.field(1, "reserved", "zero")
	d.field(8, "encodings", encodingNames(uint64(p.encodings)))
	d.sum("page checksum")
}

func (d *dumper) footer(s *Reader) {
	d.open(int64(s.trailer.footer.off), int(s.trailer.footer.len), "footer")
	d.field(8, "rows", "")
	d.field(4, "columns", "")
	d.field(4, "sections", "")
	d.sections(s.footer.sections)
}

func (d *dumper) sections(sections []section) {
	for _, s := range sections {
		d.field(2, "section", s.id.String())
		d.field(2, "flags", "")
		d.field(4, "reserved", "zero")
		d.field(8, "offset", "")
		d.field(8, "length", "")
		d.sum("section checksum")
	}
}

func (d *dumper) section(s *Reader, p part) {
	d.open(int64(p.off), int(p.len), "section %s", p.name)
	switch p.name {
	case sectionSchema.String():
		d.schema(s)
	case sectionColumns.String():
		for range s.columns.len() {
			d.field(4, "field id", "")
			d.field(4, "position in the schema", "")
			d.field(8, "meta offset", "")
			d.field(8, "meta length", "")
			d.sum("meta checksum")
		}
	case sectionInfo.String():
		d.info(s)
	default:
		d.field(len(d.b), "unknown", fmt.Sprintf("%d bytes", len(d.b)))
	}
}

// index shows the head of an index and says what it holds.
func (d *dumper) index(s *Reader, p part) {
	f := s.field(p.place)
	holds, err := s.holds(p.place, p.index)
	if err != nil && d.err == nil {
		d.err = err
	}
	if holds != "" {
		holds = ": " + holds
	}
	kind := "index "
	if p.index == sectionDictionary {
		kind = ""
	}
	d.open(int64(p.off), int(p.len), "%s%s of %q (field %d)%s", kind, p.index, f.Name, f.ID, holds)
	switch p.index {
	case sectionValues:
		shared := number(d.b[:min(2, len(d.b))]) == 2
		d.field(2, "version", "")
		d.field(2, "reserved", "zero")
		d.field(4, "values", "")
		d.field(8, "rows", "")
		d.field(8, "nulls", "")
		d.field(3, "widths of counts, ranks and ends", "bits")
		d.field(1, "reserved", "zero")
		d.field(4, "rank of null", "")
		if !shared {
			d.field(4, "keys", "")
			d.field(4, "bytes of keys", "")
		}
	case sectionDictionary:
		d.field(4, "values", "")
		d.field(4, "reserved", "zero")
		d.pageBody()
	case sectionBloom, sectionLocate, sectionTokens:
		d.field(4, "bytes of the head", "")
		d.field(4, "pages", "")
		d.field(2, "version", "")
		d.field(2, "reserved", "zero")
		fields := int(number(d.b[:min(4, len(d.b))]))
		d.field(4, "bytes of fields", "")
		d.field(fields, "fields", "of the index")
	}
	d.field(len(d.b), "contents", fmt.Sprintf("%d bytes", len(d.b)))
}

func (d *dumper) text(name string) {
	n := int(number(d.b[:min(4, len(d.b))]))
	d.field(4, "length", "")
	d.field(n, name, fmt.Sprintf("%q", d.b[:min(n, len(d.b), 64)]))
}

func (d *dumper) schema(s *Reader) {
	d.field(4, "schema id", "")
	d.field(4, "fields", "")
	for range s.fields.len() {
		d.field(4, "field id", "")
		d.field(1, "nullable", "")
		d.field(3, "reserved", "zero")
		d.text("name")
		d.text("type")
		d.text("doc")
	}
}

func (d *dumper) info(s *Reader) {
	d.text("segment")
	d.text("table")
	d.field(4, "properties", "")
	for range s.info.Properties {
		d.text("key")
		d.text("value")
	}
}
