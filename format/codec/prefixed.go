package codec

import (
	"fmt"
	"math"
)

// Prefixed: the values of a dictionary, which ascend, so that neighbours begin
// alike: how many bytes each shares with the one before it, and the rest, in
// symbols where that pays. The parameter is the bytes of all values. Two nodes:
// the lengths of what is shared, and of the rest as it is stored (Word32 both).
// Two buffers: the symbol table as FSST has it (empty: there is none), the rest
// of all values. It is found nowhere but in dictionaries, which are read whole.

// putValues writes the values of a dictionary.
func (e *Encoder) putValues(c *choice, values Strings, r room) {
	const overhead = 4 * nodeSize
	if e.profile != Default {
		e.putText(c, values, r)
		return
	}
	shared, rest := cutPrefixes(values)
	if saved := values.size() - rest.size(); saved < values.size()/4 || saved < values.rows()+overhead {
		e.putText(c, values, r)
		return
	}
	table, codes, lengths := e.restOf(c, rest)
	e.node(Prefixed, Bytes, values.rows(), uint64(values.size()))
	e.buffer(table)
	e.buffer(codes)
	e.putLengths(nth(&c.parts, 1), shared, r)
	e.putLengths(nth(&c.parts, 2), lengths, r)
}

// cutPrefixes takes from each value what it shares with the one before it.
func cutPrefixes(values Strings) (shared []uint32, rest Strings) {
	shared = make([]uint32, values.rows())
	rest = Strings{Offsets: make([]int32, 1, len(values.Offsets))}
	var last []byte
	for i := range shared {
		v, n := values.value(i), 0
		for n < min(len(v), len(last)) && v[n] == last[n] {
			n++
		}
		shared[i], last = uint32(n), v
		rest.Data = append(rest.Data, v[n:]...)
		rest.Offsets = append(rest.Offsets, int32(len(rest.Data)))
	}
	return shared, rest
}

// restOf returns how the rest of values is stored: in symbols, or as it is.
func (e *Encoder) restOf(c *choice, rest Strings) (table, codes []byte, lengths []uint32) {
	const most = 1 << 10 // bytes of a table
	if rest.size() > 2*most && int(e.textRatio(c, rest)*float64(rest.size()))+most < rest.size()*costRaw/costFSST {
		codes, lengths = e.trainer.encodeAll(rest)
		return appendSymbols(nil, e.trainer.finder.symbols), codes, lengths
	}
	lengths = make([]uint32, rest.rows())
	for i := range lengths {
		lengths[i] = uint32(len(rest.value(i)))
	}
	return nil, rest.Data, lengths
}

// getDistinct reads the values of a dictionary.
func getDistinct(d *Decoder, distinct, depth int) (Strings, error) {
	next, err := d.peek()
	if err != nil || next.enc != Prefixed {
		return getValues(d, distinct, depth)
	}
	if next, err = d.node(Bytes, distinct, depth); err != nil {
		return Strings{}, err
	}
	return getPrefixed(d, next, depth)
}

func getPrefixed(d *Decoder, n node, depth int) (Strings, error) {
	if n.param > math.MaxInt32 {
		return Strings{}, fmt.Errorf("%d bytes of strings: %w", n.param, ErrTooLarge)
	}
	table, err := d.anyBuffer()
	if err != nil {
		return Strings{}, err
	}
	codes, err := d.anyBuffer()
	if err != nil {
		return Strings{}, err
	}
	if err := d.Spend(int64(n.count) * 12); err != nil {
		return Strings{}, err
	}
	shared := make([]uint32, n.count)
	if err := getInts(d, shared, depth+1); err != nil {
		return Strings{}, err
	}
	rest := Strings{Offsets: make([]int32, n.count+1), Data: codes}
	total, err := getOffsets(d, rest.Offsets, depth+1)
	if err != nil {
		return Strings{}, err
	}
	if total != int64(len(codes)) {
		return Strings{}, fmt.Errorf("strings have %d bytes of codes; want %d", total, len(codes))
	}
	if err := d.expandRest(&rest, table, int64(n.param)-sumOf(shared)); err != nil {
		return Strings{}, err
	}
	return d.joinPrefixes(shared, rest, int(n.param))
}

func sumOf(lengths []uint32) (total int64) {
	for _, n := range lengths {
		total += int64(n)
	}
	return total
}

// expandRest makes text of codes, of which there is so much.
func (d *Decoder) expandRest(rest *Strings, table []byte, size int64) error {
	switch {
	case len(table) == 0 && size == int64(len(rest.Data)):
		return nil
	case len(table) == 0 || size < 0 || size > int64(len(rest.Data))*maxExpansion:
		return fmt.Errorf("%d bytes of codes for %d of text", len(rest.Data), size)
	}
	t, err := newSymbolText(table, rest.Data, rowsAt(rest.Offsets), int(size))
	if err == nil {
		err = t.check()
	}
	if err != nil {
		return err
	}
	if err := d.Spend(size); err != nil {
		return err
	}
	rest.Data = make([]byte, size)
	t.decode(rest.Data, rest.Offsets)
	return nil
}

// joinPrefixes puts the values together, which have size bytes.
func (d *Decoder) joinPrefixes(shared []uint32, rest Strings, size int) (Strings, error) {
	if err := d.Spend(int64(size)); err != nil {
		return Strings{}, err
	}
	out := Strings{Offsets: make([]int32, 1, len(shared)+1), Data: make([]byte, 0, size+chunk)}
	from := 0 // of the last value
	for i, n := range shared {
		at := len(out.Data)
		if int64(n) > int64(at-from) {
			return Strings{}, fmt.Errorf("value %d shares %d bytes with one of %d", i, n, at-from)
		}
		out.Data = append(out.Data, out.Data[from:from+int(n)]...)
		out.Data = append(out.Data, rest.value(i)...)
		out.Offsets, from = append(out.Offsets, int32(len(out.Data))), at
	}
	return out, nil
}
