package catalog

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
)

// damages are what a disk may do to a file.
var damages = map[string]func(*rand.Rand, []byte) []byte{
	"a bit": func(r *rand.Rand, b []byte) []byte {
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		return b
	},
	"a byte in 37": func(r *rand.Rand, b []byte) []byte {
		for at := r.IntN(len(b)); at < len(b); at += 37 {
			b[at] = 0xff
		}
		return b
	},
	"heads of pages": func(r *rand.Rand, b []byte) []byte {
		for range 1 + r.IntN(3) {
			page := 2 + r.IntN(len(b)/os.Getpagesize()-2)
			b[page*os.Getpagesize()+r.IntN(256)] ^= byte(1 + r.IntN(255))
		}
		return b
	},
	"a page of another": func(r *rand.Rand, b []byte) []byte {
		size := os.Getpagesize()
		from, to := r.IntN(len(b)/size), 2+r.IntN(len(b)/size-2)
		copy(b[to*size:(to+1)*size], bytes.Clone(b[from*size:(from+1)*size]))
		return b
	},
	"zeros": func(r *rand.Rand, b []byte) []byte {
		at := r.IntN(len(b))
		clear(b[at:min(len(b), at+r.IntN(8192))])
		return b
	},
	"the end": func(r *rand.Rand, b []byte) []byte { return b[:r.IntN(len(b))] },
}

// logOf returns the log of a node with some commits, and its state.
func logOf(t *testing.T, cfg Config) (log []byte, state *State) {
	t.Helper()
	c := openCatalog(t, cfg)
	for i := range 45 {
		name := "table" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		propose(t, c, createTable(name))
		if i%3 == 0 {
			propose(t, c, dropTable(name))
		}
	}
	closeCatalog(t, c)
	log, err := os.ReadFile(filepath.Join(storeDir(cfg.Dir), "log.db"))
	if err != nil {
		t.Fatal(err)
	}
	x, err := Examine(cfg.Dir)
	if err != nil || len(x.Problems) > 0 || x.State == nil {
		t.Fatalf("%+v, %v; want a whole catalog", x, err)
	}
	return log, x.State
}

// TestDamagedLog: whatever a disk has done to the log, the node says that it is
// damaged or has the state that it had, and never dies.
func TestDamagedLog(t *testing.T) {
	cfg := testConfig(t.TempDir())
	log, want := logOf(t, cfg)
	path := filepath.Join(storeDir(cfg.Dir), "log.db")
	for what, damage := range damages {
		told := 0
		for seed := range uint64(25) {
			if err := os.WriteFile(path, damage(rand.New(rand.NewPCG(seed, 7)), bytes.Clone(log)), 0o600); err != nil {
				t.Fatal(err)
			}
			x, err := Examine(cfg.Dir)
			if err != nil {
				t.Fatalf("%s, seed %d: %v; want a problem of the replica", what, seed, err)
			}
			for _, p := range x.Problems {
				if !wire.IsCode(p, wire.Corrupt) {
					t.Errorf("%s, seed %d: %v; want CORRUPT", what, seed, p)
				}
			}
			if len(x.Problems) > 0 {
				told++
			}
			if x.State != nil && !bytes.Equal(encoded(t, x.State), encoded(t, want)) {
				t.Errorf("%s, seed %d: a state that never was, and %v", what, seed, x.Problems)
			}
		}
		if what != "a bit" && what != "zeros" && told < 8 {
			t.Errorf("%s: %d of 25 were noticed", what, told)
		}
	}
}

// TestDamagedLogIsNotOpened does the same to a node that starts.
func TestDamagedLogIsNotOpened(t *testing.T) {
	cfg := testConfig(t.TempDir())
	log, want := logOf(t, cfg)
	path := filepath.Join(storeDir(cfg.Dir), "log.db")
	for what, damage := range damages {
		for seed := range uint64(4) {
			if err := os.WriteFile(path, damage(rand.New(rand.NewPCG(seed, 11)), bytes.Clone(log)), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := Open(cfg)
			if err != nil {
				if !wire.IsCode(err, wire.Corrupt) {
					t.Errorf("%s, seed %d: %v; want CORRUPT", what, seed, err)
				}
				continue
			}
			if got := len(c.View().Tables()); got != len(want.Tables()) {
				t.Errorf("%s, seed %d: %d tables; want %d", what, seed, got, len(want.Tables()))
			}
			closeCatalog(t, c)
		}
	}
}
