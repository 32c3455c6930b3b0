package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// checkout is a directory in which the demo runs as in a fresh clone.
func checkout(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile(filepath.Join("..", "..", "demo.sh"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "demo.sh"), script, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	at, err := filepath.Abs(bin)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(at, filepath.Join(dir, "bin", "tarn")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// demo runs the demo without a terminal and checks that it leaves nothing.
func demo(t *testing.T, dir string, env ...string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(dir, "demo.sh"))
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the demo ended with %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "demo-lake")); err == nil {
		t.Errorf("the demo left its directory\n%s", out)
	}
	return string(out)
}

func wantAll(t *testing.T, out string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(out, part) {
			t.Errorf("the demo does not show %q\n%s", part, out)
		}
	}
	if strings.Contains(out, "tarn: ready") && strings.Contains(out, "\ntarn: ") && strings.Contains(out, "  try: ") {
		t.Errorf("the demo shows an error\n%s", out)
	}
}

func TestDemo(t *testing.T) {
	out := demo(t, checkout(t), "ROWS=40000", "INPUT=")
	wantAll(t, out, "nothing added", "pruned by partition", "That was the tour")
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		wantAll(t, out, "The mount is left out")
	} else {
		f.Close()
		wantAll(t, out, "6000 orders, ") // counted by awk, on the mount
	}
}

func TestDemoOfOwnFiles(t *testing.T) {
	dir := checkout(t)
	for name, text := range map[string]string{
		"in/sales-2024.csv":          "id,price\n1,2.50\n2,3.00\n",
		"in/sales-2025.csv":          "id,price\n3,4.25\n",
		"in/people.ndjson":           "{\"name\":\"Åsa\"}\n{\"name\":\"Bo\"}\n",
		"in/stock items/2024/01.csv": "sku,n\nA,1\n",
		"in/notes.md":                "not data",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := demo(t, dir, "INPUT=in")
	wantAll(t, out, "sales: 3 rows from 2 files", "people: 2 rows from 1 file", "stock_items: 1 rows from 1 file")
}

// TestDemoLeavesOthersAlone: a directory with something in it is not the demo's.
func TestDemoLeavesOthersAlone(t *testing.T) {
	dir := checkout(t)
	mine := filepath.Join(dir, "demo-lake", "mine")
	if err := os.MkdirAll(mine, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(dir, "demo.sh")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "move it away") {
		t.Errorf("got %v: %s; want a refusal", err, out)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
}
