package daemon_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
	"github.com/tarnlake/tarn/tiering"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// start runs a node in dir until the test ends, and a client of it.
func start(t *testing.T, dir string) (*daemon.Node, *client.Client) {
	t.Helper()
	return startWith(t, daemon.Config{Dir: dir})
}

// startWith runs a node on free ports of loopback.
func startWith(t *testing.T, cfg daemon.Config) (*daemon.Node, *client.Client) {
	t.Helper()
	cfg.Listen, cfg.HTTP = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg.Fatal = func(err error) { t.Errorf("fatal: %v", err) }
	n, err := daemon.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	c, err := client.Dial(t.Context(), n.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return n, c
}

func field(name, typ string) schema.Field {
	t, err := schema.ParseType(typ)
	if err != nil {
		panic(err)
	}
	return schema.Field{Name: name, Type: t, Nullable: true}
}

func createOrders(t *testing.T, c *client.Client) {
	t.Helper()
	_, err := c.CreateTable(t.Context(), wire.CreateTable{
		Name:        "orders",
		Fields:      []schema.Field{field("id", "int64"), field("country", "string"), field("price", "decimal(10,2)")},
		PartitionBy: []string{"country"},
		SortBy:      []string{"id desc"},
		Options:     wire.TableOptions{FlushInterval: 5 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
}

var countries = []string{"France", "Norway", "United Kingdom"}

// orders returns rows first, first+1, …: country id%3, price id.50.
func orders(first, n int) arrow.RecordBatch {
	price := &arrow.Decimal128Type{Precision: 10, Scale: 2}
	s := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int32, Nullable: true}, // narrower than the table's
		{Name: "country", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}, Nullable: true},
		{Name: "price", Type: price, Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	for id := first; id < first+n; id++ {
		b.Field(0).(*array.Int32Builder).Append(int32(id))
		if err := b.Field(1).(*array.BinaryDictionaryBuilder).AppendString(countries[id%3]); err != nil {
			panic(err)
		}
		if err := b.Field(2).AppendValueFromString(fmt.Sprintf("%d.50", id)); err != nil {
			panic(err)
		}
	}
	return b.NewRecordBatch()
}

func seq(batches ...arrow.RecordBatch) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for _, b := range batches {
			if !yield(b, nil) {
				return
			}
		}
	}
}

// rows runs SQL and returns each row as text.
func rows(t *testing.T, c *client.Client, sql string) []string {
	t.Helper()
	r, err := c.SQL(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	var out []string
	for b, err := range r.Batches() {
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		for i := range int(b.NumRows()) {
			var cells []string
			for _, col := range b.Columns() {
				cells = append(cells, col.ValueStr(i))
			}
			out = append(out, strings.Join(cells, "|"))
		}
	}
	return out
}

func wantRows(t *testing.T, c *client.Client, sql string, want ...string) {
	t.Helper()
	if got := rows(t, c, sql); !slices.Equal(got, want) {
		t.Errorf("%s\n got %q\nwant %q", sql, got, want)
	}
}

func TestAppendIsVisibleAtOnce(t *testing.T) {
	_, c := start(t, t.TempDir())
	createOrders(t, c)
	r, err := c.Append(t.Context(), "orders", orders(0, 6))
	if err != nil {
		t.Fatal(err)
	}
	if r.Rows != 6 || r.Version != 2 || r.Segments != 3 {
		t.Errorf("receipt %+v; want 6 rows, version 2, 3 segments", r)
	}
	wantRows(t, c, "SELECT count(*), sum(id), sum(price) FROM orders", "6|15|18")
	wantRows(t, c, "SELECT id FROM orders WHERE country = 'Norway' ORDER BY id", "1", "4")
}

func TestConcurrentAppendsShareCommits(t *testing.T) {
	_, c := start(t, t.TempDir())
	createOrders(t, c)
	const writers, each = 8, 10
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := c.Append(t.Context(), "orders", orders((w*each+i)*10, 10)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	wantRows(t, c, "SELECT count(*), count(DISTINCT id) FROM orders", "800|800")
	h, err := c.History(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	if len(h) > 1+writers*each {
		t.Errorf("%d versions for %d appends; want no more than one each", len(h)-1, writers*each)
	}
}

func TestLoadIsAtomicAndIdempotent(t *testing.T) {
	_, c := start(t, t.TempDir())
	createOrders(t, c)
	broken := func(yield func(arrow.RecordBatch, error) bool) {
		if yield(orders(0, 100), nil) {
			yield(nil, fmt.Errorf("the file ends in the middle"))
		}
	}
	if _, err := c.Load(t.Context(), "orders", "", broken); err == nil {
		t.Error("a load of a broken source succeeded")
	}
	wantRows(t, c, "SELECT count(*) FROM orders", "0")

	r, err := c.Load(t.Context(), "orders", "monday", seq(orders(0, 100), orders(100, 200)))
	if err != nil {
		t.Fatal(err)
	}
	if r.Rows != 300 || r.Duplicate || r.Version != 2 {
		t.Errorf("receipt %+v; want 300 rows as version 2", r)
	}
	again, err := c.Load(t.Context(), "orders", "monday", seq(orders(0, 100), orders(100, 200)))
	if err != nil {
		t.Fatal(err)
	}
	if !again.Duplicate || again.Version != 2 || again.Rows != 0 {
		t.Errorf("second receipt %+v; want a duplicate of version 2", again)
	}
	wantRows(t, c, "SELECT count(*) FROM orders", "300")
}

func TestTimeTravelAndEvolution(t *testing.T) {
	_, c := start(t, t.TempDir())
	createOrders(t, c)
	for i := range 3 {
		if _, err := c.Append(t.Context(), "orders", orders(i*10, 10)); err != nil {
			t.Fatal(err)
		}
	}
	for v, want := range map[int64]string{1: "0", 2: "10", 3: "20", 4: "30"} {
		q := &expr.Query{Table: "orders", At: expr.At{Version: v}, Select: []expr.Item{{Expr: expr.New(expr.Count, expr.New(expr.Star))}}}
		for b, err := range c.Scan(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			if got := b.Column(0).ValueStr(0); got != want {
				t.Errorf("version %d: count %s; want %s", v, got, want)
			}
		}
	}
	note := field("note", "string")
	if _, err := c.AlterTable(t.Context(), wire.AlterTable{Name: "orders", Add: &note}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AlterTable(t.Context(), wire.AlterTable{Name: "orders", Rename: &wire.Rename{From: "price", To: "amount"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AlterTable(t.Context(), wire.AlterTable{Name: "orders", Widen: &wire.Widen{Column: "amount", Type: "decimal(20,2)"}}); err != nil {
		t.Fatal(err)
	}
	wantRows(t, c, "SELECT id, amount, note FROM orders WHERE id = 7", "7|7.5|(null)")
	wantRows(t, c, "SELECT count(*) FROM orders WHERE note IS NULL", "30")
}

func TestRestartKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	n, c := start(t, dir)
	createOrders(t, c)
	if _, err := c.Load(t.Context(), "orders", "k", seq(orders(0, 1000))); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	_, c = start(t, dir)
	wantRows(t, c, "SELECT country, count(*) FROM orders GROUP BY country ORDER BY country", "France|334", "Norway|333", "United Kingdom|333")
	if r, err := c.Load(t.Context(), "orders", "k", seq(orders(0, 1000))); err != nil || !r.Duplicate {
		t.Errorf("load under a known key after a restart: %+v, %v; want a duplicate", r, err)
	}
	report, err := c.VerifySegments(t.Context(), wire.VerifySegments{Table: "orders"})
	if err != nil || report.Checked != 3 || len(report.Problems) != 0 {
		t.Errorf("verify: %+v, %v; want 3 sound segments", report, err)
	}
}

// TestStartClearsWhatACrashLeft: an unfinished write is removed, a finished one
// without its commit goes to the trash, and neither shows.
func TestStartClearsWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	n, c := start(t, dir)
	createOrders(t, c)
	if _, err := c.Append(t.Context(), "orders", orders(0, 3)); err != nil {
		t.Fatal(err)
	}
	status, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	medium, err := tiering.Mount(tiering.OSFS{}, filepath.Join(dir, "media", "0"), status.Cluster)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(medium.Dir(), "tmp", "00000001-000000ff.seg")
	uncommitted := medium.Path("00000001-000000fe.seg")
	for _, path := range []string{cut, uncommitted} {
		if err := os.WriteFile(path, []byte("half a segment"), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	_, c = start(t, dir)
	for _, path := range []string{cut, uncommitted} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there (%v)", path, err)
		}
	}
	wantRows(t, c, "SELECT count(*) FROM orders", "3")
}

func TestErrorsHaveKinds(t *testing.T) {
	_, c := start(t, t.TempDir())
	createOrders(t, c)
	odd := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "prize", Type: arrow.PrimitiveTypes.Int64}}, nil))
	odd.Field(0).(*array.Int64Builder).Append(1)
	_, appendErr := c.Append(t.Context(), "orders", odd.NewRecordBatch())
	_, tableErr := c.Table(t.Context(), "order", expr.At{})
	_, versionErr := c.Table(t.Context(), "orders", expr.At{Version: 99})
	_, columnErr := c.SQL(t.Context(), "SELECT prise FROM orders")
	_, createErr := c.CreateTable(t.Context(), wire.CreateTable{Name: "orders", Fields: []schema.Field{field("a", "int64")}})
	for _, tc := range []struct {
		err  error
		code wire.Code
		says string
	}{
		{appendErr, wire.SchemaMismatch, `"price"`},
		{tableErr, wire.TableNotFound, `"orders"`},
		{versionErr, wire.VersionNotFound, "99"},
		{columnErr, wire.ColumnNotFound, `price`},
		{createErr, wire.TableExists, "orders"},
	} {
		if !wire.IsCode(tc.err, tc.code) || !strings.Contains(tc.err.Error(), tc.says) {
			t.Errorf("got %v; want %s that says %s", tc.err, tc.code, tc.says)
		}
	}
}

func TestDropMovesFilesToTrash(t *testing.T) {
	_, c := start(t, t.TempDir())
	createOrders(t, c)
	if _, err := c.Append(t.Context(), "orders", orders(0, 10)); err != nil {
		t.Fatal(err)
	}
	if err := c.DropTable(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Append(t.Context(), "orders", orders(0, 10)); !wire.IsCode(err, wire.TableNotFound) {
		t.Errorf("append after drop: %v; want TABLE_NOT_FOUND", err)
	}
	createOrders(t, c)
	wantRows(t, c, "SELECT count(*) FROM orders", "0")
}

// TestPutsThatSayMoreThanTheyHold: a dictionary, or a column left out, is a
// few bytes that mean many. What fits is taken piece by piece; what cannot be
// is refused; the node goes on.
func TestPutsThatSayMoreThanTheyHold(t *testing.T) {
	_, c := startWith(t, daemon.Config{Dir: t.TempDir(), MemoryLimit: 128 << 20})
	_, err := c.CreateTable(t.Context(), wire.CreateTable{Name: "wide", Fields: []schema.Field{field("a", "string"), field("b", "int64")}})
	if err != nil {
		t.Fatal(err)
	}
	texts := array.NewStringBuilder(memory.DefaultAllocator)
	texts.Append(strings.Repeat("x", 1<<20))
	picks := array.NewInt8Builder(memory.DefaultAllocator)
	picks.AppendValues(make([]int8, 300), nil)
	typ := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}
	column := array.NewDictionaryArray(typ, picks.NewArray(), texts.NewArray())
	s := arrow.NewSchema([]arrow.Field{{Name: "a", Type: typ, Nullable: true}}, nil)
	long := array.NewRecordBatch(s, []arrow.Array{column}, 300) // 300 MiB in the table
	if _, err := c.Append(t.Context(), "wide", long); !wire.IsCode(err, wire.LimitExceeded) {
		t.Errorf("append: %v; want LIMIT_EXCEEDED", err)
	}
	if _, err := c.Load(t.Context(), "wide", "", seq(long)); err != nil {
		t.Errorf("load: %v", err)
	}
	for _, rows := range []int64{1<<26 + 1, 1 << 60} {
		none := array.NewRecordBatch(arrow.NewSchema(nil, nil), nil, rows)
		if _, err := c.Load(t.Context(), "wide", "", seq(none)); !wire.IsCode(err, wire.LimitExceeded) {
			t.Errorf("load of %d rows: %v; want LIMIT_EXCEEDED", rows, err)
		}
	}
	wantRows(t, c, "SELECT count(*), count(a), count(b) FROM wide", "300|300|0")
}

// TestNullColumns: what other clients send for columns without a value.
func TestNullColumns(t *testing.T) {
	_, c := start(t, t.TempDir())
	_, err := c.CreateTable(t.Context(), wire.CreateTable{Name: "n", Fields: []schema.Field{field("a", "int64"), field("s", "struct<x: string, y: int64>")}})
	if err != nil {
		t.Fatal(err)
	}
	y := array.NewInt64Builder(memory.DefaultAllocator)
	y.AppendValues([]int64{1, 2}, nil)
	inner, err := array.NewStructArray([]arrow.Array{array.NewNull(2), y.NewArray()}, []string{"x", "y"})
	if err != nil {
		t.Fatal(err)
	}
	s := arrow.NewSchema([]arrow.Field{{Name: "a", Type: arrow.Null, Nullable: true}, {Name: "s", Type: inner.DataType(), Nullable: true}}, nil)
	if _, err := c.Append(t.Context(), "n", array.NewRecordBatch(s, []arrow.Array{array.NewNull(2), inner}, 2)); err != nil {
		t.Fatal(err)
	}
	wantRows(t, c, "SELECT * FROM n", `(null)|{"x":null,"y":1}`, `(null)|{"x":null,"y":2}`)
}

// TestAClientThatDoesNotReadIsLetGo: its scan ends, and says so.
func TestAClientThatDoesNotReadIsLetGo(t *testing.T) {
	n, c := startWith(t, daemon.Config{Dir: t.TempDir(), SendTimeout: 10 * time.Millisecond})
	createOrders(t, c)
	if _, err := c.Append(t.Context(), "orders", orders(0, 300_000)); err != nil {
		t.Fatal(err)
	}
	fc, err := flight.NewClientWithMiddleware(n.Addr(), nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer fc.Close()
	stream, err := fc.DoGet(t.Context(), &flight.Ticket{Ticket: []byte("SELECT * FROM orders")})
	if err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(get(t, n, "/metrics"), `DEADLINE_EXCEEDED"} 1`) { // read nothing until the node has given up
		time.Sleep(time.Millisecond)
	}
	for err == nil {
		_, err = stream.Recv()
	}
	if err = wire.FromError(err); !wire.IsCode(err, wire.DeadlineExceeded) {
		t.Errorf("got %v; want DEADLINE_EXCEEDED", err)
	}
}

// TestGenericFlightClient uses nothing of ours: arrow-go's client, a path and
// bare SQL.
func TestGenericFlightClient(t *testing.T) {
	n, c := start(t, t.TempDir())
	createOrders(t, c)
	fc, err := flight.NewClientWithMiddleware(n.Addr(), nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer fc.Close()
	put, err := fc.DoPut(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	batch := orders(0, 90000) // its messages pass 4 MiB in, and must not come out so
	w := flight.NewRecordWriter(put, ipc.WithSchema(batch.Schema()))
	w.SetFlightDescriptor(&flight.FlightDescriptor{Type: flight.DescriptorPATH, Path: []string{"orders"}})
	if err := w.Write(batch); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := put.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := put.Recv(); err != nil {
		t.Fatal(err)
	}
	for _, d := range []*flight.FlightDescriptor{
		{Type: flight.DescriptorPATH, Path: []string{"orders"}},
		{Type: flight.DescriptorCMD, Cmd: []byte("SELECT * FROM orders")},
	} {
		if got := countFlight(t, fc, d); got != 90000 {
			t.Errorf("descriptor %v: %d rows; want 90000", d, got)
		}
	}
}

func countFlight(t *testing.T, fc flight.Client, d *flight.FlightDescriptor) (n int64) {
	t.Helper()
	info, err := fc.GetFlightInfo(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range info.Endpoint {
		stream, err := fc.DoGet(t.Context(), e.Ticket)
		if err != nil {
			t.Fatal(err)
		}
		r, err := flight.NewRecordReader(stream)
		if err != nil {
			t.Fatal(err)
		}
		for r.Next() {
			n += r.RecordBatch().NumRows()
		}
		if r.Err() != nil && r.Err() != io.EOF {
			t.Fatal(r.Err())
		}
	}
	return n
}

func TestHTTP(t *testing.T) {
	n, _ := start(t, t.TempDir())
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ready", "/metrics": "tarn_tables 0"} {
		if body := get(t, n, path); !strings.Contains(body, want) {
			t.Errorf("%s: body %.100q; want %q in it", path, body, want)
		}
	}
}

func get(t *testing.T, n *daemon.Node, path string) string {
	t.Helper()
	res, err := http.Get("http://" + n.HTTPAddr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%s: status %d, %v; want 200", path, res.StatusCode, err)
	}
	return string(body)
}

func TestOneNodePerDirectory(t *testing.T) {
	dir := t.TempDir()
	start(t, dir)
	_, err := daemon.Start(context.Background(), daemon.Config{Dir: dir, Listen: "127.0.0.1:0"})
	if !wire.IsCode(err, wire.Conflict) {
		t.Errorf("second node in one directory: %v; want CONFLICT", err)
	}
}
