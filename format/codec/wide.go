package codec

// Wide: 128-bit integers, low word first as in Arrow. Encodings: Narrow, one
// node of signed Word64 where all values fit; Split, two nodes of Word64, the
// low words and the (signed) high words.

// PutWide puts 128-bit integers, two words each: low, high.
func (e *Encoder) PutWide(v []uint64) error {
	n := len(v) / 2
	if n > MaxElements {
		return ErrTooLarge
	}
	lo, hi, narrow := make([]uint64, n), make([]uint64, n), true
	for i := range lo {
		lo[i], hi[i] = v[2*i], v[2*i+1]
		narrow = narrow && hi[i] == signOf(lo[i])
	}
	if narrow {
		e.node(Narrow, Wide, n, 0)
		planRoot(e, e.recall(), lo, signed).write()
		return nil
	}
	e.node(Split, Wide, n, 0)
	planRoot(e, e.recall(), lo, unsigned).write()
	planRoot(e, e.recall(), hi, signed).write()
	return nil
}

// signOf returns the high word of a signed 64-bit value.
func signOf(lo uint64) uint64 { return uint64(int64(lo) >> 63) }

// GetWide fills dst with the next len(dst)/2 128-bit integers.
func (d *Decoder) GetWide(dst []uint64) error {
	n, err := d.node(Wide, len(dst)/2, 1)
	if err != nil {
		return err
	}
	if err := n.noParam(); err != nil {
		return err
	}
	switch n.enc {
	case Narrow:
		return getNarrow(d, dst)
	case Split:
		return getSplit(d, dst)
	}
	return n.unknown()
}

// getNarrow decodes into the upper half of dst and widens from the front: the
// read position stays ahead of the write position.
func getNarrow(d *Decoder, dst []uint64) error {
	lo := dst[len(dst)/2:]
	if err := getInts(d, lo, 1); err != nil {
		return err
	}
	for i, v := range lo {
		dst[2*i], dst[2*i+1] = v, signOf(v)
	}
	return nil
}

func getSplit(d *Decoder, dst []uint64) error {
	if err := d.Spend(int64(len(dst)) * 8); err != nil {
		return err
	}
	half := make([]uint64, len(dst)/2)
	for word := range 2 {
		if err := getInts(d, half, 1); err != nil {
			return err
		}
		for i, v := range half {
			dst[2*i+word] = v
		}
	}
	return nil
}
