package sql

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
)

// TestParse says what is understood, by the canonical text of the result.
func TestParse(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"SELECT * FROM orders", "SELECT * FROM orders"},
		{"select orders.* from orders;", "SELECT * FROM orders"},
		{"SELECT o.a, orders.b FROM orders AS o", "SELECT a, b FROM orders"},
		{"SELECT a -- the key\n , b /* and\n more */ FROM t", "SELECT a, b FROM t"},
		{`SELECT "a b", "select", key FROM "my table"`, `SELECT "a b", "select", key FROM "my table"`},
		{"SELECT `a` FROM `t`", "SELECT a FROM t"},
		{`SELECT "say ""hi""" FROM t`, `SELECT "say ""hi""" FROM t`},
		{"SELECT größe FROM t", `SELECT "größe" FROM t`},

		{"SELECT dec, match, rows AS r, schema FROM t WHERE partition = 1 AND row IS NULL GROUP BY left ORDER BY window DESC, values",
			`SELECT dec, "match", "rows" AS r, schema FROM t WHERE ("partition" = 1) AND ("row" IS NULL) GROUP BY "left" ORDER BY "window" DESC, "values"`},
		{"SELECT y.a FROM tt AS OF VERSION 3 AS y WHERE y.a = 1", "SELECT a FROM tt AS OF VERSION 3 WHERE a = 1"},
		{"SELECT y.a FROM tt AS OF TIMESTAMP '2024-01-02' y", "SELECT a FROM tt AS OF TIMESTAMP '2024-01-02T00:00:00Z'"},

		// Literals keep their text.
		{"SELECT 1.50, 12345678901234567890123456789.10, 1e400, .5, 00.10", "SELECT 1.50, 12345678901234567890123456789.10, 1e400, .5, 00.10"},
		{"SELECT -5, - 5, -(5), -x, +x, - -5", "SELECT -5, -5, -(5), -x, x, 5"},
		{`SELECT 'it''s', 'a\b', '', '%'`, `SELECT 'it''s', 'a\b', '', '%'`},
		{"SELECT X'00FF', x'', TRUE, false, NULL", "SELECT x'00ff', x'', true, false, NULL"},
		{"SELECT DATE '2024-01-02', TIMESTAMP '2024-01-02 03:04:05.678'", "SELECT DATE '2024-01-02', TIMESTAMP '2024-01-02 03:04:05.678'"},
		{"SELECT date, timestamp, date(ts)", "SELECT date, timestamp, date(ts)"},

		// Operators.
		{"SELECT a + b * c - d / e % f", "SELECT (a + (b * c)) - ((d / e) % f)"},
		{"SELECT a FROM t WHERE a <> 1 AND b != 2 AND c = 3 OR d < 4", "SELECT a FROM t WHERE ((a != 1) AND (b != 2) AND (c = 3)) OR (d < 4)"},
		{"SELECT a FROM t WHERE (a AND b) AND c", "SELECT a FROM t WHERE (a AND b) AND c"},
		{"SELECT a FROM t WHERE NOT a = 1", "SELECT a FROM t WHERE NOT (a = 1)"},
		{"SELECT a FROM t WHERE a IN (1, -2, 'x', NULL) AND b NOT IN (DATE '2024-01-01')", "SELECT a FROM t WHERE (a IN (1, -2, 'x', NULL)) AND (b NOT IN (DATE '2024-01-01'))"},
		{"SELECT a FROM t WHERE a BETWEEN 1 AND 2 AND b NOT BETWEEN 3 AND 4", "SELECT a FROM t WHERE (a BETWEEN 1 AND 2) AND (b NOT BETWEEN 3 AND 4)"},
		{"SELECT a FROM t WHERE a IS NULL OR b IS NOT NULL", "SELECT a FROM t WHERE (a IS NULL) OR (b IS NOT NULL)"},
		{`SELECT a FROM t WHERE a LIKE 'x\_%' AND b NOT LIKE 'y' AND c ILIKE 'Z' AND d LIKE 'w' ESCAPE '\'`, `SELECT a FROM t WHERE (a LIKE 'x\_%') AND (b NOT LIKE 'y') AND (c ILIKE 'Z') AND (d LIKE 'w')`},

		// Casts take the type texts of Tarn and of SQL.
		{"SELECT CAST(a AS BIGINT), CAST(a AS SIGNED), CAST(a AS varchar(20)), CAST(a AS CHAR)", "SELECT CAST(a AS int64), CAST(a AS int64), CAST(a AS string), CAST(a AS string)"},
		{"SELECT CAST(a AS DECIMAL(10,2)), CAST(a AS numeric(5)), CAST(a AS DOUBLE PRECISION)", "SELECT CAST(a AS decimal(10,2)), CAST(a AS decimal(5,0)), CAST(a AS float64)"},
		{"SELECT CAST(a AS DATE), CAST(a AS DATETIME), CAST(a AS timestamp with time zone)", "SELECT CAST(a AS date), CAST(a AS timestamp[us]), CAST(a AS timestamp[us, UTC])"},
		{"SELECT CAST(a AS timestamp[ns, Europe/Rome]), CAST(CAST(a AS int8) AS list<string>)", "SELECT CAST(a AS timestamp[ns, Europe/Rome]), CAST(CAST(a AS int8) AS list<string>)"},
		{"SELECT a::int, t.a::varchar::double, (a + 1)::decimal(4,1), abs(a)::int, '1'::bigint, 2::text FROM t", "SELECT CAST(a AS int32), CAST(CAST(a AS string) AS float64), CAST(a + 1 AS decimal(4,1)), CAST(abs(a) AS int32), CAST('1' AS int64), CAST(2 AS string) FROM t"},
		{"SELECT a FROM t WHERE a::int < 5 AND (b::int) IN (1)", "SELECT a FROM t WHERE (CAST(a AS int32) < 5) AND (CAST(b AS int32) IN (1))"},
		{"SELECT ((a::int + 1))::text, -a::int, a::list<map<string, int>>", "SELECT CAST(CAST(a AS int32) + 1 AS string), -CAST(a AS int32), CAST(a AS list<map<string, int32>>)"},

		// Functions and aggregates.
		{"SELECT YEAR(ts), lower(a), coalesce(a, b, 0), extract(month FROM ts)", "SELECT year(ts), lower(a), coalesce(a, coalesce(b, 0)), month(ts)"},
		{"SELECT count(*), COUNT (1), count(a), count(DISTINCT a), sum(a * 1.10), min(a), max(a), avg(ALL a)", "SELECT count(*), count(1), count(a), count(DISTINCT a), sum(a * 1.10), min(a), max(a), avg(a)"},
		{"SELECT sum(a) / count(*) AS mean FROM t", "SELECT sum(a) / count(*) AS mean FROM t"},

		// GROUP BY by expression, position and name.
		{"SELECT year(ts) AS y, count(*) FROM t GROUP BY year(ts)", "SELECT year(ts) AS y, count(*) FROM t GROUP BY year(ts)"},
		{"SELECT year(ts) AS y, count(*) FROM t GROUP BY 1", "SELECT year(ts) AS y, count(*) FROM t GROUP BY year(ts)"},
		{"SELECT year(ts) y, count(*) n FROM t GROUP BY Y HAVING N > 3 AND y > 2000", "SELECT year(ts) AS y, count(*) AS n FROM t GROUP BY year(ts) HAVING (count(*) > 3) AND (year(ts) > 2000)"},
		{"SELECT lower(a) AS a, count(*) FROM t GROUP BY a", "SELECT lower(a) AS a, count(*) FROM t GROUP BY t.a"},
		{"SELECT lower(a) AS b, count(*) FROM t GROUP BY t.b", "SELECT lower(a) AS b, count(*) FROM t GROUP BY t.b"},
		{"SELECT count(*) FROM t GROUP BY (1), 'x'", "SELECT count(*) FROM t GROUP BY (1), ('x')"},
		{"SELECT DISTINCT a, b + 1 AS c FROM t ORDER BY a", "SELECT a, b + 1 AS c FROM t GROUP BY a, b + 1 ORDER BY a"},
		{"SELECT a, sum(b) AS a2 FROM t GROUP BY a HAVING sum(a2) > 1", "SELECT a, sum(b) AS a2 FROM t GROUP BY a HAVING sum(a2) > 1"},

		// ORDER BY, LIMIT, OFFSET.
		{"SELECT a FROM t ORDER BY a, b DESC, 3 ASC", "SELECT a FROM t ORDER BY a, b DESC, 3"},
		{"SELECT a FROM t ORDER BY a NULLS FIRST, coalesce(b, c) DESC NULLS LAST, d DESC NULLS FIRST LIMIT 1", "SELECT a FROM t ORDER BY a NULLS FIRST, coalesce(b, c) DESC, d DESC NULLS FIRST LIMIT 1"},
		{"SELECT nulls FROM t ORDER BY nulls, nulls NULLS FIRST", "SELECT nulls FROM t ORDER BY nulls, nulls NULLS FIRST"},
		{"SELECT a FROM t LIMIT 0", "SELECT a FROM t LIMIT 0"},
		{"SELECT a FROM t LIMIT 10 OFFSET 5", "SELECT a FROM t LIMIT 10 OFFSET 5"},
		{"SELECT a FROM t LIMIT 5, 10", "SELECT a FROM t LIMIT 10 OFFSET 5"},
		{"SELECT a FROM t OFFSET 5", "SELECT a FROM t OFFSET 5"},
		{"SELECT a FROM t LIMIT ALL", "SELECT a FROM t"},
		{"SELECT a FROM t FETCH FIRST 3 ROWS ONLY", "SELECT a FROM t LIMIT 3"},
		{"SELECT a FROM t FETCH FIRST ROW ONLY", "SELECT a FROM t LIMIT 1"},

		// Time travel.
		{"SELECT a FROM t AS OF VERSION 42 WHERE b = 1", "SELECT a FROM t AS OF VERSION 42 WHERE b = 1"},
		{"SELECT a FROM t AS OF TIMESTAMP '2024-05-06 07:08:09.5+02:00'", "SELECT a FROM t AS OF TIMESTAMP '2024-05-06T05:08:09.5Z'"},
		{"SELECT a FROM t AS OF TIMESTAMP '2024-05-06'", "SELECT a FROM t AS OF TIMESTAMP '2024-05-06T00:00:00Z'"},
	} {
		in := c.in
		want := c.want
		if !strings.Contains(in, "FROM t") && !strings.Contains(strings.ToLower(in), " from ") || strings.Contains(in, "FROM ts)") {
			in, want = in+" FROM t", want+" FROM t"
		}
		q, err := Parse(in)
		if err != nil {
			t.Errorf("Parse(%q): %v", in, err)
			continue
		}
		if got := Format(q); got != want {
			t.Errorf("Parse(%q)\n got %s\nwant %s", in, got, want)
		}
		again, err := Parse(want)
		if err != nil || !reflect.DeepEqual(q, again) {
			t.Errorf("Parse(%q) is another query than Parse(%q) (error %v)", want, in, err)
		}
	}
}

