package index

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
)

// TestRankPastTheLastValue gives a value the rank of null where there is none.
func TestRankPastTheLastValue(t *testing.T) {
	s := &segment{rows: 5000, cols: map[int32]arrow.Array{1: skewed(rand.New(rand.NewPCG(1, 1)), 5000, 3, false, false)}}
	b := buildValues(t, s, 1, 1<<20)
	v, err := ParseValues(b, 5000, 0, nil)
	if err != nil || v.Len() != 3 {
		t.Fatalf("got %v, %v; want 3 values", v, err)
	}
	ranks := &v.keys.(*ownKeys).ranks
	for i, c := range []byte{0, 2, 4, 6} { // the rank of one, two bits, becomes 3; that of null what it was
		was := ranks.b[0]
		rank := was >> c & 3
		ranks.b[0] = was&^(3<<c)&^(3<<6) | 3<<c | rank<<6
		if _, err := ParseValues(b, 5000, 0, nil); (err == nil) != (i == 3) {
			t.Errorf("rank 3 of value %d of 3: got %v", i, err)
		}
		ranks.b[0] = was
	}
}

// TestRowIDsOfNoBits makes row ids so narrow that a term may claim to be in
// all rows with hardly a byte.
func TestRowIDsOfNoBits(t *testing.T) {
	s := &segment{rows: 5000, cols: map[int32]arrow.Array{1: prose(rand.New(rand.NewPCG(1, 1)), 5000, 50)}}
	b := buildText(t, s, 1)
	if _, err := OpenTextIndex(readFrom(b), uint64(len(b)), 5000); err != nil {
		t.Fatal(err)
	}
	b[pagesFixed+24] = 0
	b = reseal(b)
	if _, err := OpenTextIndex(readFrom(b), uint64(len(b)), 5000); err == nil || !strings.Contains(err.Error(), "row ids of 0 bits") {
		t.Errorf("got %v; want an error of row ids of 0 bits", err)
	}
}
