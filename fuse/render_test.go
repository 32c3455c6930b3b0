package fuse

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestRenderingIsDeterministic: what was evicted must come back to the byte.
// The strings are many enough that Parquet gives up its dictionary, which is
// where arrow-go's own output differs from run to run.
func TestRenderingIsDeterministic(t *testing.T) {
	l := newFakeLake()
	l.create("t", nil, "a string", "b string")
	l.add("t", 50_000)
	c := newCatalog(t.Context(), l, time.Hour, time.Now)
	e, err := c.find(t.Context(), "/t/part-00000001-00000001")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range []format{formatParquet, formatCSV, formatArrow} {
		var mu sync.Mutex
		sums := map[string]bool{}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for range 3 {
					file, err := os.CreateTemp(dir, "")
					if err != nil {
						t.Error(err)
						return
					}
					defer file.Close()
					if err := render(t.Context(), l, e.part, f, file); err != nil {
						t.Error(err)
					}
					_, hash, err := sum(file)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					sums[hash] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(sums) != 1 {
			t.Errorf("%s: %d different files of one part; want 1", f, len(sums))
		}
	}
}

func TestSettleFooterOfDamage(t *testing.T) {
	for _, text := range []string{"", "PAR1", "PAR1\x00\x00\x00\x00PAR1", "PAR1\xff\xff\xff\xffPAR1", "PAR1xxxxxxxx\x08\x00\x00\x00PAR1", "PAR1\x01\x00\x00\x00PAR2"} {
		name := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := settleFooter(f); err == nil {
			t.Errorf("%q is taken for a Parquet file", text)
		}
	}
}
