// Package sim runs whole clusters in one process under a clock of its own: one
// to five nodes of the real catalog, members, ingest, merge, scrub, repair and
// scan, on disks and a network in memory that do their worst. It is a test and
// nothing else; see docs/decisions/0110-simulation.md.
//
// A seed chooses the cluster, the work and the faults. Words: a life is a node
// between start and end; a plan is the list of faults of a seed; to quiesce is
// to end all faults and wait until nothing is left to repair.
//
// What must hold, and which function looks at it:
//
//	I1   what was acknowledged before a read began is in it        compare, in every read
//	I2   no row twice, batches whole, nothing that was never sent  compare
//	I3   no batch of a producer without those before it            compare
//	I4   a version has the same rows whoever reads it and when     compare, oldVersions
//	I5   commits and reads are linearizable                        test/cluster (porcupine); here by I1 and I6
//	I6   a read of the catalog has every version acknowledged
//	     before it began, also right after a change of leaders     glance
//	I7   what the catalog counts on is durable and whole: from the
//	     moment it is counted on, and at rest; on two disks at least,
//	     on disks that are there                                   placed, copies, counted, disks, nowhere
//	I8   nothing goes to the trash that a state counts on there,
//	     or ever will                                              trashed, permitted
//	I9   nothing is committed in an epoch that is over, and no
//	     proposal begins two                                       epochs, opened
//	I10  at rest nothing is missing, on its way, garbage or
//	     unknown                                                   unsettled, disks
//	I11  a row that is read is what was sent, or the read fails    rowsOf, in every read
//	I12  after the faults writes resume, reads succeed on every
//	     node, and all nodes are up again                          finish, awaitAll, readOn
//	I13  a node starts after any crash without help, and ends      startNow, end
//	I14  every flipped bit is found by one scrub of all disks      scrubbed
package sim
