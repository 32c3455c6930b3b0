package format

import (
	"io"
	"sync"
	"sync/atomic"
)

// Cache keeps parts of segments in memory, up to a number of bytes: pages as
// they are stored, and opened indexes. Whatever is in it has been checked, and
// does not change; who got it may use it for as long as he likes, also when it
// has left the cache. All readers of a process share one. A nil Cache keeps
// nothing. Safe for concurrent use.
//
// What stays is decided by S3-FIFO: what comes in waits in a small queue, and
// only what is asked for again while it waits goes on to the main one. So a
// scan of a table that does not fit passes through a tenth of the cache and
// leaves the rest alone. A hit takes no lock that others write under, and
// moves nothing.
type Cache struct {
	most         int64        // bytes that it may hold
	lent         atomic.Int64 // of them, to others
	shards       [cacheShards]cacheShard
	hits, misses atomic.Int64

	mu         sync.Mutex // of what follows; locked before a shard
	small      fifo[*kept]
	main       fifo[*kept]
	held       int64 // bytes of both
	smallBytes int64
	ghosts     map[partKey]struct{} // what left small lately: it was too early
	ghostOrder fifo[partKey]
}

const (
	cacheShards  = 32
	smallShare   = 10  // percent of the cache
	largestShare = 25  // percent of the cache that one part may take
	keptShare    = 25  // percent of the cache that is never lent
	keptOverhead = 160 // bytes of a part beside its own
	maxUses      = 3   // how many rounds of the main queue a part may earn
)

// partKey is the place of a part: in which segment, at which byte.
type partKey struct{ segment, off uint64 }

// kept is a part in the cache.
type kept struct {
	key   partKey
	value any // []byte, or a pointer to a page or an index
	bytes int64
	uses  atomic.Int32
	old   bool // it is in the main queue
}

type cacheShard struct {
	sync.RWMutex
	parts map[partKey]*kept
}

// NewCache returns a cache of so many bytes.
func NewCache(limit int64) *Cache {
	c := &Cache{most: limit, ghosts: map[partKey]struct{}{}}
	for i := range c.shards {
		c.shards[i].parts = map[partKey]*kept{}
	}
	return c
}

// Lend takes so many bytes of the room away, for what others hold, or gives them
// back if they are negative. A quarter of the room stays whatever is lent.
func (c *Cache) Lend(bytes int64) {
	if c.lent.Add(bytes); bytes > 0 {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.shrink()
	}
}

// limit returns how many bytes may be held now.
func (c *Cache) limit() int64 { return max(c.most-c.lent.Load(), c.most*keptShare/100) }

// Open opens a segment, as the function Open does, for a reader that keeps
// parts of it in the cache. No two segments may have the same number.
func (c *Cache) Open(segment uint64, r io.ReaderAt, size int64) (*Reader, error) {
	return openIn(cachedSegment{c, segment}, r, size)
}

// CacheStats is what a cache has done. Bytes is what it holds now.
type CacheStats struct{ Hits, Misses, Bytes int64 }

