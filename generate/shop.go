package generate

// shop is the model behind the rows: everything in it is a function of the
// seed and a number.
type shop struct {
	seed                            uint64
	products, orders, lines, clicks int64 // rows of each table
	customers                       int64
	calendar                        calendar
}

func newShop(seed uint64, rows int64) *shop {
	rows = max(rows, 0)
	s := &shop{seed: seed, calendar: newCalendar()}
	s.products = rows/400 + min(rows%400, 1)
	s.orders = rows/20*3 + rows%20*3/20
	if s.orders > 0 {
		s.lines = rows/20*11 + rows%20*11/20
	}
	s.clicks = rows - s.products - s.orders - s.lines
	s.customers = s.orders/5 + 1
	return s
}

// order is one order, or the return of one: then all quantities are negative.
type order struct {
	id         int64
	customer   int64 // 0 for a guest
	orderedAt  int64 // microseconds since 1970: when the customer did it
	receivedAt int64 // when it got here; orders are numbered by it
	returnOf   int64 // the order that comes back, or 0
	country    string
	channel    string
	coupon     string // or empty
	total      int64  // cents
	lines      []line
}

type line struct {
	product  int64
	quantity int64
	price    int64 // cents for one, after the discount
	discount int64 // percent
}

func (l line) amount() int64 { return l.quantity * l.price }

// groupOrders is how many orders share out their lines among themselves, so
// that baskets vary and yet the number of lines is exact.
const groupOrders = 64

// eachOrder calls f with the orders as they come in, until f returns false.
func (s *shop) eachOrder(f func(order) bool) {
	for first := int64(0); first < s.orders; first += groupOrders {
		for i, size := range s.baskets(first, min(first+groupOrders, s.orders)) {
			if !f(s.order(first+int64(i), size)) {
				return
			}
		}
	}
}

// baskets returns how many lines each order of the group [first, end) has: at
// least one, and mostly few.
func (s *shop) baskets(first, end int64) []int64 {
	from, _ := mulDiv(first, s.lines, s.orders)
	to := s.lines
	if end < s.orders {
		to, _ = mulDiv(end, s.lines, s.orders)
	}
	r := randomOf(s.seed, kindBasket, first)
	n := end - first
	sizes := make([]int64, n)
	for i := range sizes {
		sizes[i] = 1
	}
	turn := r.below(n)
	for range to - from - n { // there are more lines than orders
		sizes[(scatter(r.skewed(n, 2), n)+turn)%n]++
	}
	return sizes
}

var (
	countries = []string{"DE", "GB", "FR", "IT", "NL", "ES", "PL", "AT", "SE", "JP", "CH", "IE", "PT", "GR", "IS"}
	channels  = []string{"web", "app", "store", "phone"}
	coupons   = []string{"WELCOME10", "ÉTÉ-5", "SPRING", "ЗИМА20", "感謝祭"}
	discounts = []int64{0, 5, 10, 20, 30}
)

// order returns the i-th order, from 0, with a number of lines. A return does
// not look up what was bought: that order can be any number of rows ago.
func (s *shop) order(i, size int64) order {
	r := randomOf(s.seed, kindOrder, i)
	o := order{id: i + 1, receivedAt: s.calendar.at(i, s.orders)}
	o.orderedAt = o.receivedAt - r.late(20, 3*day)
	if !r.chance(240) {
		o.customer = s.someCustomer(&r)
	}
	o.country, o.channel = pickOften(&r, countries), pickOften(&r, channels)
	if i > 0 && r.chance(35) {
		o.returnOf = i - r.skewed(i, 9)
	}
	if r.chance(80) {
		o.coupon = pick(&r, coupons)
	}
	o.lines = make([]line, 0, size)
	for range size {
		o.lines = append(o.lines, s.line(&r, o.returnOf > 0))
		o.total += o.lines[len(o.lines)-1].amount()
	}
	return o
}

// late returns how long something was under way: mostly nothing or a moment,
// in n of 1,000 cases up to most.
func (r *random) late(n, most int64) int64 {
	if r.chance(n) {
		return r.skewed(most, 30)
	}
	return r.below(2 * second)
}

func (s *shop) line(r *random, comesBack bool) line {
	l := line{product: s.someProduct(r), quantity: 1 + r.skewed(6, 1)}
	if r.chance(10) {
		l.quantity *= 12 // by the dozen
	}
	if comesBack {
		l.quantity = -l.quantity
	}
	if r.chance(250) {
		l.discount = pick(r, discounts)
	}
	_, _, price := s.priced(l.product)
	l.price = price * (100 - l.discount) / 100
	return l
}

// someProduct returns a product's number: a few of them most of the time.
func (s *shop) someProduct(r *random) int64 {
	return scatter(r.skewed(s.products, 3), s.products) + 1
}

// someCustomer returns a customer's number: the regulars more often.
func (s *shop) someCustomer(r *random) int64 {
	return scatter(r.skewed(s.customers, 6), s.customers) + 1
}
