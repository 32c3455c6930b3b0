package index

import "fmt"

// cursor reads fields one after another. The first error stays: check it once,
// at the end.
type cursor struct {
	b   []byte
	err error
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

func (c *cursor) bytes(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.fail("%d bytes wanted, %d left", n, len(c.b))
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
		return le.Uint16(b)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.bytes(4); b != nil {
		return le.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.bytes(8); b != nil {
		return le.Uint64(b)
	}
	return 0
}

// width reads the width of a packed array.
func (c *cursor) width() uint {
	w := c.u8()
	if w > maxWidth {
		c.fail("numbers of %d bits", w)
	}
	return uint(w)
}

// packed reads n numbers.
func (c *cursor) packed(n int, width uint) packedUints {
	return packedUints{c.bytes(uint64(packedBytes(n, width))), width}
}

// zero reads n bytes that must be zero.
func (c *cursor) zero(n uint64) {
	for _, b := range c.bytes(n) {
		if b != 0 {
			c.fail("reserved bytes are not zero")
		}
	}
}

// done returns the first error, or one if bytes are left.
func (c *cursor) done() error {
	if len(c.b) != 0 {
		c.fail("%d bytes too many", len(c.b))
	}
	return c.err
}
