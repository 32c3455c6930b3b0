package fuse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// baker renders a fixed text and counts how often.
type baker struct {
	text  string
	baked atomic.Int64
}

func (b *baker) render(_ context.Context, w *os.File) error {
	b.baked.Add(1)
	_, err := io.WriteString(w, b.text)
	return err
}

func testCache(t *testing.T, dir string, limit int64) *cache {
	t.Helper()
	c, err := openCache(t.Context(), dir, limit, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

func key(n int) string { return fmt.Sprintf("%032x.csv", n) }

// load opens a rendering, reads it and closes it.
func load(t *testing.T, c *cache, id string, render renderFunc) (string, error) {
	t.Helper()
	f, size, release, err := c.open(t.Context(), id, render)
	if err != nil {
		return "", err
	}
	defer release()
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil || int64(len(data)) != size {
		t.Errorf("read %d bytes, %v; told %d", len(data), err, size)
	}
	return string(data), nil
}

func cached(t *testing.T, dir string) []string {
	t.Helper()
	return slices.DeleteFunc(names(t, dir), func(n string) bool { return n == lockFile })
}

func TestCacheKeepsAndEvicts(t *testing.T) {
	dir := t.TempDir()
	c := testCache(t, dir, 25)
	bakers := make([]*baker, 4)
	for i := range bakers {
		bakers[i] = &baker{text: fmt.Sprintf("rendering%d", i)} // 10 bytes
		if size, err := c.size(t.Context(), key(i), bakers[i].render); size != 10 || err != nil {
			t.Fatalf("size %d, %v; want 10", size, err)
		}
	}
	if got := cached(t, dir); len(got) != 2 || c.bytes != 20 {
		t.Errorf("%d files of %d bytes are kept; want 2 of 20: %q", len(got), c.bytes, got)
	}
	for i, b := range bakers {
		if size, err := c.size(t.Context(), key(i), b.render); size != 10 || err != nil || b.baked.Load() != 1 {
			t.Errorf("size of %d: %d, %v after %d renders; want 10 after 1", i, size, err, b.baked.Load())
		}
	}
	if text, err := load(t, c, key(0), bakers[0].render); text != "rendering0" || err != nil || bakers[0].baked.Load() != 2 {
		t.Errorf("%q, %v after %d renders; want rendering0 after 2", text, err, bakers[0].baked.Load())
	}
}

func TestCacheKeepsOpenFiles(t *testing.T) {
	dir := t.TempDir()
	c := testCache(t, dir, 5)
	b := &baker{text: "rendering0"}
	f, _, release, err := c.open(t.Context(), key(0), b.render)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := c.size(t.Context(), key(1), (&baker{text: "rendering1"}).render); err != nil {
		t.Fatal(err)
	}
	if got := cached(t, dir); len(got) != 2 {
		t.Errorf("files %q; want the open one and the newest", got)
	}
	release()
	if got := cached(t, dir); len(got) != 1 || !strings.Contains(got[0], key(1)[:32]) {
		t.Errorf("files %q; want the newest only", got)
	}
}

// TestCacheHoldsToItsWord: a size that was told is never replaced by another.
func TestCacheHoldsToItsWord(t *testing.T) {
	c := testCache(t, t.TempDir(), 5)
	if _, err := c.size(t.Context(), key(0), (&baker{text: "before"}).render); err != nil {
		t.Fatal(err)
	}
	if _, err := c.size(t.Context(), key(1), (&baker{text: "evicts 0"}).render); err != nil {
		t.Fatal(err)
	}
	if _, err := load(t, c, key(0), (&baker{text: "after!"}).render); err == nil || !strings.Contains(err.Error(), "before") || errnoOf(err).Error() != "input/output error" {
		t.Errorf("other bytes of the same size: %v; want EIO", err)
	}
	if text, err := load(t, c, key(0), (&baker{text: "before"}).render); text != "before" || err != nil {
		t.Errorf("the right bytes again: %q, %v", text, err)
	}
}

func TestCacheAfterRestart(t *testing.T) {
	dir := t.TempDir()
	b := &baker{text: "rendering"}
	first := testCache(t, dir, 1<<20)
	if _, err := first.size(t.Context(), key(0), b.render); err != nil {
		t.Fatal(err)
	}
	first.close()
	second := testCache(t, dir, 1<<20)
	if size, err := second.size(t.Context(), key(0), b.render); size != 9 || err != nil {
		t.Errorf("size %d, %v; want 9", size, err)
	}
	if text, err := load(t, second, key(0), b.render); text != "rendering" || err != nil || b.baked.Load() != 1 {
		t.Errorf("%q, %v after %d renders; want the file of before", text, err, b.baked.Load())
	}
}

func TestCacheDamage(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"bit flip": func(path string) error {
			data, err := os.ReadFile(path)
			data[3] ^= 1
			return errors.Join(err, os.WriteFile(path, data, 0o600))
		},
		"truncated": func(path string) error { return os.Truncate(path, 4) },
		"removed":   os.Remove,
	} {
		dir := t.TempDir()
		b := &baker{text: "rendering"}
		first := testCache(t, dir, 1<<20)
		if _, err := first.size(t.Context(), key(0), b.render); err != nil {
			t.Fatal(err)
		}
		first.close()
		if err := damage(filepath.Join(dir, cached(t, dir)[0])); err != nil {
			t.Fatal(err)
		}
		if text, err := load(t, testCache(t, dir, 1<<20), key(0), b.render); text != b.text || err != nil || b.baked.Load() != 2 {
			t.Errorf("%s: %q, %v after %d renders; want it made again", name, text, err, b.baked.Load())
		}
	}
}

func TestCacheClearedByHand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "c")
	c := testCache(t, dir, 1<<20)
	b := &baker{text: "rendering"}
	if _, err := c.size(t.Context(), key(0), b.render); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if text, err := load(t, c, key(0), b.render); text != b.text || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// TestCacheTemps: half-written files of the dead go, those of the living stay.
