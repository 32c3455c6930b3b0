package catalog

import (
	"testing"

	"github.com/tarnlake/tarn/tiering"
)

// TestNoSlotWithoutADisk: a slot that does not move comes from "", which is no
// disk to go back to: its members would be counted on, and be nowhere.
func TestNoSlotWithoutADisk(t *testing.T) {
	s := NewState()
	try := func(cmd Command) error {
		var r Result
		if s, r = s.Apply(cmd, s.Index()+1); r.Err != nil {
			return r.Err
		}
		return nil
	}
	copies := tiering.Scheme{Data: 1, Parity: 1}
	for _, cmd := range []Command{
		{RegisterNode: &RegisterNode{Node: "a", Name: "a", Disks: []DiskFacts{{ID: "d1", Tier: "hot"}, {ID: "d2", Tier: "hot"}}}},
		{SetGroup: &SetGroup{ID: 1, Tier: "hot", Scheme: copies, Disks: []string{"d1", "d2"}}},
	} {
		if err := try(cmd); err != nil {
			t.Fatal(err)
		}
	}
	g := s.Groups()[0]
	if err := try(Command{SetGroup: &SetGroup{ID: 1, IfIndex: g.Index, Tier: "hot", Scheme: copies, Disks: []string{"", "d2"}}}); err == nil {
		t.Errorf("taken: the slots are %+v now", s.Groups()[0].Slots)
	}
}
