package client

import (
	"context"

	"github.com/tarnlake/tarn/client/wire"
)

// again calls f, and calls it again of another node when this one went away
// meanwhile, or says that it cannot answer, once for each address, as long as f
// says that it may be repeated.
func (c *Client) again(ctx context.Context, f func() (repeatable bool, err error)) error {
	for left := len(c.door.addrs); ; left-- {
		at := c.door.where()
		repeatable, err := f()
		if !repeatable || left == 0 || !gone(ctx, err) && !c.passes(ctx, err) {
			return err
		}
		if unable(err) {
			c.door.leave(at)
		}
		if err := c.door.enter(ctx, c.conn); err != nil {
			return err
		}
	}
}

// gone tells the loss of a node, or of the way to it, from its answer. One
// that stops cancels what is under way.
func gone(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() != nil {
		return false
	}
	e := wire.FromError(err)
	return e.Code == wire.Unavailable && e.Unwrap() != nil || e.Code == wire.Canceled
}

// unable tells an answer of a node that cannot do anything, such as one that
// sees no leader, from the loss of it.
func unable(err error) bool {
	e := wire.FromError(err)
	return err != nil && e.Code == wire.Unavailable && e.Unwrap() == nil
}

// passes reports whether there is another node to ask what this one is unable
// to answer.
func (c *Client) passes(ctx context.Context, err error) bool {
	return unable(err) && ctx.Err() == nil && len(c.door.addrs) > 1
}

// ask is call for what only reads, and may be asked of another node again.
func ask[R any](ctx context.Context, c *Client, action string, req any) (res R, err error) {
	err = c.again(ctx, func() (bool, error) {
		res, err = call[R](ctx, c, action, req)
		return true, err
	})
	return res, err
}
