// Package peer is what nodes say to each other over gRPC: members of stripes
// on each other's disks, and what the catalog has its leader do. A Server
// answers for this node; a Client asks others.
//
// The service is written by hand. A message is a flight.FlightData, which the
// codec of the port passes on with one copy: a header of JSON and bytes as they
// are. Whoever receives one trusts none of its numbers.
//
// Every call says of which cluster, node and life its caller is, and which node
// it means. It is refused by another node, by another cluster, and as soon as
// the catalog says that the life has ended: what a node did not hear of its own
// end, the others know.
package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"google.golang.org/grpc/metadata"
)

// ServiceName is the name of the service.
const ServiceName = "tarn.peer.v1.Peer"

// Names of the calls.
const (
	ping         = "Ping"
	propose      = "Propose"
	readIndex    = "ReadIndex"
	statMember   = "StatMember"
	hashMember   = "HashMember"
	trashMember  = "TrashMember"
	createMember = "CreateMember"
	readMember   = "ReadMember"
	scanShare    = "Scan"
)

func method(name string) string { return "/" + ServiceName + "/" + name }

// Limits of messages.
const (
	maxHeader = 16 << 10
	maxChunk  = 1 << 20
	maxEntry  = 64 << 20 // of the catalog's log; the catalog's own limit is lower
	maxRead   = 1 << 30  // of one range
)

// frame is a message.
type frame = flight.FlightData

// Headers. Part of the wire format: names may be added, never changed.
type (
	empty struct{}

	memberHeader struct {
		Disk string `json:"disk"`
		File string `json:"file"`
	}
	rangeHeader struct {
		memberHeader
		Offset int64 `json:"offset"`
		Length int64 `json:"length"`
	}
	trashHeader struct {
		memberHeader
		Index uint64 `json:"index"` // of a state of the catalog that the receiver must have reached
	}
	endHeader struct {
		Size int64 `json:"size"` // of all chunks together
	}
	receiptHeader struct {
		Size int64  `json:"size"`
		Hash string `json:"hash,omitempty"` // xxh3-128, hexadecimal, of what the receiver has on its disk
	}
	pingHeader struct {
		Known bool  `json:"known,omitempty"`
		Ahead int64 `json:"ahead,omitempty"` // of the others is the receiver's clock, in nanoseconds, if that is known
	}
	indexHeader struct {
		Index uint64 `json:"index"`
	}
)

// Pong is what a node says of itself.
type Pong struct {
	Node    string         `json:"node"`
	Epoch   catalog.Epoch  `json:"epoch"`   // of its life; 0: it has none yet
	Version string         `json:"version"` // of its build
	Speaks  catalog.Speaks `json:"speaks,omitzero"`
	Index   uint64         `json:"index"` // of the last command of the catalog that it has applied
	Clock   int64          `json:"clock"` // what its wall clock shows, in nanoseconds since 1970
}

// newFrame makes a message of a header and bytes; nil: of no header.
func newFrame(header any, body []byte) (*frame, error) {
	f := &frame{DataBody: body}
	if header == nil {
		return f, nil
	}
	var err error
	f.DataHeader, err = json.Marshal(header)
	return f, err
}

// decode reads the header of a message whose body may have so many bytes.
func decode[H any](f *frame, maxBody int) (h H, err error) {
	switch {
	case len(f.DataHeader) > maxHeader:
		return h, wire.Errorf(wire.LimitExceeded, "a header of %d bytes; at most %d", len(f.DataHeader), maxHeader)
	case len(f.DataBody) > maxBody:
		return h, wire.Errorf(wire.LimitExceeded, "a message with %d bytes; at most %d", len(f.DataBody), maxBody)
	}
	d := json.NewDecoder(bytes.NewReader(f.DataHeader))
	if err := d.Decode(&h); err != nil {
		return h, wire.Errorf(wire.InvalidArgument, "the header does not parse: %w", err)
	}
	if d.More() {
		return h, wire.Errorf(wire.InvalidArgument, "something follows the header")
	}
	return h, nil
}

// member reads the name of the file.
func (h memberHeader) member() (catalog.MemberFile, error) {
	file, err := catalog.ParseMemberFile(h.File)
	if err != nil {
		return file, wire.Errorf(wire.InvalidArgument, "%w", err)
	}
	return file, nil
}

// check refuses ranges that cannot be.
func (h rangeHeader) check() error {
	if h.Offset < 0 || h.Length < 0 || h.Length > maxRead || h.Offset+h.Length < 0 {
		return wire.Errorf(wire.InvalidArgument, "a range of %d bytes at %d", h.Length, h.Offset)
	}
	return nil
}

// Keys of the metadata of a call.
const (
	keyCluster = "tarn-cluster"
	keyNode    = "tarn-node"  // that calls
	keyEpoch   = "tarn-epoch" // of its life
	keyTo      = "tarn-to"    // the node that is meant
	keyHello   = "tarn-hello" // see catalog.Hello
)

// caller is who calls, and whom.
type caller struct {
	cluster, node, to string
	hello             catalog.Hello
	epoch             catalog.Epoch
}

// on adds the caller to the metadata of a call.
func (c caller) on(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, keyCluster, c.cluster, keyNode, c.node, keyTo, c.to, keyHello, c.hello.String(),
		keyEpoch, strconv.FormatUint(uint64(c.epoch), 10))
}

// callerOf reads who makes the call that ctx is of.
func callerOf(ctx context.Context) (c caller, err error) {
	md, _ := metadata.FromIncomingContext(ctx)
	var epoch, hello string
	for key, to := range map[string]*string{keyCluster: &c.cluster, keyNode: &c.node, keyTo: &c.to, keyHello: &hello, keyEpoch: &epoch} {
		values := md.Get(key)
		if len(values) != 1 {
			return c, wire.Errorf(wire.InvalidArgument, "the call has %d values of %s; want one", len(values), key)
		}
		*to = values[0]
	}
	n, err := strconv.ParseUint(epoch, 10, 32)
	if err != nil {
		return c, wire.Errorf(wire.InvalidArgument, "%s of the call: %w", keyEpoch, err)
	}
	c.epoch = catalog.Epoch(n)
	if c.hello, err = catalog.ParseHello(hello); err != nil {
		return c, wire.Errorf(wire.InvalidArgument, "%s of the call: %w", keyHello, err)
	}
	return c, nil
}
