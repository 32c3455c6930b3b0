package e2e

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/duckdb/duckdb-go/v2"
)

// A cell is a value as text that is the same for equal values, whoever gave
// it: numbers without ending zeros, times in UTC.
type cells []string

const nullCell = "∅"

// number writes an exact number: 1.50 and 1.5 are one value, and so is 150e-2.
func exactCell(n *big.Int, scale int) string {
	r := new(big.Rat).SetFrac(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
	if r.IsInt() {
		return r.Num().String()
	}
	return strings.TrimRight(r.FloatString(scale), "0")
}

// floatCell writes the shortest text of a float. Which sign a zero has is not
// promised.
func floatCell(f float64, bits int) string {
	if f == 0 {
		return "0"
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'g', -1, bits)
}

func instantCell(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999") }

// arrowCell is value i of a result of Tarn.
func arrowCell(a arrow.Array, i int) string {
	if a.IsNull(i) {
		return nullCell
	}
	switch a := a.(type) {
	case *array.Float32:
		return floatCell(float64(a.Value(i)), 32)
	case *array.Float64:
		return floatCell(a.Value(i), 64)
	case *array.Decimal128:
		return exactCell(a.Value(i).BigInt(), int(a.DataType().(*arrow.Decimal128Type).Scale))
	case *array.String:
		return strconv.Quote(a.Value(i))
	case *array.Binary:
		return "x" + hex.EncodeToString(a.Value(i))
	case *array.Date32:
		return a.Value(i).ToTime().Format(time.DateOnly)
	case *array.Time64:
		return a.Value(i).ToTime(arrow.Microsecond).Format("15:04:05.999999")
	case *array.Timestamp:
		unit := a.DataType().(*arrow.TimestampType).Unit
		return instantCell(a.Value(i).ToTime(unit))
	}
	return a.ValueStr(i) // integers and booleans
}

// duckCell is a value of a column of DuckDB's type.
func duckCell(v any, kind string) string {
	switch v := v.(type) {
	case nil:
		return nullCell
	case float32:
		return floatCell(float64(v), 32)
	case float64:
		return floatCell(v, 64)
	case duckdb.Decimal:
		return exactCell(v.Value, int(v.Scale))
	case string:
		return strconv.Quote(v)
	case []byte:
		return "x" + hex.EncodeToString(v)
	case time.Time:
		switch kind {
		case "DATE":
			return v.UTC().Format(time.DateOnly)
		case "TIME":
			return v.UTC().Format("15:04:05.999999")
		}
		return instantCell(v)
	}
	return fmt.Sprint(v) // integers, *big.Int and booleans
}

// duckRows reads a result of DuckDB.
func duckRows(db *sql.DB, query string) ([]cells, error) {
	rows, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	out := []cells{}
	values := make([]any, len(types))
	for i := range values {
		values[i] = new(any)
	}
	for rows.Next() {
		if err := rows.Scan(values...); err != nil {
			return nil, err
		}
		row := make(cells, len(types))
		for i, v := range values {
			row[i] = duckCell(*v.(*any), types[i].DatabaseTypeName())
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

// appendRows reads a batch of Tarn.
func appendRows(out []cells, b arrow.RecordBatch) []cells {
	for i := range int(b.NumRows()) {
		row := make(cells, b.NumCols())
		for j, col := range b.Columns() {
			row[j] = arrowCell(col, i)
		}
		out = append(out, row)
	}
	return out
}

// firstDifference compares two results and tells where they part, or "".
// The columns of approx hold sums of floats, which may differ in the last
// digits. Rows without an order are compared as a set.
func firstDifference(q *diffQuery, tarn, duck []cells) string {
	if !q.ordered {
		tarn, duck = sortedRows(tarn), sortedRows(duck)
	}
	for i := range min(len(tarn), len(duck)) {
		for j := range duck[i] {
			if !sameCell(tarn[i][j], duck[i][j], q.approx[j]) {
				return fmt.Sprintf("row %d of %d and %d, column %d:\n tarn %.800s\n duck %.800s", i, len(tarn), len(duck), j, tarn[i], duck[i])
			}
		}
	}
	if len(tarn) != len(duck) {
		return fmt.Sprintf("tarn has %d rows, duck %d\n tarn %.800s\n duck %.800s", len(tarn), len(duck), tarn, duck)
	}
	return ""
}

func sortedRows(rows []cells) []cells {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b cells) int { return slices.Compare(a, b) })
	return rows
}

func sameCell(a, b string, approx bool) bool {
	if a == b || !approx {
		return a == b
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && math.Abs(x-y) <= 1e-7+1e-6*max(math.Abs(x), math.Abs(y))
}
