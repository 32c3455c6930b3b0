package catalog

import "github.com/tarnlake/tarn/client/wire"

// replaceDisk notes which disk gets the slots of another one. That one is read
// from until it is empty, if it can be. The slots themselves are given over
// by the plan of placement, some at a time, whichever node leads.
func (s *State) replaceDisk(c ReplaceDisk) (Result, error) {
	old, ok := s.disks.Get(c.Disk)
	if !ok {
		return Result{}, noSuchDisk(c.Disk)
	}
	if err := s.checkReplacement(c, old); err != nil {
		return Result{}, err
	}
	if c.Node != "" {
		s.plugIn(c.Node, c.By)
	}
	next := *old
	next.ReplacedBy = c.By.ID
	state := old.State
	if state == DiskUp || state == DiskSuspect {
		state = DiskDraining
	}
	s.setDisk(&next, state, "it is replaced")
	return Result{}, nil
}

func (s *State) checkReplacement(c ReplaceDisk, old *Disk) error {
	if err := checkText("disk id", c.By.ID, maxIDBytes); err != nil {
		return err
	}
	by, known := s.disks.Get(c.By.ID)
	switch {
	case c.By.ID == c.Disk:
		return wire.Errorf(wire.InvalidArgument, "disk %s cannot replace itself", c.Disk)
	case c.Node == "" && !known:
		return noSuchDisk(c.By.ID)
	case c.Node != "" && known && by.Node != c.Node:
		return wire.Errorf(wire.Conflict, "disk %s is in node %s", c.By.ID, s.nodeName(by.Node))
	case c.Node != "" && !s.nodeIs(c.Node, NodeUp):
		return s.checkTaker(c.Node)
	case !known:
		return s.sameTier(c.By.ID, c.By.Tier, old)
	case by.State != DiskUp:
		return wire.Errorf(wire.Conflict, "disk %s is %s: it takes nothing", by.ID, by.State).WithHint("tarn disk use %s", by.ID)
	}
	return s.sameTier(by.ID, by.Tier, old)
}

func (s *State) sameTier(id, tier string, old *Disk) error {
	if tier != old.Tier {
		return wire.Errorf(wire.Conflict, "disk %s is of tier %s, and %s of %s", id, tier, old.ID, old.Tier)
	}
	return nil
}
