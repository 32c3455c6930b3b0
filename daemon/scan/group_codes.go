package scan

import (
	"slices"

	"github.com/tarnlake/tarn/format/codec"
)

// Groups by columns that are stored as dictionaries are numbered by code: the
// values themselves are looked at once for each group of a block.

// maxCodes bounds the combinations of codes that are numbered by a table.
const maxCodes = 1 << 16

// codedKey is one key as a code for each row; the code after the last stands
// for null.
type codedKey struct {
	values  *vec
	codes   []int64
	valid   bits
	shared  *codec.SharedTexts // as in column
	numbers []uint32
}

func (k *codedKey) size() int { return k.values.n + 1 }

// codedKeys returns the keys of the rows of s as codes, or nil where one of
// them is no dictionary or the combinations are too many.
func (p *Plan) codedKeys(s *survivors) []*codedKey {
	product := 1
	keys := make([]*codedKey, len(p.keys))
	for i, n := range p.keys {
		col, ok := n.(*colNode)
		if !ok || s.cols[col.slot].enc == nil {
			return nil
		}
		c := &s.cols[col.slot]
		values, codes := dictionaryOf(c)
		if codes == nil {
			return nil
		}
		keys[i] = &codedKey{values: values, valid: validRows(c.enc, s.rows), shared: c.shared, numbers: c.numbers}
		if product *= keys[i].size(); product > maxCodes {
			return nil
		}
		keys[i].codes = readInts(codes, s.rows)
	}
	return keys
}

// ofCodes is of for keys that are codes, where there are no groups yet: it
// returns the group of each row.
func (g *groups) ofCodes(keys []*codedKey, n int) []int32 {
	codes, product := combined(keys, n)
	numbers := make([]int32, product) // plus one; 0: not seen
	first := []int32{}                // of each number: the row that it came with
	out := make([]int32, n)
	for i, c := range codes {
		k := numbers[c]
		if k == 0 {
			first = append(first, int32(i))
			k = int32(len(first))
			numbers[c] = k
		}
		out[i] = k - 1
	}
	if by, numbers := numbersAt(keys, first); by != nil {
		g.n, g.numbered = len(first), numbered{by: by, numbers: numbers}
	} else {
		g.take(keysAt(keys, first), len(first))
	}
	return out
}

// numbersAt returns the numbers of keys in the given rows, if all keys have
// shared dictionaries.
func numbersAt(keys []*codedKey, rows []int32) (by numbering, numbers []int32) {
	for _, k := range keys {
		if k.shared == nil {
			return nil, nil
		}
		by = append(by, k.shared)
	}
	if by.size() == 0 {
		return nil, nil
	}
	numbers = make([]int32, len(rows))
	for _, k := range keys {
		for i, row := range rows {
			null := k.valid != nil && !k.valid.has(int(row))
			numbers[i] = numbers[i]*int32(k.shared.Len()+1) + numberOf(k.shared, k.numbers, int(k.codes[row]), null)
		}
	}
	return by, numbers
}

// combined returns one code for each row, and how many there can be.
func combined(keys []*codedKey, n int) (codes []int64, product int) {
	product = 1
	for i, k := range keys {
		own := k.codes
		if k.valid != nil {
			own = slices.Clone(own)
			for row := range own {
				if !k.valid.has(row) {
					own[row] = int64(k.values.n)
				}
			}
		}
		if i == 0 {
			codes, product = own, k.size()
			continue
		}
		both := make([]int64, n)
		for row, c := range codes {
			both[row] = c*int64(k.size()) + own[row]
		}
		codes, product = both, product*k.size()
	}
	return codes, product
}

// keysAt returns the values of keys in the given rows.
func keysAt(keys []*codedKey, rows []int32) []*vec {
	out := make([]*vec, len(keys))
	for i, k := range keys {
		v := k.values.pick(convert(gather(k.codes, rows), func(c int64) int32 { return int32(c) }))
		if k.valid != nil {
			v.valid = fill(len(rows), func(i int) bool { return k.valid.has(int(rows[i])) })
		}
		out[i] = v
	}
	return out
}
