package gossip

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/hashicorp/memberlist"
	"github.com/tarnlake/tarn/client/wire"
	"pgregory.net/rapid"
)

func TestMetaRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string, limit int) string { return rapid.StringN(0, limit, limit).Draw(t, name) }
		want := Meta{
			Node:    uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "node")).String(),
			Address: text("address", maxAddress), Version: text("version", maxVersion), Zone: text("zone", maxZone),
			Epoch: rapid.Uint64().Draw(t, "epoch"), Leaving: rapid.Bool().Draw(t, "leaving"),
		}
		b, err := want.encode()
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > memberlist.MetaMaxSize {
			t.Fatalf("%d bytes; memberlist takes %d", len(b), memberlist.MetaMaxSize)
		}
		b = append(b, "and what a newer build appends"...)
		if got, err := decodeMeta(b); err != nil || got != want {
			t.Fatalf("%+v, %v; want %+v", got, err, want)
		}
	})
}

func TestMetaLimits(t *testing.T) {
	node := uuid.NewString()
	for _, m := range []Meta{
		{}, {Node: "x"}, {Node: strings.ToUpper("ab") + node[2:]},
		{Node: node, Address: strings.Repeat("a", maxAddress+1)},
		{Node: node, Version: strings.Repeat("v", maxVersion+1)},
		{Node: node, Zone: strings.Repeat("z", maxZone+1)},
	} {
		if _, err := m.encode(); !wire.IsCode(err, wire.InvalidArgument) {
			t.Errorf("%+v: %v; want %s", m, err, wire.InvalidArgument)
		}
	}
}

func TestMetaCutOff(t *testing.T) {
	b, err := Meta{Node: uuid.NewString(), Address: "a:1", Epoch: 300, Version: "v1", Zone: "z"}.encode()
	if err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if m, err := decodeMeta(b[:n]); !wire.IsCode(err, wire.Corrupt) {
			t.Errorf("%d of %d bytes: %+v, %v; want %s", n, len(b), m, err, wire.Corrupt)
		}
	}
}

func FuzzMeta(f *testing.F) {
	whole, _ := Meta{Node: uuid.NewString(), Address: "node:7460", Epoch: 1 << 40, Version: "v1.2.3", Zone: "rack 1", Leaving: true}.encode()
	f.Add(whole)
	f.Add(whole[:20])
	f.Add([]byte{metaVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMeta(b)
		if err != nil {
			return
		}
		again, err := m.encode()
		if err != nil {
			t.Fatalf("%+v was read and cannot be written: %v", m, err)
		}
		if got, err := decodeMeta(again); err != nil || got != m {
			t.Fatalf("%+v, %v; want %+v", got, err, m)
		}
	})
}
