package catalog

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// voterWorld reads servers and nodes from words: "a+" a voter, "a" a server, "(a)"
// none; then "/z" its zone, "!" down, "~" behind, "x" gone.
func voterWorld(words string) (servers []Server, nodes []Candidate) {
	for _, w := range strings.Fields(words) {
		id := strings.Trim(w, "()+!~x")
		id, _, _ = strings.Cut(id, "+")
		id, _, _ = strings.Cut(id, "/")
		if !strings.HasPrefix(w, "(") {
			servers = append(servers, Server{id, strings.Contains(w, "+")})
		}
		c := Candidate{Node: id, Up: !strings.Contains(w, "!"), CaughtUp: !strings.Contains(w, "~"), Gone: strings.Contains(w, "x")}
		if _, zone, ok := strings.Cut(w, "/"); ok {
			c.Zone = zone[:1]
		}
		nodes = append(nodes, c)
	}
	return servers, nodes
}

func TestVoters(t *testing.T) {
	for _, test := range []struct{ world, want string }{
		{"a+", ""},
		{"a+ (b)", "add b"},
		{"a+ b", ""}, // two voters would be worse than one
		{"a+ b c", "promote b, promote c"},
		{"a+ b c~", ""},          // not two
		{"a+ b+ c", "promote c"}, // was cut off in between
		{"a+ b+ c~", ""},
		{"a+ b+ c+", ""},
		{"a+ b+ c+!", ""}, // only down
		{"a+ b+! c+! d", ""},
		{"a+ b+! c+! d e", "promote d, promote e"},
		{"a+ b+ c+ d", ""},
		{"a+ b+ c+ d e", "promote d, promote e"},
		{"a+ b+ c+ d e f", "promote d, promote e"},
		{"a+ b+ c+ d e f!~", "promote d, promote e"},
		{"a+ b+ c+x d", "promote d, demote c, remove c"},
		{"a+ b+ c+x", "demote c, demote b, remove c"},
		{"a+ b+ c+x d~ e", "promote e, demote c, remove c"},
		{"a+ b+ c+x d! e~", ""},
		{"a+x b c d", "promote b, demote a, promote c, promote d, remove a"},
		{"a+ bx", "remove b"},
		{"a+/1 b/1 c/1 d/2", "promote d, promote b"},
		{"a+/1 b/1 c/1 d/2 e/3", "promote d, promote e, promote b, promote c"},
		{"a+/1 b+/1 c+/1 d/2 e/3", "promote d, promote e"},
		{"a+/1 b+/1 c+/2 d/3", "promote d, demote a"},
		{"a+/1 b+/1 c+/2 d/3~", ""},
		{"a+ b+ c+ d+", "demote d"},
		{"a+ b+ c+ d+ e+", ""},
		{"a+ b+! c+ d+", "demote b"},
		{"a+ b+ c+ d+ e+ f+ g", "demote f"},
	} {
		var got []string
		for _, c := range Voters(voterWorld(test.world)) {
			got = append(got, fmt.Sprintf("%s %s", c.Kind, c.Node))
		}
		if text := strings.Join(got, ", "); text != test.want {
			t.Errorf("%s: got %q; want %q", test.world, text, test.want)
		}
	}
}

// made returns the servers after a change.
func made(servers []Server, c Change) []Server {
	servers = slices.DeleteFunc(slices.Clone(servers), func(s Server) bool { return s.Node == c.Node })
	if c.Kind == RemoveServer {
		return servers
	}
	return append(servers, Server{c.Node, c.Kind == PromoteServer})
}

func countVoters(servers []Server) (n int) {
	for _, s := range servers {
		n += btoi(s.Voter)
	}
	return n
}

func TestVotersAtRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var servers []Server
		var nodes []Candidate
		by := map[string]Candidate{}
		for i := range rapid.IntRange(1, 9).Draw(t, "nodes") {
			c := Candidate{
				Node: fmt.Sprint("n", i), Zone: rapid.SampledFrom([]string{"", "1", "2", "3"}).Draw(t, "zone"),
				Up: rapid.Bool().Draw(t, "up"), CaughtUp: rapid.Bool().Draw(t, "caught up"), Gone: i > 0 && rapid.IntRange(0, 5).Draw(t, "gone") == 0,
			}
			nodes, by[c.Node] = append(nodes, c), c
			if i == 0 || rapid.Bool().Draw(t, "server") {
				servers = append(servers, Server{c.Node, i == 0 || rapid.Bool().Draw(t, "voter")})
			}
		}
		start := countVoters(servers)
		staying := 0
		for _, c := range nodes {
			staying += btoi(!c.Gone)
		}
		target := votersFor(staying)
		for _, c := range Voters(servers, nodes) {
			if n := by[c.Node]; c.Kind == PromoteServer && (!n.Up || !n.CaughtUp || n.Gone) {
				t.Fatalf("%v: of %+v", c, n)
			}
			servers = made(servers, c)
			if n := countVoters(servers); n < min(start, target) || n > max(start, target)+1 {
				t.Fatalf("%v leaves %d voters; there were %d, and %d are wanted", c, n, start, target)
			}
		}
		end := countVoters(servers)
		if end != target && end%2 == 0 && start%2 != 0 {
			t.Fatalf("it rests at %d voters", end)
		}
		if more := Voters(servers, nodes); len(more) > 0 && !(len(more) == 2 && more[0].Kind == PromoteServer && more[1].Kind == DemoteServer) {
			t.Fatalf("asked again: %v", more) // but for moves between zones, one at a time
		}
		for i := range nodes {
			nodes[i].Up, nodes[i].CaughtUp = true, true
		}
		settle(t, servers, nodes, target)
	})
}

// settle follows the plan to its end, which is the target, spread as evenly as the zones allow.
func settle(t *rapid.T, servers []Server, nodes []Candidate, target int) {
	for range 20 {
		changes := Voters(servers, nodes)
		if len(changes) == 0 {
			break
		}
		for _, c := range changes {
			servers = made(servers, c)
		}
	}
	if left := Voters(servers, nodes); len(left) > 0 || countVoters(servers) != target {
		t.Fatalf("it does not come to rest: %d voters of %d, then %v", countVoters(servers), target, left)
	}
	for _, n := range nodes {
		if there := slices.ContainsFunc(servers, func(s Server) bool { return s.Node == n.Node }); there == n.Gone {
			t.Fatalf("node %s, gone %v, has a replica: %v", n.Node, n.Gone, there)
		}
	}
	checkSpread(t, servers, nodes)
}

// checkSpread wants no move of one vote that leaves fewer in a zone.
func checkSpread(t *rapid.T, servers []Server, nodes []Candidate) {
	var voters, free []Candidate
	for _, n := range nodes {
		switch {
		case slices.Contains(servers, Server{n.Node, true}):
			voters = append(voters, n)
		case slices.Contains(servers, Server{n.Node, false}):
			free = append(free, n)
		}
	}
	for _, v := range voters {
		for _, f := range free {
			rest := slices.DeleteFunc(slices.Clone(voters), func(c Candidate) bool { return c.Node == v.Node })
			if len(voters) > 1 && inZone(rest, f) < inZone(rest, v) {
				t.Fatalf("zones of the voters %+v: %s had better vote than %s", voters, f.Node, v.Node)
			}
		}
	}
}
