package client

import (
	"context"

	"github.com/tarnlake/tarn/client/wire"
)

// Stripe tells where the members of a stripe are. id is that of the stripe or
// of a segment in it, or a file's name.
func (c *Client) Stripe(ctx context.Context, id string) (wire.Stripe, error) {
	list, err := ask[wire.StripeList](ctx, c, wire.ActionStripes, wire.GetStripes{ID: id})
	if err == nil && len(list.Stripes) != 1 {
		err = wire.Errorf(wire.Internal, "the node answered with %d stripes of id %s", len(list.Stripes), id)
	}
	if err != nil {
		return wire.Stripe{}, err
	}
	return list.Stripes[0], nil
}

// TableStripes tells where the members of all stripes are that hold segments
// of the newest version of a table.
func (c *Client) TableStripes(ctx context.Context, table string) (all []wire.Stripe, err error) {
	req := wire.GetStripes{Table: table}
	for {
		list, err := ask[wire.StripeList](ctx, c, wire.ActionStripes, req)
		if err != nil {
			return nil, err
		}
		all = append(all, list.Stripes...)
		if !list.More || len(list.Stripes) == 0 {
			return all, nil
		}
		req.From = list.Stripes[len(list.Stripes)-1].ID
	}
}

// RetryParked has members that were set aside rebuilt again, if they can be.
func (c *Client) RetryParked(ctx context.Context) error {
	_, err := call[struct{}](ctx, c, wire.ActionRetry, struct{}{})
	return err
}
