// Package sim runs whole clusters in one process under a clock of its own: one
// to five nodes of the real catalog, members, ingest, repair and scan, on disks
// and a network in memory that do their worst. It is a test and nothing else.
//
// A seed chooses the cluster, the work and the faults. Words: a life is a node
// between start and end; a plan is the list of faults of a seed; to quiesce is
// to end all faults and wait until nothing is left to repair. What must hold,
// always or then, are the invariants I1 to I14 of docs/decisions/0110-simulation.md.
package sim
