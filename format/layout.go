package format

import (
	"encoding/binary"
	"fmt"

	"github.com/zeebo/xxh3"
)

// The fixed structures. Each marshals by appending and unmarshals through a
// cursor, as two mirrored columns.

var le = binary.LittleEndian

const (
	magic       = "TARN"
	headSize    = 64
	trailerSize = 64
	footerFixed = 16
	sectionSize = 32

	pageAlign = 64 // of pages in the file
	partAlign = 8  // of metas, sections, footer and trailer
)

func alignUp(n int64, align int64) int64 { return (n + align - 1) &^ (align - 1) }

// head opens the file: what it is, for people and file(1).
//
//	0  4  "TARN"
//	4  2  major version      6  2  minor version
//	8  4  rows of a block   12 44  zero
//	56 8  xxh3 of bytes 0 to 55
func appendHead(b []byte) []byte {
	start := len(b)
	b = append(b, magic...)
	b = le.AppendUint16(b, Major)
	b = le.AppendUint16(b, Minor)
	b = le.AppendUint32(b, BlockRows)
	b = append(b, make([]byte, 44)...)
	return le.AppendUint64(b, xxh3.Hash(b[start:]))
}

func checkHead(b []byte) error {
	c := cursor{b: b}
	name, major, _, rows := string(c.bytes(4)), c.u16(), c.u16(), c.u32()
	c.zero(44)
	sum := c.u64()
	switch err := c.done(); {
	case err != nil:
		return corrupt("head", 0, "%w", err)
	case name != magic:
		return corrupt("head", 0, "magic is %q; want %q", name, magic)
	case sum != xxh3.Hash(b[:headSize-8]):
		return corrupt("head", 0, "checksum does not match")
	case major != Major || rows != BlockRows:
		return corrupt("head", 0, "version %d with blocks of %d rows; want %d, %d", major, rows, Major, BlockRows)
	}
	return nil
}

// trailer closes the file. Its size, its last 16 bytes and the place of its
// checksum are the same in all versions.
//
//	0  8  footer offset      8  8  footer length      16  8  footer xxh3
//	24 8  file size         32  8  required features  40  8  optional features
//	48 4  "TARN"            52  2  major version      54  2  minor version
//	56 8  xxh3 of bytes 0 to 55
type trailer struct {
	footer             span
	fileSize           uint64
	required, optional Features
	minor              uint16
}

// span is a run of bytes of the file with its checksum.
type span struct {
	off, len uint64
	sum      uint64
}

func (s span) end() uint64 { return s.off + s.len }

// inside checks that a span lies within the first limit bytes.
func (s span) inside(limit uint64) error {
	if s.off > limit || s.len > limit-s.off {
		return fmt.Errorf("%d bytes at %d reach past byte %d", s.len, s.off, limit)
	}
	return nil
}

func (t trailer) append(b []byte) []byte {
	start := len(b)
	b = le.AppendUint64(b, t.footer.off)
	b = le.AppendUint64(b, t.footer.len)
	b = le.AppendUint64(b, t.footer.sum)
	b = le.AppendUint64(b, t.fileSize)
	b = le.AppendUint64(b, uint64(t.required))
	b = le.AppendUint64(b, uint64(t.optional))
	b = append(b, magic...)
	b = le.AppendUint16(b, Major)
	b = le.AppendUint16(b, t.minor)
	return le.AppendUint64(b, xxh3.Hash(b[start:]))
}

func parseTrailer(b []byte, size int64) (t trailer, err error) {
	at := size - trailerSize
	c := cursor{b: b}
	t.footer = span{c.u64(), c.u64(), c.u64()}
	t.fileSize = c.u64()
	t.required, t.optional = Features(c.u64()), Features(c.u64())
	name, major := string(c.bytes(4)), c.u16()
	t.minor = c.u16()
	sum := c.u64()
	switch err := c.done(); {
	case err != nil:
		return t, corrupt("trailer", at, "%w", err)
	case name != magic:
		return t, corrupt("trailer", at, "magic is %q; want %q (not a segment, or its end is missing)", name, magic)
	case sum != xxh3.Hash(b[:trailerSize-8]):
		return t, corrupt("trailer", at, "checksum does not match")
	case major != Major:
		return t, fmt.Errorf("%w: format version %d.%d, this reader knows %d", ErrUnsupported, major, t.minor, Major)
	case t.required&^known != 0:
		return t, fmt.Errorf("%w: format %d.%d with required feature bits %#x", ErrUnsupported, major, t.minor, uint64(t.required&^known))
	case t.fileSize != uint64(size):
		return t, corrupt("trailer", at, "file has %d bytes; want %d", size, t.fileSize)
	}
	if err := t.footer.inside(uint64(at)); err != nil {
		return t, corrupt("trailer", at, "footer: %w", err)
	}
	return t, nil
}

