package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

var runnable = regexp.MustCompile("(?ms)^```sh run\n(.*?)^```$")

// TestDocs runs the shell examples of the documents that are marked "sh run",
// those of one document in order, in one directory, against one node.
func TestDocs(t *testing.T) {
	root := filepath.Join("..", "..")
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(root, "docs", "operations", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, pages...)
	ran := 0
	for _, file := range append(files, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var script strings.Builder
		for _, block := range runnable.FindAllStringSubmatch(string(text), -1) {
			script.WriteString(block[1])
		}
		if script.Len() == 0 {
			continue
		}
		ran++
		t.Run(filepath.Base(file), func(t *testing.T) { runDocument(t, script.String()) })
	}
	if ran == 0 {
		t.Error("no document has an example to run")
	}
}

func runDocument(t *testing.T, script string) {
	n := startNode(t, t.TempDir())
	dir := t.TempDir()
	at, err := filepath.Abs(bin)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(at, filepath.Join(dir, "tarn")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-euxo", "pipefail", "-c", script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "TARN_ADDR="+n.addr, "PATH="+dir+":"+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 10 * time.Second // for what a script that failed has left running
	out, err := cmd.CombinedOutput()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
