package codec

// Text is a run of byte strings that a scan works on where they lie: a
// dictionary keeps its codes, so that a condition is tried once for each
// distinct value. It is safe for concurrent use.
type Text struct {
	n      int
	values Strings
	codes  *Ints // nil: values has one value a row
}

// Len returns the number of values.
func (t *Text) Len() int { return t.n }

// Codes returns the distinct values in ascending order of their bytes, and the
// code of each row, which is the place of its value; ok is false where the run
// has no codes. A single value for all rows is a dictionary of one.
func (t *Text) Codes() (values Strings, codes *Ints, ok bool) {
	return t.values, t.codes, t.codes != nil
}

// Plain returns one value a row; ok is false where the run has codes.
func (t *Text) Plain() (values Strings, ok bool) { return t.values, t.codes == nil }

// ViewStrings reads the next n byte strings as a view.
func (d *Decoder) ViewStrings(n int) (*Text, error) {
	next, err := d.peek()
	if err != nil {
		return nil, err
	}
	switch next.enc {
	case Constant:
		return d.viewConstantBytes(n)
	case Dictionary:
		return d.viewDictionaryStrings(n)
	}
	if err := d.Spend(int64(n+1) * 4); err != nil {
		return nil, err
	}
	t := &Text{n: n, values: Strings{Offsets: make([]int32, n+1)}}
	err = d.GetStrings(t.values.Offsets, func(n int) []byte {
		t.values.Data = make([]byte, n)
		return t.values.Data
	})
	return t, err
}

func (d *Decoder) viewConstantBytes(n int) (*Text, error) {
	next, err := d.node(Bytes, n, 1)
	if err != nil {
		return nil, err
	}
	if err := next.noParam(); err != nil {
		return nil, err
	}
	v, err := d.anyBuffer()
	if err != nil {
		return nil, err
	}
	return &Text{n: n, values: Strings{Offsets: []int32{0, int32(len(v))}, Data: v}, codes: &Ints{n, constantView(0)}}, nil
}

func (d *Decoder) viewDictionaryStrings(n int) (*Text, error) {
	next, err := d.node(Bytes, n, 1)
	if err != nil {
		return nil, err
	}
	distinct, codes, err := viewCodes(d, next, 1)
	if err != nil {
		return nil, err
	}
	values, err := getValues(d, distinct, 2)
	return &Text{n: n, values: values, codes: codes}, err
}
