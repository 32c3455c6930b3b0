package format

import (
	"encoding/binary"
	"fmt"
)

// cursor reads little-endian fields one after another. The first error stays:
// check it once, at the end.
type cursor struct {
	b   []byte
	err error
}

func (c *cursor) bytes(n uint64) []byte {
	if c.err == nil && n > uint64(len(c.b)) {
		c.err = fmt.Errorf("%d bytes wanted, %d left", n, len(c.b))
	}
	if c.err != nil {
		return nil
	}
	out := c.b[:n:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) u8() uint8 {
	if b := c.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if b := c.bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// text reads a u32 length and that many bytes.
func (c *cursor) text() string { return string(c.bytes(uint64(c.u32()))) }

// zero reads n bytes that must be zero.
func (c *cursor) zero(n int) {
	for _, b := range c.bytes(uint64(n)) {
		if b != 0 && c.err == nil {
			c.err = fmt.Errorf("reserved bytes are not zero")
		}
	}
}

// done returns the first error, or one if bytes are left.
func (c *cursor) done() error {
	if c.err == nil && len(c.b) != 0 {
		c.err = fmt.Errorf("%d bytes too many", len(c.b))
	}
	return c.err
}

func appendText(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
}
