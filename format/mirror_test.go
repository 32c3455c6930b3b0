package format

import (
	"bytes"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// mirror is a file with copies, some of them damaged.
type mirror struct {
	copies [][]byte

	mu      sync.Mutex
	damaged map[int]bool
}

func (m *mirror) ReadAt(p []byte, off int64) (int, error) { return m.ReadCopy(0, p, off) }
func (m *mirror) Copies() int                             { return len(m.copies) }

func (m *mirror) ReadCopy(n int, p []byte, off int64) (int, error) {
	return bytes.NewReader(m.copies[n]).ReadAt(p, off)
}

func (m *mirror) Damaged(n int, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.damaged[n] = true
}

var _ io.ReaderAt = (*mirror)(nil)

// TestMirror flips bytes of one copy of a segment: all rows come from the
// other one, and the damaged one is told of if its bytes were read.
func TestMirror(t *testing.T) {
	s := allTypes(t)
	batch := batchOf(s, 7, 300, true)
	file, _ := write(t, s, Options{}, batch)
	want, err := readMirror(t, &mirror{copies: [][]byte{file}, damaged: map[int]bool{}})
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for at := 0; at < len(file); at += max(1, len(file)/40) {
		bad := slices.Clone(file)
		bad[at] ^= 0x10
		m := &mirror{copies: [][]byte{bad, file}, damaged: map[int]bool{}}
		got, err := readMirror(t, m)
		if err != nil || got != want {
			t.Fatalf("byte %d of the first copy is wrong: got %d, %v; want %d", at, got, err, want)
		}
		if m.damaged[1] {
			t.Fatalf("byte %d of the first copy is wrong: the second is called damaged", at)
		}
		if m.damaged[0] {
			told++
		}
	}
	if told < 20 {
		t.Errorf("of 40 damaged copies %d were told of", told)
	}
	bad := slices.Clone(file)
	bad[len(bad)/2] ^= 1
	m := &mirror{copies: [][]byte{bad, bad}, damaged: map[int]bool{}}
	if _, err := readMirror(t, m); err == nil && m.damaged[0] {
		t.Error("two damaged copies are read without an error")
	}
}

// readMirror opens a segment, reads all of it and returns a hash of it.
func readMirror(t *testing.T, m *mirror) (uint64, error) {
	t.Helper()
	r, err := Open(m, int64(len(m.copies[0])))
	if err != nil {
		return 0, err
	}
	sum := uint64(14695981039346656037)
	for b := range r.Blocks() {
		columns, err := r.ReadBlock(t.Context(), memory.DefaultAllocator, b, fieldIDs(r.Schema()))
		if err != nil {
			return 0, err
		}
		for _, c := range columns {
			for _, x := range []byte(c.String()) {
				sum = (sum ^ uint64(x)) * 1099511628211
			}
			c.Release()
		}
	}
	return sum, nil
}
