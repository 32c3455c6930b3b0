package index

import (
	"bytes"
	"fmt"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
)

// ValuesCheck holds a directory of values against the rows that it is of. Give
// it the blocks in order.
type ValuesCheck struct {
	v     *Values
	count *ValuesBuilder // counts again, and lists nothing
	keys  [][]byte       // of the values whose rows are listed, nil for others
	block int

	scratch Scratch
}

// NewValuesCheck returns a check of v, whose column has the type t.
func NewValuesCheck(v *Values, t arrow.DataType) (*ValuesCheck, error) {
	c := &ValuesCheck{v: v, count: NewValuesBuilder(t), keys: make([][]byte, v.Len())}
	err := v.Each(func(i int, key []byte) {
		if v.place(i) == inRows {
			c.keys[i] = append([]byte{}, key...)
		}
	})
	if err != nil {
		return nil, err
	}
	return c, v.Check()
}

// Add checks that the rows listed in the next block have their values.
func (c *ValuesCheck) Add(arr arrow.Array) error {
	var m Mask
	for i := range c.v.Len() + 1 {
		if c.v.place(i) != inRows {
			continue
		}
		n, err := addRows(c.v.of(i), c.block, &m)
		if err != nil {
			return err
		}
		if n > 0 {
			if err := c.listed(i, arr, &m); err != nil {
				return err
			}
			m = Mask{}
		}
	}
	c.count.Add(&c.scratch, arr, 0)
	c.block++
	return nil
}

// listed checks that value i is in the rows of m.
func (c *ValuesCheck) listed(i int, arr arrow.Array, m *Mask) error {
	var key []byte
	wantNull := i == c.v.Len()
	for word, w := range m {
		for ; w != 0; w &= w - 1 {
			row := word<<6 + bits.TrailingZeros64(w)
			isNull := row < arr.Len() && arr.IsNull(row)
			if row < arr.Len() && !isNull && !wantNull {
				key = AppendKey(key[:0], arr, row)
			}
			if row >= arr.Len() || isNull != wantNull || !isNull && !bytes.Equal(key, c.keys[i]) {
				return fmt.Errorf("value %d is not in row %d of block %d", i, row, c.block)
			}
		}
	}
	return nil
}

// Finish checks counts, ranks and blocks, after the last block.
func (c *ValuesCheck) Finish() error {
	b, err := c.count.Finish(1 << 62)
	if err != nil || b == nil { // nil: built by bolder rules than ours
		return err
	}
	want, err := ParseValues(b, c.v.rows, c.v.nulls, nil)
	if err != nil {
		return err
	}
	if err := sameKeys(c.v, want); err != nil {
		return err
	}
	for i := range want.Len() + 1 {
		if err := c.same(want, i); err != nil {
			return fmt.Errorf("value %d: %w", i, err)
		}
	}
	return nil
}

// same compares value i with what has been counted.
func (c *ValuesCheck) same(want *Values, i int) error {
	if i < want.Len() && want.Count(i) != c.v.Count(i) {
		return fmt.Errorf("%d rows; want %d", c.v.Count(i), want.Count(i))
	}
	if want.Rank(i) != c.v.Rank(i) {
		return fmt.Errorf("rank %d; want %d", c.v.Rank(i), want.Rank(i))
	}
	got, err := c.v.side([]span{{i, i + 1}})
	if err != nil {
		return err
	}
	has, err := want.side([]span{{i, i + 1}})
	if err != nil {
		return err
	}
	for k := range has.present {
		if got.present[k] != has.present[k] {
			return fmt.Errorf("is not in the blocks that it is said to be in")
		}
	}
	return nil
}
