package catalog

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/tarnlake/tarn/client/wire"
)

// patience is how long a proposal or a question is tried. A cluster that has
// a majority of its voters has a leader long before.
const patience = 30 * time.Second

// Propose puts a command through Raft, wherever the leader is, and returns when it is applied here and
// durable. A rejection is in Result.Err. The error is for a command that was
// not judged: wire.InvalidArgument and wire.LimitExceeded when it cannot be
// written down and wire.DiskFull when there is no room for it, so that it has
// not been applied and never will; and wire.Unavailable when its outcome is unknown: it may have
// been applied, or may yet be, but once at most. A CommitSegments is then proposed again as it
// is, under the same Txn, until there is an answer.
func (c *Catalog) Propose(ctx context.Context, cmd Command) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := c.View().checkNeeds(cmd); err != nil {
		return Result{}, err // before nodes see it that would not understand it
	}
	cmd.Time = c.cfg.Now()
	for {
		r, err := c.proposeOnce(ctx, cmd)
		if err == nil && r.Err == errLate { // none of its entries has an effect, ever
			continue
		}
		if err == nil && r.Err == errAgain {
			return Result{}, unknownOutcome(errors.New("a snapshot took the place of the answer"))
		}
		return r, err
	}
}

// proposeOnce makes an entry and hands it to leaders until this node's own
// replica knows what has become of it.
func (c *Catalog) proposeOnce(ctx context.Context, cmd Command) (Result, error) {
	cmd.Proposal = c.newProposal()
	entry, err := cmd.encode()
	if err != nil {
		return Result{}, err
	}
	if err := c.ended(); err != nil {
		return Result{}, unknownOutcome(err)
	}
	if err := c.checkSpace(cmd); err != nil {
		return Result{}, err
	}
	w := c.fsm.waiters.expect(cmd.Proposal)
	defer c.fsm.waiters.forget(w)
	if err := c.deliver(ctx, entry, w); err != nil {
		return Result{}, err
	}
	return w.result, nil
}

// newProposal names a proposal of this life of the node.
func (c *Catalog) newProposal() Proposal {
	return Proposal{ID: c.life + "-" + strconv.FormatUint(c.proposals.Add(1), 36), After: c.raft.AppliedIndex()}
}

// deliver hands an entry to the leader, and to the next one if it gets lost
// there, until w has its result. The entry may well be in the log more than
// once then; it has its effect once.
func (c *Catalog) deliver(ctx context.Context, entry []byte, w *waiter) error {
	ctx, cancel := c.whileOpen(ctx)
	defer cancel()
	taken := false // perhaps
	err := c.askLeader(ctx, patience, func(ctx context.Context, leader string) error {
		err := c.hand(ctx, leader, entry, w)
		if err != nil && taken && refused(err) {
			return unknownOutcome(err) // an earlier one has it, perhaps
		}
		var untouched *NotLeader
		taken = taken || !errors.As(err, &untouched)
		return err
	})
	if err == nil || refused(err) || !taken {
		return err
	}
	return unknownOutcome(err)
}

// hand gives an entry to one node, and returns when w has its result.
func (c *Catalog) hand(ctx context.Context, leader string, entry []byte, w *waiter) error {
	failed := make(chan error, 1)
	if leader == c.cfg.Node {
		go c.raft.Apply(entry, 0) // waits while the queue is full; what fails there is a change of leaders
	} else {
		go func() {
			if _, err := c.cfg.Peers.Propose(ctx, leader, entry); err != nil {
				failed <- err
			}
		}()
	}
	select {
	case <-w.done:
		return nil
	case err := <-failed:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ApplyEntry puts the entry of another node's proposal through Raft, as Peers
// asks for it, and returns its index once it is applied here. On a node that
// does not lead it does nothing and returns *NotLeader. An entry that is not a
// whole and known command is wire.InvalidArgument and never gets into the
// log. wire.Unavailable means that it may have.
func (c *Catalog) ApplyEntry(ctx context.Context, entry []byte) (index uint64, err error) {
	cmd, err := checkEntry(entry)
	if err != nil {
		return 0, err
	}
	ctx, cancel := c.whileOpen(ctx)
	defer cancel()
	now := c.lead.current()
	if !c.Leads() {
		return 0, c.notLeader()
	}
	if err := c.checkSpace(cmd); err != nil {
		return 0, err
	}
	if entry, err = c.timed(cmd, entry); err != nil {
		return 0, err
	}
	w := c.fsm.waiters.expect(cmd.Proposal)
	defer c.fsm.waiters.forget(w)
	if at, ok := c.View().proposals.get(cmd.Proposal.ID); ok {
		return at, nil
	}
	err = during(ctx, now, func(ctx context.Context) error { return c.hand(ctx, c.cfg.Node, entry, w) })
	if err != nil {
		return 0, unknownOutcome(err)
	}
	return w.result.Index, nil
}

// farOff is how far the time of another node's command may be from the leader's.
const farOff = time.Second

// timed puts the leader's own time into a command whose proposer has a clock
// that is far off: what one node's clock says must not become everybody's time.
func (c *Catalog) timed(cmd Command, entry []byte) ([]byte, error) {
	now := c.cfg.Now()
	if now.Sub(cmd.Time).Abs() <= farOff {
		return entry, nil
	}
	cmd.Time = now
	return cmd.encode()
}

// checkEntry refuses what no proposer makes. What is in the log must be sound:
// a node that cannot read an entry stops.
func checkEntry(entry []byte) (Command, error) {
	cmd, err := decodeCommand(entry)
	if err != nil {
		return cmd, wire.Errorf(wire.InvalidArgument, "the entry is refused: %w", err).WithHint("are both nodes of the same version?")
	}
	if n := cmd.count(); n != 1 {
		return cmd, wire.Errorf(wire.InvalidArgument, "the entry is refused: it holds %d changes; want 1", n)
	}
	return cmd, checkProposal(cmd.Proposal)
}

func unknownOutcome(err error) error {
	return wire.Errorf(wire.Unavailable, "the catalog did not answer, the outcome is unknown: %w", err)
}

// ended says why there will be no more answers, or returns nil.
func (c *Catalog) ended() error { return context.Cause(c.open) }

// whileOpen returns a context that also ends when there will be no more answers.
func (c *Catalog) whileOpen(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.open, func() { cancel(c.ended()) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}
