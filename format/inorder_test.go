package format

import (
	"bytes"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/schema"
)

func TestInOrderPutsInOrder(t *testing.T) {
	for _, goroutines := range []int{1, 2, 3, 8, 100} {
		for _, n := range []int{0, 1, 2, 50} {
			var got []int
			err := inOrder(n, goroutines, ProfileDefault, func(m *maker, i int) (func() error, error) {
				m.page = append(m.page[:0], byte(i))
				return func() error {
					got = append(got, int(m.page[0]))
					return nil
				}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				if len(got) != n || got[i] != i {
					t.Fatalf("%d columns, %d goroutines: put %v", n, goroutines, got)
				}
			}
		}
	}
}

// TestInOrderFails: the first error of columns is that of all, nothing is put
// behind it, and a panic comes out where the writer is called.
func TestInOrderFails(t *testing.T) {
	early, late := errors.New("early"), errors.New("late")
	for _, goroutines := range []int{1, 2, 5} {
		var puts atomic.Int64
		err := inOrder(30, goroutines, ProfileDefault, func(_ *maker, i int) (func() error, error) {
			switch i {
			case 7:
				return func() error { return early }, nil
			case 8:
				return nil, late
			}
			return func() error { puts.Add(1); return nil }, nil
		})
		if !errors.Is(err, early) || puts.Load() != 7 {
			t.Errorf("%d goroutines: got %v after %d puts; want early after 7", goroutines, err, puts.Load())
		}
		func() {
			defer func() {
				if x := recover(); x != "BUG: third" {
					t.Errorf("%d goroutines: recovered %v; want the panic of column 3", goroutines, x)
				}
			}()
			_ = inOrder(30, goroutines, ProfileDefault, func(_ *maker, i int) (func() error, error) {
				if i == 3 {
					panic("BUG: third")
				}
				return func() error { return nil }, nil
			})
			t.Errorf("%d goroutines: no panic", goroutines)
		}()
	}
}

// TestGoroutinesMakeTheSameBytes writes columns of every type, with every
// index, on one goroutine and on several.
func TestGoroutinesMakeTheSameBytes(t *testing.T) {
	s := allTypes(t)
	for i := range s.Fields {
		s.Fields[i].Nullable = true
	}
	n := BlockRows/2 + 100
	batches := []arrow.RecordBatch{batchIn(s, 3, n, true, moods), batchIn(s, 4, n, false, moods), batchIn(s, 5, 5000, true, moods)}
	opts := allIndexes(s)
	want, _ := write(t, s, opts, batches...)
	for _, opts.Goroutines = range []int{1, 2, 3, 64} {
		if got, _ := write(t, s, opts, batches...); !bytes.Equal(got, want) {
			t.Errorf("%d goroutines write other bytes than one", opts.Goroutines)
		}
	}
}

// TestHeld: what a writer holds grows with the rows that wait, is less when
// their block has been written, and grows with the rows that are indexed.
func TestHeld(t *testing.T) {
	s, batch := orders(BlockRows - 1)
	w, err := NewWriter(new(bytes.Buffer), s, testInfo, Options{Lookup: []int32{1}})
	if err != nil {
		t.Fatal(err)
	}
	var held []int64
	for _, b := range []arrow.RecordBatch{batch, batch.NewSlice(0, 1), batch, batch.NewSlice(0, 1)} {
		if err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		held = append(held, w.Held())
	}
	if rows := schema.BatchBytes(batch); held[0] < rows || held[0] > rows+rows/10+1<<16 || held[1] >= held[0] || held[3]-held[1] < 8*BlockRows {
		t.Errorf("after a block but for a row, and that row, twice: held %v bytes; want %d, less, and %d more at the end", held, rows, 8*BlockRows)
	}
}
