package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// What retail must answer: counted by two other programs, in data/README.md.
const (
	retailRows     = 541909
	retailRevenue  = "9747747.934"
	retailCounts   = "541909,25900,4070,4372,38,5176450"
	retailUKRows   = "495478"
	retailUK       = "8187806.364"
	retailNullIDs  = "135080"
	retailReturns  = "10624"
	retailFirst    = "2010-12-01 08:26:00"
	retailLast     = "2011-12-09 12:50:00"
	retailDistinct = `count(*), count(distinct "InvoiceNo"), count(distinct "StockCode"), count(distinct "CustomerID"), count(distinct "Country"), sum("Quantity")`
)

// loadRetail ingests the days, one commit a file.
func loadRetail(t *testing.T) (*node, []string) {
	dir := testData(t, "retail", "by-day")
	files, err := filepath.Glob(filepath.Join(dir, "*.csv"))
	if err != nil || len(files) != 305 {
		t.Fatalf("%d files, %v; want 305", len(files), err)
	}
	n := startNode(t, t.TempDir())
	n.tarn("ingest", "retail", dir, "--create", "--partition-by", `month("InvoiceDate")`, "--sort-by", "InvoiceDate", "--key", "first")
	return n, files
}

func TestRetail(t *testing.T) {
	n, files := loadRetail(t)
	t.Run("command line", func(t *testing.T) { retailCLI(t, n) })
	t.Run("Go client", func(t *testing.T) { retailClient(t, n) })
	t.Run("another Flight client", func(t *testing.T) { retailFlight(t, n) })
	t.Run("a version a day", func(t *testing.T) { retailVersions(t, n, files) })
	t.Run("again", func(t *testing.T) { retailAgain(t, n) })
	t.Run("mounted", func(t *testing.T) {
		m := (&node{t: t, addr: n.addr}).mount()
		t.Run("Parquet by DuckDB", func(t *testing.T) { retailDuck(t, m) })
		t.Run("CSV by sort and awk", func(t *testing.T) { retailAwk(t, m) })
	})
	t.Run("verify", func(t *testing.T) {
		if out := n.tarn("segment", "verify", "retail"); strings.Contains(strings.ToLower(out), "damaged") {
			t.Errorf("verify says %s", out)
		}
	})
}

func retailCLI(t *testing.T, n *node) {
	n = &node{t: t, addr: n.addr}
	n.wantQuery("SELECT "+retailDistinct+" FROM retail", retailCounts)
	n.wantQuery(`SELECT sum("Quantity" * "UnitPrice"), min("InvoiceDate"), max("InvoiceDate") FROM retail`,
		retailRevenue+","+retailFirst+","+retailLast)
	n.wantQuery(`SELECT count(*) FROM retail WHERE "CustomerID" IS NULL`, retailNullIDs)
	n.wantQuery(`SELECT count(*) FROM retail WHERE "Quantity" < 0`, retailReturns)
	n.wantQuery(`SELECT count(*), sum("Quantity" * "UnitPrice") FROM retail WHERE "Country" = 'United Kingdom'`, retailUKRows+","+retailUK)
	out := n.tarn("scan", "retail", "--where", "Country = 'United Kingdom'", "--select", "count(*), sum(Quantity*UnitPrice)", "--output", "csv")
	_, rows, _ := strings.Cut(strings.TrimSpace(out), "\n")
	if want := retailUKRows + "," + retailUK; !sameCells(rows, want) {
		t.Errorf("tarn scan says %q; want %s", out, want)
	}
}

func retailClient(t *testing.T, n *node) {
	c := (&node{t: t, addr: n.addr}).dial()
	q := &expr.Query{
		Table: "retail",
		Where: expr.New(expr.Eq, expr.Col("Country"), expr.Str("United Kingdom")),
		Select: []expr.Item{
			{Expr: expr.New(expr.Count, expr.New(expr.Star))},
			{Expr: expr.New(expr.Sum, expr.New(expr.Mul, expr.Col("Quantity"), expr.Col("UnitPrice")))},
		},
	}
	for batch, err := range c.Scan(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		if rows, sum := batch.Column(0).ValueStr(0), batch.Column(1).ValueStr(0); rows != retailUKRows || sum != retailUK {
			t.Errorf("got %s rows and %s; want %s and %s", rows, sum, retailUKRows, retailUK)
		}
	}
	var rows int64
	for batch, err := range c.Scan(t.Context(), &expr.Query{Table: "retail"}) {
		if err != nil {
			t.Fatal(err)
		}
		rows += batch.NumRows()
	}
	if rows != retailRows {
		t.Errorf("a full scan has %d rows; want %d", rows, retailRows)
	}
}

