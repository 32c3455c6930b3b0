package members

import (
	"sync"
	"time"
)

// How long a disk that has failed or held up a writer is not chosen for new
// segments, as long as there are others: what is wrong with it may not be known
// to the catalog yet, which takes longer to judge. One that fails again when it
// is tried is kept away from for twice as long each time.
const (
	shunFor  = 10 * time.Second
	shunMost = 2 * time.Minute
)

// troubles remembers which disks have failed writers lately. It is safe for
// concurrent use; its zero value remembers nothing.
type troubles struct {
	mu    sync.Mutex
	disks map[string]trouble
	now   func() time.Time // nil: time.Now
}

// trouble is how long to keep away from a disk.
type trouble struct {
	until time.Time
	spell time.Duration
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
	if t.disks == nil {
		t.disks = map[string]trouble{}
	}
	now, spell := t.time(), shunFor
	if before, noted := t.disks[disk]; noted {
		switch {
		case !now.After(before.until):
			return // it counts once
		case now.Before(before.until.Add(before.spell)):
			spell = min(2*before.spell, shunMost)
		}
	}
	t.disks[disk] = trouble{now.Add(spell), spell}
}

// has reports whether a disk has failed a writer lately.
func (t *troubles) has(disk string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	noted, ok := t.disks[disk]
	return ok && !t.time().After(noted.until)
}