// TestParseTree pins a whole tree, which the texts above only stand for.
func TestParseTree(t *testing.T) {
	got, err := Parse("SELECT country, sum(price * 1.10) AS total FROM orders AS OF TIMESTAMP '2024-01-02' WHERE day >= DATE '2024-01-01' AND NOT price < -0.50 GROUP BY country HAVING total > 5 ORDER BY 2 DESC NULLS FIRST LIMIT 3 OFFSET 1")
	if err != nil {
		t.Fatal(err)
	}
	sum := expr.New(expr.Sum, expr.New(expr.Mul, expr.Col("price"), expr.Num("1.10")))
	limit := int64(3)
	want := &expr.Query{
		Table:  "orders",
		At:     expr.At{Time: time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)},
		Select: []expr.Item{{Expr: expr.Col("country")}, {Expr: sum, As: "total"}},
		Where: expr.New(expr.And,
			expr.New(expr.Ge, expr.Col("day"), expr.Lit(expr.Date, "2024-01-01")),
			expr.New(expr.Not, expr.New(expr.Lt, expr.Col("price"), expr.Num("-0.50")))),
		GroupBy: []*expr.Expr{expr.Col("country")},
		Having:  expr.New(expr.Gt, sum, expr.Num("5")),
		OrderBy: []expr.Order{{Expr: expr.Num("2"), Desc: true, NullsFirst: true}},
		Limit:   &limit,
		Offset:  1,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %s\nwant %s", Format(got), Format(want))
	}
}

