package generate

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// digest is a hash of every cell as text, so that it depends on the rows and
// not on how a library lays them out.
func digest(t Table) string {
	h := sha256.New()
	for batch := range t.Batches() {
		for _, c := range batch.Columns() {
			for i := range c.Len() {
				fmt.Fprintf(h, "%s\x00", c.ValueStr(i))
			}
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}

// TestGolden pins the rows: demos, documents and bug reports name them by seed.
func TestGolden(t *testing.T) {
	want := map[string]string{
		"products": "745de7c7e04e4197", "orders": "c5c90e0570273d03", "order_lines": "a224e3bcb51628b0", "clicks": "5ee4da255d4a6cd8",
	}
	for _, table := range Retail(42, 20_000) {
		if got := digest(table); got != want[table.Name] {
			t.Errorf("%s: rows have digest %q; want %q", table.Name, got, want[table.Name])
		}
	}
}

func TestSeedsDiffer(t *testing.T) {
	a, b, again := Retail(1, 5000), Retail(2, 5000), Retail(1, 5000)
	for i := range a {
		if digest(a[i]) == digest(b[i]) {
			t.Errorf("%s: two seeds give the same rows", a[i].Name)
		}
		if digest(a[i]) != digest(again[i]) {
			t.Errorf("%s: one seed gives different rows", a[i].Name)
		}
	}
}

func TestRowCounts(t *testing.T) {
	for _, rows := range []int64{-5, 0, 1, 2, 6, 7, 8, 19, 400, 401, 8192, 12_345, 100_000} {
		total := int64(0)
		for _, table := range Retail(7, rows) {
			n := int64(0)
			for batch := range table.Batches() {
				n += batch.NumRows()
				if batch.NumRows() == 0 || batch.NumRows() > batchRows {
					t.Errorf("%d rows: a batch of %s has %d", rows, table.Name, batch.NumRows())
				}
			}
			if n != table.Rows {
				t.Errorf("%d rows: %s yields %d; want %d", rows, table.Name, n, table.Rows)
			}
			total += n
		}
		if want := max(rows, 0); total != want {
			t.Errorf("%d rows in all; want %d", total, want)
		}
	}
}

// TestTotals adds up the batches and compares with the model.
func TestTotals(t *testing.T) {
	const seed, rows = 3, 60_000
	want := Count(seed, rows)
	got := Totals{}
	for _, table := range Retail(seed, rows) {
		for batch := range table.Batches() {
			switch table.Name {
			case "products":
				got.Products += batch.NumRows()
			case "clicks":
				got.Clicks += batch.NumRows()
			case "orders":
				got.addOrders(batch)
			case "order_lines":
				got.addLines(batch)
			}
		}
	}
	if got.linesRevenue(t, seed, rows) != want.Revenue {
		t.Errorf("the lines' revenue is not that of the orders, %d", want.Revenue)
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func (got *Totals) addOrders(b arrow.RecordBatch) {
	got.Orders += b.NumRows()
	customer, ordered, received := b.Column(1), b.Column(2).(*array.Timestamp), b.Column(3).(*array.Timestamp)
	for i := range int(b.NumRows()) {
		got.Revenue += b.Column(9).(*array.Decimal128).Value(i).BigInt().Int64()
		if customer.IsNull(i) {
			got.Guests++
		}
		if b.Column(7).IsValid(i) {
			got.Returns++
		}
		if int64(received.Value(i)-ordered.Value(i)) > 60e6 {
			got.Late++
		}
	}
}

func (got *Totals) addLines(b arrow.RecordBatch) {
	got.Lines += b.NumRows()
	for _, q := range b.Column(5).(*array.Int32).Int32Values() {
		got.Quantity += int64(q)
		if q < 0 {
			got.Returned++
		}
	}
}

func (got *Totals) linesRevenue(t *testing.T, seed uint64, rows int64) (cents int64) {
	t.Helper()
	for batch := range Retail(seed, rows)[2].Batches() {
		for i, q := range batch.Column(5).(*array.Int32).Int32Values() {
			cents += int64(q) * batch.Column(6).(*array.Decimal128).Value(i).BigInt().Int64()
		}
	}
	return cents
}

// TestAnySize takes the first batch of a lake that no machine could hold.
func TestAnySize(t *testing.T) {
	for _, table := range Retail(1, 4_000_000_000_000) {
		n := 0
		for batch := range table.Batches() {
			if n++; n == 2 {
				break
			}
			if batch.NumRows() != batchRows {
				t.Errorf("%s: first batch has %d rows; want %d", table.Name, batch.NumRows(), batchRows)
			}
		}
	}
}

// TestLikeAShop looks for the traits that the package comment promises.
func TestLikeAShop(t *testing.T) {
	s := newShop(42, 200_000)
	perProduct, perCustomer := map[int64]int{}, map[int64]int{}
	var december, june, night, evening int
	s.eachOrder(func(o order) bool {
		perCustomer[o.customer]++
		for _, l := range o.lines {
			perProduct[l.product]++
		}
		at := (o.receivedAt - opening) / hour
		switch at % 24 {
		case 3:
			night++
		case 19:
			evening++
		}
		switch at / 24 % 366 / 30 {
		case 5:
			june++
		case 11:
			december++
		}
		return true
	})
	if evening < 8*night {
		t.Errorf("%d orders at 19 h and %d at 3 h; want a quiet night", evening, night)
	}
	if december < june*3/2 {
		t.Errorf("%d orders in December and %d in June; want a loud December", december, june)
	}
	if top := largest(perProduct); int64(top)*s.products < 8*s.lines {
		t.Errorf("the best product sells %d of %d lines; want a bestseller among %d", top, s.lines, s.products)
	}
	delete(perCustomer, 0)
	if top := largest(perCustomer); int64(top)*s.customers < 8*s.orders {
		t.Errorf("the best customer has %d of %d orders; want a regular", top, s.orders)
	}
	if c := Count(42, 200_000); c.Returns == 0 || c.Guests == 0 || c.Late == 0 || c.Returned == 0 {
		t.Errorf("no returns, guests or late rows: %+v", c)
	}
}

func largest(counts map[int64]int) (top int) {
	for _, n := range counts {
		top = max(top, n)
	}
	return top
}

func TestSkewed(t *testing.T) {
	r := random(1)
	seen := map[int64]int{}
	for range 100_000 {
		rank := r.skewed(1000, 1)
		if rank < 0 || rank >= 1000 {
			t.Fatalf("rank %d; want 0 to 999", rank)
		}
		seen[rank]++
	}
	if seen[0] < 20*seen[500] || seen[999] == 0 {
		t.Errorf("rank 0 came up %d times, 500 %d and 999 %d", seen[0], seen[500], seen[999])
	}
}

func TestScatter(t *testing.T) {
	for _, n := range []int64{1, 2, 64, 1000, 4096} {
		seen := map[int64]bool{}
		for rank := range n {
			seen[scatter(rank, n)] = true
		}
		if int64(len(seen)) != n {
			t.Errorf("%d places for %d ranks", len(seen), n)
		}
	}
}

// TestCalendar: events are in order and within the two years, also where
// there are more events than microseconds to tell them apart.
func TestCalendar(t *testing.T) {
	c := newCalendar()
	for _, n := range []int64{1, 2, 10_000, 1 << 60} {
		before := int64(0)
		for k := range int64(1000) {
			i := k * (n / 1000)
			if i >= n {
				break
			}
			at := c.at(i, n)
			if at < before || at < opening || at >= opening+int64(len(c.until))*hour {
				t.Fatalf("event %d of %d is at %d, after one at %d", i, n, at, before)
			}
			before = at
		}
		if last := c.at(n-1, n); last >= opening+int64(len(c.until))*hour {
			t.Errorf("the last of %d events is after the end", n)
		}
	}
}
