package client

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/tarnlake/tarn/client/wire"
)

// tries is what happened at each address when it was tried last.
type tries struct {
	mu   sync.Mutex
	last map[string]error
}

func (t *tries) note(addr string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last = map[string]error{}
	}
	t.last[addr] = err
}

func (t *tries) at(addr string) (err error, tried bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	err, tried = t.last[addr]
	return err, tried
}

// explain says why no node lets us in. ended is why the waiting ended, if it
// did for that.
func (t *tries) explain(addrs []string, secure bool, ended error) error {
	var first *wire.Error
	var whys []string
	for _, addr := range addrs {
		e := t.why(addr, secure, ended)
		if first == nil || first.Code == wire.Unavailable {
			first = e
		}
		whys = append(whys, addr+": "+e.Message)
	}
	if len(addrs) == 1 {
		return wire.Errorf(first.Code, "no Tarn node answers at %s: %w", addrs[0], first).WithHint("%s", first.Hint)
	}
	return wire.Errorf(first.Code, "none of %d nodes answers: %s", len(addrs), strings.Join(whys, "; ")).WithHint("%s", first.Hint)
}

// why says what is wrong at one address.
func (t *tries) why(addr string, secure bool, ended error) *wire.Error {
	err, tried := t.at(addr)
	var known *wire.Error
	var network *net.OpError
	var notTLS tls.RecordHeaderError
	switch {
	case errors.Is(ended, context.Canceled):
		return wire.Errorf(wire.Canceled, "%w", ended)
	case !tried || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		return wire.Errorf(wire.Unavailable, "it does not answer in time").WithHint("is the address right, and the machine up?")
	case errors.As(err, &known):
		return known
	case errors.As(err, &notTLS) || secure && errors.Is(err, io.EOF):
		return wire.Errorf(wire.Unavailable, "it does not speak TLS (%w)", err).WithHint("a node that is not of a cluster is called without --cert and --token, on its own machine")
	case errors.As(err, &network) && network.Op == "dial":
		return wire.Errorf(wire.Unavailable, "%w", err).WithHint("start a node with: tarn server --dir DIR --listen %s   (or name another with --addr)", addr)
	case err != nil:
		return wire.Errorf(wire.Unavailable, "%w", err)
	case secure:
		return wire.Errorf(wire.Unavailable, "what answers is not a node")
	}
	return wire.Errorf(wire.Unavailable, "what answers is not a node, or one of a cluster").WithHint("a node of a cluster is called with --cert FILE, or with --token and --ca")
}
