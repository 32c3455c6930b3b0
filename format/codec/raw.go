package codec

import "github.com/tarnlake/tarn/format/kern"

// Raw: the values as Arrow keeps them. Words and blobs are one buffer; bits
// are one buffer, least significant bit first; bytes are two nodes, lengths
// (Word32) and all bytes in one (Blob).

func putRawInts[T kern.Uint](e *Encoder, v []T) {
	e.node(Raw, shapeOf[T](), len(v), 0)
	e.buffer(bytesOf(v))
}

func getRawInts[T kern.Uint](d *Decoder, n node, dst []T) error {
	if err := n.noParam(); err != nil {
		return err
	}
	return getRaw(d, bytesOf(dst))
}

func getRaw(d *Decoder, dst []byte) error {
	src, err := d.buffer(len(dst))
	copy(dst, src)
	return err
}