func TestCacheTemps(t *testing.T) {
	dir := t.TempDir()
	write := func() {
		if err := os.WriteFile(filepath.Join(dir, "tmp-1"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write()
	if err := os.WriteFile(filepath.Join(dir, "mine.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	testCache(t, dir, 1)
	if got, want := cached(t, dir), []string{"mine.txt"}; !slices.Equal(got, want) {
		t.Errorf("files %q; want %q", got, want)
	}
	write()
	testCache(t, dir, 1) // while the first is in use
	if got, want := cached(t, dir), []string{"mine.txt", "tmp-1"}; !slices.Equal(got, want) {
		t.Errorf("files %q; want %q", got, want)
	}
}

func TestFailedRenderLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	c := testCache(t, dir, 1<<20)
	broken := errors.New("broken")
	_, err := c.size(t.Context(), key(0), func(_ context.Context, w *os.File) error {
		io.Copy(w, bytes.NewReader(make([]byte, 1<<16)))
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("%v; want that of the render", err)
	}
	if got := cached(t, dir); len(got) != 0 {
		t.Errorf("files %q are left", got)
	}
	if _, err := c.size(t.Context(), key(0), (&baker{text: "x"}).render); err != nil {
		t.Errorf("the next try: %v", err)
	}
}

// FuzzFileName: no file name of the cache directory is a panic, and what
// parses is what is written.
func FuzzFileName(f *testing.F) {
	good := (&rendering{id: key(1), size: 12, hash: strings.Repeat("0a", hashBytes)}).fileName()
	for _, s := range []string{good, "", "v1-", "v1-a.b.c.d", "tmp-1", "lock", strings.Replace(good, ".12.", ".-1.", 1), strings.Replace(good, ".12.", ".012.", 1)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if r, ok := parseFileName(name); ok && (r.fileName() != name || r.size < 0) {
			t.Errorf("%q is taken for %q", name, r.fileName())
		}
	})
}
