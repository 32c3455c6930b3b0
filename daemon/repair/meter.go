package repair

import (
	"sync"
	"time"
)

// Meter measures how many bytes a second go through over the last minute. It
// is safe for concurrent use.
type Meter struct {
	now func() time.Time

	mu      sync.Mutex
	since   time.Time
	buckets [meterSeconds]bucket
	total   int64
}

const meterSeconds = 60

// bucket is the bytes of one second.
type bucket struct {
	second int64
	bytes  int64
}

// NewMeter returns a meter that goes by a clock.
func NewMeter(now func() time.Time) *Meter { return &Meter{now: now, since: now()} }

// Add counts bytes.
func (m *Meter) Add(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	second := m.now().Unix()
	b := &m.buckets[second%meterSeconds]
	if b.second != second {
		*b = bucket{second: second}
	}
	b.bytes += bytes
	m.total += bytes
}

// Total returns how many bytes there were in all.
func (m *Meter) Total() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.total
}

// Rate returns the bytes a second of the last minute, or of the time since the
// meter began if that is less.
func (m *Meter) Rate() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, sum := m.now(), int64(0)
	for _, b := range m.buckets {
		if age := now.Unix() - b.second; age >= 0 && age < meterSeconds {
			sum += b.bytes
		}
	}
	over := min(max(now.Sub(m.since), time.Second), meterSeconds*time.Second)
	return int64(float64(sum) / over.Seconds())
}