// TestRefused says what is refused, and by which name.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		in   string
		code wire.Code
		want string // in the message or the hint
	}{
		{"SELECT a FROM t JOIN u ON t.x = u.x", wire.Unsupported, "JOIN"},
		{"SELECT a FROM t, u", wire.Unsupported, "JOIN"},
		{"SELECT a FROM t LEFT JOIN u USING (x)", wire.Unsupported, "JOIN"},
		{"SELECT a FROM t FULL OUTER JOIN u USING (x)", wire.Unsupported, "JOIN"},
		{"SELECT a FROM (SELECT b FROM t) s", wire.Unsupported, "subquery"},
		{"SELECT (SELECT 1) FROM t", wire.Unsupported, "subquery"},
		{"SELECT a FROM t WHERE b IN (SELECT c FROM u)", wire.Unsupported, "subquery"},
		{"SELECT a FROM t WHERE EXISTS (SELECT 1)", wire.Unsupported, "subquery"},
		{"SELECT a FROM t WHERE b > ANY (SELECT 1)", wire.Unsupported, "subquery"},
		{"SELECT a FROM t UNION ALL SELECT b FROM t", wire.Unsupported, "UNION"},
		{"SELECT a FROM t INTERSECT SELECT b FROM t", wire.Unsupported, "INTERSECT"},
		{"DESCRIBE t", wire.Unsupported, "tarn table describe"},
		{"desc t", wire.Unsupported, "tarn table describe"},
		{"SHOW TABLES", wire.Unsupported, "tarn table list"},
		{"PRAGMA table_info('t')", wire.Unsupported, "tarn table describe"},
		{"SELECT extract(dow FROM d) FROM t", wire.Unsupported, "EXTRACT of DOW"},
		{"SELECT EXTRACT(MINUTE FROM d) FROM t", wire.Unsupported, "EXTRACT of MINUTE"},
		{"SELECT row_number() OVER (ORDER BY a) FROM t", wire.Unsupported, "window function"},
		{"SELECT sum(a) OVER (PARTITION BY b) FROM t", wire.Unsupported, "window function"},
		{"WITH x AS (SELECT 1) SELECT * FROM x", wire.Unsupported, "common table expression"},
		{"DELETE FROM t", wire.Unsupported, "DELETE"},
		{"UPDATE t SET a = 1", wire.Unsupported, "UPDATE"},
		{"INSERT INTO t VALUES (1)", wire.Unsupported, "INSERT"},
		{"CREATE TABLE t (a int)", wire.Unsupported, "tarn table create"},
		{"DROP TABLE t", wire.Unsupported, "tarn table drop"},
		{"SHOW TABLES", wire.Unsupported, "tarn table list"},
		{"EXPLAIN SELECT a FROM t", wire.Unsupported, "tarn query --explain"},
		{"SELECT CASE WHEN a THEN b END FROM t", wire.Unsupported, "CASE"},
		{"SELECT a || b FROM t", wire.Unsupported, "||"},
		{"SELECT a DIV b FROM t", wire.Unsupported, "DIV"},
		{"SELECT a FROM t WHERE a <=> b", wire.Unsupported, "IS NULL"},
		{"SELECT a FROM t WHERE a XOR b", wire.Unsupported, "XOR"},
		{"SELECT a FROM t WHERE a IS TRUE", wire.Unsupported, "IS TRUE"},
		{"SELECT a FROM t WHERE a IS NOT DISTINCT FROM 1", wire.Unsupported, "IS DISTINCT FROM"},
		{"SELECT a FROM t WHERE a REGEXP 'x'", wire.Unsupported, "REGEXP"},
		{"SELECT a FROM t WHERE a LIKE 'x' ESCAPE '|'", wire.Unsupported, "ESCAPE"},
		{"SELECT a FROM t WHERE (a, b) IN ((1, 2))", wire.Unsupported, "several values"},
		{"SELECT a FROM t WHERE a IN (b)", wire.Unsupported, "not a literal"},
		{"SELECT count(a) FILTER (WHERE b) FROM t", wire.Unsupported, "FILTER"},
		{"SELECT count(DISTINCT a, b) FROM t", wire.Unsupported, "2 arguments"},
		{"SELECT group_concat(a) FROM t", wire.Unsupported, "group_concat"},
		{"SELECT ts + INTERVAL '1' DAY FROM t", wire.Unsupported, "INTERVAL"},
		{"SELECT yeer(ts) FROM t", wire.Unsupported, "did you mean year()"},
		{"SELECT sun(a) FROM t", wire.Unsupported, "did you mean sum()"},
		{"SELECT frobnicate(a) FROM t", wire.Unsupported, "the functions are abs"},
		{"SELECT now() FROM t", wire.Unsupported, "the clock"},
		{"SELECT TRY_CAST(a AS int) FROM t", wire.Unsupported, "TRY_CAST"},
		{"SELECT CONVERT(a, CHAR) FROM t", wire.Unsupported, "CAST(x AS type)"},
		{"SELECT a, * FROM t", wire.Unsupported, "name the columns"},
		{"SELECT DISTINCT * FROM t", wire.Unsupported, "DISTINCT *"},
		{"SELECT DISTINCT a FROM t GROUP BY a", wire.Unsupported, "leave DISTINCT out"},
		{"SELECT a FROM db.t", wire.Unsupported, `FROM "db.t"`},
		{"SELECT a FROM t FOR UPDATE", wire.Unsupported, "snapshot"},
		{"SELECT a FROM t PARTITION (p)", wire.Unsupported, "PARTITION"},
		{"SELECT a FROM t TABLESAMPLE SYSTEM (10)", wire.Unsupported, "TABLESAMPLE"},
		{"SELECT a FROM t USE INDEX (x)", wire.Unsupported, "index hint"},
		{"SELECT E'x' FROM t", wire.Unsupported, "E'…'"},
		{"SELECT a, count(*) FROM t GROUP BY a WITH ROLLUP", wire.Unsupported, "ROLLUP"},
		{"SELECT extract(second FROM ts) FROM t", wire.Unsupported, "SECOND"},

		{"", wire.InvalidArgument, "no SQL"},
		{" -- nothing", wire.InvalidArgument, "no SQL"},
		{"SELECT a FROM t; SELECT b FROM t", wire.InvalidArgument, "2 statements"},
		{"SELECT 1", wire.InvalidArgument, "no table"},
		{"SELECT u.a FROM t", wire.InvalidArgument, `"u"`},
		{"SELECT a FROM t WHERE count(*) > 1", wire.InvalidArgument, "HAVING"},
		{"SELECT a FROM t GROUP BY sum(a)", wire.InvalidArgument, "GROUP BY"},
		{"SELECT a FROM t GROUP BY 2", wire.InvalidArgument, "1 columns"},
		{"SELECT sum(count(*)) FROM t", wire.InvalidArgument, "within another"},
		{"SELECT year(a, b) FROM t", wire.InvalidArgument, "takes 1"},
		{"SELECT a FROM t LIMIT 1.5", wire.InvalidArgument, "whole number"},
		{"SELECT a FROM t LIMIT 'x'", wire.InvalidArgument, "whole number"},
		{"SELECT a FROM t AS OF TIMESTAMP 'noon'", wire.InvalidArgument, "point in time"},
		{"SELECT a FROM t AS OF VERSION 0", wire.InvalidArgument, "from 1"},
		{"SELECT a FROM t AS OF VERSION x", wire.InvalidArgument, "AS OF wants"},
		{"SELECT CAST(a AS intt) FROM t", wire.InvalidArgument, "unknown type"},
		{"SELECT a::, b FROM t", wire.InvalidArgument, `"::" wants`},
		{"SELECT a::decimal(99) FROM t", wire.InvalidArgument, "precision"},
		{"SELECT X'0' FROM t", wire.InvalidArgument, "even number"},
		{"SELECT '\xff' FROM t", wire.InvalidArgument, "UTF-8"},
		{"SELECT " + strings.Repeat("(", 1000), wire.LimitExceeded, "nest deeper"},
		{"SELECT a FROM t WHERE a = " + strings.Repeat("1+", 2000) + "1", wire.LimitExceeded, "nests deeper"},
		{"SELECT a FROM t WHERE " + strings.Repeat("NOT ", 200_000) + "a", wire.LimitExceeded, "nests deeper"},
		{"SELECT '" + strings.Repeat("x", MaxBytes) + "' FROM t", wire.LimitExceeded, "limit is"},
	} {
		q, err := Parse(c.in)
		if err == nil {
			t.Errorf("Parse(%.80q) = %s; want an error with %q", c.in, Format(q), c.want)
			continue
		}
		if !wire.IsCode(err, c.code) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Parse(%.80q): %s: %v; want %s with %q", c.in, wire.FromError(err).Code, err, c.code, c.want)
		}
	}
}

