package catalog

import (
	"cmp"
	"errors"
	"io"
	"sync"

	"github.com/hashicorp/raft"
)

// Transport is how Raft reaches the other nodes. Their addresses are their
// UUIDs: raft.NetworkTransport over a trust.RaftLayer, which knows where they
// are. Raft closes it.
type Transport interface {
	raft.Transport
	raft.WithPreVote
	raft.WithClose
}

// link is a transport that knows what its node does with it.
type link struct {
	Transport
	node    string
	pledges pledges
	stalled func() bool // the disk of the log hangs
}

// LocalAddr returns the node's UUID, wherever the transport listens.
func (l *link) LocalAddr() raft.ServerAddress { return raft.ServerAddress(l.node) }

// errStalled is why a leader is not heard any more.
var errStalled = errors.New("the disk of the catalog hangs: this node lets others lead")

// AppendEntries sends entries, or only a heartbeat. A leader whose disk hangs
// is to be given up by the others, so it does not.
func (l *link) AppendEntries(id raft.ServerID, at raft.ServerAddress, req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	if l.stalled() {
		return errStalled
	}
	asked := l.pledges.question()
	err := l.Transport.AppendEntries(id, at, req, resp)
	if err == nil && resp.Success && resp.Term == req.Term {
		l.pledges.give(string(id), pledge{req.Term, asked})
	}
	return err
}

// AppendEntriesPipeline opens a pipeline that is as silent.
func (l *link) AppendEntriesPipeline(id raft.ServerID, at raft.ServerAddress) (raft.AppendPipeline, error) {
	p, err := l.Transport.AppendEntriesPipeline(id, at)
	if err != nil {
		return nil, err
	}
	return &pipeline{p, l}, nil
}

// InstallSnapshot sends a snapshot, which counts as a heartbeat, too.
func (l *link) InstallSnapshot(id raft.ServerID, at raft.ServerAddress, req *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	if l.stalled() {
		return errStalled
	}
	return l.Transport.InstallSnapshot(id, at, req, resp, data)
}

type pipeline struct {
	raft.AppendPipeline
	link *link
}

// AppendEntries is that of the link.
func (p *pipeline) AppendEntries(req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	if p.link.stalled() {
		return nil, errStalled
	}
	return p.AppendPipeline.AppendEntries(req, resp)
}

// pledge is a voter's word that a term had no other leader: the answer to a
// request that was sent after a question. raft.VerifyLeader alone would also
// count the answer to a heartbeat that was sent before it was called, and
// which may be as old as the network or a stopped process likes.
type pledge struct{ term, question uint64 }

// pledges are the newest of all voters.
type pledges struct {
	mu    sync.Mutex
	asked uint64
	of    map[string]pledge
	news  chan struct{} // closed with the next pledge; nil while nobody waits
}

// ask begins a question.
func (p *pledges) ask() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	return p.asked
}

// question returns the newest.
func (p *pledges) question() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

func (p *pledges) give(voter string, word pledge) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil {
		p.of = map[string]pledge{}
	}
	if old := p.of[voter]; cmp.Or(cmp.Compare(old.term, word.term), cmp.Compare(old.question, word.question)) >= 0 {
		return // requests overtake each other
	}
	p.of[voter] = word
	if p.news != nil {
		close(p.news)
		p.news = nil
	}
}

// count returns how many voters have given that word or a newer one for the
// term, the node itself included, and a channel that is closed with the next.
func (p *pledges) count(self string, voters []string, word pledge) (n int, news <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range voters {
		given := p.of[v]
		if v == self || given.term == word.term && given.question >= word.question {
			n++
		}
	}
	if p.news == nil {
		p.news = make(chan struct{})
	}
	return n, p.news
}
