package generate

import (
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
)

// TestWholesaleGolden pins the rows: published figures were measured on them.
func TestWholesaleGolden(t *testing.T) {
	if got, want := digest(Wholesale(42, 20_000)), "77cfdef55738e09a"; got != want {
		t.Errorf("rows have digest %q; want %q", got, want)
	}
}

func TestWholesaleRowCounts(t *testing.T) {
	for _, rows := range []int64{-1, 0, 1, 7, 8192, 30_000} {
		n := int64(0)
		for batch := range Wholesale(1, rows).Batches() {
			n += batch.NumRows()
		}
		if want := max(rows, 0); n != want {
			t.Errorf("%d rows; want %d", n, want)
		}
	}
}

// TestWholesaleDates checks the windows that dates and flags keep.
func TestWholesaleDates(t *testing.T) {
	w := newWholesaler(9, 10_000)
	for i := range int64(2000) {
		r := randomOf(9, kindWholesale, i)
		ordered := firstOrder + r.below(lastOrder-firstOrder)
		l := w.line(&r, 1, 1, ordered)
		if after := l.shipped - ordered; after < 1 || after > 121 {
			t.Fatalf("shipped %d days after the order; want 1 to 121", after)
		}
		if after := l.received - l.shipped; after < 1 || after > 30 {
			t.Fatalf("received %d days after it was shipped; want 1 to 30", after)
		}
		if known := l.returnFlag != "U"; known != (l.received <= closing) {
			t.Fatalf("flag %s of a line received on day %d, with the books closed on day %d", l.returnFlag, l.received, closing)
		}
	}
}

// TestOrderKeys checks that keys are distinct and never far from their place.
func TestOrderKeys(t *testing.T) {
	const orders = 3 * 4096
	w, seen, moved := newWholesaler(5, 1), map[int64]bool{}, 0
	for i := range int64(orders) {
		key := w.orderKey(i)
		if seen[key] {
			t.Fatalf("order %d has the key %d of another", i, key)
		}
		seen[key] = true
		far := (key-1)/4 - i
		if far < -4096 || far > 4096 {
			t.Fatalf("order %d has key %d: %d places away; want at most 4,096", i, key, far)
		}
		if far < -64 || far > 64 {
			moved++
		}
	}
	if moved < orders/32 || moved > orders/8 {
		t.Errorf("%d of %d orders are far from their place; want about one in 16", moved, orders)
	}
}

// TestCommentWords checks that searches find what their names promise.
func TestCommentWords(t *testing.T) {
	const rows = 300_000
	rare, common := 0, 0
	for batch := range Wholesale(3, rows).Batches() {
		comments := batch.Column(15).(*array.String)
		for i := range comments.Len() {
			if strings.Contains(comments.Value(i), RareWord) {
				rare++
			}
			if strings.Contains(comments.Value(i), CommonWord) {
				common++
			}
		}
	}
	if rare < rows/20_000 || rare > rows/5_000 {
		t.Errorf("%q is in %d of %d comments; want about %d", RareWord, rare, rows, rows/10_000)
	}
	if common < rows/32 || common > rows/22 {
		t.Errorf("%q is in %d of %d comments; want about %d", CommonWord, common, rows, rows/26)
	}
}
