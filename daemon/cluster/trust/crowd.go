package trust

import (
	"container/list"
	"sync"
)

// A crowd is those who have not shown yet that they are worth waiting for.
// Beyond its limit the one that has been in it longest is given up: whoever
// opens connections and says nothing pushes out their own, for others stay
// only a moment.
type crowd struct {
	limit int

	mu     sync.Mutex
	giveUp list.List // functions, the oldest first
}

// enter adds one, with the function that gives it up. That is called from
// another goroutine's enter, at most once, and not after leave.
func (c *crowd) enter(giveUp func()) (leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.giveUp.Len() >= c.limit {
		c.giveUp.Remove(c.giveUp.Front()).(func())()
	}
	e := c.giveUp.PushBack(giveUp)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.giveUp.Remove(e) // does nothing if it is gone
	}
}

func (c *crowd) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.giveUp.Len()
}
