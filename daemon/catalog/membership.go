package catalog

import (
	"context"
	"errors"

	"github.com/hashicorp/raft"
	"github.com/tarnlake/tarn/client/wire"
)

// Server is a node that has a replica of the catalog.
type Server struct {
	Node  string // UUID
	Voter bool   // counts in elections and for commits; the others only follow
}

// Servers returns the servers of the newest configuration that this node
// knows, in the order in which they came; none on a joiner that was not added yet.
func (c *Catalog) Servers() []Server {
	f := c.raft.GetConfiguration()
	if f.Error() != nil {
		return nil // raft knows no such error
	}
	var all []Server
	for _, s := range f.Configuration().Servers {
		all = append(all, Server{string(s.ID), s.Suffrage == raft.Voter})
	}
	return all
}

// AddNode gives a node a replica, without a vote; one that has it keeps what
// it has. The node is to be started with Config.Join. Like all changes of
// servers it is for the leader (others return *NotLeader and have done
// nothing), returns when the change is committed, and may be made twice without
// harm. After wire.Unavailable it may have been made or not.
func (c *Catalog) AddNode(ctx context.Context, node string) error {
	if err := checkText("node id", node, maxIDBytes); err != nil {
		return err
	}
	return c.configure(ctx, func() raft.IndexFuture {
		return c.raft.AddNonvoter(raft.ServerID(node), raft.ServerAddress(node), 0, 0)
	})
}

// Promote gives a server a vote. It should have caught up (see
// State.Index and Voters): until it has, commits may wait for it.
func (c *Catalog) Promote(ctx context.Context, node string) error {
	if err := c.checkServer(node); err != nil {
		return err
	}
	return c.configure(ctx, func() raft.IndexFuture {
		return c.raft.AddVoter(raft.ServerID(node), raft.ServerAddress(node), 0, 0)
	})
}

// Demote takes the vote of a server, which goes on to follow. The last vote
// cannot be taken. A leader that demotes itself leads no longer.
func (c *Catalog) Demote(ctx context.Context, node string) error {
	if err := c.checkServer(node); err != nil {
		return err
	}
	return c.configure(ctx, func() raft.IndexFuture { return c.raft.DemoteVoter(raft.ServerID(node), 0, 0) })
}

// Remove takes a node's replica out of the cluster. It comes back by AddNode.
// The last vote cannot be taken.
func (c *Catalog) Remove(ctx context.Context, node string) error {
	return c.configure(ctx, func() raft.IndexFuture { return c.raft.RemoveServer(raft.ServerID(node), 0, 0) })
}

// checkServer refuses a node that has no replica.
func (c *Catalog) checkServer(node string) error {
	for _, s := range c.Servers() {
		if s.Node == node {
			return nil
		}
	}
	return wire.Errorf(wire.InvalidArgument, "node %s has no replica of the catalog", node).WithHint("tarn node list")
}

// configure makes one change of the servers.
func (c *Catalog) configure(ctx context.Context, change func() raft.IndexFuture) error {
	ctx, cancel := c.whileOpen(ctx)
	defer cancel()
	if !c.Leads() {
		return c.notLeader()
	}
	done := make(chan error, 1) // raft answers unless it stops
	go func() { done <- change().Error() }()
	select {
	case err := <-done:
		return c.configured(err)
	case <-ctx.Done():
		return unknownOutcome(context.Cause(ctx))
	}
}

func (c *Catalog) configured(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader):
		return c.notLeader()
	case errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrRaftShutdown), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return unknownOutcome(err)
	}
	return wire.Errorf(wire.InvalidArgument, "the servers of the catalog cannot be changed so: %w", err)
}

// TransferLeadership makes another voter lead, one that has caught up, and returns when this node
// does not lead any more. Proposals wait for that long.
func (c *Catalog) TransferLeadership(ctx context.Context) error {
	if !c.Leads() {
		return c.notLeader()
	}
	ctx, cancel := c.whileOpen(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- c.raft.LeadershipTransfer().Error()
		c.lead.changed() // raft has refused proposals meanwhile: they are handed in again
	}()
	select {
	case err := <-done:
		if err != nil {
			return wire.Errorf(wire.Unavailable, "no other node took over the catalog: %w", err)
		}
		return nil
	case <-ctx.Done():
		return unknownOutcome(context.Cause(ctx))
	}
}
