package codec

import (
	"fmt"

	"github.com/tarnlake/tarn/format/kern"
)

// Constant: one value for all. The parameter is the value of words and bits,
// zero-extended; bytes keep theirs in one buffer. A node of no values is
// constant.

func (e *Encoder) putConstantInt(shape Shape, count int, v uint64) {
	e.node(Constant, shape, count, v)
}

func getConstantInt[T kern.Uint](n node, dst []T) error {
	if uint64(T(n.param)) != n.param {
		return fmt.Errorf("constant %#x does not fit %s", n.param, n.shape)
	}
	kern.Fill(dst, T(n.param))
	return nil
}

func (e *Encoder) putConstantBytes(count int, v []byte) {
	e.node(Constant, Bytes, count, 0)
	e.buffer(v)
}

// getConstantBytes writes v count times.
func getConstantBytes(d *Decoder, n node, offsets []int32, alloc func(int) []byte) error {
	v, err := d.anyBuffer()
	if err != nil {
		return err
	}
	if err := n.noParam(); err != nil {
		return err
	}
	data, err := d.allocBytes(int64(len(v))*int64(n.count), alloc)
	if err != nil {
		return err
	}
	for i := range offsets {
		offsets[i] = int32(i * len(v))
	}
	if len(data) > 0 {
		for done := copy(data, v); done < len(data); done *= 2 {
			copy(data[done:], data[:done])
		}
	}
	return nil
}
