package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
)

func startNode(t *testing.T, dir, listen string) *daemon.Node {
	t.Helper()
	n, err := daemon.Start(t.Context(), daemon.Config{Dir: dir, Listen: listen, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func dial(t *testing.T, addr string) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func createLog(t *testing.T, c *client.Client) {
	t.Helper()
	_, err := c.CreateTable(t.Context(), wire.CreateTable{
		Name:    "log",
		Fields:  []schema.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true}},
		Options: wire.TableOptions{FlushInterval: 5 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func ids(first, n int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil))
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(first + i))
	}
	return b.NewRecordBatch()
}

// counts returns rows and distinct ids of the log.
func counts(t *testing.T, c *client.Client) string {
	t.Helper()
	r, err := c.SQL(t.Context(), "SELECT count(*), count(DISTINCT id) FROM log")
	if err != nil {
		t.Fatal(err)
	}
	for batch, err := range r.Batches() {
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s of %s", batch.Column(1).ValueStr(0), batch.Column(0).ValueStr(0))
	}
	return "no rows"
}

// TestResultKeepsItsVersion: each range over a result reads the version that
// the query was settled on, also when the table has grown since.
func TestResultKeepsItsVersion(t *testing.T) {
	c := dial(t, startNode(t, t.TempDir(), "127.0.0.1:0").Addr())
	createLog(t, c)
	append5 := func(first int) {
		if _, err := c.Append(t.Context(), "log", ids(first, 5)); err != nil {
			t.Fatal(err)
		}
	}
	for _, sql := range []string{"SELECT id FROM log", "SELECT id FROM log WHERE id < 0"} {
		append5(0)
		r, err := c.SQL(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		info, err := c.Table(t.Context(), "log", expr.At{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Version() != info.Version || r.Schema().NumFields() != 1 {
			t.Errorf("%s: version %d, schema %v; want version %d and a column", sql, r.Version(), r.Schema(), info.Version)
		}
		append5(5)
		first, again := idsOf(t, r), idsOf(t, r)
		if want := int(info.Rows); strings.HasSuffix(sql, "0") && len(first) != 0 || !strings.HasSuffix(sql, "0") && len(first) != want || !slices.Equal(first, again) {
			t.Errorf("%s: %v, then %v; the version has %d rows", sql, first, again, want)
		}
	}
}

func idsOf(t *testing.T, r *client.Result) (out []int64) {
	t.Helper()
	for batch, err := range r.Batches() {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, batch.Column(0).(*array.Int64).Int64Values()...)
	}
	return out
}

// TestResultIsLeft: a loop over a result may end early, and a context that ends
// between the query and its rows is an error of the rows.
func TestResultIsLeft(t *testing.T) {
	c := dial(t, startNode(t, t.TempDir(), "127.0.0.1:0").Addr())
	createLog(t, c)
	if _, err := c.Append(t.Context(), "log", ids(0, 50_000)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, err := c.SQL(ctx, "SELECT id FROM log")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range r.Batches() {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	if got := idsOf(t, r); len(got) != 50_000 {
		t.Errorf("%d rows after a loop that was left; want 50,000", len(got))
	}
	cancel()
	var last error
	for _, last = range r.Batches() {
	}
	if !wire.IsCode(last, wire.Canceled) {
		t.Errorf("after the context has ended: %v; want CANCELED", last)
	}
}

// TestAppendOutlivesANode stops and starts the node under its writers: every
// Append returns without an error, and every row is there once.
func TestAppendOutlivesANode(t *testing.T) {
	dir := t.TempDir()
	n := startNode(t, dir, "127.0.0.1:0")
	addr := n.Addr()
	c := dial(t, addr)
	createLog(t, c)
	const writers, each = 4, 60
	restart := make(chan struct{}, writers*each)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := c.Append(t.Context(), "log", ids((w*each+i)*5, 5)); err != nil {
					t.Errorf("append: %v", err)
				}
				restart <- struct{}{}
			}
		})
	}
	for range 3 {
		for range writers * each / 6 {
			<-restart
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		n = startNode(t, dir, addr)
	}
	wg.Wait()
	if got, want := counts(t, c), fmt.Sprintf("%d of %d", writers*each*5, writers*each*5); got != want {
		t.Errorf("distinct ids and rows: %s; want %s", got, want)
	}
}

func TestAppendStopsWithItsContext(t *testing.T) {
	n := startNode(t, t.TempDir(), "127.0.0.1:0")
	c := dial(t, n.Addr())
	createLog(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Append(ctx, "log", ids(0, 1)); !wire.IsCode(err, wire.Canceled) {
		t.Errorf("append under an ended context: %v; want CANCELED", err)
	}
	if _, err := c.Append(t.Context(), "log", ids(100, 1)); err != nil {
		t.Errorf("the next append: %v", err)
	}
}

// TestSchemaMayChangeBetweenAppends: a lane's stream has one schema, a client none.
func TestSchemaMayChangeBetweenAppends(t *testing.T) {
	n := startNode(t, t.TempDir(), "127.0.0.1:0")
	c := dial(t, n.Addr())
	createLog(t, c)
	if _, err := c.Append(t.Context(), "log", ids(0, 3)); err != nil {
		t.Fatal(err)
	}
	note := schema.Field{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true}
	if _, err := c.AlterTable(t.Context(), wire.AlterTable{Name: "log", Add: &note}); err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "note", Type: arrow.BinaryTypes.String}, {Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil))
	b.Field(0).(*array.StringBuilder).Append("new")
	b.Field(1).(*array.Int64Builder).Append(3)
	if _, err := c.Append(t.Context(), "log", b.NewRecordBatch()); err != nil {
		t.Fatal(err)
	}
	if got := counts(t, c); got != "4 of 4" {
		t.Errorf("got %s; want 4 of 4", got)
	}
}

// TestLeavingAScanEarly: the loop may end at any batch, and the client goes on.
func TestLeavingAScanEarly(t *testing.T) {
	n := startNode(t, t.TempDir(), "127.0.0.1:0")
	c := dial(t, n.Addr())
	createLog(t, c)
	if _, err := c.Append(t.Context(), "log", ids(0, 300_000)); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		for batch, err := range c.Scan(t.Context(), &expr.Query{Table: "log"}) {
			if err != nil || batch.NumRows() == 0 {
				t.Fatalf("batch %v, %v", batch, err)
			}
			break
		}
	}
	if got := counts(t, c); got != "300000 of 300000" {
		t.Errorf("got %s", got)
	}
}

func TestLoadOfABrokenSource(t *testing.T) {
	n := startNode(t, t.TempDir(), "127.0.0.1:0")
	c := dial(t, n.Addr())
	createLog(t, c)
	broken := errors.New("the disk of the source is gone")
	_, err := c.Load(t.Context(), "log", "key", func(yield func(arrow.RecordBatch, error) bool) {
		if yield(ids(0, 10), nil) {
			yield(nil, broken)
		}
	})
	if !errors.Is(err, broken) {
		t.Errorf("load: %v; want the source's own error", err)
	}
	if got := counts(t, c); got != "0 of 0" {
		t.Errorf("after a broken load: %s; want nothing", got)
	}
}

func TestDialSaysWhatToDo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := l.Addr().String()
	l.Close()
	_, err = client.Dial(t.Context(), free)
	if !wire.IsCode(err, wire.Unavailable) || !strings.Contains(err.Error(), "tarn server") {
		t.Errorf("dialling nobody: %v; want UNAVAILABLE and how to start a node", err)
	}
	if _, err := client.Dial(t.Context(), "no port"); err == nil {
		t.Error("an address without a port was taken")
	}
}
