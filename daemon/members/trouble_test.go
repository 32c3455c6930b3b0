package members

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTroubleIsAvoided: a disk that has failed a writer is not chosen again for
// a while, as long as other groups have all of theirs.
func TestTroubleIsAvoided(t *testing.T) {
	var tr troubles
	now := time.Unix(0, 0)
	tr.now = func() time.Time { return now }
	tr.note("a", errors.New("read-only file system"))
	tr.note("b", fmt.Errorf("open: %w", unix.EMFILE)) // which says nothing of the disk
	if !tr.has("a") || tr.has("b") || tr.has("c") {
		t.Errorf("a %v, b %v, c %v; want a alone", tr.has("a"), tr.has("b"), tr.has("c"))
	}
	now = now.Add(shunFor + 1)
	if tr.has("a") {
		t.Error("a is avoided for ever")
	}
	tr.note("a", errors.New("again"))
	now = now.Add(2 * shunFor)
	if !tr.has("a") {
		t.Error("a has failed again, and is not avoided for longer")
	}
	now = now.Add(10 * shunFor)
	tr.note("a", errors.New("after a long time"))
	now = now.Add(shunFor + 1)
	if tr.has("a") {
		t.Error("what was long ago still counts")
	}
}
