package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

const randomRows = 20_000

// TestLikeDuck hands the same random rows to both and asks the same random
// questions. TARN_SEED makes it other rows and questions.
func TestLikeDuck(t *testing.T) {
	seed := uint64(1)
	if s := os.Getenv("TARN_SEED"); s != "" {
		if _, err := fmt.Sscan(s, &seed); err != nil {
			t.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "random.parquet")
	writeRandom(t, path, rng)
	n := startNode(t, t.TempDir())
	n.tarn("ingest", "random", path, "--create", "--partition-by", "bucket(3, k)", "--sort-by", "d")
	for range 120 {
		query := randomQuery(rng)
		want := duck(t, strings.ReplaceAll(query, "random", "'"+path+"'"))
		got := strings.Split(n.query(query), "\n")
		if len(want) == 0 {
			want = []string{""}
		}
		if !slices.Equal(sorted(got), sorted(want)) {
			t.Errorf("TARN_SEED=%d: %s\n got %.600q\nwant %.600q", seed, query, got, want)
		}
	}
}

func sorted(rows []string) []string {
	var out []string
	for _, r := range rows {
		out = append(out, plainDecimals(r))
	}
	slices.Sort(out)
	return out
}

var randomSchema = arrow.NewSchema([]arrow.Field{
	{Name: "k", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
	{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "d", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
	{Name: "price", Type: &arrow.Decimal128Type{Precision: 12, Scale: 3}, Nullable: true},
	{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "b", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
	{Name: "ts", Type: &arrow.TimestampType{Unit: arrow.Microsecond}, Nullable: true},
	{Name: "u", Type: arrow.PrimitiveTypes.Uint16, Nullable: true},
}, nil)

var randomTexts = []string{"", "a", "ab", "abc", "Abc", "été", "日本", "x_y", "50%", "O'Neill", "😀 smile", "zzzzzzzzzzzzzzzzzzzzzzzzzzzz"}

func writeRandom(t *testing.T, path string, rng *rand.Rand) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := pqarrow.NewFileWriter(randomSchema, f, parquet.NewWriterProperties(parquet.WithMaxRowGroupLength(3000)), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, randomSchema)
	for range randomRows {
		for _, column := range b.Fields() {
			if rng.IntN(9) == 0 {
				column.AppendNull()
				continue
			}
			appendRandom(column, rng)
		}
	}
	if err := w.Write(b.NewRecordBatch()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func appendRandom(column array.Builder, rng *rand.Rand) {
	switch b := column.(type) {
	case *array.Int32Builder:
		b.Append(int32(rng.IntN(21) - 10))
	case *array.Int64Builder:
		b.Append(rng.Int64N(1<<uint(1+rng.IntN(40))) - 500)
	case *array.Date32Builder:
		b.Append(arrow.Date32(rng.IntN(4000) + 15000))
	case *array.Decimal128Builder:
		b.Append(decimal128.FromI64(rng.Int64N(2_000_000) - 1_000_000))
	case *array.StringBuilder:
		b.Append(randomTexts[rng.IntN(len(randomTexts))])
	case *array.BooleanBuilder:
		b.Append(rng.IntN(3) == 0)
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(rng.Int64N(2e15)))
	case *array.Uint16Builder:
		b.Append(uint16(rng.IntN(1 << 16)))
	}
}

// randomQuery asks for what both spell alike: counts, sums, extremes, and
// rows whose order does not matter.
func randomQuery(rng *rand.Rand) string {
	where := " WHERE " + randomFilter(rng, 3)
	switch rng.IntN(8) {
	case 0:
		return "SELECT count(*), count(n), sum(n), sum(price), count(distinct s), min(u), max(u) FROM random" + where
	case 1:
		return "SELECT k, count(*), sum(price * 2), min(n), max(n) FROM random" + where + " GROUP BY k"
	case 2:
		return "SELECT s, b, count(distinct d), sum(u + n) FROM random" + where + " GROUP BY s, b"
	case 3:
		return "SELECT DISTINCT k, b FROM random" + where
	case 4:
		return "SELECT year(d) AS y, month(d) AS m, count(*), min(s), max(price) FROM random" + where + " GROUP BY y, m HAVING count(*) > 12"
	case 5:
		return "SELECT upper(s), length(s), coalesce(k, 0) + 1, abs(n), price - 1.5, n % 7, -k, hour(ts) FROM random" + where + allColumns + " LIMIT 15 OFFSET 3"
	case 6:
		return "SELECT CAST(price AS bigint), CAST(k AS varchar), CAST(n AS decimal(20,1)), d, b FROM random" + where + allColumns + " LIMIT 15"
	}
	return "SELECT k, n, price, u, n * 3 - k FROM random" + where + " ORDER BY n DESC, k, price, u, s, d, ts, b LIMIT 20"
}

// allColumns makes the first rows the same ones on both sides.
const allColumns = " ORDER BY s, ts DESC, n, k, price, u, d, b"

func randomFilter(rng *rand.Rand, depth int) string {
	if depth > 0 {
		switch rng.IntN(5) {
		case 0:
			return "(" + randomFilter(rng, depth-1) + " AND " + randomFilter(rng, depth-1) + ")"
		case 1:
			return "(" + randomFilter(rng, depth-1) + " OR " + randomFilter(rng, depth-1) + ")"
		case 2:
			return "NOT (" + randomFilter(rng, depth-1) + ")"
		}
	}
	op := []string{"=", "<", "<=", ">", ">=", "<>"}[rng.IntN(6)]
	text := "'" + strings.ReplaceAll(randomTexts[rng.IntN(len(randomTexts))], "'", "''") + "'"
	date := func() string {
		return "DATE '" + time.Unix(int64(rng.IntN(4000)+15000)*86400, 0).UTC().Format(time.DateOnly) + "'"
	}
	return []string{
		fmt.Sprintf("k %s %d", op, rng.IntN(25)-12),
		fmt.Sprintf("n %s %d", op, rng.Int64N(1<<uint(1+rng.IntN(40)))),
		fmt.Sprintf("price %s %d.%d", op, rng.IntN(2000)-1000, rng.IntN(10000)),
		fmt.Sprintf("d %s %s", op, date()),
		fmt.Sprintf("d BETWEEN %s AND %s", date(), date()),
		fmt.Sprintf("s %s %s", op, text),
		fmt.Sprintf("s IN (%s, 'ab', 'x_y')", text),
		fmt.Sprintf("k NOT IN (%d, %d)", rng.IntN(10), -rng.IntN(10)),
		fmt.Sprintf("s LIKE '%s'", []string{"a%", "%b%", "_b_", "%", "", "日%", "%_"}[rng.IntN(7)]),
		fmt.Sprintf("ts %s TIMESTAMP '%s'", op, time.UnixMicro(rng.Int64N(2e15)).UTC().Format("2006-01-02 15:04:05.000000")),
		"b", "s IS NULL", "price IS NOT NULL", "u > n", "k * 100 >= n",
		fmt.Sprintf("u %s %d", op, rng.IntN(70000)),
	}[rng.IntN(16)]
}
