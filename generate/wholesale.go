package generate

import (
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// WholesaleRows is the size of the table that the benchmarks measure by.
const WholesaleRows = 6_000_000

// Wholesale returns the order lines of a wholesaler, one wide table called
// lines, with the traits that make scans easy or hard in real fact tables:
// decimals with few digits, dates that follow from each other, flags that
// follow from the dates, keys loosely in order and keys in none, and free text
// with words that are rare and words that are everywhere.
//
// An order has one to seven lines, next to each other. Order keys ascend with
// gaps; neighbours swap places within 64 orders, and every sixteenth order may
// be up to 4,096 places away, as when many tills write at once.
func Wholesale(seed uint64, rows int64) Table {
	w := newWholesaler(seed, rows)
	return Table{
		Name: "lines", Rows: w.rows, SortBy: []string{"order_key"}, walk: w.walk,
		Schema: arrow.NewSchema([]arrow.Field{
			must("order_key", int64Type), must("part_key", int64Type), must("supplier_key", int64Type), must("line_number", int32Type),
			must("quantity", totalType), must("extended_price", amountType), must("discount", totalType), must("tax", totalType),
			must("return_flag", textType), must("line_status", textType),
			must("shipped", dateType), must("promised", dateType), must("received", dateType),
			must("instruction", textType), must("mode", textType), must("comment", textType),
		}, nil),
	}
}

var amountType = &arrow.Decimal128Type{Precision: 15, Scale: 2}

// The days between which orders come in, and the day on which the books were
// closed: what is under way then has no outcome yet.
var (
	firstOrder = dayOf(2017, time.January, 1)
	lastOrder  = dayOf(2023, time.August, 1)
	closing    = dayOf(2020, time.June, 15)
)

func dayOf(year int, month time.Month, d int) int64 {
	return time.Date(year, month, d, 0, 0, 0, 0, time.UTC).Unix() / 86_400
}

var (
	instructions = []string{"hand over in person", "leave with a neighbour", "return when refused", "no instruction"}
	modes        = []string{"barge", "courier", "freighter", "parcel", "pallet truck", "rail", "van"}
)

type wholesaler struct {
	seed                   uint64
	rows, parts, suppliers int64
}

func newWholesaler(seed uint64, rows int64) wholesaler {
	rows = max(rows, 0)
	return wholesaler{seed: seed, rows: rows, parts: rows/30 + 1, suppliers: rows/600 + 1}
}

// walk appends the lines of order after order (see walk).
func (w wholesaler) walk(b *array.RecordBuilder, more func() bool) {
	to, left := newWholesaleRow(b), w.rows
	for i := int64(0); left > 0; i++ {
		r := randomOf(w.seed, kindWholesale, i)
		key, day := w.orderKey(i), firstOrder+r.below(lastOrder-firstOrder)
		lines := min(1+r.below(7), left)
		left -= lines
		for n := range lines {
			to.append(w.line(&r, key, n+1, day))
			if !more() {
				return
			}
		}
	}
}

// orderKey gives the i-th order to come in its key. Each step swaps orders in
// pairs, so no two have the same.
func (w wholesaler) orderKey(i int64) int64 {
	if i%16 == 5 {
		far := randomOf(w.seed, kindTill, i>>12)
		i ^= far.below(256) << 4
	}
	near := randomOf(w.seed, kindTill, ^(i >> 6))
	i ^= near.below(64)
	gap := randomOf(w.seed, kindGap, i)
	return 1 + 4*i + gap.below(4)
}

// wholesaleLine is one row; money and quantities are in hundredths.
type wholesaleLine struct {
	order, part, supplier, number  int64
	quantity, price, discount, tax int64
	returnFlag, status             string
	shipped, promised, received    int64 // days since 1970
	instruction, mode              string
	comment                        random // what comment makes its words of
}

func (w wholesaler) line(r *random, order, number, ordered int64) wholesaleLine {
	l := wholesaleLine{order: order, number: number, part: 1 + r.below(w.parts)}
	l.supplier = 1 + scatter((4*l.part+r.below(4))%w.suppliers, w.suppliers)
	units := 1 + r.below(50)
	l.quantity, l.price = 100*units, units*w.unitPrice(l.part)
	l.discount, l.tax = r.below(11), r.below(9)
	l.shipped = ordered + 1 + r.below(121)
	l.promised = ordered + 30 + r.below(61)
	l.received = l.shipped + 1 + r.below(30)
	l.returnFlag, l.status = outcome(r, l.shipped, l.received)
	l.instruction, l.mode = pick(r, instructions), pick(r, modes)
	l.comment = random(r.next())
	return l
}

// unitPrice returns the price of a part in cents.
func (w wholesaler) unitPrice(part int64) int64 {
	r := randomOf(w.seed, kindPart, part)
	return 90_000 + r.below(120_000)
}

// outcome tells what the books say of a line: Kept or Returned once received,
// Unknown before; Done once shipped, Open before.
func outcome(r *random, shipped, received int64) (returnFlag, status string) {
	returnFlag, status = "U", "O"
	if shipped <= closing {
		status = "D"
	}
	if received <= closing {
		returnFlag = "K"
		if r.chance(500) {
			returnFlag = "R"
		}
	}
	return returnFlag, status
}

// wholesaleRow appends rows: the builders of all columns, found once, because
// there are many rows.
type wholesaleRow struct {
	order, part, supplier          *array.Int64Builder
	number                         *array.Int32Builder
	quantity, price, discount, tax *array.Decimal128Builder
	returnFlag, status             *array.StringBuilder
	shipped, promised, received    *array.Date32Builder
	instruction, mode, comment     *array.StringBuilder
	text                           []byte
}

func newWholesaleRow(b *array.RecordBuilder) *wholesaleRow {
	i64 := func(i int) *array.Int64Builder { return b.Field(i).(*array.Int64Builder) }
	dec := func(i int) *array.Decimal128Builder { return b.Field(i).(*array.Decimal128Builder) }
	text := func(i int) *array.StringBuilder { return b.Field(i).(*array.StringBuilder) }
	date := func(i int) *array.Date32Builder { return b.Field(i).(*array.Date32Builder) }
	return &wholesaleRow{
		order: i64(0), part: i64(1), supplier: i64(2), number: b.Field(3).(*array.Int32Builder),
		quantity: dec(4), price: dec(5), discount: dec(6), tax: dec(7),
		returnFlag: text(8), status: text(9),
		shipped: date(10), promised: date(11), received: date(12),
		instruction: text(13), mode: text(14), comment: text(15),
	}
}

func (to *wholesaleRow) append(l wholesaleLine) {
	to.order.Append(l.order)
	to.part.Append(l.part)
	to.supplier.Append(l.supplier)
	to.number.Append(int32(l.number))
	to.quantity.Append(decimal128.FromI64(l.quantity))
	to.price.Append(decimal128.FromI64(l.price))
	to.discount.Append(decimal128.FromI64(l.discount))
	to.tax.Append(decimal128.FromI64(l.tax))
	to.returnFlag.Append(l.returnFlag)
	to.status.Append(l.status)
	to.shipped.Append(arrow.Date32(l.shipped))
	to.promised.Append(arrow.Date32(l.promised))
	to.received.Append(arrow.Date32(l.received))
	to.instruction.Append(l.instruction)
	to.mode.Append(l.mode)
	to.text = appendComment(to.text[:0], l.comment)
	to.comment.BinaryBuilder.Append(to.text)
}
