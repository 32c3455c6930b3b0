package tiering

import "errors"

// cursor takes numbers and texts off a byte slice. After the first that is
// not there it gives zeroes, and err says so.
type cursor struct {
	rest []byte
	err  error
}

var errShort = errors.New("ends too early")

// take returns the next n bytes, which stay the slice's.
func (c *cursor) take(n int) []byte {
	if c.err != nil || n > len(c.rest) {
		c.err = errShort
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) number(n int) uint64 {
	v := uint64(0)
	for i, b := range c.take(n) {
		v |= uint64(b) << (8 * i)
	}
	return v
}

func (c *cursor) u16() uint16 { return uint16(c.number(2)) }
func (c *cursor) u32() uint32 { return uint32(c.number(4)) }
func (c *cursor) u64() uint64 { return c.number(8) }

// text takes a length and that many bytes; no name is longer than 255.
func (c *cursor) text() string {
	n := c.u32()
	if c.err == nil && n > 255 {
		c.err = errors.New("name too long")
	}
	return string(c.take(int(n & 255)))
}

// pad takes the zeroes up to a multiple of 8 of a slice that had total bytes.
func (c *cursor) pad(total int) {
	n := -(total - len(c.rest)) & 7
	if b := c.take(n); c.err == nil && !allZero(b) {
		c.err = errors.New("padding is not zero")
	}
}
