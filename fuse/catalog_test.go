package fuse

import (
	"context"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tarnlake/tarn/client/wire"
)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestCatalogAge(t *testing.T) {
	l, at := shopLake(), &clock{now: epoch}
	c := newCatalog(t.Context(), l, time.Second, at.Now)
	parts := func() int {
		tb, err := c.table(t.Context(), "log")
		if err != nil {
			t.Fatal(err)
		}
		return len(tb.root.order)
	}
	if got := parts(); got != 1 {
		t.Fatalf("%d parts; want 1", got)
	}
	l.add("log", 1)
	at.advance(time.Second - 1)
	if got := parts(); got != 1 {
		t.Errorf("%d parts within the second; want the 1 that is known", got)
	}
	at.advance(1)
	if got := parts(); got != 2 {
		t.Errorf("%d parts after a second; want 2", got)
	}
}

func TestLease(t *testing.T) {
	l, at := shopLake(), &clock{now: epoch}
	c := newCatalog(t.Context(), l, time.Second, at.Now)
	part, folder := "/"+sePart, "/orders/country=SE"
	find := func(path string) error {
		_, err := c.find(t.Context(), path)
		return err
	}
	if err := find(part); err != nil {
		t.Fatal(err)
	}
	l.remove("orders", "00000001-00000001")
	at.advance(time.Second)
	if tb, err := c.table(t.Context(), "orders"); err != nil || len(tb.root.order) != 1 {
		t.Fatalf("the removed partition is still listed: %v", err)
	}
	at.advance(lease - time.Second)
	if err1, err2 := find(part), find(folder); err1 != nil || err2 != nil {
		t.Errorf("just within the lease: %v, %v", err1, err2)
	}
	at.advance(2 * time.Second)
	if err1, err2 := find(part), find(folder); err1 != syscall.ENOENT || err2 != syscall.ENOENT {
		t.Errorf("after the lease: %v, %v; want ENOENT", err1, err2)
	}
	l.add("log", 1)
	at.advance(time.Second)
	if err := find("/" + logPart); err != nil {
		t.Fatal(err)
	}
	if n := len(c.leases); n != 0 {
		t.Errorf("%d leases have run out and are kept; want 0", n)
	}
}

// TestTableComesAnew: a table of the same name is another table.
func TestTableComesAnew(t *testing.T) {
	l, at := shopLake(), &clock{now: epoch}
	c := newCatalog(t.Context(), l, time.Second, at.Now)
	before, err := c.find(t.Context(), "/"+logPart)
	if err != nil {
		t.Fatal(err)
	}
	l.drop("log")
	l.create("log", nil, "at int64", "line string")
	l.add("log", 1)
	at.advance(time.Second)
	after, err := c.find(t.Context(), "/"+logPart)
	if err != nil {
		t.Fatal(err)
	}
	if before.part.key == after.part.key {
		t.Error("both tables' parts have one key")
	}
}

// TestAskedOnce: many who ask at once are one question.
func TestAskedOnce(t *testing.T) {
	l := &countingLake{fakeLake: shopLake(), entered: make(chan struct{}, 100), gate: make(chan struct{})}
	c := newCatalog(t.Context(), l, time.Hour, time.Now)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := c.list(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	<-l.entered
	close(l.gate)
	wg.Wait()
	if n := len(l.entered); n != 0 {
		t.Errorf("asked %d times more", n)
	}
}

type countingLake struct {
	*fakeLake
	entered, gate chan struct{}
}

func (l *countingLake) Tables(ctx context.Context) ([]wire.TableInfo, error) {
	l.entered <- struct{}{}
	<-l.gate
	return l.fakeLake.Tables(ctx)
}

func TestMalformedSnapshot(t *testing.T) {
	l := shopLake()
	l.tables["orders"].segments[0].Partition = nil
	c := newCatalog(t.Context(), l, time.Second, time.Now)
	if _, err := c.table(t.Context(), "orders"); err == nil || !strings.Contains(err.Error(), "partition values") {
		t.Errorf("a segment without partition values: %v", err)
	}
	if _, err := c.table(t.Context(), "log"); err != nil {
		t.Errorf("another table suffers: %v", err)
	}
}
