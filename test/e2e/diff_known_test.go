package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/schema"
)

// knownDifferences are those of docs/sql.md that make one engine fail where
// the other answers: how the one that fails says so.
var knownDifferences = []struct {
	name string
	tarn *regexp.Regexp // nil: Tarn answers
	duck *regexp.Regexp
	only *regexp.Regexp // what the query looks like; nil: anything
}{
	{name: "sums of integers are int64 or uint64, of decimals 38 digits", tarn: regexp.MustCompile(`sum\(.*\) overflows (int64|uint64|decimal)`)},
	{name: "a row that LIMIT cuts off may still fail", tarn: regexp.MustCompile(`overflows|cannot be cast`), only: regexp.MustCompile(`LIMIT`)},
	{name: "a row that LIMIT cuts off may still fail", duck: regexp.MustCompile(`Overflow|out of range`), only: regexp.MustCompile(`LIMIT`)},
	{name: "a literal is put into the column's type", duck: regexp.MustCompile(`to type DECIMAL\(38,\d+\) failed: value is out of range|Could not convert string '-?\d+' to U?INT\d+`)},
	{name: "a sum on its way to a result does not overflow", duck: regexp.MustCompile(`Overflow in HUGEINT addition`), only: regexp.MustCompile(`(sum|avg)\(`)},
	{name: "integers are worked on in 64 bits", duck: regexp.MustCompile(`Overflow in \w+ of U?INT(8|16|32)|Overflow on abs|Overflow in negation`)},
	{name: "a product of decimals has the digits of both", duck: regexp.MustCompile(`Overflow in multiplication of DECIMAL\(18\)`)},
}

// knownDifference names the difference that makes one engine fail where the
// other answers, or "".
func knownDifference(query string, tarn, duck error) string {
	for _, d := range knownDifferences {
		if matches(d.tarn, tarn) && matches(d.duck, duck) && (d.only == nil || d.only.MatchString(query)) {
			return d.name
		}
	}
	return ""
}

func matches(re *regexp.Regexp, err error) bool {
	if re == nil || err == nil {
		return re == nil && err == nil
	}
	return re.MatchString(err.Error())
}

