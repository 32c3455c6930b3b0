package wire

import (
	"time"

	"github.com/tarnlake/tarn/expr"
)

// Descriptor is the command of a FlightDescriptor: exactly one member is set.
// Clients of other makers may also name a table by path (read it all, or put
// rows into it) or send bare SQL as the command.
type Descriptor struct {
	Query *expr.Query `json:"query,omitempty"` // GetFlightInfo, GetSchema
	SQL   string      `json:"sql,omitempty"`   // GetFlightInfo, GetSchema
	Put   *Put        `json:"put,omitempty"`   // DoPut
}

// Ticket is what DoGet redeems: a query on a settled version. On one that is not
// settled DoGet settles it.
type Ticket struct {
	Query expr.Query `json:"query"`
}

// VersionHeader is the header in which DoGet tells which version of the table
// its rows are of.
const VersionHeader = "tarn-version"

// How a DoPut stream is committed.
const (
	// ModeAppend is what Client.Append uses: every record batch carries a
	// BatchID as app metadata, goes through group commit, and is answered by a
	// Receipt as soon as it is durable.
	ModeAppend = "append"

	// ModeLoad, the default, makes all batches of the stream one commit when
	// the client half-closes; one Receipt comes back. A stream that breaks off
	// commits nothing.
	ModeLoad = "load"
)

// Put opens a DoPut stream into a table.
type Put struct {
	Table string `json:"table"`
	Mode  string `json:"mode,omitempty"`
	Key   string `json:"key,omitempty"` // load: idempotency key; a second stream with it adds nothing
}

// BatchID makes a retry of the same batch harmless: Seq rises by one for each
// batch of a producer.
type BatchID struct {
	Producer string `json:"producer"`
	Seq      int64  `json:"seq"`
}

// Sent is the app metadata of a batch that is appended.
type Sent struct {
	BatchID
	Waited time.Duration `json:"waited_ns,omitempty"` // since it was sent first; 0: this is the first time
}

// LoadEnd is the app metadata of the last, empty message of a load: the
// number of rows that the client sent. Our own client always sends it.
type LoadEnd struct {
	Rows int64 `json:"rows"`
}

// Receipt acknowledges rows that are durable and visible.
type Receipt struct {
	Version   int64 `json:"version"`
	Rows      int64 `json:"rows"`
	Segments  int   `json:"segments"`
	Bytes     int64 `json:"bytes"`
	Duplicate bool  `json:"duplicate,omitempty"` // the key or (producer, seq) had been committed before; nothing was added
	Seq       int64 `json:"seq,omitempty"`
}