// retailFlight uses arrow-go's client and bare SQL: nothing of ours.
func retailFlight(t *testing.T, n *node) {
	c, err := flight.NewClientWithMiddleware(n.addr, nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for query, want := range map[string]string{
		"SELECT " + retailDistinct + " FROM retail":                                                   retailCounts,
		`SELECT sum("Quantity"*"UnitPrice") FROM retail`:                                              retailRevenue,
		`SELECT count(*), sum("Quantity"*"UnitPrice") FROM retail WHERE "Country" = 'United Kingdom'`: retailUKRows + "," + retailUK,
		`SELECT count(*) FROM retail WHERE "CustomerID" IS NULL`:                                      retailNullIDs,
	} {
		info, err := c.GetFlightInfo(t.Context(), &flight.FlightDescriptor{Type: flight.DescriptorCMD, Cmd: []byte(query)})
		if err != nil {
			t.Fatal(err)
		}
		stream, err := c.DoGet(t.Context(), info.Endpoint[0].Ticket)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := flight.NewRecordReader(stream)
		if err != nil {
			t.Fatal(err)
		}
		var cells []string
		for rows.Next() {
			for _, col := range rows.RecordBatch().Columns() {
				cells = append(cells, col.ValueStr(0))
			}
		}
		if err := rows.Err(); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if got := strings.Join(cells, ","); !sameCells(got, want) {
			t.Errorf("%s\n got %s\nwant %s", query, got, want)
		}
	}
}

// retailVersions checks that the table after any day holds the files so far.
func retailVersions(t *testing.T, n *node, files []string) {
	n = &node{t: t, addr: n.addr}
	c := n.dial()
	history, err := c.History(t.Context(), "retail")
	if err != nil {
		t.Fatal(err)
	}
	history = slices.DeleteFunc(history, func(c wire.Commit) bool { return c.Operation == "merge" }) // which change no rows
	if len(history) != len(files)+1 {
		t.Fatalf("%d versions; want one a file and the creation: %d", len(history), len(files)+1)
	}
	total := int64(0)
	for i, file := range files {
		total += csvRows(t, file)
		if got := history[i+1].TotalRows; got != total {
			t.Fatalf("version %d (after %s): %d rows; want %d", history[i+1].Version, filepath.Base(file), got, total)
		}
		if i%50 == 0 {
			n.wantQuery("SELECT count(*) FROM retail", fmt.Sprint(total), "--at", fmt.Sprint(history[i+1].Version))
			at := history[i+1].Time.UTC().Format("2006-01-02T15:04:05.999999999Z")
			n.wantQuery("SELECT count(*) FROM retail", fmt.Sprint(total), "--at", at)
		}
	}
}

// csvRows counts the rows of a file by lines: no field of retail spans lines.
func csvRows(t *testing.T, file string) int64 {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return int64(strings.Count(string(b), "\n")) - 1
}

func retailAgain(t *testing.T, n *node) {
	n = &node{t: t, addr: n.addr}
	n.tarn("ingest", "retail", testData(t, "retail", "by-day"), "--key", "first")
	n.wantQuery("SELECT count(*) FROM retail", fmt.Sprint(retailRows))
}

func retailDuck(t *testing.T, mnt string) {
	from := fmt.Sprintf("FROM read_parquet('%s/retail/**/*.parquet'", mnt)
	for _, hive := range []string{")", ", hive_partitioning=true)"} {
		for query, want := range map[string]string{
			"SELECT " + retailDistinct + " " + from + hive:                                                               retailCounts,
			`SELECT sum("Quantity"*"UnitPrice")::VARCHAR ` + from + hive:                                                 retailRevenue,
			`SELECT count(*), sum("Quantity"*"UnitPrice")::VARCHAR ` + from + hive + ` WHERE "Country"='United Kingdom'`: retailUKRows + "," + retailUK,
			`SELECT count(*) ` + from + hive + ` WHERE "CustomerID" IS NULL`:                                             retailNullIDs,
			`SELECT count(*) ` + from + hive + ` WHERE "Quantity" < 0`:                                                   retailReturns,
			`SELECT min("InvoiceDate")::VARCHAR, max("InvoiceDate")::VARCHAR ` + from + hive:                             retailFirst + "," + retailLast,
		} {
			if got := duck(t, query); len(got) != 1 || !sameCells(got[0], want) {
				t.Errorf("DuckDB: %s\n got %v\nwant %s", query, got, want)
			}
		}
	}
}

// retailAwk reads the CSV tree with the oldest tools there are. Country is the
// last column and, like the numbers before it, never quoted.
func retailAwk(t *testing.T, mnt string) {
	for script, want := range map[string]string{
		`cat $(find . -name '*.csv') | grep -v '^InvoiceNo' | wc -l`:                                                fmt.Sprint(retailRows),
		`cat $(find . -name '*.csv') | grep -v '^InvoiceNo' | awk -F, '{print $NF}' | sort -u | wc -l`:              "38",
		`cat $(find . -name '*.csv') | grep -v '^InvoiceNo' | awk -F, '$NF=="United Kingdom"' | wc -l`:              retailUKRows,
		`cat $(find . -name '*.csv') | grep -v '^InvoiceNo' | cut -d, -f1 | sort -u | wc -l`:                        "25900",
		`cat $(find . -name '*.csv') | grep -v '^InvoiceNo' | awk -F, '{s+=$(NF-4)} END {print s}'`:                 "5176450",
		`cat $(find . -name '*.csv') | grep -v '^InvoiceNo' | awk -F, '$(NF-1)==""' | wc -l`:                        retailNullIDs,
		`cat $(find . -name '*.csv') | grep -v '^InvoiceNo' | awk -F, '{print $(NF-3)}' | sort | sed -n 1p`:         retailFirst,
		`cat $(find . -name '*.csv') | grep -v '^InvoiceNo' | awk -F, '{print $(NF-3)}' | sort | sed -n '$p'`:       retailLast,
		`cat $(find . -name '*.csv') | grep -v '^InvoiceNo' | awk -F, '{s+=$(NF-4)*$(NF-2)} END {printf "%.3f",s}'`: retailRevenue,
	} {
		cmd := exec.Command("bash", "-o", "pipefail", "-c", "export LC_ALL=C; "+script)
		cmd.Dir = filepath.Join(mnt, ".csv", "retail")
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%s\n got %s (%v)\nwant %s", script, got, err, want)
		}
	}
}
