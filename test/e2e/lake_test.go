// Package e2e runs the real binary on real data, as a user would: it starts
// nodes, calls the command line, mounts lakes, and compares the answers with
// DuckDB and with counts that other programs made.
package e2e

import (
	"bufio"
	"bytes"
	"database/sql"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/tarnlake/tarn/client"
)

// bin is the binary under test.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if bin = os.Getenv("TARN_BIN"); bin != "" {
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "tarn-e2e")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		bin = filepath.Join(dir, "tarn")
		build := exec.Command("go", "build", "-buildvcs=false", "-o", bin, "./cmd/tarn")
		build.Dir = filepath.Join("..", "..")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building tarn: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// testData returns the folder of real input, or skips the test.
func testData(t testing.TB, parts ...string) string {
	t.Helper()
	root := os.Getenv("TARN_TEST_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "data")
	}
	at, err := filepath.Abs(filepath.Join(append([]string{root}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(at); err != nil {
		t.Skipf("no real input at %s (set TARN_TEST_DATA)", at)
	}
	return at
}

// node is a running `tarn server`.
type node struct {
	t    testing.TB
	dir  string
	addr string
	cmd  *exec.Cmd
	log  *bytes.Buffer
}

var readyLine = regexp.MustCompile(`ready at ([^ ,]+)`)

// startNode runs a server in dir on a free port until the test ends.
func startNode(t testing.TB, dir string, flags ...string) *node {
	t.Helper()
	n := &node{t: t, dir: dir, log: &bytes.Buffer{}}
	args := append([]string{"server", "--dir", dir, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"}, flags...)
	n.cmd = exec.Command(bin, args...)
	n.cmd.Stderr = n.log
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // never outlives the tests
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.kill)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := readyLine.FindStringSubmatch(lines.Text()); m != nil {
			n.addr = m[1]
			go func() { // keep the pipe empty
				for lines.Scan() {
				}
			}()
			return n
		}
	}
	n.cmd.Wait()
	t.Fatalf("the node did not get ready:\n%s", n.log)
	return nil
}

// kill ends the node as a power cut would end its process.
func (n *node) kill() {
	if n.cmd.ProcessState == nil {
		n.cmd.Process.Kill()
		n.cmd.Wait()
	}
}

// stop asks the node to end and waits until it has.
func (n *node) stop() {
	n.t.Helper()
	n.cmd.Process.Signal(syscall.SIGTERM)
	if err := n.cmd.Wait(); err != nil {
		n.t.Errorf("the node ended with %v:\n%s", err, n.log)
	}
}

// peak returns the most memory that the node's process has had, in bytes.
func (n *node) peak() int64 { return peakOf(n.t, n.cmd.Process.Pid) }

func peakOf(t testing.TB, pid int) (bytes int64) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &bytes); err == nil {
			return bytes << 10
		}
	}
	t.Fatal("no VmHWM in /proc")
	return 0
}

// dial returns a Go client of the node.
func (n *node) dial() *client.Client {
	n.t.Helper()
	c, err := client.Dial(n.t.Context(), n.addr)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { c.Close() })
	return c
}

// result is what a command printed and how it ended.
type result struct {
	out, err string
	status   int
}

// try runs the command line against the node.
func (n *node) try(args ...string) result { return n.tryIn("", args...) }

func (n *node) tryIn(stdin string, args ...string) result {
	n.t.Helper()
	cmd := exec.Command(bin, args...)
	cmd.Env = append(os.Environ(), "TARN_ADDR="+n.addr, "NO_COLOR=1")
	cmd.Dir = n.t.TempDir() // reject files land here
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	err := cmd.Run()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		n.t.Fatal(err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// tarn runs the command line and fails the test if it fails.
func (n *node) tarn(args ...string) string {
	n.t.Helper()
	r := n.try(args...)
	if r.status != 0 {
		n.t.Fatalf("tarn %s: status %d\n%s%s", strings.Join(args, " "), r.status, r.out, r.err)
	}
	return r.out
}

// query runs SQL through the command line; rows come as CSV lines without the header.
func (n *node) query(sql string, flags ...string) string {
	n.t.Helper()
	out := n.tarn(append([]string{"query", sql, "--output", "csv"}, flags...)...)
	_, rows, _ := strings.Cut(out, "\n")
	return strings.TrimSuffix(rows, "\n")
}

func (n *node) wantQuery(sql, want string, flags ...string) {
	n.t.Helper()
	if got := n.query(sql, flags...); !sameCells(got, want) {
		n.t.Errorf("%s %v\n got %s\nwant %s", sql, flags, got, want)
	}
}

// sameCells compares rows of cells: equal texts, or equal numbers however many
// zeros end them.
func sameCells(got, want string) bool {
	a, b := strings.FieldsFunc(got, isSeparator), strings.FieldsFunc(want, isSeparator)
	return got == want || slices.EqualFunc(a, b, func(a, b string) bool {
		x, ok1 := new(big.Rat).SetString(a)
		y, ok2 := new(big.Rat).SetString(b)
		return a == b || ok1 && ok2 && x.Cmp(y) == 0
	})
}

func isSeparator(r rune) bool { return r == ',' || r == '\n' }

var endingZeros = regexp.MustCompile(`(?m)(?:\.0+|(\.\d*[1-9])0+)(,|$)`)

func plainDecimals(cells string) string { return endingZeros.ReplaceAllString(cells, "$1$2") }

// mount shows the lake in a directory until the test ends.
func (n *node) mount() string {
	n.t.Helper()
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		n.t.Skipf("no mount here: %v", err)
	} else {
		f.Close()
	}
	dir := filepath.Join(n.t.TempDir(), "mnt")
	cmd := exec.Command(bin, "mount", dir, "--cache-dir", filepath.Join(n.t.TempDir(), "cache"))
	cmd.Env = append(os.Environ(), "TARN_ADDR="+n.addr)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			n.t.Errorf("the mount ended with %v\n%s", err, &log)
		}
		if mounted(dir) {
			syscall.Unmount(dir, syscall.MNT_DETACH)
			n.t.Errorf("%s was still mounted after its process had ended", dir)
		}
	})
	for range 200 {
		if mounted(dir) {
			return dir
		}
		time.Sleep(20 * time.Millisecond)
	}
	n.t.Fatalf("the mount did not come up:\n%s", &log)
	return ""
}

func mounted(dir string) bool {
	b, err := os.ReadFile("/proc/self/mountinfo")
	return err == nil && strings.Contains(string(b), " "+dir+" ")
}

// duck asks DuckDB and returns each row as text, cells joined by commas and
// spelled as tarn's CSV spells them: null is nothing at all.
func duck(t testing.TB, query string) []string {
	t.Helper()
	rows, err := duckTry(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return rows
}

func duckTry(query string) ([]string, error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var out []string
	for rows.Next() {
		cells := make([]any, len(names))
		for i := range cells {
			cells[i] = new(any)
		}
		if err := rows.Scan(cells...); err != nil {
			return nil, err
		}
		texts := make([]string, len(cells))
		for i, c := range cells {
			texts[i] = cellText(*c.(*any))
		}
		out = append(out, strings.Join(texts, ","))
	}
	return out, rows.Err()
}

func cellText(v any) string {
	switch v {
	case nil:
		return ""
	case "":
		return `""`
	}
	if t, ok := v.(time.Time); ok { // a DATE: the queries here ask for no other
		return t.Format(time.DateOnly)
	}
	return fmt.Sprint(v)
}