// TestCaret shows syntax errors as a user sees them.
func TestCaret(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"SELECT a,, b FROM t", `
syntax error at ","
  SELECT a,, b FROM t
           ^`},
		{"SELECT a FORM t", `
syntax error at "t"
  SELECT a FORM t
                ^
  try: did you mean FROM?`},
		{"SELECT a,\n\tgrösse\nFROM t\nWHRE x = 1", `
syntax error at "x"
  line 4: WHRE x = 1
               ^
  try: did you mean WHERE?`},
		{"SELECT größe größer größt FROM t", `
syntax error at "größt"
  SELECT größe größer größt FROM t
                      ^^^^^`},
		{"SELECT a FROM t WHERE", `
syntax error: the text ends too early
  SELECT a FROM t WHERE
                       ^`},
		{"SELECT a FROM t WHERE b == 1", `
syntax error at "="
  SELECT a FROM t WHERE b == 1
                           ^
  try: to compare is a single =`},
		{"SELECT max(order) FROM t", `
syntax error at "order"
  SELECT max(order) FROM t
             ^^^^^
  try: order is a word of SQL; if it is a column's name, write "order" in double quotes`},
		{"SELECT a FROM t WHERE b = 'x", `
the text that starts here has no closing '
  SELECT a FROM t WHERE b = 'x
                            ^^`},
		{"SELECT (a FROM t", `
"(" is never closed
  SELECT (a FROM t
         ^`},
		{"SELECT CAST(a AS nimber(3)) FROM t", `
type "nimber(3)": at byte 6: unknown type "nimber"; known: bool, int8…int64, uint8…uint64, float16…float64, decimal(p,s), string, binary, fixed[n], date, time[unit], timestamp[unit, zone], duration[unit], list<…>, map<…>, struct<…>
  SELECT CAST(a AS nimber(3)) FROM t
                   ^^^^^^^^^`},
		{"SELECT a FROM t WHERE " + strings.Repeat("b = 1 AND ", 300) + "= 2 AND " + strings.Repeat("c = 1 AND ", 300) + "d", `
syntax error at "="
  1 AND b = 1 AND b = 1 AND b = 1 AND = 2 AND c = 1 AND c = 1 AND c = 1 AN
                                      ^`},
	} {
		_, err := Parse(c.in)
		if err == nil {
			t.Errorf("Parse(%q): no error", c.in)
			continue
		}
		if got := "\n" + err.Error(); got != c.want {
			t.Errorf("Parse(%q)\n got %s\nwant %s", c.in, got, c.want)
		}
	}
}

