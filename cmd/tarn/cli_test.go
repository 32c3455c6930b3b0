package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon"
)

// cli runs commands in this process, against a node of its own.
type cli struct {
	t   *testing.T
	dir string // what relative names in the arguments are in
	env map[string]string
	in  string
	tty bool // standard input is a terminal
}

// result is what a command left.
type result struct {
	t        *testing.T
	line     string
	code     int
	out, err string
}

// newCLI returns a command line whose node runs until the test ends.
func newCLI(t *testing.T) *cli {
	t.Helper()
	n, err := daemon.Start(t.Context(), daemon.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0",
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Fatal:  func(err error) { t.Errorf("fatal: %v", err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return &cli{t: t, dir: t.TempDir(), env: map[string]string{"TARN_ADDR": n.Addr(), "TARN_OUTPUT": "csv"}}
}

// offline returns a command line without a node.
func offline(t *testing.T) *cli {
	return &cli{t: t, dir: t.TempDir(), env: map[string]string{"TARN_OUTPUT": "csv"}}
}

// run runs one command; "@name" is a file in the test's directory.
func (c *cli) run(args ...string) result {
	c.t.Helper()
	return c.runContext(context.Background(), args...)
}

func (c *cli) runContext(ctx context.Context, args ...string) result {
	c.t.Helper()
	line := "tarn " + strings.Join(args, " ")
	for i, a := range args {
		if name, ok := strings.CutPrefix(a, "@"); ok {
			args[i] = filepath.Join(c.dir, name)
		}
	}
	var out, errs bytes.Buffer
	code := run(ctx, args, streams{
		in: strings.NewReader(c.in), out: &out, err: &errs, inTerminal: c.tty,
		getenv: func(name string) string { return c.env[name] },
	})
	clean := strings.NewReplacer(c.dir+"/", "@")
	return result{c.t, line, code, clean.Replace(out.String()), clean.Replace(errs.String())}
}

func (c *cli) write(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// ok wants success and this output, with leading tabs taken off.
func (r result) ok(want string) {
	r.t.Helper()
	if r.code != 0 {
		r.t.Errorf("%s: exit code %d, %s", r.line, r.code, r.err)
		return
	}
	if got, want := strings.TrimSpace(r.out), dedent(want); got != want {
		r.t.Errorf("%s\n got %s\nwant %s", r.line, got, want)
	}
}

// matches wants success and output that each pattern is found in.
func (r result) matches(patterns ...string) {
	r.t.Helper()
	if r.code != 0 {
		r.t.Errorf("%s: exit code %d, %s", r.line, r.code, r.err)
	}
	for _, p := range patterns {
		if !regexp.MustCompile("(?m)" + p).MatchString(r.out) {
			r.t.Errorf("%s: no %q in\n%s", r.line, p, r.out)
		}
	}
}

// fails wants this exit code and these texts on standard error.
func (r result) fails(code int, texts ...string) {
	r.t.Helper()
	if r.code != code {
		r.t.Errorf("%s: exit code %d; want %d (stderr: %s)", r.line, r.code, code, r.err)
	}
	for _, text := range texts {
		if !strings.Contains(r.err, text) {
			r.t.Errorf("%s: no %q in the error:\n%s", r.line, text, r.err)
		}
	}
}

func dedent(s string) string {
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(s)) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.Join(lines, "\n")
}

func TestUsageErrors(t *testing.T) {
	c := offline(t)
	c.run("tabel").fails(2, `has no command "tabel"`, "did you mean tarn table?")
	c.run("table", "lst").fails(2, `has no command "lst"`, "did you mean tarn table list?")
	c.run("table", "list", "--outptu", "csv").fails(2, "unknown flag: --outptu", "tarn table list --help")
	c.run("scan").fails(2, "tarn scan TABLE", "tarn scan --help")
	c.run("scan", "t", "--where", "a =").fails(2, "--where: syntax error")
	c.run("scan", "t", "--select", "a, b FROM u").fails(2, "--select: ")
	c.run("scan", "t", "--limit", "-7").fails(2, "count rows from 0")
	c.run("query", "SELECT a FROM t JOIN u").fails(3, "JOIN")
	c.run("query", "SELECT a FROM t", "--at", "noon").fails(2, `"noon" is no version, time or duration`)
	c.run("query", "SELECT a FROM t AS OF VERSION 3", "--at", "4").fails(2, "given twice")
	c.run("table", "create", "t").fails(2, "needs columns")
	c.run("table", "create", "t", "--schema", "a").fails(2, `column "a" has no type`)
	c.run("table", "create", "t", "--schema", "a nimber").fails(2, `column "a"`, "unknown type")
	c.run("table", "drop", "t", "--addr", "127.0.0.1:1").fails(12, "127.0.0.1:1", "tarn server")
	c.run("ingest", "t", "@missing.csv", "--sort-by", "a").fails(2, "counts only for a new table")
	c.run("ingest", "t", "@missing.csv").fails(7, "missing.csv")
	c.run("umount", c.dir).fails(2, "is not a Tarn mount")
}

func TestColour(t *testing.T) {
	for _, c := range []struct {
		terminal bool
		noColor  string
		want     string
	}{{true, "", "\x1b[1;31mtarn:\x1b[0m x\n"}, {true, "1", "tarn: x\n"}, {false, "", "tarn: x\n"}} {
		var errs bytes.Buffer
		a := &app{streams: streams{err: &errs, errTerminal: c.terminal, getenv: func(string) string { return c.noColor }}}
		a.printError(wire.Errorf(wire.Internal, "x"))
		if errs.String() != c.want {
			t.Errorf("terminal %v, NO_COLOR=%q: got %q; want %q", c.terminal, c.noColor, errs.String(), c.want)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	c := offline(t)
	c.run().matches("^Usage:", "^  ingest ")
	c.run("table").matches("^  create ")
	c.run("scan", "--help").matches("--group-by", "TARN_ADDR")
	c.run("version").matches(`^tarn \S+ \(go`)
	c.run("completion", "bash").matches("bash completion")
}

func TestTables(t *testing.T) {
	c := newCLI(t)
	c.run("table", "list").ok("table,rows,bytes,segments,partitions,version,committed,partition_by,sort_by")
	c.run("table", "create", "orders", "--schema", `id int64 not null, country string, "unit price" decimal(10,2), at timestamp[us]`,
		"--partition-by", "country, day(at)", "--partition-by", "bucket(4, id)", "--sort-by", "at, id desc", "--retain-for", "30d").
		ok("table orders is there, version 1, 4 columns")
	c.run("table", "create", "orders", "--schema", "id int64").fails(5, "orders")
	c.run("table", "create", "orders", "--schema", "id int64", "--if-not-exists").matches("table orders is there")
	c.run("table", "list").matches(`^orders,0,0,0,0,1,.*"country, day\(at\), bucket\(4, id\)","at, id desc"$`)
	c.run("table", "describe", "orders").ok(`
		id,column,type,nullable,doc
		1,id,int64,false,
		2,country,string,true,
		3,unit price,"decimal(10,2)",true,
		4,at,timestamp[us],true,`)
	c.run("table", "alter", "orders", "add", "note", "string").ok("table orders is at version 2")
	c.run("table", "alter", "orders", "rename", "note", "remark").ok("table orders is at version 3")
	c.run("table", "alter", "orders", "widen", "unit price", "decimal(12,2)").ok("table orders is at version 4")
	c.run("table", "alter", "orders", "set", "retain-versions=7", "flush-interval=50ms").ok("table orders is at version 5")
	c.run("table", "alter", "orders", "drop", "remark").ok("table orders is at version 6")
	c.run("table", "describe", "orders", "--at", "4").matches(`^3,unit price,"decimal\(12,2\)"`, `^5,remark,string`)
	c.run("table", "describe", "orders", "--output", "table").matches(`partition by +country, day\(at\), bucket\(4, id\)`, `flush interval +50ms`, `7 versions.*30d`)
	c.run("table", "history", "orders").matches(`^1,.*,create,`, `^6,.*,alter,`)
	c.run("table", "alter", "orders", "set", "lookup=id,unit price", "text=country").ok("table orders is at version 7")
	c.run("table", "describe", "orders", "--output", "table").matches(`lookup +id, unit price`, `text +country`)
	c.run("table", "alter", "orders", "set", "lookup=").ok("table orders is at version 8")
	c.run("table", "describe", "orders", "--output", "table").matches(`profile +default`)
	c.run("table", "alter", "orders", "set", "profile=compact").ok("table orders is at version 9")
	c.run("table", "describe", "orders", "--output", "table").matches(`profile +compact`)
	c.run("table", "alter", "orders", "set", "profile=tiny").fails(2, "default, fast, compact")
	c.run("table", "create", "people", "--schema", "id int64", "--profile", "tiny").fails(2, "default, fast, compact")
	c.run("table", "alter", "orders", "set", "text=id").fails(2, "only strings have words")
	c.run("table", "create", "people", "--schema", "id int64, name string", "--lookup", "id,nam").fails(4, `did you mean "name"?`)

	c.run("table", "alter", "orders", "ad", "x int64").fails(2, `did you mean "add"?`)
	c.run("table", "alter", "orders", "set", "retain=1").fails(2, "no option")
	c.run("table", "alter", "orders", "set", "retain-for=soon").fails(2, "no duration")
	c.run("table", "describe", "order").fails(4, `did you mean "orders"?`)
}

func TestDropAsks(t *testing.T) {
	c := newCLI(t)
	c.run("table", "create", "t", "--schema", "a int64")
	c.run("table", "drop", "t").fails(2, "--yes")
	c.tty, c.in = true, "no\n"
	c.run("table", "drop", "t").fails(2, "left as it is")
	c.in = "t\n"
	c.run("table", "drop", "t").ok("table t is dropped")
	c.run("table", "drop", "t", "--yes").fails(4, "t")
}

const day1 = "id,country,price,at\n1,IT,1.50,2024-01-01\n2,DE,2.25,2024-01-01\n"
const day2 = "id,country,price,at\n3,IT,100,2024-01-02\n4,,0.05,2024-01-02\n"

func TestIngestAndScan(t *testing.T) {
	c := newCLI(t)
	c.write("in/1.csv", day1)
	c.write("in/2.csv", day2)
	c.run("ingest", "orders", "@in").fails(4, "orders", "--create")
	c.run("ingest", "orders", "@in", "--create", "--partition-by", "country", "--key", "k").
		matches(`^@in/1.csv: 2 rows, version 2$`, `^@in/2.csv: 2 rows, version 3$`, `^orders: 4 rows from 2 files in `)
	c.run("ingest", "orders", "@in", "--key", "k").
		matches(`^@in/1.csv: was there already \(version 2\)`, `^orders: 0 rows from 2 files .*; 2 files there already$`)

	c.run("query", "SELECT count(*) AS n, sum(price) AS total FROM orders").ok(`
		n,total
		4,103.800`)
	c.run("query", "SELECT count(*) AS n FROM orders AS OF VERSION 2").ok("n\n2")
	c.run("scan", "orders", "--at", "2", "--select", "id", "--order-by", "id DESC").ok("id\n2\n1")
	c.run("scan", "orders", "--where", "country = 'IT' AND price > 1.5", "--select", "id, price * 2 AS double").matches(`^3,200`)
	c.run("scan", "orders", "--group-by", "country", "--order-by", "country NULLS FIRST").ok(`
		country,count(*)
		,1
		DE,1
		IT,2`)
	c.run("scan", "orders", "--select", "date(at) AS d, max(id) AS m", "--group-by", "d", "--order-by", "2", "--limit", "1", "--offset", "1").matches(`^d,m\n.*4$`)
	c.run("scan", "orders", "--explain", "--where", "country = 'IT'").matches(`segments +read 2 of 4 \(2 pruned by partition`)
	c.run("scan", "orders", "--explain", "--output", "json").matches(`"segments": 4`)
	c.run("scan", "orders", "--where", "contry = 'IT'").fails(4, `did you mean "country"?`)
	c.run("scan", "orders", "--output", "csvv").fails(2, `did you mean "csv"?`)
	c.run("status").matches(`^node .* ready`, `^tables +1$`, `^redundancy `)
	c.run("__complete", "scan", "").matches(`^orders$`)
	c.run("__complete", "scan", "orders", "--where", "id = 1 AND co").matches(`^id = 1 AND country$`)
}

func TestSegments(t *testing.T) {
	c := newCLI(t)
	c.write("1.csv", day1)
	c.run("ingest", "orders", "@1.csv", "--create", "--partition-by", "country")
	list := c.run("segment", "list", "orders")
	list.matches(`^segment,partition,rows,`, `,country=IT,1,`, `,country=DE,1,`)
	id, _, _ := strings.Cut(strings.Split(list.out, "\n")[1], ",")
	c.run("segment", "verify", "orders").matches(`^2 segments of orders, .*: every byte`)
	c.run("segment", "verify", "orders", id).matches(`^1 segment of orders`)
	c.run("segment", "stats", id).matches(`^id,column,type,rows,nulls,pages,bytes,encodings`, `^1,id,int64,1,0,1,`)
	c.run("segment", "dump", id).matches(`TARN`)
	c.run("segment", "stats", "0000ffff-00000001").fails(2, "neither a file nor the id")
	c.write("bad.seg", "not a segment")
	c.run("segment", "stats", "@bad.seg").fails(11, "@bad.seg")
}

// TestSegmentFiles takes files by their names, good ones and what is none.
func TestSegmentFiles(t *testing.T) {
	c := newCLI(t)
	c.write("1.csv", day1)
	c.run("ingest", "orders", "@1.csv", "--create")
	var list []struct{ Path string }
	if err := json.Unmarshal([]byte(c.run("segment", "list", "orders", "--output", "json").out), &list); err != nil || len(list) != 1 {
		t.Fatalf("%d segments, %v", len(list), err)
	}
	file, err := os.ReadFile(list[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	c.write("good.seg", string(file))
	file[len(file)/2] ^= 1
	c.write("bad.seg", string(file))
	c.run("segment", "verify", "@good.seg").matches(`good\.seg, .*: every byte`)
	both := c.run("segment", "verify", "@bad.seg", "@good.seg")
	both.fails(11, "1 of 2 files damaged")
	for _, want := range []string{"@bad.seg: segment is damaged", "@good.seg, "} {
		if !strings.Contains(both.out, want) {
			t.Errorf("no %q in\n%s", want, both.out)
		}
	}
	c.run("segment", "verify", "@none.seg").fails(2, "there is no file")

	if err := syscall.Mkfifo(filepath.Join(c.dir, "pipe.seg"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"@pipe.seg", "@", os.DevNull} {
		for _, what := range []string{"dump", "stats", "verify"} {
			c.run("segment", what, name).fails(7, "is no regular file")
		}
	}
}

// TestIndexes declares them, loads rows, and looks them up.
func TestIndexes(t *testing.T) {
	c := newCLI(t)
	var csv strings.Builder
	csv.WriteString("id,country,note\n")
	for i := range 5000 {
		fmt.Fprintf(&csv, "%d,%s,parcel %d\n", i*7, []string{"DE", "IT", "NO"}[i%3], i)
	}
	c.write("1.csv", csv.String())
	c.run("ingest", "parcels", "@1.csv", "--create", "--lookup", "id", "--text", "note")
	c.run("ingest", "parcels", "@1.csv", "--create", "--lookup", "country").fails(6, "--lookup country counts only for a new table")
	c.run("ingest", "parcels", "@1.csv", "--lookup", "id").fails(2, "counts only for a new table")
	id, _, _ := strings.Cut(strings.Split(c.run("segment", "list", "parcels").out, "\n")[1], ",")
	c.run("segment", "stats", id).matches(`^1,id,.*bloom .*locate .*5000 rows`, `^2,country,.*values .*3 values`, `^3,note,.*tokens .*5001 tokens`)
	c.run("segment", "dump", id).matches(`index locate of "id"`)
	c.run("segment", "verify", "parcels").matches("every byte")
	c.run("scan", "parcels", "--where", "id = 7000").matches(`^7000,IT,parcel 1000$`)
	c.run("scan", "parcels", "--where", "has_token(note, '1000')", "--select", "id").ok("id\n7000")
	c.run("scan", "parcels", "--explain", "--where", "id = 7001").matches(`left out 1 of 1 blocks by index`)
}

// TestTypesFitAllFiles: the first file alone would make a table that the
// later ones do not fit.
func TestTypesFitAllFiles(t *testing.T) {
	c := newCLI(t)
	c.write("in/1.csv", "a,b,c,d\n1,1,,2024-01-01\n")
	c.write("in/2.csv", "a,b,c,d,e\n2.5,x,7,2024-01-01 10:00:00,true\n")
	c.run("ingest", "t", "@in", "--create", "--explain").matches(
		`^@in/1.csv,a,int64,`, `^\(table\),a,"decimal\(22,3\)",`, `^\(table\),b,string,`, `^\(table\),c,int64,`, `^\(table\),d,timestamp\[us\],`, `^\(table\),e,bool,`)
	c.run("table", "describe", "t").fails(4)
	c.run("ingest", "t", "@in", "--create").matches("^t: 2 rows from 2 files")
	c.run("query", "SELECT * FROM t ORDER BY b").matches(`^1.000,1,,2024-01-01`, `^2.500,x,7,2024-01-01 10:00:00.*,true$`)

	c.run("ingest", "u", "@in", "--create", "--types", "a=string,b=string,d=string").matches("^u: 2 rows")
	c.run("table", "describe", "u").matches(`^1,a,string`, `^4,d,string`)
	c.run("ingest", "v", "@in", "--create", "--types", "a").fails(2, "COLUMN=TYPE")

	c.write("big/1.csv", "v\n99999999999999999999\n")
	c.write("big/2.csv", "v\n1e3\n")
	c.run("ingest", "w", "@big", "--create").matches("^w: 2 rows")
	c.run("query", "SELECT v FROM w").ok("v\n99999999999999999999\n1e3")
}

func TestDialect(t *testing.T) {
	c := newCLI(t)
	c.write("1.csv", "7#'a#b'\n8#-\n")
	c.run("ingest", "t", "@1.csv", "--create", "--delimiter", "#", "--quote", "'", "--header=false", "--null", "-").matches("^t: 2 rows")
	c.run("scan", "t").matches(`^7,a#b$`, `^8,$`)
	c.run("ingest", "t", "@1.csv", "--delimiter", "##").fails(2, "one character")
}

func TestRejects(t *testing.T) {
	c := newCLI(t)
	c.write("1.csv", "a,b\n1,x\n2,y\n")
	c.write("2.csv", "a,b\n3,z\nfour,w\n5,v\n")
	c.write("3.csv", "a,b\n6,u\n")
	c.run("table", "create", "t", "--schema", "a int64, b string")
	c.run("ingest", "t", "@1.csv", "@2.csv", "@3.csv", "--key", "k").
		fails(7, "2.csv", "line 3", `"a"`, "committed: [@1.csv]", "not committed: [@2.csv @3.csv]", "--key k")
	c.run("query", "SELECT count(*) AS n FROM t").ok("n\n2")
	c.run("ingest", "t", "@1.csv", "@2.csv", "@3.csv", "--key", "k", "--max-rejects", "1", "--reject-file", "@bad.csv").
		matches(`1.csv: was there already`, `2.csv: 2 rows, version 3, 1 rejected`, `1 rejected row in @bad.csv`)
	c.run("query", "SELECT count(*) AS n, sum(a) AS s FROM t").ok("n,s\n5,17")
	c.write("4.csv", "a,b\n7,x\nseven,w\n")
	c.run("ingest", "t", "@4.csv", "--max-rejects", "1", "--reject-file", "@no/such/dir.csv").fails(2, "dir.csv", "nothing was committed")
	c.run("query", "SELECT count(*) AS n FROM t").ok("n\n5")
	got, err := os.ReadFile(filepath.Join(c.dir, "bad.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if want := regexp.MustCompile(`^file,line,column,reason,text\n.*2\.csv,3,a,.+,"?four,w`); !want.Match(got) {
		t.Errorf("reject file\n%s\ndoes not match %s", got, want)
	}
}

// TestFailedCreateLeavesNothing: a table that a failed command made is gone
// again, so that the corrected command makes it as asked.
func TestFailedCreateLeavesNothing(t *testing.T) {
	c := newCLI(t)
	c.write("1.csv", "a,b\n1,x\n2,y,z\n")
	c.run("ingest", "t", "@1.csv", "--create").fails(7, "line 3", "nothing was committed")
	c.run("table", "describe", "t").fails(4)
	c.write("1.csv", "a,b\n1,x\n2,y\n")
	again := []string{"ingest", "t", "@1.csv", "--create", "--types", "a=string", "--partition-by", "b", "--sort-by", "a DESC", "--key", "k"}
	c.run(again...).matches("^t: 2 rows")
	c.run("table", "describe", "t").matches("^1,a,string")
	c.run(again...).matches("there already")
	c.run("ingest", "t", "@1.csv", "--create", "--types", "a=int64").fails(6, "a=string", "only for a new table")
	c.run("ingest", "t", "@1.csv", "--create", "--partition-by", "a").fails(6, "has b")
	c.run("ingest", "t", "@1.csv", "--max-rejects", "-1").fails(2, "-1")

	c.write("2.csv", "a,b\n1,x\n") // the first file is in, so the table stays
	c.write("3.csv", "a,b\n1\n")
	c.run("ingest", "u", "@2.csv", "@3.csv", "--create").fails(7, "committed: [@2.csv]")
	c.run("query", "SELECT count(*) AS n FROM u").ok("n\n1")
}

// TestPipe: what can be read only once is read once.
func TestPipe(t *testing.T) {
	c := newCLI(t)
	pipe := filepath.Join(c.dir, "pipe.csv")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	go os.WriteFile(pipe, []byte("a,b\n1,x\n"), 0)
	c.run("ingest", "t", pipe, "--create").matches("^t: 1 row")
	c.run("query", "SELECT * FROM t").ok("a,b\n1,x")
	c.write("1.csv", "a,b\n2,y\n")
	c.run("ingest", "u", "@1.csv", pipe, "--create").fails(3, "read only once")
}

// TestNamesAsInTheFile: names that a table cannot have are mended alike when
// the table is made and when it is filled.
func TestNamesAsInTheFile(t *testing.T) {
	c := newCLI(t)
	c.write("1.csv", "a,A,a,"+strings.Repeat("n", 3000)+",\n1,2,3,4,5\n")
	c.run("ingest", "t", "@1.csv", "--create", "--header").matches("^t: 1 row")
	c.run("query", "SELECT a, A_2, a_3, column5 FROM t").ok("a,A_2,a_3,column5\n1,2,3,5")
	c.write("2.csv", "a,zz\n1,2\n")
	c.run("ingest", "t", "@2.csv").fails(6, `"zz"`, "tarn table alter")
}

// TestWordsOfErrors: what people get wrong most is answered in our words.
func TestWordsOfErrors(t *testing.T) {
	c := newCLI(t)
	c.run("table", "create", "t", "--schema", `"q""q" string, "a, b" int64, "c\d" date`, "--partition-by", `"q""q"`).matches("3 columns")
	c.run("table", "describe", "t").matches(`"q""q",string`, `"a, b",int64`, `c\\d,date`)
	c.run("table", "create", "u", "--schema", `"q""q string`).fails(2, "never closed")
	c.run("table", "create", "u", "--schema", "at timestamp[us, Mars/X]").fails(2, `column "at"`, `time zone "Mars/X" is not known`)
	c.run("table", "create", "u", "--schema", "at list<timestamp[us, Mars/X]>").fails(2, "Mars/X")
	c.run("table", "create", "u", "--schema", "at timestamp[us, Europe/Rome], off timestamp[us, +02:00]").matches("2 columns")
	c.run("table", "alter", "u", "add", "b timestamp[s, Mars/X]").fails(2, "Mars/X")
	c.run("table", "alter", "t", "drop", "id", "name").fails(2, `drop takes COLUMN; got ["id" "name"]`)
	c.run("table", "alter", "t", "dropp", "id").fails(2, `did you mean "drop"?`)
	c.run("scan", "t", "--limit", "-1").fails(2, "--limit")
	c.run("query", "DESCRIBE t").fails(3, "tarn table describe")
	c.run("query", "SHOW TABLES").fails(3, "tarn table list")
	out := c.run("query", `SELECT "a, b" FROM t WHERE "a, b" > 1`, "--explain", "--output", "json")
	if out.code != 0 || strings.Contains(out.out, `\u003e`) || !strings.Contains(out.out, `> 1`) {
		t.Errorf("explain as JSON: %s %s", out.out, out.err)
	}
}

// TestHiveDirectories: a column that only the names of directories have is
// read from them.
func TestHiveDirectories(t *testing.T) {
	c := newCLI(t)
	c.write("d/p=1/day=2024-05-06/x.csv", "a\n1\n2\n")
	c.write("d/p=2/day=__HIVE_DEFAULT_PARTITION__/x.ndjson", "{\"a\":3}\n")
	c.run("ingest", "t", "@d", "--explain").matches(`x.csv,p,int64,p=1 in the path`, `table\),day,date`)
	c.run("ingest", "t", "@d", "--create", "--partition-by", "p", "--key", "k").matches("^t: 3 rows")
	c.run("query", "SELECT a, p, day FROM t ORDER BY a").ok("a,p,day\n1,1,2024-05-06\n2,1,2024-05-06\n3,2,")
	c.write("d/p=x/day=2024-05-07/y.csv", "a\n4\n")
	c.run("ingest", "t", "@d", "--key", "k").fails(7, `p= in the path: "x" is no int64`)
	c.run("ingest", "u", "@d", "--create").matches("^u: 4 rows")
	c.run("query", "SELECT a, p FROM u ORDER BY a").ok("a,p\n1,1\n2,1\n3,2\n4,x")
	c.run("ingest", "v", "@d", "--create", "--hive=false").matches("^v: 4 rows")
	c.run("ingest", "v", "@d").fails(6, `column "p", which the path has, is not in the table`, "--hive=false")
	c.run("query", "SELECT * FROM v ORDER BY a").ok("a\n1\n2\n3\n4")
	for _, format := range []string{"parquet", "arrow"} {
		c.write(format+"/p=5/day=2024-05-08/z."+format, c.run("scan", "v", "--output", format).out)
		c.run("ingest", "t", "@"+format).matches("^t: 4 rows")
		c.run("ingest", format, "@"+format, "--create").matches("4 rows")
	}
	c.run("query", "SELECT sum(a), min(day), count(*) FROM t WHERE p = 5").ok("sum(a),min(day),count(*)\n20,2024-05-08,8")
}

func TestInterrupted(t *testing.T) {
	c := newCLI(t)
	c.run("table", "create", "t", "--schema", "a int64")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.runContext(ctx, "scan", "t").fails(130, "tarn: interrupted")
}

// TestBrokenPipe: head has seen enough.
func TestBrokenPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	var errs bytes.Buffer
	code := run(t.Context(), []string{"version"}, streams{in: strings.NewReader(""), out: w, err: &errs, getenv: func(string) string { return "" }})
	if code != exitBrokenPipe || errs.Len() > 0 {
		t.Errorf("exit code %d, message %q; want %d and none", code, errs.String(), exitBrokenPipe)
	}
}
