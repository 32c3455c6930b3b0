package scan

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
)

// shop is the table of most tests here: three segments.
func shop(t testing.TB) *lake {
	l := newLake(t, "id int64", "country string", "qty int32", "price decimal(10,2)", "ts timestamp[us]", "day date",
		"small int8", "big uint64", "f float64", "ok bool", "raw binary", "g float32", "tags list<string>", "at time[ms]", "zoned timestamp[ms, Europe/Berlin]")
	l.addJSON(t, `[
	 {"id":1,"country":"DE","qty":5,"price":"1.25","ts":"2020-01-01 10:00:00","day":"2020-01-01","small":1,"big":1,"f":1.5,"ok":true,"raw":"AP8=","g":0.1,"tags":["a","b"],"at":"08:30:00","zoned":"2020-06-30T22:30:00Z"},
	 {"id":2,"country":"FR","qty":-3,"price":"10.00","ts":"2020-01-02 10:00:00.5","day":"2020-01-02","small":-128,"big":18446744073709551615,"f":-2.5,"ok":false,"raw":"AQ==","g":0.2,"tags":[],"at":"23:59:59.999","zoned":"2020-12-31T23:30:00Z"}]`)
	l.addJSON(t, `[
	 {"id":3,"country":"DE","qty":7,"price":"0.99","ts":"2020-02-01 00:00:00","day":"2020-02-01","small":127,"big":7,"f":0,"ok":null},
	 {"id":4,"country":null,"qty":null,"price":null,"ts":null,"day":null}]`)
	l.addJSON(t, `[
	 {"id":5,"country":"Grüß_50%\\x","qty":0,"price":"-4.50","ts":"1969-12-31 23:59:59","day":"1969-12-31","small":0,"big":0,"f":1e300,"ok":true}]`)
	return l
}

