package main

import (
	"slices"
	"testing"
	"time"

	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
)

func TestParseAt(t *testing.T) {
	now := time.Date(2024, 5, 6, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]expr.At{
		"":                          {},
		"42":                        {Version: 42},
		"2h":                        {Time: now.Add(-2 * time.Hour)},
		"2024-01-02":                {Time: time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)},
		"2024-01-02 03:04:05":       {Time: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)},
		"2024-01-02T03:04:05+01:00": {Time: time.Date(2024, 1, 2, 2, 4, 5, 0, time.UTC)},
	} {
		if got, err := parseAt(text, now); err != nil || got != want {
			t.Errorf("parseAt(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"0", "-3", "-2h", "noon", "2024-13-01"} {
		if got, err := parseAt(text, now); err == nil {
			t.Errorf("parseAt(%q) = %v; want an error", text, got)
		}
	}
}

func TestSplitList(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                 nil,
		"a":                                {"a"},
		"a, b":                             {"a", "b"},
		"country, bucket(16, id),day(at)":  {"country", "bucket(16, id)", "day(at)"},
		`"a,b" int64, m map<string, int8>`: {`"a,b" int64`, "m map<string, int8>"},
		"a,":                               {"a", ""},
	} {
		if got := splitList(text); !slices.Equal(got, want) {
			t.Errorf("splitList(%q) = %q; want %q", text, got, want)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{"1": 1, "512MiB": 512 << 20, "4 GB": 4e9, "2GiB": 2 << 30, "7B": 7} {
		if got, err := parseBytes(text); err != nil || got != want {
			t.Errorf("parseBytes(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "x", "1.5GiB", "99999999999TiB"} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("parseBytes(%q) = %d; want an error", text, got)
		}
	}
}

func TestByteText(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 5 << 30: "5.0 GiB"} {
		if got := byteText(n); got != want {
			t.Errorf("byteText(%d) = %q; want %q", n, got, want)
		}
	}
}

// TestUnify: the result holds every value of both, in either order.
func TestUnify(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"int64", "int64", "int64"},
		{"int32", "int64", "int64"},
		{"int64", "uint32", "int64"},
		{"int64", "uint64", "decimal(20,0)"},
		{"int64", "decimal(18,3)", "decimal(22,3)"},
		{"decimal(18,3)", "decimal(18,5)", "decimal(20,5)"},
		{"decimal(38,0)", "decimal(38,38)", "string"},
		{"int64", "float64", "float64"},
		{"float32", "float64", "float64"},
		{"int64", "string", "string"},
		{"bool", "int64", "string"},
		{"date", "timestamp[us]", "timestamp[us]"},
		{"timestamp[s]", "timestamp[ns]", "timestamp[ns]"},
		{"timestamp[us]", "timestamp[us, UTC]", "string"},
		{"date", "int64", "string"},
		{"list<int64>", "list<int64>", "list<int64>"},
		{"list<int64>", "list<string>", ""},
		{"binary", "string", ""},
	} {
		for _, pair := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			a, errA := schema.ParseType(pair[0])
			b, errB := schema.ParseType(pair[1])
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			got := ""
			if u := unify(a, b); u != nil {
				got = schema.TypeText(u)
			}
			if got != c.want {
				t.Errorf("unify(%s, %s) = %q; want %q", pair[0], pair[1], got, c.want)
			}
		}
	}
}
