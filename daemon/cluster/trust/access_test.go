package trust

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/tarnlake/tarn/client/wire"
)

// withToken returns s with an access token, and the token's text.
func withToken(t testing.TB, s State, name string, role Role, life time.Duration) (State, string) {
	t.Helper()
	text, record, err := NewAccessToken(noon, rand.Reader, name, role, life)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = s.WithToken(noon, record); err != nil {
		t.Fatal(err)
	}
	return s, text
}

func TestAuthenticate(t *testing.T) {
	s, text := withToken(t, newState(t), "etl", Writer, time.Hour)
	got, err := s.Authenticate(noon, text)
	want := Principal{Name: "etl", Role: Writer, Via: ViaToken, ID: s.AccessTokens()[0].ID}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	_, err = s.Authenticate(noon.Add(time.Hour), text)
	wantError(t, err, wire.Unauthenticated, "(etl) expired at 2026-03-01 13:00:00 UTC")
	_, err = s.Authenticate(noon, text[:30])
	wantError(t, err, wire.Unauthenticated, "cut short")
	_, err = newState(t).Authenticate(noon, text)
	wantError(t, err, wire.Unauthenticated, "revoked, or is of another cluster")

	fields, err := accessKind.read(text)
	if err != nil {
		t.Fatal(err)
	}
	fields[idSize] ^= 1 // another secret under the same id
	_, err = s.Authenticate(noon, accessKind.write(fields))
	wantError(t, err, wire.Unauthenticated, "revoked")

	revoked, err := s.WithoutToken("etl")
	if err != nil {
		t.Fatal(err)
	}
	_, err = revoked.Authenticate(noon, text)
	wantError(t, err, wire.Unauthenticated, "revoked")
	if _, err = s.Authenticate(noon, text); err != nil {
		t.Errorf("the older state has changed: %v", err)
	}
	_, err = revoked.WithoutToken("etl")
	wantError(t, err, wire.InvalidArgument, "no access token")
}

func TestNamesOfTokensAreUniqueAmongTheLiving(t *testing.T) {
	s, _ := withToken(t, newState(t), "etl", Writer, time.Hour)
	_, record, err := NewAccessToken(noon, rand.Reader, "etl", Reader, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.WithToken(noon, record)
	wantError(t, err, wire.Conflict, "token etl already", "revoke")
	s, err = s.WithToken(noon.Add(time.Hour), record)
	if err != nil || len(s.AccessTokens()) != 2 {
		t.Errorf("%d tokens, %v; want 2", len(s.AccessTokens()), err)
	}
	if got := len(s.Pruned(noon.Add(time.Hour + keepExpired + 1)).Tokens); got != 1 {
		t.Errorf("%d tokens a month later; want 1: the one that never expires", got)
	}
}

func TestTokensThatAreNotMade(t *testing.T) {
	for name, c := range map[string]struct {
		name string
		role Role
		life time.Duration
	}{
		"name": {"a b", Reader, 0}, "no name": {"", Reader, 0}, "node": {"etl", Node, 0},
		"role": {"etl", "root", 0}, "life": {"etl", Reader, -1},
	} {
		_, _, err := NewAccessToken(noon, rand.Reader, c.name, c.role, c.life)
		t.Log(name)
		wantError(t, err, wire.InvalidArgument)
	}
}

func TestTheStateStaysSmall(t *testing.T) {
	s := newState(t)
	s.Tokens = map[string]AccessToken{}
	for i := range MaxTokens {
		id := fmt.Sprint("t", i)
		s.Tokens[id] = AccessToken{ID: id, Name: id, Role: Reader}
	}
	_, record, err := NewAccessToken(noon, rand.Reader, "etl", Reader, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.WithToken(noon, record)
	wantError(t, err, wire.LimitExceeded, "no more")
	for range MaxJoins {
		s, _ = withJoinToken(t, s, 1)
	}
	_, join, err := s.NewJoinToken(noon, rand.Reader, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.WithJoin(noon, join)
	wantError(t, err, wire.LimitExceeded, "no more")
	if _, err = s.WithJoin(noon.Add(time.Hour+keepExpired+1), join); err != nil {
		t.Errorf("long expired tokens stand in the way: %v", err)
	}
}

func TestRolesAreOrdered(t *testing.T) {
	order := []Role{Reader, Writer, Admin, Node}
	for i, r := range order {
		for j, least := range order {
			if got := r.May(least); got != (i >= j) {
				t.Errorf("%s may what %s may: %v", r, least, got)
			}
		}
		if Role("").May(r) || r.May("") || r.May("root") || Role("root").May(r) {
			t.Errorf("an unknown role compares with %s", r)
		}
	}
}
