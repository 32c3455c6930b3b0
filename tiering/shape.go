package tiering

// Shape is what a default scheme depends on: how many places there are to
// lose. DisksPerNode is that of the node with the fewest.
type Shape struct {
	Zones, Nodes, DisksPerNode int
}

// ShapeOf counts the disks that are not to leave. A cluster whose disks
// name no zone has one.
func ShapeOf(disks []Disk) Shape {
	zones, nodes := map[string]bool{}, map[string]int{}
	for _, d := range disks {
		if d.State == DiskLeaving {
			continue
		}
		zones[d.Zone] = true
		nodes[d.Node]++
	}
	s := Shape{Zones: len(zones), Nodes: len(nodes)}
	for _, n := range nodes {
		if s.DisksPerNode == 0 || n < s.DisksPerNode {
			s.DisksPerNode = n
		}
	}
	return s
}

// Schemes are what new stripes of a table get unless it says otherwise.
type Schemes struct {
	L0     Scheme // fresh segments
	Merged Scheme // merged ones, from L1 up
}

// DefaultSchemes returns the schemes for a cluster of that shape. Members of
// a stripe are always on different disks; where there are more members than
// nodes, a node has no more of them than may be lost.
func DefaultSchemes(s Shape) Schemes {
	return Schemes{L0: copies(s), Merged: merged(s)}
}

// copies takes three where there are three places for them: with two, the
// fresh rows would survive less than the merged ones do, and the cluster is
// as safe as the least safe row in it.
func copies(s Shape) Scheme {
	places := s.Nodes
	if s.Nodes == 1 {
		places = s.DisksPerNode
	}
	return Scheme{1, min(max(places, 1), 3) - 1}
}

func merged(s Shape) Scheme {
	switch {
	case s.Nodes >= 18 && s.Zones != 3: // with three a zone has five of the fourteen, more than may be lost
		return Scheme{10, 4}
	case s.Nodes >= 10:
		return Scheme{6, 3}
	case s.Nodes >= 6:
		return Scheme{4, 2}
	case s.Nodes == 5:
		return Scheme{3, 2}
	case s.Nodes >= 3 && s.DisksPerNode >= 2:
		return Scheme{4, 2} // two to a node
	case s.Nodes == 4:
		return Scheme{2, 2}
	case s.Nodes == 1 && s.DisksPerNode >= 4:
		return Scheme{min(s.DisksPerNode-2, 4), 2}
	}
	return copies(s)
}

// Loss is how much of a kind may be lost, any of it, with no row lost:
// either that many disks, or that many nodes, or that many zones.
type Loss struct {
	Disks, Nodes, Zones int
}

// Survives returns what a stripe of the scheme survives in a cluster of that
// shape, when its members are spread as evenly as the cluster allows.
func (s Scheme) Survives(in Shape) Loss {
	return Loss{
		Disks: s.Parity,
		Nodes: survivable(s, in.Nodes),
		Zones: survivable(s, in.Zones),
	}
}

// Survives returns what both fresh and merged rows survive.
func (s Schemes) Survives(in Shape) Loss {
	a, b := s.L0.Survives(in), s.Merged.Survives(in)
	return Loss{min(a.Disks, b.Disks), min(a.Nodes, b.Nodes), min(a.Zones, b.Zones)}
}

// survivable returns how many of n domains may be lost, when the fullest has
// as few members as can be.
func survivable(s Scheme, n int) int {
	if n == 0 {
		return 0
	}
	perDomain := (s.Width() + n - 1) / n
	return s.Parity / perDomain
}
