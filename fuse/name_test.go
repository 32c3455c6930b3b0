package fuse

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tarnlake/tarn/schema"
)

var oddTexts = []string{
	"", " ", "a b", "a/b", "/", "..", ".", ".csv", ".hidden", "a=b", "100%", "%41", "ü", "漢字", "a\x00b", "line\nbreak", "\xff\xfe",
	"NULL", "null", "__HIVE_DEFAULT_PARTITION__", "01", "-5", "1e5", "2025-01-01", " 7", "infinity", "epoch", "true", "SE", "_x",
	`"quoted" 'single' *?[]{}\^#:`, strings.Repeat("x", 251), strings.Repeat("x", 252), strings.Repeat("ü", 300), strings.Repeat("/", 300),
}

func FuzzEscape(f *testing.F) {
	for _, s := range oddTexts {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, name := range []string{escape(s), escapeVisible(s)} {
			if strings.ContainsAny(name, "/=\x00") || !utf8.ValidString(name) {
				t.Errorf("%q becomes %q", s, name)
			}
			if back, err := url.PathUnescape(name); err != nil || back != s {
				t.Errorf("%q becomes %q and back %q, %v", s, name, back, err)
			}
		}
		if strings.HasPrefix(escapeVisible(s), ".") {
			t.Errorf("%q becomes hidden", s)
		}
		for _, name := range []string{tableDir("t" + s), partitionKey{name: "k" + s, text: true}.dir(val("v")), partitionKey{name: "k", text: true}.dir(val(s))} {
			if len(name) > maxName || !utf8.ValidString(name) || strings.ContainsAny(name, "/\x00") {
				t.Errorf("%q becomes %q", s, name)
			}
			if _, err := url.PathUnescape(name); err != nil {
				t.Errorf("%q becomes %q, which does not unescape: %v", s, name, err)
			}
		}
	})
}

func TestPartitionDir(t *testing.T) {
	text, other := partitionKey{name: "k", text: true}, partitionKey{name: "k"}
	long := strings.Repeat("v", 300)
	for _, c := range []struct {
		key  partitionKey
		v    schema.PartitionValue
		want string
	}{
		{text, val("SE"), "k=SE"},
		{text, val(""), "k="},
		{text, null, "k=__HIVE_DEFAULT_PARTITION__"},
		{text, val("__HIVE_DEFAULT_PARTITION__"), "k=%5F_HIVE_DEFAULT_PARTITION__"},
		{text, val("null"), "k=%6Eull"},
		{text, val("007"), "k=%3007"},
		{text, val("a/b=c%"), "k=a%2Fb%3Dc%25"},
		{other, val("2025-01-02"), "k=2025-01-02"},
		{other, val("-5"), "k=-5"},
		{other, null, "k=__HIVE_DEFAULT_PARTITION__"},
		{partitionKey{name: "a=b.c"}, val("1"), "a%3Db.c=1"},
		{partitionKey{name: ".k"}, val("1"), "%2Ek=1"},
	} {
		if got := c.key.dir(c.v); got != c.want {
			t.Errorf("%s of %q = %q; want %q", c.key.name, c.v.Text, got, c.want)
		}
	}
	got := text.dir(val(long))
	if len(got) != maxName || !strings.HasPrefix(got, "k_cut=vvvv") {
		t.Errorf("a long value becomes %q", got)
	}
	if other := text.dir(val(long + "w")); other == got {
		t.Error("two long values share a directory")
	}
}

func TestPartitionKeys(t *testing.T) {
	field := func(id int32, name, typ string) schema.Field {
		dt, err := schema.ParseType(typ)
		if err != nil {
			t.Fatal(err)
		}
		return schema.Field{ID: id, Name: name, Type: dt}
	}
	s := &schema.Schema{ID: 1, Fields: []schema.Field{
		field(1, "country", "string"), field(2, "n", "int32"), field(3, "big", "uint64"), field(4, "price", "decimal(9,2)"),
		field(5, "ts", "timestamp[us, UTC]"), field(6, "TS_DAY", "string"), field(7, "day", "date"),
	}}
	for want, exprs := range map[string][]string{
		"country":                        {"country"},
		"n day":                          {"n", "day"},
		"big_text price_text":            {"big", "price"},
		"ts_day_":                        {"day(ts)"}, // ts_day is a column
		"ts_month ts_hour":               {"month(ts)", "hour(ts)"},
		"n_bucket n_bucket_ n_bucket__":  {"bucket(4, n)", "bucket(8, n)", "bucket(16, n)"},
		"country country_ country_trunc": {"country", "country"},
	} {
		var by []schema.Transform
		for _, e := range exprs {
			tr, err := schema.ParseTransform(s, e)
			if err != nil {
				t.Fatal(err)
			}
			by = append(by, tr)
		}
		for i, k := range partitionKeys(s, by) {
			if want := strings.Fields(want)[i]; k.name != want {
				t.Errorf("%s stands under %q; want %q", exprs[i], k.name, want)
			}
		}
	}
	dropped := partitionKeys(s, []schema.Transform{{Kind: schema.Identity, FieldID: 99}})
	if got := dropped[0].name; got != "#99_text" {
		t.Errorf("a dropped column stands under %q", got)
	}
}

// TestOddNames mounts tables and partitions called anything.
func TestOddNames(t *testing.T) {
	l := newFakeLake()
	l.create("values", []string{"k"}, "k string", "a int64")
	for _, text := range oddTexts {
		l.add("values", 1, val(text))
		if text != "" && len(text) <= schema.MaxNameBytes {
			l.create(text, nil, "a int64")
			l.add(text, 1)
		}
	}
	l.add("values", 1, null)
	dir := mountLake(t, l, Options{})
	tables := slices.DeleteFunc(names(t, dir), func(n string) bool { return n == ".csv" || n == ".arrow" })
	if got, want := len(tables), len(l.tables); got != want {
		t.Errorf("%d tables; want %d", got, want)
	}
	for _, name := range tables {
		if parts, err := filepath.Glob(filepath.Join(dir, ".csv", globLiteral(name), "*.csv")); len(parts) != 1 && name != "values" {
			t.Errorf("table %q has parts %q, %v", name, parts, err)
		}
	}
	partitions := names(t, filepath.Join(dir, "values"))
	if got, want := len(partitions), len(oddTexts)+1; got != want {
		t.Errorf("%d partitions; want %d", got, want)
	}
	for _, name := range partitions {
		parts := names(t, filepath.Join(dir, "values", name))
		if len(parts) != 1 {
			t.Errorf("partition %q has parts %q", name, parts)
			continue
		}
		if data, err := os.ReadFile(filepath.Join(dir, "values", name, parts[0])); err != nil || len(data) == 0 {
			t.Errorf("partition %q reads %d bytes, %v", name, len(data), err)
		}
	}
}

func globLiteral(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(s)
}
