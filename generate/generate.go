// Package generate makes a retail lake out of a seed: products, orders, order
// lines and clicks of a shop that never was, for the demo and the tests; and,
// for the benchmarks, the one wide table of a wholesaler.
//
// The rows have what real shops have: a few products and customers that are
// most of the business, quiet nights and a loud December, returns, guests
// without an id, rows that arrive late, and descriptions in many scripts.
//
// The same seed and number of rows give the same rows on every machine and
// in every version that keeps its golden test: all arithmetic is on integers
// and the random numbers are the package's own. Every row is a function of its
// number, so that a lake of any size needs the memory of one batch.
//
// The package writes no files and talks to no node.
package generate

import (
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// DefaultRows is the size of the demo's lake, over all tables.
const DefaultRows = 2_000_000

// Table is one table of a generated lake. It is safe for concurrent use.
type Table struct {
	Name        string
	Schema      *arrow.Schema
	PartitionBy []string // partition expressions, as tarn table create takes them
	SortBy      []string // columns
	Rows        int64    // how many rows Batches yields in all

	walk walk
}

// A walk appends rows to b in arrival order and calls more after each; it
// stops early when more returns false.
type walk func(b *array.RecordBuilder, more func() bool)

// Retail returns the tables of a lake of the given number of rows in all.
// Negative counts as none.
func Retail(seed uint64, rows int64) []Table {
	s := newShop(seed, rows)
	return []Table{s.productTable(), s.orderTable(), s.lineTable(), s.clickTable()}
}

// batchRows is about how many rows a batch has.
const batchRows = 8192

// Batches yields the table's rows in arrival order. A batch is valid until
// the next one is asked for; Retain it to keep it longer. Each range over the
// sequence starts from the first row.
func (t Table) Batches() iter.Seq[arrow.RecordBatch] {
	return func(yield func(arrow.RecordBatch) bool) {
		b := array.NewRecordBuilder(memory.DefaultAllocator, t.Schema)
		defer b.Release()
		more := true
		emit := func() bool {
			batch := b.NewRecordBatch()
			defer batch.Release()
			more = yield(batch)
			return more
		}
		t.walk(b, func() bool { return b.Field(0).Len() < batchRows || emit() })
		if more && b.Field(0).Len() > 0 {
			emit()
		}
	}
}