func TestQuery(t *testing.T) {
	tests := []struct{ query, want string }{
		// Projection and the order of rows.
		{`SELECT id, country FROM t`, "1|DE, 2|FR, 3|DE, 4|∅, 5|Grüß_50%\\x"},
		{`SELECT id FROM t LIMIT 2 OFFSET 1`, "2, 3"},
		{`SELECT id FROM t LIMIT 0`, ""},
		{`SELECT id FROM t OFFSET 9`, ""},
		{`SELECT tags FROM t WHERE id <= 2`, `["a","b"], []`},
		{`SELECT 1, 'x', NULL, 2.50 FROM t WHERE id = 1`, "1|x|∅|2.50"},

		// Comparison: literals are never rounded into a type.
		{`SELECT id FROM t WHERE qty < 5.5`, "1, 2, 5"},
		{`SELECT id FROM t WHERE qty > 4.5`, "1, 3"},
		{`SELECT id FROM t WHERE qty = 5.0`, "1"},
		{`SELECT id FROM t WHERE qty = 5.5`, ""},
		{`SELECT id FROM t WHERE qty != 5.5`, "1, 2, 3, 5"},
		{`SELECT id FROM t WHERE qty >= -2.5`, "1, 3, 5"},
		{`SELECT id FROM t WHERE qty < -2.5`, "2"},
		{`SELECT id FROM t WHERE small = 1000`, ""},
		{`SELECT id FROM t WHERE small < 1000`, "1, 2, 3, 5"},
		{`SELECT id FROM t WHERE small > -99999999999999999999999`, "1, 2, 3, 5"},
		{`SELECT id FROM t WHERE id < 1e400`, "1, 2, 3, 4, 5"},
		{`SELECT id FROM t WHERE price = 1.255`, ""},
		{`SELECT id FROM t WHERE price < 1.255`, "1, 3, 5"},
		{`SELECT id FROM t WHERE price >= 1.25`, "1, 2"},
		{`SELECT id FROM t WHERE price = 10`, "2"},
		{`SELECT id FROM t WHERE 1.25 = price`, "1"},
		{`SELECT id FROM t WHERE big = 18446744073709551615`, "2"},
		{`SELECT id FROM t WHERE big > 9223372036854775807`, "2"},
		{`SELECT id FROM t WHERE big > -1`, "1, 2, 3, 5"},
		{`SELECT id FROM t WHERE g = 0.1`, "1"},
		{`SELECT id FROM t WHERE f > 1e299`, "5"},
		{`SELECT id FROM t WHERE id = '3'`, "3"},
		{`SELECT id FROM t WHERE id = 1 + 2`, "3"},
		{`SELECT id FROM t WHERE qty = id + 4`, "1, 3"},
		{`SELECT id FROM t WHERE big > id`, "2, 3"},
		{`SELECT id FROM t WHERE price > qty`, "2"},
		{`SELECT id FROM t WHERE price > f`, "2, 3"},
		{`SELECT id FROM t WHERE ok`, "1, 5"},
		{`SELECT id FROM t WHERE NOT ok`, "2"},
		{`SELECT id FROM t WHERE ok = true`, "1, 5"},
		{`SELECT id FROM t WHERE raw = x'00ff'`, "1"},

		{`SELECT id FROM t WHERE qty < 1234567890123456789012345678901234567890 AND qty > 4`, "1, 3"},
		{`SELECT id FROM t WHERE price > -0.0000000000000000000000000000000000000001 AND id < 3`, "1, 2"},
		{`SELECT id FROM t WHERE f < 1234567890123456789012345678901234567890 AND id < 3`, "1, 2"},
		{`SELECT 1234567890123456789012345678901234567890e0 FROM t LIMIT 1`, "1.2345678901234568e+39"},
		{`SELECT NULL + 1, 1.5 - NULL, NULL * NULL, -NULL, day - NULL, NULL + day, year(NULL), lower(NULL), abs(NULL), qty + NULL FROM t LIMIT 1`, "∅|∅|∅|∅|∅|∅|∅|∅|∅|∅"},

		// Dates and times.
		{`SELECT id FROM t WHERE day = '2020-01-02'`, "2"},
		{`SELECT id FROM t WHERE day >= DATE '2020-01-02'`, "2, 3"},
		{`SELECT id FROM t WHERE day < TIMESTAMP '2020-01-02 00:00:01'`, "1, 2, 5"},
		{`SELECT id FROM t WHERE day = TIMESTAMP '2020-01-02 00:00:01'`, ""},
		{`SELECT id FROM t WHERE ts = '2020-01-02T10:00:00.5'`, "2"},
		{`SELECT id FROM t WHERE ts = '2020-01-02T12:00:00.5+02:00'`, "2"},
		{`SELECT id FROM t WHERE ts < '2020-01-01 10:00:00.0000001'`, "1, 5"},
		{`SELECT id FROM t WHERE ts >= '2020-02-01'`, "3"},
		{`SELECT id FROM t WHERE day = ts`, "3"},
		{`SELECT id FROM t WHERE day < ts`, "1, 2, 5"},
		{`SELECT id FROM t WHERE at > '12:00'`, "2"},
		{`SELECT id FROM t WHERE zoned = '2020-07-01 00:30:00+02:00'`, "1"},
		{`SELECT year(ts), month(ts), day(ts), hour(ts), date(ts) FROM t WHERE id = 5`, "1969|12|31|23|1969-12-31"},
		{`SELECT hour(day), date(day) FROM t WHERE id = 1`, "0|2020-01-01"},
		{`SELECT year(zoned), month(zoned), day(zoned), hour(zoned), date(zoned) FROM t WHERE id <= 2`, "2020|7|1|0|2020-07-01, 2021|1|1|0|2021-01-01"},
		{`SELECT zoned, CAST(zoned AS string) FROM t WHERE id = 1`, "2020-07-01 00:30:00+02:00|2020-07-01 00:30:00+02:00"},
		{`SELECT day + 31, day - 1, day - DATE '2020-01-01' FROM t WHERE id = 3`, "2020-03-03|2020-01-31|31"},

		// Logic with nulls, IN, BETWEEN, LIKE.
		{`SELECT id FROM t WHERE country IS NULL`, "4"},
		{`SELECT id FROM t WHERE country IS NOT NULL AND qty > 0`, "1, 3"},
		{`SELECT id FROM t WHERE NOT (country = 'DE')`, "2, 5"},
		{`SELECT id FROM t WHERE country = 'DE' OR qty IS NULL`, "1, 3, 4"},
		{`SELECT id FROM t WHERE country != NULL`, ""},
		{`SELECT id FROM t WHERE country IN ('DE', 'XX')`, "1, 3"},
		{`SELECT id FROM t WHERE country NOT IN ('DE', 'XX')`, "2, 5"},
		{`SELECT id FROM t WHERE country NOT IN ('DE', NULL)`, ""},
		{`SELECT id FROM t WHERE qty IN (5, 7.0, 7.5, NULL, 99999999999)`, "1, 3"},
		{`SELECT id FROM t WHERE price IN (1.25, 1.255)`, "1"},
		{`SELECT id FROM t WHERE f IN (0, 1.5)`, "1, 3"},
		{`SELECT id FROM t WHERE ok IN (false)`, "2"},
		{`SELECT id FROM t WHERE qty BETWEEN 0 AND 5`, "1, 5"},
		{`SELECT id FROM t WHERE qty NOT BETWEEN 0 AND 5`, "2, 3"},
		{`SELECT id FROM t WHERE country LIKE 'D%'`, "1, 3"},
		{`SELECT id FROM t WHERE country NOT LIKE '%E'`, "2, 5"},
		{`SELECT id FROM t WHERE country LIKE 'Gr__\_50\%\\%'`, "5"},
		{`SELECT id FROM t WHERE country LIKE 'gr%'`, ""},
		{`SELECT id FROM t WHERE country ILIKE 'gR_ß%X'`, "5"},

		// Arithmetic.
		{`SELECT qty + 1, qty - small, qty * price, -qty, abs(qty) FROM t WHERE id = 2`, "-2|125|-30.00|3|3"},
		{`SELECT 7 / 2, 7 % 3, -7 % 3, qty / 0, qty % 0, f / 0, price % 3 FROM t WHERE id = 2`, "3.5|1|-1|∅|∅|∅|1.00"},
		{`SELECT price / 3, price + 1, price - 0.5, price * 1.5, price * f FROM t WHERE id = 1`, "0.4166666666666667|2.25|0.75|1.875|1.875"},
		{`SELECT big + 1, big - 5, big * 2, big % 4 FROM t WHERE id = 3`, "8|2|14|3"},
		{`SELECT g + g, qty * 1.5, qty + NULL FROM t WHERE id = 1`, "0.2|7.5|∅"},
		{`SELECT (id + 16777216) - CAST(16777216 AS float32) FROM t WHERE id = 1`, "0.0"}, // 16777217 is no float32
		{`SELECT big + qty, -big FROM t WHERE id = 3`, "14|-7"},

		// Casts and functions.
		{`SELECT CAST(price AS int64), CAST(f AS int32), CAST(qty AS string), CAST('12' AS int16), CAST(f AS string) FROM t WHERE id = 1`, "1|2|5|12|1.5"},
		{`SELECT CAST(2.5 AS int64), CAST(-2.5 AS int64), CAST(CAST(2.5 AS float64) AS int64), CAST('2.5' AS int64) FROM t WHERE id = 1`, "3|-3|2|3"},
		{`SELECT CAST(price AS decimal(5,1)), CAST(0.125 AS decimal(4,2)), CAST(ok AS int8), CAST(2 AS bool), CAST('t' AS bool) FROM t WHERE id = 1`, "1.3|0.13|1|true|true"},
		{`SELECT CAST(ts AS date), CAST(day AS timestamp[ms]), CAST('2021-03-04' AS date), CAST(day AS string) FROM t WHERE id = 5`, "1969-12-31|1969-12-31 00:00:00|2021-03-04|1969-12-31"},
		{`SELECT lower(country), upper(country), length(country) FROM t WHERE id = 5`, "grüß_50%\\x|GRÜß_50%\\X|10"},
		{`SELECT coalesce(country, '?'), coalesce(qty, price), coalesce(NULL, qty) FROM t WHERE id >= 3 AND id < 5`, "DE|7.00|7, ?|∅|∅"},

		// A value that cannot be computed is an error only in rows that are asked about.
		{`SELECT id FROM t WHERE id = 1 AND id * 9223372036854775807 > 0`, "1"},
		{`SELECT id FROM t WHERE id > 1 OR id * 9223372036854775807 > 0`, "1, 2, 3, 4, 5"},
		{`SELECT id FROM t WHERE country = '7' AND CAST(country AS int64) = 7`, ""},
		{`SELECT coalesce(qty, CAST(country AS int64)) FROM t WHERE id = 1`, "5"},

		// Aggregates.
		{`SELECT count(*), count(qty), count(DISTINCT country), sum(qty), avg(qty), min(qty), max(qty) FROM t`, "5|4|3|9|2.25|-3|7"},
		{`SELECT sum(price), avg(price), min(price), max(price), sum(qty * price) FROM t`, "7.74|1.935|-4.50|10.00|-16.82"},
		{`SELECT min(ts), max(day), min(country), max(country), min(ok), max(ok), max(raw), min(at) FROM t`, `1969-12-31 23:59:59|2020-02-01|DE|Grüß_50%\x|false|true|01|08:30:00`},
		{`SELECT sum(big) FROM t WHERE id != 2`, "8"},
		{`SELECT count(*), sum(qty), min(country), avg(f) FROM t WHERE id > 99`, "0|∅|∅|∅"},
		{`SELECT sum(qty) / count(*), sum(qty) + 1 FROM t`, "1.8|10"},
		{`SELECT count(DISTINCT ok), count(DISTINCT f), count(DISTINCT raw), count(DISTINCT big), count(DISTINCT price), count(DISTINCT day) FROM t`, "2|4|2|4|4|4"},
		{`SELECT count(tags) FROM t`, "2"},
		{`SELECT country, count(*), sum(qty) FROM t GROUP BY country`, "DE|2|12, FR|1|-3, ∅|1|∅, Grüß_50%\\x|1|0"},
		{`SELECT country FROM t GROUP BY 1 HAVING count(*) > 1`, "DE"},
		{`SELECT DISTINCT ok FROM t`, "true, false, ∅"},
		{`SELECT year(ts) AS y, ok, count(*) AS n FROM t GROUP BY year(ts), ok ORDER BY y DESC, n`, "2020|true|1, 2020|false|1, 2020|∅|1, 1969|true|1, ∅|∅|1"},
		{`SELECT id % 2, max(country) FROM t GROUP BY id % 2`, "1|Grüß_50%\\x, 0|FR"},
		{`SELECT price, count(*) FROM t GROUP BY price`, "1.25|1, 10.00|1, 0.99|1, ∅|1, -4.50|1"},
		{`SELECT f FROM t GROUP BY f`, "1.5, -2.5, 0.0, ∅, 1e+300"},
		{`SELECT country, sum(qty) AS total FROM t GROUP BY country HAVING total > 0 ORDER BY total DESC LIMIT 1`, "DE|12"},
		{`SELECT count(*) FROM t WHERE id > 99 GROUP BY country`, ""},
		{`SELECT count(*) FROM t GROUP BY country LIMIT 2 OFFSET 1`, "1, 1"},

		// Order: nulls last both ways, ties in the order of rows.
		{`SELECT id FROM t ORDER BY qty`, "2, 5, 1, 3, 4"},
		{`SELECT id FROM t ORDER BY qty DESC`, "3, 1, 5, 2, 4"},
		{`SELECT id FROM t ORDER BY qty DESC NULLS FIRST`, "4, 3, 1, 5, 2"},
		{`SELECT id FROM t ORDER BY country DESC, id DESC`, "5, 2, 3, 1, 4"},
		{`SELECT id, -qty AS q FROM t ORDER BY q LIMIT 2`, "3|-7, 1|-5"},
		{`SELECT id FROM t ORDER BY 1 DESC LIMIT 2 OFFSET 1`, "4, 3"},
		{`SELECT id FROM t ORDER BY price * -1 LIMIT 9`, "2, 1, 3, 5, 4"},
		{`SELECT id FROM t ORDER BY ok, id`, "2, 1, 5, 3, 4"},
		{`SELECT id FROM t ORDER BY big DESC`, "2, 3, 1, 5, 4"},
		{`SELECT id FROM t ORDER BY f`, "2, 3, 1, 5, 4"},
		{`SELECT country FROM t GROUP BY country ORDER BY count(*) DESC, country`, "DE, FR, Grüß_50%\\x, ∅"},
	}
	l := shop(t)
	for _, test := range tests {
		for _, opts := range []Options{{}, {NoPrune: true, Pool: NewPool(math.MaxInt64, 1)}, {Pool: NewPool(math.MaxInt64, 4), BatchRows: 1}} {
			rows, err := l.query(parse(t, test.query), opts)
			if err != nil {
				t.Errorf("%s: %v", test.query, err)
				break
			}
			if got := strings.Join(rows, ", "); got != test.want {
				t.Errorf("%s %+v:\n got %s\nwant %s", test.query, opts, got, test.want)
				break
			}
		}
	}
}