func TestFragments(t *testing.T) {
	where, err := ParseExpr("a > 1.50 AND b IS NOT NULL")
	if got := FormatExpr(where); err != nil || got != "(a > 1.50) AND (b IS NOT NULL)" {
		t.Errorf("ParseExpr: got %s, %v", got, err)
	}
	items, err := ParseItems("a, sum(b) AS total, count(*) n")
	if got := FormatItems(items); err != nil || got != "a, sum(b) AS total, count(*) AS n" {
		t.Errorf("ParseItems: got %s, %v", got, err)
	}
	items, err = ParseItems("*")
	if err != nil || items != nil {
		t.Errorf("ParseItems(*): got %v, %v; want none", items, err)
	}
	keys, err := ParseOrder("a DESC NULLS FIRST, b, 2")
	if got := join(keys, orderText); err != nil || got != "a DESC NULLS FIRST, b, 2" {
		t.Errorf("ParseOrder: got %s, %v", got, err)
	}
	groups, err := ParseExprs("country, day(ts), 1")
	if got := join(groups, FormatExpr); err != nil || got != "country, day(ts), 1" {
		t.Errorf("ParseExprs: got %s, %v", got, err)
	}
}

func TestFragmentsRefused(t *testing.T) {
	parse := map[string]func(string) error{
		"expr":  func(s string) error { _, err := ParseExpr(s); return err },
		"exprs": func(s string) error { _, err := ParseExprs(s); return err },
		"items": func(s string) error { _, err := ParseItems(s); return err },
		"order": func(s string) error { _, err := ParseOrder(s); return err },
	}
	for _, c := range []struct{ kind, in, want string }{
		{"expr", "a, b", "2 expressions"},
		{"expr", "a AS b", "AS"},
		{"expr", "*", "0 expressions"},
		{"expr", "count(*) > 1", "aggregate"},
		{"expr", "a = 1) OR (b = 2", "nothing is open"},
		{"expr", "a = 1 FROM t", "more than a list"},
		{"expr", "a = 1 LIMIT 3", "more than a list"},
		{"expr", "a = 1 ORDER BY a", "more than a list"},
		{"expr", "a = 1; DROP TABLE t", "syntax error"},
		{"expr", "a = ", "too early"},
		{"expr", "", "no SQL"},
		{"exprs", "sum(a)", "aggregate"},
		{"items", "DISTINCT a", "more than a list"},
		{"items", "a FROM t WHERE b", "more than a list"},
		{"items", "a UNION SELECT b", "UNION"},
		{"order", "a LIMIT 3", "more than a list"},
		{"order", "a,", "too early"},
	} {
		err := parse[c.kind](c.in)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: got error %v; want one with %q", c.kind, c.in, err, c.want)
		}
	}
}

