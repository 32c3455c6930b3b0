package generate

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// The types that the tables are made of. Money is a decimal, never a float.
var (
	int64Type   = arrow.PrimitiveTypes.Int64
	int32Type   = arrow.PrimitiveTypes.Int32
	textType    = arrow.BinaryTypes.String
	dateType    = arrow.FixedWidthTypes.Date32
	instantType = &arrow.TimestampType{Unit: arrow.Microsecond}
	priceType   = &arrow.Decimal128Type{Precision: 10, Scale: 2}
	totalType   = &arrow.Decimal128Type{Precision: 12, Scale: 2}
)

func must(name string, t arrow.DataType) arrow.Field { return arrow.Field{Name: name, Type: t} }
func may(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

func (s *shop) productTable() Table {
	return Table{
		Name: "products", Rows: s.products, SortBy: []string{"product_id"}, walk: s.walkProducts,
		Schema: arrow.NewSchema([]arrow.Field{
			must("product_id", int64Type), must("sku", textType), must("name", textType), must("category", textType),
			must("price", priceType), may("weight_kg", arrow.PrimitiveTypes.Float64), must("listed", dateType),
			must("tags", arrow.ListOf(textType)),
		}, nil),
	}
}

func (s *shop) walkProducts(b *array.RecordBuilder, more func() bool) {
	for i := range s.products {
		p, r := s.product(i+1), row{b: b}
		r.int64(p.id)
		r.text(p.sku)
		r.text(p.name)
		r.text(p.category)
		r.cents(p.price)
		r.kilos(p.grams)
		r.date(p.listed)
		r.texts(p.tags)
		if !more() {
			return
		}
	}
}

func (s *shop) orderTable() Table {
	return Table{
		Name: "orders", Rows: s.orders, PartitionBy: []string{"month(ordered_at)"}, SortBy: []string{"ordered_at"}, walk: s.walkOrders,
		Schema: arrow.NewSchema([]arrow.Field{
			must("order_id", int64Type), may("customer_id", int64Type), must("ordered_at", instantType), must("received_at", instantType),
			must("country", textType), must("channel", textType), may("coupon", textType), may("return_of", int64Type),
			must("lines", int32Type), must("total", totalType),
		}, nil),
	}
}

func (s *shop) walkOrders(b *array.RecordBuilder, more func() bool) {
	s.eachOrder(func(o order) bool {
		r := row{b: b}
		r.int64(o.id)
		r.id(o.customer)
		r.instant(o.orderedAt)
		r.instant(o.receivedAt)
		r.text(o.country)
		r.text(o.channel)
		r.textOrNull(o.coupon)
		r.id(o.returnOf)
		r.int32(int64(len(o.lines)))
		r.cents(o.total)
		return more()
	})
}

func (s *shop) lineTable() Table {
	return Table{
		Name: "order_lines", Rows: s.lines, PartitionBy: []string{"month(ordered_at)"}, SortBy: []string{"product_id"}, walk: s.walkLines,
		Schema: arrow.NewSchema([]arrow.Field{
			must("order_id", int64Type), must("line", int32Type), must("ordered_at", instantType), must("country", textType),
			must("product_id", int64Type), must("quantity", int32Type), must("unit_price", priceType), must("discount_percent", int32Type),
		}, nil),
	}
}

func (s *shop) walkLines(b *array.RecordBuilder, more func() bool) {
	s.eachOrder(func(o order) bool {
		for i, l := range o.lines {
			r := row{b: b}
			r.int64(o.id)
			r.int32(int64(i) + 1)
			r.instant(o.orderedAt)
			r.text(o.country)
			r.int64(l.product)
			r.int32(l.quantity)
			r.cents(l.price)
			r.int32(l.discount)
			if !more() {
				return false
			}
		}
		return true
	})
}

func (s *shop) clickTable() Table {
	return Table{
		Name: "clicks", Rows: s.clicks, PartitionBy: []string{"month(at)"}, SortBy: []string{"at"}, walk: s.walkClicks,
		Schema: arrow.NewSchema([]arrow.Field{
			must("click_id", int64Type), must("at", instantType), must("session", int64Type), may("customer_id", int64Type),
			must("page", textType), may("referrer", textType),
			must("device", arrow.StructOf(must("system", textType), must("mobile", arrow.FixedWidthTypes.Boolean))),
			must("shown", arrow.ListOf(int64Type)),
		}, nil),
	}
}

func (s *shop) walkClicks(b *array.RecordBuilder, more func() bool) {
	for i := range s.clicks {
		c, r := s.click(i), row{b: b}
		r.int64(c.id)
		r.instant(c.at)
		r.int64(c.session)
		r.id(c.customer)
		r.text(c.page)
		r.textOrNull(c.referrer)
		r.device(c.system, c.mobile)
		r.ids(c.shown)
		if !more() {
			return
		}
	}
}

// row appends one row to b, a column at a time and in order.
type row struct {
	b    *array.RecordBuilder
	next int
}

func (r *row) column() array.Builder {
	r.next++
	return r.b.Field(r.next - 1)
}

func (r *row) int64(v int64) { r.column().(*array.Int64Builder).Append(v) }
func (r *row) int32(v int64) { r.column().(*array.Int32Builder).Append(int32(v)) }
func (r *row) text(v string) { r.column().(*array.StringBuilder).Append(v) }
func (r *row) date(days int64) {
	r.column().(*array.Date32Builder).Append(arrow.Date32(days))
}
func (r *row) instant(micros int64) {
	r.column().(*array.TimestampBuilder).Append(arrow.Timestamp(micros))
}
func (r *row) cents(v int64) {
	r.column().(*array.Decimal128Builder).Append(decimal128.FromI64(v))
}

// id appends a number from 1, or null for 0.
func (r *row) id(v int64) {
	b := r.column().(*array.Int64Builder)
	if v == 0 {
		b.AppendNull()
		return
	}
	b.Append(v)
}

func (r *row) textOrNull(v string) {
	b := r.column().(*array.StringBuilder)
	if v == "" {
		b.AppendNull()
		return
	}
	b.Append(v)
}

// kilos appends a weight, or null for 0.
func (r *row) kilos(grams int64) {
	b := r.column().(*array.Float64Builder)
	if grams == 0 {
		b.AppendNull()
		return
	}
	b.Append(float64(grams) / 1000)
}

func (r *row) texts(values []string) {
	b := r.column().(*array.ListBuilder)
	b.Append(true)
	b.ValueBuilder().(*array.StringBuilder).AppendValues(values, nil)
}

func (r *row) ids(values []int64) {
	b := r.column().(*array.ListBuilder)
	b.Append(true)
	b.ValueBuilder().(*array.Int64Builder).AppendValues(values, nil)
}

func (r *row) device(system string, mobile bool) {
	b := r.column().(*array.StructBuilder)
	b.Append(true)
	b.FieldBuilder(0).(*array.StringBuilder).Append(system)
	b.FieldBuilder(1).(*array.BooleanBuilder).Append(mobile)
}