// footer lists what else is in the file.
//
//	0  8  rows      8  4  columns     12  4  sections     16  32 × n  sections
type footer struct {
	rows     uint64
	columns  uint32
	sections []section
}

// section is a named run of bytes. A reader skips one that it does not know,
// unless the flag mustKnow is set.
//
//	0  2  id     2  2  flags     4  4  zero
//	8  8  offset     16  8  length     24  8  xxh3
type section struct {
	id    sectionID
	flags uint16
	span
}

type sectionID uint16

// Sections of the footer. Numbers reach disk.
const (
	sectionSchema  sectionID = 1
	sectionColumns sectionID = 2 // the directory
	sectionInfo    sectionID = 3
)

// Sections of a column's meta: its indexes, and its dictionary. Numbers reach
// disk.
const (
	sectionValues     sectionID = 16 // index.Values
	sectionBloom      sectionID = 17 // index.Bloom
	sectionLocate     sectionID = 18 // index.Locator
	sectionTokens     sectionID = 19 // index.TextIndex
	sectionDictionary sectionID = 20 // codec.SharedTexts
)

func (id sectionID) String() string {
	switch id {
	case sectionValues:
		return "values"
	case sectionBloom:
		return "bloom"
	case sectionLocate:
		return "locate"
	case sectionTokens:
		return "tokens"
	case sectionDictionary:
		return "dictionary"
	case sectionSchema:
		return "schema"
	case sectionColumns:
		return "directory"
	case sectionInfo:
		return "info"
	}
	return fmt.Sprintf("section %d", uint16(id))
}

// mustKnow is the section flag that makes a reader refuse what it cannot skip.
const mustKnow = 1 << 0

func (f footer) append(b []byte) []byte {
	b = le.AppendUint64(b, f.rows)
	b = le.AppendUint32(b, f.columns)
	b = le.AppendUint32(b, uint32(len(f.sections)))
	return appendSections(b, f.sections)
}

func appendSections(b []byte, sections []section) []byte {
	for _, s := range sections {
		b = le.AppendUint16(b, uint16(s.id))
		b = le.AppendUint16(b, s.flags)
		b = le.AppendUint32(b, 0)
		b = le.AppendUint64(b, s.off)
		b = le.AppendUint64(b, s.len)
		b = le.AppendUint64(b, s.sum)
	}
	return b
}

func parseFooter(b []byte, at span) (f footer, err error) {
	c := cursor{b: b}
	f.rows, f.columns = c.u64(), c.u32()
	f.sections = c.sections(c.u32(), at.off)
	switch err := c.done(); {
	case err != nil:
		return f, corrupt("footer", int64(at.off), "%w", err)
	case f.rows > MaxBlocks*BlockRows:
		return f, corrupt("footer", int64(at.off), "%d rows; at most %d blocks", f.rows, MaxBlocks)
	}
	return f, nil
}

// sections reads n sections, all of which have to end before limit.
func (c *cursor) sections(n uint32, limit uint64) []section {
	if c.err == nil && n > maxSections {
		c.err = fmt.Errorf("%d sections; at most %d", n, maxSections)
	}
	var out []section
	for i := uint32(0); i < n && c.err == nil; i++ {
		s := section{id: sectionID(c.u16()), flags: c.u16()}
		c.zero(4)
		s.span = span{c.u64(), c.u64(), c.u64()}
		if err := s.inside(limit); err != nil && c.err == nil {
			c.err = fmt.Errorf("%s: %w", s.id, err)
		}
		out = append(out, s)
	}
	return out
}
