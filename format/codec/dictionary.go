package codec

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"

	"github.com/tarnlake/tarn/format/kern"
)

// Dictionary: the distinct values in ascending order, then a code for each
// row. The parameter is the number of values. Two nodes: the values (of the
// node's own shape) and the codes (Word8, Word16 or Word32, the narrowest that
// the number of values allows). Ascending values make codes compare as values
// do.

// planDictionary looks for few distinct values, and gives up as soon as there
// are too many to beat the best plan so far.
func planDictionary[T kern.Uint](e *Encoder, plan *intPlan[T], v []T, s intStats[T], r room) {
	limit := dictionaryLimit(plan.cost, len(v))
	if limit < 2 || !e.words.build(len(v), limit, func(t *wordTable) bool { return addWords(t, v) }) {
		return
	}
	codes := min(packedCodes(len(v), len(e.words.keys)), s.runs*3)
	if codes*costDictionary/100 < plan.cost {
		priceDictionary(e, plan, v, s, r)
	}
}

// priceDictionary prices the dictionary in the table by its parts.
func priceDictionary[T kern.Uint](e *Encoder, plan *intPlan[T], v []T, s intStats[T], r room) {
	keys := e.words.keys
	order, rank := ranks(len(keys), func(a, b uint32) int {
		return cmp.Compare(keys[a]^uint64(s.flip), keys[b]^uint64(s.flip))
	})
	values := make([]T, len(keys))
	for i, k := range order {
		values[i] = T(keys[k])
	}
	a := planCodes(e, new(choice), e.words.codes, rank, len(rank), r)
	b := planInts(e, values, s.kind, r.below(Patched, Delta, Scaled, ALP, Decimal))
	plan.offer(a.cost+b.cost+nodeSize, costDictionary, func() {
		e.node(Dictionary, shapeOf[T](), len(v), uint64(len(values)))
		a.write()
		b.write()
	})
}

// dictionaryLimit returns the most distinct values with which a dictionary of
// n codes may still cost less than cost.
func dictionaryLimit(cost, n int) int {
	limit := min(n/4, 1<<14, cost)
	for limit >= 2 && packedCodes(n, limit) > cost { // codes alone are too wide
		limit /= 2
	}
	return limit
}

func packedCodes(n, distinct int) int { return n * bits.Len(uint(max(distinct, 1)-1)) / 8 }

func addWords[T kern.Uint](t *wordTable, v []T) bool {
	prev, code := ^uint64(v[0]), uint32(0)
	for i, x := range v {
		if x := uint64(x); x != prev {
			var ok bool
			if code, ok = t.add(x); !ok {
				return false
			}
			prev = x
		}
		t.codes[i] = code
	}
	return true
}

// ranks sorts the numbers below n and returns their order and the place of
// each in it.
func ranks(n int, compare func(a, b uint32) int) (order, rank []uint32) {
	order, rank = make([]uint32, n), make([]uint32, n)
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, compare)
	for i, k := range order {
		rank[k] = uint32(i)
	}
	return order, rank
}

// codePlan is a way to write codes, of whatever width, and its price.
type codePlan struct {
	cost  int
	write func()
	runs  int
}

// planCodes plans rank[codes[i]] for every i, or codes as they are for nil, in
// the narrowest words for numbers below distinct.
func planCodes(e *Encoder, c *choice, codes, rank []uint32, distinct int, r room) codePlan {
	r = r.below(Runs, Sparse, Patched)
	switch {
	case distinct <= 1<<8:
		return codePlan(planKnown(e, c, mapCodes[uint8](codes, rank), unsigned, r))
	case distinct <= 1<<16:
		return codePlan(planKnown(e, c, mapCodes[uint16](codes, rank), unsigned, r))
	}
	return codePlan(planKnown(e, c, mapCodes[uint32](codes, rank), unsigned, r))
}

func mapCodes[C kern.Uint](codes, rank []uint32) []C {
	out := make([]C, len(codes))
	if rank == nil {
		for i, c := range codes {
			out[i] = C(c)
		}
		return out
	}
	for i, c := range codes {
		out[i] = C(rank[c])
	}
	return out
}

// distinct checks a number of dictionary values.
func (n node) distinct() (int, error) {
	if n.param == 0 || n.param > uint64(n.count) {
		return 0, fmt.Errorf("dictionary of %d values for %d rows", n.param, n.count)
	}
	return int(n.param), nil
}

func getDictionaryInts[T kern.Uint](d *Decoder, n node, dst []T, depth int) error {
	distinct, err := n.distinct()
	if err != nil {
		return err
	}
	if err := d.Spend(int64(distinct) * int64(wordBytes[T]())); err != nil {
		return err
	}
	switch {
	case distinct <= 1<<8:
		return lookup[uint8](d, dst, distinct, depth+1)
	case distinct <= 1<<16:
		return lookup[uint16](d, dst, distinct, depth+1)
	}
	return lookup[uint32](d, dst, distinct, depth+1)
}

func lookup[C, T kern.Uint](d *Decoder, dst []T, distinct, depth int) error {
	codes, err := getCodes[C](d, len(dst), distinct, depth)
	if err != nil {
		return err
	}
	values := make([]T, distinct)
	if err := getInts(d, values, depth); err != nil {
		return err
	}
	for i, c := range codes {
		dst[i] = values[c]
	}
	return nil
}

// getCodes reads n codes and checks that all are below distinct.
func getCodes[C kern.Uint](d *Decoder, n, distinct, depth int) ([]C, error) {
	if err := d.Spend(int64(n) * int64(wordBytes[C]())); err != nil {
		return nil, err
	}
	codes := make([]C, n)
	if err := getInts(d, codes, depth); err != nil {
		return nil, err
	}
	if top := kern.Max(codes); uint64(top) >= uint64(distinct) {
		return nil, fmt.Errorf("code %d in a dictionary of %d", top, distinct)
	}
	return codes, nil
}
