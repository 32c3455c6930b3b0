package catalog

import (
	"context"
	"errors"

	"github.com/tarnlake/tarn/client/wire"
)

// verification is one question to the voters whether this node still leads.
type verification struct {
	done chan struct{}
	err  error
}

// Read returns a state with everything in it that was acknowledged, by any
// node, before the call. It asks the voters; calls that come at the same time
// share a question.
func (c *Catalog) Read(ctx context.Context) (*State, error) {
	if err := c.ended(); err != nil {
		return nil, noAnswer(err)
	}
	v := c.joinVerification()
	select {
	case <-v.done:
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, wire.Errorf(wire.DeadlineExceeded, "reading the catalog: %w", ctx.Err())
		}
		return nil, wire.Errorf(wire.Canceled, "reading the catalog: %w", ctx.Err())
	case <-c.poison.fatal:
		return nil, noAnswer(c.ended())
	case <-c.closed:
		return nil, noAnswer(c.ended())
	}
	if v.err != nil {
		return nil, noAnswer(v.err)
	}
	// What was acknowledged was applied here first, so it is in the view.
	return c.View(), nil
}

func noAnswer(err error) error {
	return wire.Errorf(wire.Unavailable, "this node cannot say what the newest state is: %w", err)
}

// joinVerification returns the next verification. One that is under way will
// not do: it may have asked before the caller's last write was acknowledged
// elsewhere.
func (c *Catalog) joinVerification() *verification {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.verify == nil {
		c.verify = &verification{done: make(chan struct{})}
	}
	if !c.active {
		c.active = true
		go c.runVerifications()
	}
	return c.verify
}

func (c *Catalog) runVerifications() {
	for {
		c.mu.Lock()
		v := c.verify
		c.verify, c.active = nil, v != nil
		c.mu.Unlock()
		if v == nil {
			return
		}
		v.err = c.raft.VerifyLeader().Error()
		close(v.done)
	}
}
