// Package plant names faults that are planted on purpose, to see whether the
// simulation catches them (docs/decisions/0110-simulation.md). A build without
// the tag "plant" has none of them: On is false there, and the compiler drops
// what stands behind it.
package plant

// Fault is one planted fault.
type Fault int32

// Faults. Those marked (seam) are in what the simulation puts below the code.
const (
	None           Fault = iota // its number is its name for TARN_PLANT
	SkipDirSync                 // (seam) names in directories are not synced
	SkipFileSync                // (seam) member files are not synced
	SkipLogSync                 // (seam) the newest append to Raft's log is lost with the power
	RetrySync                   // (seam) a failed fsync is tried again, and believed
	AckOneCopy                  // a commit needs one durable copy
	AckEarly                    // an append is acknowledged before its commit
	CommitAnyEpoch              // a commit of a closed epoch is taken
	DiscardUnknown              // the files of a commit of unknown outcome are trashed
	ForgetBatches               // which batches were committed is not remembered
	ForgetKeys                  // which loads were committed is not remembered
	ApplyTwice                  // an entry that is in the log twice has its effect twice
	CleanUnknown                // files that no commit refers to yet are trashed, as if they were old enough
	StaleReconcile              // (seam) disks are compared with an old state
	CountLostDisk               // a copy on a lost disk is counted
	KeepLostDisk                // what a lost disk held is not missed
	IgnoreLate                  // a copy that was not durable at the commit is not missed
	PlaceUnwritten              // a member is said to be placed before it is written
	BlindRebuild                // a rebuild copies what it reads, and does not read it back
	TrustReceipt                // a copy's receipt is not compared with what was sent
	ReadUnverified              // a leader does not ask whether it still is one, nor catch up
	ReadReplica                 // a read is answered from the node's own replica
	SealBlind                   // a stripe is not read back before what it replaces goes
	MergeAgain                  // a merge is taken although its inputs are gone
	ScrubDataOnly               // parity and second copies are not read back
	Last
)
