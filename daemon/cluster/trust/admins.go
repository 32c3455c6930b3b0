package trust

import (
	"time"

	"github.com/tarnlake/tarn/client/wire"
)

// CheckAdminLeft refuses, with wire.Conflict, a change from s to next by which
// nobody could change anything any more: the last certificate or token of an
// admin that is good at now is gone. Those of nodes, which their machines'
// operators have, do not count.
func (s State) CheckAdminLeft(next State, now time.Time) error {
	if !s.hasAdmin(now) || next.hasAdmin(now) {
		return nil
	}
	return wire.Errorf(wire.Conflict, "that is the last admin: nobody could issue or revoke anything afterwards").
		WithHint("first make another one: tarn cluster cert issue NAME --role admin --out FILE; to go on without one: --force")
}

func (s State) hasAdmin(now time.Time) bool {
	for _, c := range s.Certificates {
		if c.Role == Admin && !c.Revoked && now.Before(c.Expires) {
			return true
		}
	}
	for _, t := range s.Tokens {
		if t.Role == Admin && (t.Expires.IsZero() || now.Before(t.Expires)) {
			return true
		}
	}
	return false
}