func TestRefused(t *testing.T) {
	tests := []struct {
		query, want string
		code        wire.Code
	}{
		{`SELECT nosuch FROM t`, `no column "nosuch" in table t`, wire.ColumnNotFound},
		{`SELECT contry FROM t`, `did you mean "country"`, wire.ColumnNotFound},
		{`SELECT id FROM t WHERE country = 5`, `country (string) cannot be compared with 5`, wire.InvalidArgument},
		{`SELECT id FROM t WHERE country > qty`, `cannot be compared`, wire.InvalidArgument},
		{`SELECT id FROM t WHERE day = 'soon'`, `"soon" is not a date or timestamp`, wire.InvalidArgument},
		{`SELECT id FROM t WHERE qty = 'many'`, `'many' is a string, not a value of type int32`, wire.InvalidArgument},
		{`SELECT id FROM t WHERE qty`, `not a condition`, wire.InvalidArgument},
		{`SELECT id FROM t WHERE tags = 'a'`, `lists, structs and maps are not compared`, wire.Unsupported},
		{`SELECT tags FROM t GROUP BY tags`, `not compared`, wire.Unsupported},
		{`SELECT id FROM t ORDER BY tags`, `not compared`, wire.Unsupported},
		{`SELECT min(tags) FROM t`, `no min of type list<string>`, wire.InvalidArgument},
		{`SELECT 12345678901234567890123456789012345678901234567890 FROM t`, `more digits than the 38 of a decimal`, wire.InvalidArgument},
		{`SELECT id + 1234567890123456789012345678901234567890 FROM t`, `to mean a float64`, wire.InvalidArgument},
		{`SELECT -0.0000000000000000000000000000000000000001 FROM t`, `more digits than`, wire.InvalidArgument},
		{`SELECT year('2020-01-01') FROM t`, `CAST('2020-01-01' AS date)`, wire.InvalidArgument},
		{`SELECT DATE '2020-02-30' FROM t`, `"2020-02-30" is no date or time of the calendar: day out of range`, wire.InvalidArgument},
		{`SELECT id FROM t WHERE country = "France"`, `'France'`, wire.ColumnNotFound},
		{`SELECT sum(country) FROM t`, `no sum of type string`, wire.InvalidArgument},
		{`SELECT id, count(*) FROM t`, `column id is neither in GROUP BY nor inside an aggregate`, wire.InvalidArgument},
		{`SELECT country + 1 FROM t`, `no + of string and int64`, wire.InvalidArgument},
		{`SELECT lower(qty) FROM t`, `the argument is of type int32, not a string`, wire.InvalidArgument},
		{`SELECT id FROM t WHERE qty LIKE '1%'`, `LIKE takes strings`, wire.InvalidArgument},
		{`SELECT id FROM t WHERE country LIKE 'a\'`, `middle of an escape`, wire.InvalidArgument},
		{`SELECT id * 9223372036854775807 FROM t`, `id * 9223372036854775807 overflows int64`, wire.InvalidArgument},
		{`SELECT big - 100 FROM t`, `big - 100 overflows uint64`, wire.InvalidArgument},
		{`SELECT sum(big * 1), sum(big + 0) FROM t WHERE id < 4`, `sum(big * 1) overflows uint64`, wire.InvalidArgument},
		{`SELECT CAST(country AS int64) FROM t`, `"DE" of type string cannot be cast to int64`, wire.InvalidArgument},
		{`SELECT CAST(qty AS uint8) FROM t`, `"-3" of type int32 cannot be cast to uint8`, wire.InvalidArgument},
		{`SELECT CAST(price AS decimal(2,2)) FROM t`, `cannot be cast to decimal(2,2)`, wire.InvalidArgument},
		{`SELECT CAST(f AS float32) FROM t`, `cannot be cast to float32`, wire.InvalidArgument},
		{`SELECT CAST(price AS decimal(38,20)) * CAST(price AS decimal(38,20)) FROM t`, `no * of decimal(38,20) and decimal(38,20)`, wire.InvalidArgument},
		{`SELECT CAST(price AS decimal(38,19)) * CAST(1000000000000000000 AS decimal(38,19)) FROM t`, `overflows decimal(38,38)`, wire.InvalidArgument},
	}
	l := shop(t)
	for _, test := range tests {
		rows, err := l.query(parse(t, test.query), Options{})
		if err == nil {
			t.Errorf("%s: got %v; want an error", test.query, rows)
			continue
		}
		if !wire.IsCode(err, test.code) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %s %v; want %s with %q", test.query, wire.FromError(err).Code, err, test.code, test.want)
		}
	}
}

