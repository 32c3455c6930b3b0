package trust

import (
	"container/list"
	"sync"
)

// A Crowd is those who have not shown yet that they are worth waiting for.
// Beyond its limit the one that has been in it longest is given up: whoever
// opens connections and says nothing pushes out their own, for others stay
// only a moment. Safe for concurrent use.
type Crowd struct {
	Limit int // set before the first Enter

	mu     sync.Mutex
	giveUp list.List // functions, the oldest first
}

// Enter adds one, with the function that gives it up. That is called from
// another goroutine's Enter, at most once, and not after leave.
func (c *Crowd) Enter(giveUp func()) (leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.giveUp.Len() >= c.Limit {
		c.giveUp.Remove(c.giveUp.Front()).(func())()
	}
	e := c.giveUp.PushBack(giveUp)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.giveUp.Remove(e) // does nothing if it is gone
	}
}

func (c *Crowd) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.giveUp.Len()
}
