package catalog

import (
	"log/slog"
	"time"

	"github.com/hashicorp/raft"
)

// How the streams of Raft are used.
const (
	streamsKept   = 4
	streamTimeout = 10 * time.Second // for a message, and for each 256 KiB of a snapshot
)

// NewTransport returns the Transport of Config over streams between nodes.
func NewTransport(streams raft.StreamLayer, log *slog.Logger) Transport {
	return raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: streams, MaxPool: streamsKept, Timeout: streamTimeout, Logger: newRaftLogger(log),
	})
}
