package client_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// mixed returns rows of many types, every seventh with nulls.
func mixed(first, n int) arrow.RecordBatch {
	s := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "ok", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "f", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "d", Type: &arrow.Decimal128Type{Precision: 20, Scale: 2}, Nullable: true},
		{Name: "few", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "many", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "l", Type: arrow.ListOf(arrow.PrimitiveTypes.Int32), Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	for i := first; i < first+n; i++ {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		if i%7 == 0 {
			for _, f := range b.Fields()[1:] {
				f.AppendNull()
			}
			continue
		}
		b.Field(1).(*array.BooleanBuilder).Append(i%3 == 0)
		b.Field(2).(*array.Float64Builder).Append(math.Sqrt(float64(i)))
		if err := b.Field(3).AppendValueFromString(fmt.Sprintf("%d.%02d", i*i, i%100)); err != nil {
			panic(err)
		}
		b.Field(4).(*array.StringBuilder).Append([]string{"", "here", "there"}[i%3])
		b.Field(5).(*array.StringBuilder).Append(fmt.Sprintf("text number %d", i))
		list := b.Field(6).(*array.ListBuilder)
		list.Append(true)
		for k := range i % 4 {
			list.ValueBuilder().(*array.Int32Builder).Append(int32(i + k))
		}
	}
	return b.NewRecordBatch()
}

// loadMixed makes a table of mixed rows: blocks large and small.
func loadMixed(t *testing.T, c *client.Client) { load(t, c, "mixed", mixed, 20_000, 100, 9_000) }

// load makes a table of a segment for each number of rows.
func load(t *testing.T, c *client.Client, table string, rows func(first, n int) arrow.RecordBatch, segments ...int) {
	t.Helper()
	var fields []schema.Field
	for _, f := range rows(0, 0).Schema().Fields() {
		fields = append(fields, schema.Field{Name: f.Name, Type: f.Type, Nullable: true})
	}
	if _, err := c.CreateTable(t.Context(), wire.CreateTable{Name: table, Fields: fields}); err != nil {
		t.Fatal(err)
	}
	first := 0
	for _, n := range segments {
		batch := rows(first, n)
		_, err := c.Load(t.Context(), table, "", func(yield func(arrow.RecordBatch, error) bool) { yield(batch, nil) })
		if err != nil {
			t.Fatal(err)
		}
		first += n
	}
}

// repeated returns rows of texts that come again in other blocks of a segment,
// each in another order; some are null.
func repeated(first, n int) arrow.RecordBatch {
	s := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "city", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "key", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "code", Type: arrow.BinaryTypes.Binary, Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	random := rand.New(rand.NewPCG(uint64(first), 3))
	for i := first; i < first+n; i++ {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(2).(*array.StringBuilder).Append(fmt.Sprintf("key of row %d", i))
		if city := random.IntN(700); city%7 == 0 {
			b.Field(1).AppendNull()
			b.Field(3).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("city number %d in segment of row %d", city, first))
			b.Field(3).(*array.BinaryBuilder).Append(fmt.Appendf(nil, "code %d", (city*city+first)%4000))
		}
	}
	return b.NewRecordBatch()
}

