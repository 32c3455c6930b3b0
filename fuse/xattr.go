package fuse

import (
	"context"
	"strconv"
	"syscall"
)

// xattrs are the extended attributes of a part, in the order in which they
// are listed.
var xattrs = []struct {
	name  string
	value func(p *part) string
}{
	{"user.tarn.table", func(p *part) string { return p.table }},
	{"user.tarn.segment", func(p *part) string { return p.segment.ID }},
	{"user.tarn.rows", func(p *part) string { return strconv.FormatInt(p.segment.Rows, 10) }},
	{"user.tarn.version", func(p *part) string { return strconv.FormatInt(p.segment.Added, 10) }}, // that added it
	{"user.tarn.checksum", func(p *part) string { return p.segment.Hash }},                        // of the segment file
}

// Getxattr tells one attribute.
func (n *partNode) Getxattr(_ context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	for _, x := range xattrs {
		if x.name == name {
			return copyXattr(dest, x.value(n.part))
		}
	}
	return 0, syscall.ENODATA
}

// Listxattr tells their names.
func (n *partNode) Listxattr(_ context.Context, dest []byte) (uint32, syscall.Errno) {
	names := ""
	for _, x := range xattrs {
		names += x.name + "\x00"
	}
	return copyXattr(dest, names)
}

// copyXattr follows getxattr(2): the size alone is an answer to an empty buffer.
func copyXattr(dest []byte, value string) (uint32, syscall.Errno) {
	if len(value) > len(dest) {
		return uint32(len(value)), syscall.ERANGE
	}
	return uint32(copy(dest, value)), 0
}