func TestOutputNames(t *testing.T) {
	p, err := New(shop(t).snap, parse(t, `SELECT ID, qty*2, sum(qty) AS s FROM t GROUP BY id, qty`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fieldNames(p.Schema()), []string{"id", "qty * 2", "s"}; !slices.Equal(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
}

// TestOutputNamesAreUnique: of two columns of one name most readers keep one.
func TestOutputNamesAreUnique(t *testing.T) {
	for query, want := range map[string]string{
		`SELECT id, id, qty AS ID FROM t`:                 `id id_2 ID_3`,
		`SELECT id, qty AS id, price AS ID_2 FROM t`:      `id id_3 ID_2`,
		`SELECT id AS a_2, id AS a, id AS a, 1, 1 FROM t`: `a_2 a a_3 1 1_2`,
	} {
		p, err := New(shop(t).snap, parse(t, query), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(fieldNames(p.Schema()), " "); got != want {
			t.Errorf("%s: got %s; want %s", query, got, want)
		}
	}
	rows, err := shop(t).query(parse(t, `SELECT country AS a, count(*) AS a FROM t GROUP BY country ORDER BY 2 DESC, 1 LIMIT 2`), Options{})
	if got := strings.Join(rows, ", "); err != nil || got != "DE|2, FR|1" {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestTrees asks what SQL text does not say.
func TestTrees(t *testing.T) {
	col, num := expr.Col, expr.Num
	count := expr.Item{Expr: expr.New(expr.Count, expr.New(expr.Star))}
	tests := []struct {
		q    expr.Query
		want string
	}{
		{expr.Query{Where: expr.New(expr.In, col("qty"), expr.New(expr.Add, col("id"), num("4")), num("0")), Select: []expr.Item{{Expr: col("id")}}}, "1, 3, 5"},
		{expr.Query{Select: []expr.Item{{Expr: col("country")}, count}, GroupBy: []*expr.Expr{num("1")}}, "DE|2, FR|1, ∅|1, Grüß_50%\\x|1"},
		{expr.Query{GroupBy: []*expr.Expr{col("OK")}, Limit: new(int64(1))}, "true"},
		{expr.Query{Select: []expr.Item{{Expr: col("ok"), As: "k"}, count}, GroupBy: []*expr.Expr{col("k")}}, "true|2, false|1, ∅|2"},
		{expr.Query{Select: []expr.Item{{Expr: col("id")}}, Where: expr.New(expr.Eq, expr.New(expr.Neg, num("3")), col("qty"))}, "2"},
	}
	l := shop(t)
	for _, test := range tests {
		test.q.Table = "t"
		rows, err := l.query(&test.q, Options{})
		if got := strings.Join(rows, ", "); err != nil || got != test.want {
			t.Errorf("%+v: got %s, %v; want %s", test.q, got, err, test.want)
		}
	}
	bad := expr.Query{Table: "t", Select: []expr.Item{count}, GroupBy: []*expr.Expr{num("3")}}
	if _, err := l.query(&bad, Options{}); err == nil || !strings.Contains(err.Error(), "the output has columns 1 to 1") {
		t.Errorf("GROUP BY 3: got %v; want an error about the position", err)
	}
}