// collect returns all rows of a query as the client gives them.
func collect(t *testing.T, c *client.Client, sql string) arrow.Table {
	t.Helper()
	r, err := c.SQL(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	var batches []arrow.RecordBatch
	for b, err := range r.Batches() {
		if err != nil {
			t.Fatal(err)
		}
		b.Retain()
		defer b.Release()
		batches = append(batches, b)
	}
	return array.NewTableFromRecords(r.Schema(), batches)
}

// collectPlain returns the same as any other Flight client gets it.
func collectPlain(t *testing.T, addr, sql string) arrow.Table {
	t.Helper()
	fc, err := flight.NewClientWithMiddleware(addr, nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer fc.Close()
	stream, err := fc.DoGet(t.Context(), &flight.Ticket{Ticket: []byte(sql)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := flight.NewRecordReader(stream)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	var batches []arrow.RecordBatch
	for r.Next() {
		b := r.RecordBatch()
		b.Retain()
		batches = append(batches, b)
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return array.NewTableFromRecords(r.Schema(), batches)
}

// TestBlocksAreRows holds what our client makes of blocks against what the
// node makes of them for others, and so with every limit of a block: too large
// ones have to be asked for again.
func TestBlocksAreRows(t *testing.T) {
	n := startNode(t, t.TempDir(), "127.0.0.1:0")
	loadMixed(t, dial(t, n.Addr()))
	for _, sql := range []string{
		`SELECT * FROM mixed`,
		`SELECT many, id FROM mixed`,
		`SELECT * FROM mixed WHERE id >= 20000`,
		`SELECT id, l FROM mixed WHERE id % 1000 < 990`,
		`SELECT few, count(*) FROM mixed GROUP BY few`,
	} {
		want := collectPlain(t, n.Addr(), sql)
		for _, limit := range []int64{0, 4 << 20, 1 << 30} {
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			c, err := client.Dial(t.Context(), n.Addr(), client.WithAllocator(mem))
			if err != nil {
				t.Fatal(err)
			}
			c.LimitBlocks(limit)
			if got := collect(t, c, sql); !array.TableEqual(got, want) {
				t.Errorf("%s, blocks of up to %d bytes: %d rows that differ from the %d of a plain client", sql, limit, got.NumRows(), want.NumRows())
			}
			c.Close()
		}
	}
}

// TestDictionariesAreRows is TestBlocksAreRows for segments with dictionaries,
// which follow each other and one without, and for limits that blocks fit and
// others do not.
func TestDictionariesAreRows(t *testing.T) {
	n := startNode(t, t.TempDir(), "127.0.0.1:0")
	load(t, dial(t, n.Addr()), "repeated", repeated, 150_000, 20_000, 140_000)
	for _, sql := range []string{
		`SELECT * FROM repeated`,
		`SELECT city FROM repeated`,
		`SELECT code, id, code AS again FROM repeated`,
		`SELECT id, key FROM repeated`,
		`SELECT city, id FROM repeated WHERE id >= 65536`,
		`SELECT code FROM repeated WHERE id < 10 OR id >= 131072`,
	} {
		want := collectPlain(t, n.Addr(), sql)
		for _, limit := range []int64{0, 64 << 10, 3 << 20, 1 << 30} {
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			c, err := client.Dial(t.Context(), n.Addr(), client.WithAllocator(mem))
			if err != nil {
				t.Fatal(err)
			}
			c.LimitBlocks(limit)
			if got := collect(t, c, sql); !array.TableEqual(got, want) {
				t.Errorf("%s, blocks of up to %d bytes: %d rows that differ from the %d of a plain client", sql, limit, got.NumRows(), want.NumRows())
			}
			c.Close()
		}
	}
}

// TestBlocksAreLetGo: whoever leaves early, or whose context ends, leaves
// nothing behind, and gets no batch larger than others do.
func TestBlocksAreLetGo(t *testing.T) {
	n := startNode(t, t.TempDir(), "127.0.0.1:0")
	loadMixed(t, dial(t, n.Addr()))
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	c, err := client.Dial(t.Context(), n.Addr(), client.WithAllocator(mem))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for stop := range 8 {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := c.SQL(ctx, `SELECT * FROM mixed`)
		if err != nil {
			t.Fatal(err)
		}
		taken := 0
		for b, err := range r.Batches() {
			if err != nil && !wire.IsCode(err, wire.Canceled) {
				t.Errorf("after %d batches: %v; want CANCELED", taken, err)
			}
			if err == nil && (b.NumRows() > 16<<10 || schema.BatchBytes(b) > 3<<20) {
				t.Errorf("a batch of %d rows and %d bytes", b.NumRows(), schema.BatchBytes(b))
			}
			if taken++; taken > stop/2 && stop%2 == 0 {
				break
			} else if taken > stop/2 {
				cancel()
			}
		}
		cancel()
		mem.AssertSize(t, 0)
	}
}