// TestWordsAsNames: every word of the parser's dialect names a column as it
// is, or is one that expr.IsKeyword puts in quotes.
func TestWordsAsNames(t *testing.T) {
	for _, k := range parser.Keywords {
		name := expr.Col(strings.ToLower(k.Word)).String()
		q := strings.ReplaceAll("SELECT @, sum(@) AS @, -@::int FROM @ WHERE @ = 1 AND NOT @ AND @ < @ GROUP BY @, t.@ HAVING @ > 1 ORDER BY @ DESC NULLS FIRST, @", "t.@", "@.@")
		q = strings.ReplaceAll(q, "@", name)
		if _, err := Parse(q); err != nil {
			t.Errorf("%s as a name: %v", name, err)
		}
	}
}

func TestParseTime(t *testing.T) {
	for in, want := range map[string]string{
		"2024-01-02":                    "2024-01-02T00:00:00Z",
		"2024-01-02 03:04":              "2024-01-02T03:04:00Z",
		"2024-01-02 03:04:05.123456789": "2024-01-02T03:04:05.123456789Z",
		"2024-01-02T03:04:05":           "2024-01-02T03:04:05Z",
		"2024-01-02T03:04:05+02:00":     "2024-01-02T01:04:05Z",
		"2024-01-02 03:04:05Z":          "2024-01-02T03:04:05Z",
	} {
		got, err := ParseTime(in)
		if err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("ParseTime(%q) = %v, %v; want %s", in, got, err, want)
		}
	}
	if got, err := ParseTime("yesterday"); err == nil {
		t.Errorf("ParseTime(yesterday) = %v; want an error", got)
	}
}
