package catalog

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/raft"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/plant"
)

// Read returns a state with everything in it that was acknowledged, by any
// node, before the call. It asks the leader, which asks the voters whether it
// still is that, and waits until this node has applied as much; calls that come at the same time
// share a question. Without a leader it is wire.Unavailable in the end.
func (c *Catalog) Read(ctx context.Context) (*State, error) {
	if err := c.ended(); err != nil {
		return nil, noAnswer(err)
	}
	ctx, cancel := c.whileOpen(ctx)
	defer cancel()
	if plant.On(plant.ReadReplica) && c.View().Index() > 0 {
		return c.View(), nil
	}
	index, err := c.fresh.wait(ctx)
	if err != nil {
		return nil, readError(ctx, err)
	}
	s, err := c.StateAt(ctx, index)
	if err != nil {
		return nil, readError(ctx, err)
	}
	return s, nil
}

// StateAt returns a state of this node that has an index, once it has come so
// far; when ctx ends before that, the newest there is, and why.
func (c *Catalog) StateAt(ctx context.Context, index uint64) (*State, error) {
	s, err := c.fsm.await(ctx, func(p *published) bool { return p.state.Index() >= index })
	if err != nil {
		return c.View(), err
	}
	return s, nil
}

func readError(ctx context.Context, err error) error {
	switch {
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return wire.Errorf(wire.DeadlineExceeded, "reading the catalog: %w", err)
	case errors.Is(context.Cause(ctx), context.Canceled):
		return wire.Errorf(wire.Canceled, "reading the catalog: %w", err)
	}
	return noAnswer(err)
}

func noAnswer(err error) error {
	return wire.Errorf(wire.Unavailable, "this node cannot say what the newest state is: %w", err)
}

// leaderless is how long a question waits where nobody leads: a new leader is
// there sooner, and a node that is cut off from the voters tells its client, who
// may know another one.
const leaderless = 5 * time.Second

// askIndex asks the leader for its ReadIndex.
func (c *Catalog) askIndex() (index uint64, err error) {
	ctx, cancel := context.WithTimeout(c.open, patience)
	defer cancel()
	err = c.askLeader(ctx, leaderless, func(ctx context.Context, leader string) (err error) {
		if leader == c.cfg.Node {
			index, err = c.ReadIndex(ctx)
		} else {
			index, err = c.cfg.Peers.ReadIndex(ctx, leader)
		}
		return err
	})
	return index, err
}

// ReadIndex returns the index of a command such that a node which has applied
// it has everything that was acknowledged before the call. Only the leader
// answers, once a majority of the voters has confirmed that it still is: all others
// return *NotLeader. Calls that come at the same time share a question.
func (c *Catalog) ReadIndex(ctx context.Context) (uint64, error) {
	if !c.Leads() {
		return 0, c.notLeader()
	}
	return c.verified.wait(ctx)
}

// verifyIndex is the question of ReadIndex. What was acknowledged by now is in
// the log of whoever leads, so it is in this one if a majority says after now
// that this node leads.
func (c *Catalog) verifyIndex() (uint64, error) {
	now := c.lead.current()
	if !c.Leads() {
		return 0, c.notLeader()
	}
	var index uint64
	err := during(c.open, now, func(ctx context.Context) (err error) {
		index, err = c.confirm(ctx, c.raft.CurrentTerm())
		return err
	})
	if err != nil && now.Err() != nil {
		return 0, c.notLeader()
	}
	return index, err
}

func (c *Catalog) confirm(ctx context.Context, term uint64) (uint64, error) {
	if plant.On(plant.ReadUnverified) {
		return c.View().Index(), nil
	}
	if err := c.applyEarlier(ctx, term); err != nil {
		return 0, err
	}
	committed, question := c.raft.CommitIndex(), c.link.pledges.ask()
	if err := c.majority(ctx, term, question); err != nil {
		return 0, err
	}
	s, err := c.fsm.await(ctx, func(p *published) bool { return p.applied.index >= committed })
	if err != nil {
		return 0, err
	}
	return s.Index(), nil
}

// applyEarlier returns once the entries of all earlier terms are applied here.
// From then on all entries of the log get to the state machine, so that its
// position can be compared with the commit index.
func (c *Catalog) applyEarlier(ctx context.Context, term uint64) error {
	caughtUp := func(p *published) bool { return p.applied.term >= term }
	if !caughtUp(c.fsm.now.Load()) {
		go c.raft.Apply(mark, 0)
	}
	_, err := c.fsm.await(ctx, caughtUp)
	return err
}

// majority returns once a majority of the voters has confirmed, after the
// question, that this node leads the term.
func (c *Catalog) majority(ctx context.Context, term, question uint64) error {
	for first := true; ; first = false {
		voters, err := c.voters()
		if err != nil {
			return err
		}
		n, news := c.link.pledges.count(c.cfg.Node, voters, pledge{term, question})
		if n > len(voters)/2 {
			return nil
		}
		if first {
			go c.raft.VerifyLeader() // it sends heartbeats at once; the pledges count the answers
		}
		select {
		case <-news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// voters returns the voters of the newest configuration.
func (c *Catalog) voters() ([]string, error) {
	f := c.raft.GetConfiguration()
	if err := f.Error(); err != nil {
		return nil, err
	}
	var ids []string
	for _, s := range f.Configuration().Servers {
		if s.Suffrage == raft.Voter {
			ids = append(ids, string(s.ID))
		}
	}
	return ids, nil
}
