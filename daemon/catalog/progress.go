package catalog

// Progress is how far a replica of the catalog is.
type Progress struct {
	Term      uint64 // the newest that this node knows
	Last      uint64 // index of the newest entry in its log
	Committed uint64 // index up to which it knows entries to be agreed on
	Applied   uint64 // index up to which they are in its View
}

// Progress returns how far this replica is. What it has not heard of yet it
// does not count.
func (c *Catalog) Progress() Progress {
	return Progress{Term: c.raft.CurrentTerm(), Last: c.raft.LastIndex(), Committed: c.raft.CommitIndex(), Applied: c.raft.AppliedIndex()}
}