// TestKnownDifferences shows the differences that docs/sql.md lists, so that
// the page stays true of both. An answer that begins with ! is an error.
func TestKnownDifferences(t *testing.T) {
	table := &diffTable{name: "t", batches: []arrow.RecordBatch{knownRows(t)}}
	d := &differ{tarn: diffNode(t, []*diffTable{table}), duck: diffDuck(t, []*diffTable{table})}
	for _, k := range []struct{ query, tarn, duck string }{
		// Numbers.
		{"SELECT i8 + i8, i8 * i8 FROM t WHERE id = 1", "200 10000", "!Overflow in addition of INT8"},
		{"SELECT abs(i8) FROM t WHERE id = 2", "128", "!Overflow on abs(-128)"},
		{"SELECT u8 - 6 FROM t WHERE id = 1", "-1", "!Overflow in subtraction of UINT8"},
		{"SELECT -(u8), -(u64) FROM t WHERE id = 1", "-5 -18446744073709551615", "251 1"},
		{"SELECT u64 * i64 FROM t WHERE id = 1", "!u64 * i64 overflows decimal(38,0)", "170141183460469231704017187605319778305"},
		{"SELECT sum(u64) FROM t", "!sum(u64) overflows uint64", "36893488147419103230"},
		{"SELECT sum(i64) FROM t", "!sum(i64) overflows int64", "18446744073709551614"},
		{"SELECT sum(CAST(i64 AS DECIMAL(38,0))) FROM t", "18446744073709551614", "18446744073709551614"},
		{"SELECT avg(d38) FROM t", "1e+32", "!Overflow in HUGEINT addition"},
		{"SELECT d10 * d10 FROM t WHERE id = 2", "1182816460556803.4161", "!Overflow in multiplication of DECIMAL(18)"},
		{"SELECT sum(b) FROM t", "!no sum of type bool", "1"},
		{"SELECT CAST(d10 AS REAL) FROM t WHERE id = 2", "-34392100", "-34392096"},

		// Literals.
		{"SELECT count(*) FROM t WHERE f32 = 0.1", "1", "1"},
		{"SELECT count(*) FROM t WHERE f32 = 0.1e0", "1", "0"},
		{"SELECT count(*) FROM t WHERE f32 = id + 16777215", "0", "1"},
		{"SELECT count(*) FROM t WHERE d10 = '1.255'", "0", "1"},
		{"SELECT count(*) FROM t WHERE u64 > '-5'", "2", "!Could not convert string '-5' to UINT64"},
		{"SELECT count(*) FROM t WHERE d38 > 1.0000001", "2", "!type DECIMAL(38,7) failed: value is out of range"},
		{"SELECT count(*) FROM t WHERE d38 < 99999999999999999999999999999999.9999999", "2", "0"},
		{"SELECT count(*) FROM t WHERE e IN (CAST('1.5' AS DOUBLE))", "!which is not a literal", "1"},
		{"SELECT TIMESTAMP '2020-01-01T00:00:00+02:00' FROM t WHERE id = 1", "2019-12-31 22:00:00", "2020-01-01 00:00:00"},
		{"SELECT count(*) FROM t WHERE b = 1", "!not a value of type bool", "1"},
		{"SELECT i8 + '1' FROM t WHERE id = 1", "!no + of int8 and string", "101"},

		{"SELECT 15000000000000000000000000000000000000000 FROM t WHERE id = 1", "!more digits than the 38 of a decimal", "1.5e+40"},

		// Text.
		{`SELECT s FROM t WHERE s LIKE 'a\_b'`, `"a_b"`, `"a\\_b"`},
		{`SELECT s FROM t WHERE s LIKE 'a\_b' ESCAPE '\'`, `"a_b"`, `"a_b"`},
		{"SELECT upper(w) FROM t WHERE id = 1", `"ß"`, `"ẞ"`},
		{"SELECT CAST(f32 AS VARCHAR) FROM t WHERE id = 3", `"225.67188"`, `"225.671875"`},
		{"SELECT CAST(w AS BIGINT) FROM t WHERE id = 2", "!cannot be cast", "1000"},
		{"SELECT CAST(s AS BOOLEAN) FROM t WHERE id = 3", "!cannot be cast", "true"},
		{"SELECT CAST(w AS DATE) FROM t WHERE id = 3", "!cannot be cast", "2020-01-02"},
		{"SELECT CAST(x'41' AS VARCHAR) FROM t WHERE id = 3", `"41"`, `"A"`},

		// Order.
		{"SELECT id FROM t WHERE id = 1 ORDER BY NULL", "1", "!ORDER BY non-integer literal"},
	} {
		rows, err := d.askTarn(t.Context(), k.query)
		checkAnswer(t, "tarn", k.query, k.tarn, rows, err)
		rows, err = duckRows(d.duck, inDuck(k.query))
		checkAnswer(t, "duck", k.query, k.duck, rows, err)
	}
}

func knownRows(t *testing.T) arrow.RecordBatch {
	t.Helper()
	s := &schema.Schema{ID: 1, Fields: diffFields()}
	b, _, err := array.RecordFromJSON(memory.DefaultAllocator, s.Arrow(), strings.NewReader(`[
		{"id":1,"i8":100,"u8":5,"i64":9223372036854775807,"u64":18446744073709551615,"f32":0.1,"e":1.5,"d10":"1.26","d38":"99999999999999999999999999999999.999999","s":"a_b","w":"ß","b":true},
		{"id":2,"i8":-128,"u8":5,"i64":9223372036854775807,"u64":18446744073709551615,"f32":16777216,"e":2.5,"d10":"-34392098.81","d38":"99999999999999999999999999999999.999999","s":"a\\_b","w":"1_000","b":false},
		{"id":3,"f32":225.671875,"s":"yes","w":"2020-1-2"}]`))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func checkAnswer(t *testing.T, who, query, want string, rows []cells, err error) {
	t.Helper()
	message, isError := strings.CutPrefix(want, "!")
	switch {
	case isError && (err == nil || !strings.Contains(err.Error(), message)):
		t.Errorf("%s: %s\n got %v, %v; want error %s", who, query, rows, err, message)
	case !isError && (err != nil || fmt.Sprint(rows) != "[["+want+"]]"):
		t.Errorf("%s: %s\n got %v, %v; want %s", who, query, rows, err, want)
	}
}
