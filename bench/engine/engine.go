// Package engine runs the engines that the benchmarks compare, each in a
// process of its own: Tarn in process, Tarn through Flight, DuckDB on its own
// storage, DuckDB on Parquet, and ClickHouse on the same Parquet.
//
// A process each, because then nobody's garbage collector, threads or caches
// stand in another's way, peak memory can be told apart, and to be cold is to
// start again. Requests and replies are lines of JSON on standard input and
// output; an engine measures its own time, from the text of a query to its
// last row, so the pipe costs nothing.
package engine

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Kind is one engine. The values stand in result files.
type Kind string

// The engines.
const (
	Tarn        Kind = "tarn"        // the daemon's scan, in process
	TarnFlight  Kind = "tarn-flight" // a node and the Go client, on loopback
	DuckDB      Kind = "duckdb"      // its own storage
	DuckParquet Kind = "duckdb-parquet"
	ClickHouse  Kind = "clickhouse-parquet"
)

// Place says where the rows are that an engine reads, and with what means.
type Place struct {
	Table    string `json:"table"`
	Lake     string `json:"lake"`    // directory of a node
	Duck     string `json:"duck"`    // database file
	Parquet  string `json:"parquet"` // zstd Parquet file
	Threads  int    `json:"threads"`
	Memory   int64  `json:"memory,omitempty"`   // that Tarn and DuckDB should stay under; 0: what they do by themselves
	Uncached bool   `json:"uncached,omitempty"` // Tarn keeps nothing of the files that it reads
	TarnBin  string `json:"tarn_bin"`
	Modules  string `json:"modules"` // directory whose node_modules has chdb; empty: none
}

// Request is one line to an engine.
type Request struct {
	SQL     []string `json:"sql,omitempty"`     // asked one after the other
	Count   bool     `json:"count,omitempty"`   // read all rows, return only how many and how large
	Profile string   `json:"profile,omitempty"` // start a CPU profile into this file; "-" ends it
}

// Reply is the answer to a Request.
type Reply struct {
	Nanos   int64    `json:"nanos"`             // all queries together
	Answers []Answer `json:"answers,omitempty"` // one for each query
	Rows    int64    `json:"rows,omitempty"`    // with Count
	Bytes   int64    `json:"bytes,omitempty"`   // with Count: of the values, as Arrow has them
	Read    int64    `json:"read,omitempty"`    // of files; what an engine in Go knows of itself
	Version string   `json:"version,omitempty"` // in the first line, which an engine sends unasked
	Error   string   `json:"error,omitempty"`
}

// Engine is a running engine process. It is for one goroutine.
type Engine struct {
	Kind    Kind
	Version string // as the engine gives it

	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

//go:embed chdb.mjs
var chdbScript string

// Start runs an engine and returns when it has opened what it reads.
func Start(ctx context.Context, k Kind, p Place) (*Engine, error) {
	cmd, err := command(ctx, k, p)
	if err != nil {
		return nil, err
	}
	e := &Engine{Kind: k, cmd: cmd}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	if e.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	e.out = bufio.NewReaderSize(out, 1<<20)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	hello, err := e.receive()
	if err != nil {
		e.Stop()
		return nil, fmt.Errorf("%s does not start: %w", k, err)
	}
	e.Version = hello.Version
	return e, nil
}

// command is the process of an engine: this program again, or node.
func command(ctx context.Context, k Kind, p Place) (*exec.Cmd, error) {
	place, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	if k == ClickHouse {
		script := filepath.Join(p.Modules, "bench.mjs")
		if err := os.WriteFile(script, []byte(chdbScript), 0o644); err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, "node", script, string(place))
		cmd.Env = append(os.Environ(), "TZ=UTC")
		return cmd, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-engine", string(k), "-place", string(place))
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(p.Threads), "TZ=UTC")
	return cmd, nil
}

// Do sends a request and waits for its reply.
func (e *Engine) Do(r Request) (Reply, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return Reply{}, err
	}
	if _, err := e.in.Write(append(line, '\n')); err != nil {
		return Reply{}, fmt.Errorf("%s is gone: %w", e.Kind, err)
	}
	return e.receive()
}

func (e *Engine) receive() (Reply, error) {
	var r Reply
	line, err := e.out.ReadBytes('\n')
	if err != nil {
		return r, fmt.Errorf("%s ended without an answer: %w", e.Kind, err)
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("%s answers %.200q: %w", e.Kind, line, err)
	}
	if r.Error != "" {
		return r, fmt.Errorf("%s: %s", e.Kind, r.Error)
	}
	return r, nil
}

// Ask runs the queries one after the other and returns the time of all.
func (e *Engine) Ask(sql ...string) (time.Duration, []Answer, error) {
	r, err := e.Do(Request{SQL: sql})
	return time.Duration(r.Nanos), r.Answers, err
}

// Stop ends the process.
func (e *Engine) Stop() error {
	e.in.Close()
	err := e.cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Errorf("%s: %w", e.Kind, err)
	}
	return nil
}

// ResetPeak makes Peak start again from what the process holds now.
func (e *Engine) ResetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", e.cmd.Process.Pid), []byte("5"), 0)
}

// Peak returns the most memory that the process has held, in bytes.
func (e *Engine) Peak() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", e.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if kib, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kib), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("the kernel does not tell peak memory")
}

// Files returns the directories and files that an engine reads rows from, to
// drop them from the page cache.
func (k Kind) Files(p Place) []string {
	switch k {
	case DuckDB:
		return []string{p.Duck}
	case DuckParquet, ClickHouse:
		return []string{p.Parquet}
	}
	return []string{filepath.Join(p.Lake, "media")}
}
