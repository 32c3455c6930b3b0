package engine

import (
	"context"
	"database/sql"
	"fmt"
	"math/big"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// Duck is DuckDB, on its own storage or with a view of a Parquet file in the
// table's place.
type Duck struct {
	db   *sql.DB
	conn *sql.Conn // one, so that settings hold
}

func openDuck(k Kind, p Place) (*Duck, error) {
	path := p.Duck + "?access_mode=read_only"
	if k == DuckParquet {
		path = ""
	}
	d, err := OpenDuckDB(path, p.Threads)
	if err == nil && p.Memory > 0 {
		err = d.Exec(fmt.Sprintf("SET memory_limit = '%dB'", p.Memory))
	}
	if err != nil || k == DuckDB {
		return d, err
	}
	return d, d.Exec(fmt.Sprintf("CREATE VIEW %s AS FROM read_parquet('%s')", p.Table, p.Parquet))
}

// OpenDuckDB opens a database file, or one in memory for "".
func OpenDuckDB(path string, threads int) (*Duck, error) {
	db, err := sql.Open("duckdb", path)
	if err != nil {
		return nil, err
	}
	d := &Duck{db: db}
	if d.conn, err = db.Conn(context.Background()); err != nil {
		return nil, err
	}
	return d, d.Exec(fmt.Sprintf("SET threads = %d", threads))
}

// Exec runs a statement.
func (d *Duck) Exec(text string) error {
	_, err := d.conn.ExecContext(context.Background(), text)
	return err
}

// Integers returns the one column of a query.
func (d *Duck) Integers(text string) ([]int64, error) {
	rows, err := d.conn.QueryContext(context.Background(), text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []int64
	for rows.Next() {
		var v int64
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// Version is what DuckDB says it is.
func (d *Duck) Version() string { return d.version() }

func (d *Duck) read() int64 { return 0 }

func (d *Duck) version() string {
	v := ""
	if err := d.conn.QueryRowContext(context.Background(), "SELECT version()").Scan(&v); err != nil {
		return err.Error()
	}
	return v
}

// Close closes the database.
func (d *Duck) Close() error { return d.close() }

func (d *Duck) close() error {
	d.conn.Close()
	return d.db.Close()
}

// values is a result in Go values.
type values [][]any

func (d *Duck) ask(ctx context.Context, text string) (result, error) {
	rows, err := d.conn.QueryContext(ctx, text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var out values
	for rows.Next() {
		row, into := make([]any, len(names)), make([]any, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

func (v values) size() (rows, bytes int64) { return int64(len(v)), 0 }

func (v values) answer() (Answer, error) {
	out := Answer{}
	for _, row := range v {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = duckText(c)
		}
		out = append(out, cells)
	}
	return out, nil
}

func duckText(v any) string {
	switch v := v.(type) {
	case nil:
		return null
	case float64:
		return floatText(v)
	case float32:
		return floatText(float64(v))
	case time.Time:
		return timeText(v)
	case duckdb.Decimal:
		return decimalText(v.String())
	case *big.Int:
		return v.String()
	}
	return fmt.Sprint(v)
}
