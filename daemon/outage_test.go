package daemon

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestOutage: what fails for a while is two lines, one when it begins and one
// when it is over.
func TestOutage(t *testing.T) {
	var log bytes.Buffer
	l, now := slog.New(slog.NewTextHandler(&log, nil)), time.Unix(1000, 0)
	o := outage{what: "repair"}
	for _, err := range []error{nil, errors.New("no leader"), errors.New("no leader"), errors.New("no disk"), nil, nil, errors.New("again")} {
		o.note(l, now, err)
		now = now.Add(2 * time.Second)
	}
	var got []string
	for line := range strings.Lines(log.String()) {
		_, line, _ = strings.Cut(line, "level=")
		got = append(got, strings.TrimSpace(line))
	}
	want := []string{`WARN msg="repair has to wait" error="no leader"`, `INFO msg="repair goes on" after=6s`, `WARN msg="repair has to wait" error=again`}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q; want %q", got, want)
	}
}
