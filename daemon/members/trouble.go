package members

import (
	"sync"
	"time"
)

// shunFor is how long a disk that has failed or held up a writer is not chosen
// for new segments, as long as there are others: what is wrong with it may not
// be known to the catalog yet, which takes longer to judge.
const shunFor = 10 * time.Second

// troubles remembers which disks have failed writers lately. It is safe for
// concurrent use; its zero value remembers nothing.
type troubles struct {
	mu    sync.Mutex
	until map[string]time.Time
	now   func() time.Time // nil: time.Now
}

func (t *troubles) time() time.Time {
	if t.now == nil {
		return time.Now()
	}
	return t.now()
}

// note remembers that a disk has failed a writer, unless the error says nothing
// of the disk.
func (t *troubles) note(disk string, err error) {
	if NoFilesLeft(err) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.until == nil {
		t.until = map[string]time.Time{}
	}
	t.until[disk] = t.time().Add(shunFor)
}

// has reports whether a disk has failed a writer lately.
func (t *troubles) has(disk string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	until, noted := t.until[disk]
	if noted && t.time().After(until) {
		delete(t.until, disk)
		return false
	}
	return noted
}
