package generate

// Totals are what questions about a lake must answer. They are counted from
// the model itself, without Arrow, files or a node in between.
type Totals struct {
	Products, Orders, Lines, Clicks int64 // rows

	Revenue  int64 // sum(total) of orders = sum(quantity * unit_price) of order_lines, in cents
	Quantity int64 // sum(quantity) of order_lines
	Guests   int64 // orders without a customer
	Returns  int64 // orders that send something back
	Returned int64 // lines with a quantity below zero
	Late     int64 // orders that came in more than a minute after they were made
}

// Count returns the totals of Retail(seed, rows).
func Count(seed uint64, rows int64) Totals {
	s := newShop(seed, rows)
	t := Totals{Products: s.products, Clicks: s.clicks}
	s.eachOrder(func(o order) bool {
		t.Orders++
		t.Revenue += o.total
		if o.customer == 0 {
			t.Guests++
		}
		if o.returnOf > 0 {
			t.Returns++
		}
		if o.receivedAt-o.orderedAt > minute {
			t.Late++
		}
		for _, l := range o.lines {
			t.addLine(l)
		}
		return true
	})
	return t
}

func (t *Totals) addLine(l line) {
	t.Lines++
	t.Quantity += l.quantity
	if l.quantity < 0 {
		t.Returned++
	}
}
