package schema

import (
	"strings"
	"testing"
	_ "time/tzdata"
)

func TestCheckZones(t *testing.T) {
	for text, want := range map[string]string{
		"int64": "", "timestamp[us]": "", "timestamp[us, UTC]": "", "timestamp[ns, Europe/Rome]": "", "timestamp[s, -05:30]": "",
		"timestamp[us, Mars/X]":                               "Mars/X",
		"map<string, list<struct<a: timestamp[us, Mars/X]>>>": "Mars/X",
	} {
		typ, err := ParseType(text)
		if err != nil {
			t.Fatal(err)
		}
		err = CheckZones(typ)
		if got := err != nil && strings.Contains(err.Error(), want); got != (want != "") {
			t.Errorf("%s: got %v; want %q", text, err, want)
		}
	}
}
