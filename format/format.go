// Package format is the segment file: immutable, columnar, readable alone.
// A Writer turns record batches into one file, a Reader gives back any column
// of any block, and every byte between them is covered by a checksum.
//
// Words: a block is 65,536 rows of all columns; a page is the bytes of one
// column in one block (with all its children, for nested types); a meta is the
// index of one column's pages; a section is any other named run of bytes; the
// directory is the section that finds the metas; the footer lists the
// sections; head and trailer are the fixed 64 bytes at both ends.
//
//	head | pages of block 0 | pages of block 1 | … | metas | sections | footer | trailer
//
// docs/format.md tells the bytes. This package does not choose which blocks to
// read (package index and the scan do) and knows nothing of where files are.
package format

import (
	"errors"
	"fmt"

	"github.com/tarnlake/tarn/format/codec"
)

// BlockRows is the number of rows of every block but the last.
const BlockRows = 65536

// Limits of format 1.0. A file beyond them is refused.
const (
	// MaxBlocks keeps row numbers within 32 bits.
	MaxBlocks = 1 << 16
	// MaxBlockBytes bounds the values of one column in one block, in the shape
	// they have in Arrow. What is larger belongs into files.
	MaxBlockBytes = 1 << 30
	maxSections   = 1 << 10
)

// ErrCorrupt says that a file is not what a Writer wrote: cut, changed, or
// never a segment. Errors that wrap it name the part and its offset.
var ErrCorrupt = errors.New("segment is damaged")

// ErrUnsupported says that a file is newer than this reader and needs what the
// reader lacks. The file may well be whole.
var ErrUnsupported = errors.New("segment needs a newer reader")

// Version of the format that this package writes. Readers refuse another
// major version; a higher minor version only adds what feature bits announce.
const (
	Major = 1
	Minor = 1
)

// Features is a set of abilities that a file asks of its reader: bit n below
// 48 says that pages use codec encoding n; higher bits are numbered by hand
// and none is in use yet.
type Features uint64

// known is what this reader understands.
const known = Features(codec.Known)

// Info says what a segment is part of, so that a lost catalog could be rebuilt
// from segments alone. All of it is free text to this package.
type Info struct {
	Segment    string            // id of this segment
	Table      string            // id of its table
	Properties map[string]string // table name, partition values and the like
}

// corrupt returns an error that wraps ErrCorrupt and says where.
func corrupt(part string, offset int64, format string, args ...any) error {
	return fmt.Errorf("%w: %s at byte %d: %w", ErrCorrupt, part, offset, fmt.Errorf(format, args...))
}
