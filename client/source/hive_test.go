package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

func TestPathParts(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, f := range []string{"up=0/d/p=1/q=a%2Fb/x.csv", "up=0/d/p=2/q=__HIVE_DEFAULT_PARTITION__/x.csv"} {
		write(t, f, "a\n1\n")
	}
	one, two := "up=0/d/p=1/q=a%2Fb/x.csv", "up=0/d/p=2/q=__HIVE_DEFAULT_PARTITION__/x.csv"
	for _, c := range []struct {
		given []string
		file  string
		want  string
	}{
		{[]string{"up=0/d"}, one, "[{p 1 false} {q a/b false}]"},
		{[]string{"./up=0/d/"}, two, "[{p 2 false} {q __HIVE_DEFAULT_PARTITION__ true}]"},
		{[]string{"up=0/d/*"}, one, "[{p 1 false} {q a/b false}]"},
		{[]string{"up=0/d/p=*/*/x.csv"}, one, "[{p 1 false} {q a/b false}]"},
		{[]string{"up=0/d/p=1"}, one, "[{q a/b false}]"},
		{[]string{one, two}, one, "[{p 1 false} {q a/b false}]"}, // as a shell expands a glob
		{[]string{one}, one, "[]"},
		{[]string{"-"}, "-", "[]"},
	} {
		if got := fmt.Sprint(PathParts(Roots(c.given), c.file)); got != c.want {
			t.Errorf("%v, %s: got %s; want %s", c.given, c.file, got, c.want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPartColumns(t *testing.T) {
	part := func(name, text string) []Part { return []Part{{Name: name, Text: text}} }
	field := func(id int32, name string, typ arrow.DataType) schema.Field {
		return schema.Field{ID: id, Name: name, Type: typ, Nullable: true}
	}
	want := &schema.Schema{ID: 1, Fields: []schema.Field{
		field(1, "P", arrow.PrimitiveTypes.Int32), field(2, "a", arrow.PrimitiveTypes.Int64)}}
	for name, c := range map[string]struct {
		file, text string
		opts       Options
		types      string
		rows       []string
		err        string
	}{
		"csv":             {file: "x.csv", text: "a\n1\n2\n", opts: Options{Parts: part("p", "7")}, types: "a int64, p int64", rows: []string{"1|7", "2|7"}},
		"json":            {file: "x.ndjson", text: "{\"a\":1}\n", opts: Options{Parts: part("p", "2020-01-02")}, types: "a int64, p date", rows: []string{"1|2020-01-02"}},
		"code":            {file: "x.csv", text: "a\n1\n", opts: Options{Parts: part("p", "007")}, types: "a int64, p string", rows: []string{"1|007"}},
		"word of null":    {file: "x.csv", text: "a\n1\n", opts: Options{Parts: part("p", "NA")}, types: "a int64, p string", rows: []string{"1|NA"}},
		"null":            {file: "x.csv", text: "a\n1\n", opts: Options{Parts: []Part{{Name: "p", Null: true}}}, types: "a int64, p string", rows: []string{"1|∅"}},
		"in the file":     {file: "x.csv", text: "P,a\n5,1\n", opts: Options{Parts: part("p", "7")}, types: "P int64, a int64", rows: []string{"5|1"}},
		"as asked":        {file: "x.csv", text: "a\n1\n", opts: Options{Parts: part("p", "7"), Types: map[string]string{"p": "string", "a": "int32"}}, types: "a int32, p string", rows: []string{"1|7"}},
		"asked in file":   {file: "x.csv", text: "a,p\n1,5\n", opts: Options{Parts: part("p", "7"), Types: map[string]string{"p": "string"}}, types: "a int64, p string", rows: []string{"1|5"}},
		"wanted":          {file: "x.csv", text: "a\n1\n2\n", opts: Options{Parts: part("p", "7"), Want: want}, types: "P int32, a int64", rows: []string{"7|1", "7|2"}},
		"wanted, in file": {file: "x.csv", text: "a,p\n1,5\n", opts: Options{Parts: part("p", "7"), Want: want}, types: "P int32, a int64", rows: []string{"5|1"}},
		"wanted, empty":   {file: "x.csv", text: "", opts: Options{Parts: part("p", "7"), Want: want}, types: "P int32, a int64"},
		"batches":         {file: "x.csv", text: "a\n1\n2\n3\n", opts: Options{Parts: part("p", "7"), BatchRows: 2}, types: "a int64, p int64", rows: []string{"1|7", "2|7", "3|7"}},
		"misfit":          {file: "x.csv", text: "a\n1\n", opts: Options{Parts: part("p", "x"), Want: want}, err: `p= in the path: "x" is no int32`},
		"unknown":         {file: "x.csv", text: "a\n1\n", opts: Options{Parts: part("q", "x"), Want: want}, err: "--hive=false"},
		"twice":           {file: "x.csv", text: "a\n1\n", opts: Options{Parts: append(part("q", "x"), part("Q", "y")...)}, err: "has Q= twice"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), c.file)
			write(t, path, c.text)
			s, err := Open(context.Background(), path, c.opts)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || wire.IsCode(err, wire.Internal) {
					t.Fatalf("got %v; want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var types []string
			for _, f := range s.Schema().Fields {
				types = append(types, f.Name+" "+schema.TypeText(f.Type))
			}
			if got := strings.Join(types, ", "); got != c.types {
				t.Errorf("got %s; want %s", got, c.types)
			}
			batches, err := drain(s)
			if err != nil {
				t.Fatal(err)
			}
			wantRows(t, batches, c.rows...)
			for _, b := range batches {
				if !b.Schema().Equal(s.Schema().Arrow()) {
					t.Errorf("batch of %v; want %v", b.Schema(), s.Schema().Arrow())
				}
			}
		})
	}
}