// Stats returns what the cache has done since it was made.
func (c *Cache) Stats() CacheStats {
	if c == nil {
		return CacheStats{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return CacheStats{c.hits.Load(), c.misses.Load(), c.held}
}

// Drop lets go of a segment that is no longer there.
func (c *Cache) Drop(segment uint64) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	stays := func(k *kept) bool {
		if k.key.segment == segment {
			c.forget(k)
			return false
		}
		return true
	}
	c.small.filter(stays)
	c.main.filter(stays)
}

func (c *Cache) shard(key partKey) *cacheShard {
	mixed := (key.segment ^ key.off>>3) * 0x9e3779b97f4a7c15
	return &c.shards[mixed>>32%cacheShards]
}

func (c *Cache) get(key partKey) any {
	s := c.shard(key)
	s.RLock()
	k := s.parts[key]
	s.RUnlock()
	if k == nil {
		c.misses.Add(1)
		return nil
	}
	c.hits.Add(1)
	if n := k.uses.Load(); n < maxUses {
		k.uses.Store(n + 1) // of two at once one may be lost
	}
	return k.value
}

func (c *Cache) put(key partKey, value any, bytes int64) {
	k := &kept{key: key, value: value, bytes: bytes + keptOverhead}
	if k.bytes > c.most*largestShare/100 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.enter(k) {
		return // somebody else was quicker
	}
	c.held += k.bytes
	if _, k.old = c.ghosts[key]; k.old {
		delete(c.ghosts, key)
		c.main.push(k)
	} else {
		c.small.push(k)
		c.smallBytes += k.bytes
	}
	c.shrink()
}

// grow counts more bytes for a part, if that is still what is kept.
func (c *Cache) grow(key partKey, value any, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.shard(key)
	s.RLock()
	k := s.parts[key]
	s.RUnlock()
	if k == nil || k.value != value {
		return
	}
	k.bytes += bytes
	c.held += bytes
	if !k.old {
		c.smallBytes += bytes
	}
	c.shrink()
}

// shrink lets parts go until the rest fits.
func (c *Cache) shrink() {
	for limit := c.limit(); c.held > limit; {
		if c.smallBytes > limit*smallShare/100 || c.main.len() == 0 {
			c.leaveSmall()
		} else {
			c.leaveMain()
		}
	}
}

// enter makes k findable, unless its key is taken.
func (c *Cache) enter(k *kept) bool {
	s := c.shard(k.key)
	s.Lock()
	defer s.Unlock()
	if s.parts[k.key] != nil {
		return false
	}
	s.parts[k.key] = k
	return true
}

// forget undoes what put did, but for the queue.
func (c *Cache) forget(k *kept) {
	s := c.shard(k.key)
	s.Lock()
	delete(s.parts, k.key)
	s.Unlock()
	c.held -= k.bytes
	if !k.old {
		c.smallBytes -= k.bytes
	}
}

// leaveSmall moves the oldest part of the small queue on if it was used since
// it came, or else out.
func (c *Cache) leaveSmall() {
	k := c.small.pop()
	if k.uses.Load() > 0 {
		c.smallBytes -= k.bytes
		k.old = true
		k.uses.Store(0)
		c.main.push(k)
		return
	}
	c.forget(k)
	c.ghosts[k.key] = struct{}{}
	c.ghostOrder.push(k.key)
	for c.ghostOrder.len() > c.small.len()+c.main.len() {
		delete(c.ghosts, c.ghostOrder.pop())
	}
}

// leaveMain lets the oldest part of the main queue begin again for each use,
// or else out.
func (c *Cache) leaveMain() {
	k := c.main.pop()
	if n := k.uses.Load(); n > 0 {
		k.uses.Store(n - 1)
		c.main.push(k)
		return
	}
	c.forget(k)
}

// cachedSegment is one segment's share of a cache; of none in its zero value.
type cachedSegment struct {
	cache   *Cache
	segment uint64
}

// get returns what is kept of the part at a place of the file, or nil.
func (s cachedSegment) get(off uint64) any {
	if s.cache == nil {
		return nil // and not a miss
	}
	return s.cache.get(partKey{s.segment, off})
}

// has reports whether a part is kept, which is no use of it.
func (s cachedSegment) has(off uint64) bool {
	if s.cache == nil {
		return false
	}
	key := partKey{s.segment, off}
	in := s.cache.shard(key)
	in.RLock()
	defer in.RUnlock()
	return in.parts[key] != nil
}

// bytes returns the bytes kept of a page of an index, or nil.
func (s cachedSegment) bytes(off uint64) []byte {
	b, _ := s.get(off).([]byte)
	return b
}

// put keeps a part that has been checked and will not change.
func (s cachedSegment) put(off uint64, value any, bytes int) {
	if s.cache != nil {
		s.cache.put(partKey{s.segment, off}, value, int64(bytes))
	}
}

// grow tells that a part has come to hold more bytes.
func (s cachedSegment) grow(off uint64, value any, bytes int64) {
	if s.cache != nil {
		s.cache.grow(partKey{s.segment, off}, value, bytes)
	}
}

// fifo is a queue.
type fifo[T any] struct {
	items []T
	first int
}

func (q *fifo[T]) len() int { return len(q.items) - q.first }

func (q *fifo[T]) push(v T) { q.items = append(q.items, v) }

func (q *fifo[T]) pop() (v T) {
	var none T
	v, q.items[q.first] = q.items[q.first], none
	if q.first++; q.first > len(q.items)/2 {
		q.filter(func(T) bool { return true })
	}
	return v
}

// filter keeps what stays says, in its order.
func (q *fifo[T]) filter(stays func(T) bool) {
	n := 0
	for _, v := range q.items[q.first:] {
		if stays(v) {
			q.items[n] = v
			n++
		}
	}
	clear(q.items[n:])
	q.items, q.first = q.items[:n], 0
}
