package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/expr"
)

type times []time.Duration

// median returns the middle in milliseconds.
func (ts times) median() float64 {
	sorted := slices.Sorted(slices.Values(ts))
	return sorted[len(sorted)/2].Seconds() * 1000
}

func (ts times) percentile(p float64) float64 {
	sorted := slices.Sorted(slices.Values(ts))
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)].Seconds() * 1000
}

func timed(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}

// tarn is a node of the real binary, and a client of it.
type tarn struct {
	bin    string
	addr   string
	cmd    *exec.Cmd
	client *client.Client
}

var readyLine = regexp.MustCompile(`ready at ([^ ,]+)`)

func openTarn(ctx context.Context, dir string) (*tarn, error) {
	t := &tarn{bin: os.Getenv("TARN_BIN")}
	if t.bin == "" {
		t.bin = filepath.Join("..", "bin", "tarn")
	}
	t.cmd = exec.Command(t.bin, "server", "--dir", dir, "--listen", "127.0.0.1:0", "--http", "none", "--log-level", "warn")
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	t.cmd.Stderr = os.Stderr
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := t.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w (run make build first)", err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m := readyLine.FindStringSubmatch(lines.Text()); m != nil {
			t.addr = m[1]
			t.client, err = client.Dial(ctx, t.addr)
			return t, err
		}
	}
	return nil, fmt.Errorf("the node did not get ready")
}

func (t *tarn) close() {
	t.client.Close()
	t.cmd.Process.Signal(syscall.SIGTERM)
	t.cmd.Wait()
}

func (t *tarn) ingest(ctx context.Context, set dataSet, file string) error {
	args := []string{"ingest", set.name, file, "--create"}
	if set.types != "" {
		args = append(args, "--types", set.types)
	}
	cmd := exec.CommandContext(ctx, t.bin, args...)
	cmd.Env = append(os.Environ(), "TARN_ADDR="+t.addr)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func (t *tarn) bytes(ctx context.Context, table string) (int64, error) {
	info, err := t.client.Table(ctx, table, expr.At{})
	return info.Bytes, err
}

// ask returns the rows of a query as text, cells joined by commas.
func (t *tarn) ask(ctx context.Context, query string) (string, error) {
	r, err := t.client.SQL(ctx, query)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for batch, err := range r.Batches() {
		if err != nil {
			return "", err
		}
		for i := range int(batch.NumRows()) {
			for c, col := range batch.Columns() {
				if c > 0 {
					out.WriteByte(',')
				}
				out.WriteString(col.ValueStr(i))
			}
			out.WriteByte('\n')
		}
	}
	return out.String(), nil
}

// duck is DuckDB with its own storage in one file.
type duck struct {
	db   *sql.DB
	path string
}

func openDuck(path string) (*duck, error) {
	db, err := sql.Open("duckdb", path)
	if err != nil {
		return nil, err
	}
	return &duck{db, path}, db.Ping()
}

func (d *duck) close() { d.db.Close() }

func (d *duck) ingest(set dataSet, file string) error {
	if _, err := d.db.Exec(fmt.Sprintf("CREATE TABLE %s AS FROM %s", set.name, duckSource(set, file))); err != nil {
		return err
	}
	_, err := d.db.Exec("CHECKPOINT")
	return err
}

// duckSource names the file with the same types that Tarn is given.
func duckSource(set dataSet, file string) string {
	if set.types == "" {
		return "'" + file + "'"
	}
	var types []string
	for _, t := range strings.Split(set.types, ",") {
		column, name, _ := strings.Cut(t, "=")
		types = append(types, fmt.Sprintf("'%s': '%s'", column, strings.Replace(name, "float64", "DOUBLE", 1)))
	}
	return fmt.Sprintf("read_csv('%s', types = {%s})", file, strings.Join(types, ", "))
}

// bytes returns the size of the database file and of the same rows as Parquet.
func (d *duck) bytes(table, parquet string) (native, zstd int64, err error) {
	if _, err := d.db.Exec(fmt.Sprintf("COPY %s TO '%s' (FORMAT parquet, COMPRESSION zstd)", table, parquet)); err != nil {
		return 0, 0, err
	}
	a, err := os.Stat(d.path)
	if err != nil {
		return 0, 0, err
	}
	b, err := os.Stat(parquet)
	if err != nil {
		return 0, 0, err
	}
	return a.Size(), b.Size(), nil
}

func (d *duck) ask(query string) (string, error) {
	rows, err := d.db.Query(query)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return "", err
	}
	cells := make([]any, len(names))
	for i := range cells {
		cells[i] = new(any)
	}
	var out strings.Builder
	for rows.Next() {
		if err := rows.Scan(cells...); err != nil {
			return "", err
		}
		for i, c := range cells {
			if i > 0 {
				out.WriteByte(',')
			}
			fmt.Fprint(&out, *c.(*any))
		}
		out.WriteByte('\n')
	}
	return out.String(), rows.Err()
}
