package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/tarnlake/tarn/client/wire"
)

func TestExpand(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.csv", "a.csv", ".hidden.csv", "sub/c.csv", "sub/.git/d.csv", "odd[1].csv"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		patterns, want []string
	}{
		{[]string{""}, []string{"a.csv", "b.csv", "odd[1].csv", "sub/c.csv"}},
		{[]string{"*.csv"}, []string{"a.csv", "b.csv", "odd[1].csv"}},
		{[]string{"b.csv", "*.csv"}, []string{"b.csv", "a.csv", "odd[1].csv"}},
		{[]string{".h*"}, []string{".hidden.csv"}},
		{[]string{"odd[1].csv"}, []string{"odd[1].csv"}},
		{[]string{"s*"}, []string{"sub/c.csv"}},
	} {
		var patterns, want []string
		for _, p := range c.patterns {
			patterns = append(patterns, filepath.Join(dir, p))
		}
		for _, w := range c.want {
			want = append(want, filepath.Join(dir, w))
		}
		if got, err := Expand(patterns); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v; want %v", c.patterns, got, err, want)
		}
	}
	for _, p := range []string{filepath.Join(dir, "x*.csv"), filepath.Join(dir, "nothing.csv"), t.TempDir()} {
		if _, err := Expand([]string{p}); !wire.IsCode(err, wire.BadInput) {
			t.Errorf("%s: got %v; want BAD_INPUT", p, err)
		}
	}
	if got, err := Expand([]string{"-"}); err != nil || !slices.Equal(got, []string{"-"}) {
		t.Errorf("-: got %v, %v", got, err)
	}
}

// TestFormatBySight reads the same rows under names that say nothing or
// little, packed and plain.
func TestFormatBySight(t *testing.T) {
	const text = "a,b\n1,x\n2,y\n"
	var packed, strong bytes.Buffer
	gz := gzip.NewWriter(&packed)
	io.WriteString(gz, text)
	gz.Close()
	zs, err := zstd.NewWriter(&strong)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(zs, text)
	zs.Close()
	for name, data := range map[string][]byte{
		"plain": []byte(text), "x.csv.gz": packed.Bytes(), "gz": packed.Bytes(), "x.csv.zst": strong.Bytes(), "json": []byte(`[{"a":1,"b":"x"},{"a":2,"b":"y"}]`),
	} {
		_, batches, err := readText(t, name, string(data), Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		wantRows(t, batches, "1|x", "2|y")
	}
	for name, data := range map[string][]byte{"parquet": seedParquet(0), "file": seedArrow(true), "stream": seedArrow(false), "avro": seedAvro(nil)} {
		_, batches, err := readText(t, name, string(data), Options{})
		if err != nil || countRows(batches) != 3 {
			t.Errorf("%s: got %d rows, %v; want 3", name, countRows(batches), err)
		}
	}
}

func TestRefusedEarly(t *testing.T) {
	for name, c := range map[string]struct{ file, text, format, want string }{
		"parquet called csv": {"x.csv", string(seedParquet(0)), "", "--format parquet"},
		"UTF-16":             {"x.csv", "\xff\xfea\x00", "", "iconv -f UTF-16"},
		"no text":            {"x", "ab\x00\x01", "", "is no text"},
		"no such format":     {"x", "a", "parqet", `did you mean "parquet"?`},
		"empty":              {"x.csv", "", "", "no columns to infer"},
		"half a gzip":        {"x.csv", "\x1f\x8b\x08\x00\x00", "", "gzip"},
		"cut-off parquet":    {"x.parquet", string(seedParquet(0)[:50]), "", "x.parquet"},
	} {
		_, _, err := readText(t, c.file, c.text, Options{Format: c.format})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v; want %s", name, err, c.want)
		}
	}
	if _, err := Open(context.Background(), t.TempDir(), Options{}); !wire.IsCode(err, wire.BadInput) {
		t.Errorf("a directory: got %v; want BAD_INPUT", err)
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s, err := OpenReader(ctx, strings.NewReader("a\n1\n"), "x.csv", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cancel()
	if _, err := drainCount(s); err != context.Canceled {
		t.Errorf("got %v; want context canceled", err)
	}
}

// endless yields rows made on the way, so that only the reader needs memory.
type endless struct {
	head, row string
	left      int // rows
	buf       []byte
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.buf) == 0 {
		if e.left == 0 {
			return 0, io.EOF
		}
		n := min(e.left, 1000)
		e.left -= n
		e.buf = []byte(e.head + strings.Repeat(e.row, n))
		e.head = ""
	}
	n := copy(p, e.buf)
	e.buf = e.buf[n:]
	return n, nil
}

// TestBoundedMemory streams 256 MiB and wants that no more than a few batches
// of it are alive at any time.
func TestBoundedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 512 MiB")
	}
	cell := strings.Repeat("x", 1000)
	for name, e := range map[string]*endless{
		"x.csv":    {head: "n,s\n", row: "1," + cell + "\n", left: 256 << 10},
		"x.ndjson": {row: fmt.Sprintf("{\"n\":1,\"s\":%q}\n", cell), left: 256 << 10},
	} {
		s, err := OpenReader(context.Background(), e, name, Options{})
		if err != nil {
			t.Fatal(err)
		}
		n, rows := 0, int64(0)
		for b, err := range s.Batches() {
			if err != nil {
				t.Fatal(err)
			}
			rows += b.NumRows()
			if n++; n%8 == 0 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				if m.HeapAlloc > 128<<20 {
					t.Fatalf("%s: %d MiB alive after %d rows; want at most 128", name, m.HeapAlloc>>20, rows)
				}
			}
		}
		s.Close()
		if rows != 256<<10 {
			t.Errorf("%s: got %d rows; want %d", name, rows, 256<<10)
		}
	}
}
