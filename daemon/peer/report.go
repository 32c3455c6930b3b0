package peer

import (
	"context"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
)

// Names of the calls by which nodes ask each other for what operators want.
const (
	report    = "Report"
	scrubDisk = "ScrubDisk"
	plugDisk  = "PlugDisk"
)

// maxReport bounds what a node says of itself.
const maxReport = maxChunk

// raw is an answer of bytes.
type raw []byte

// Report asks a node for its report, which is bytes to this package.
func (c *Client) Report(ctx context.Context, node string) ([]byte, error) {
	_, body, err := exchange[empty](ctx, c, node, report, empty{}, nil, maxReport)
	return body, err
}

// Scrub has a node begin to read back a disk.
func (c *Client) Scrub(ctx context.Context, node, disk string) error {
	_, err := call[empty](ctx, c, node, scrubDisk, memberHeader{Disk: disk}, nil)
	return err
}

func (s *Server) report(ctx context.Context, _ empty, _ []byte) (raw, error) {
	if s.cfg.Report == nil {
		return nil, wire.Errorf(wire.Unavailable, "node %s has nothing to report", s.cfg.Node)
	}
	b, err := s.cfg.Report(ctx)
	if err == nil && len(b) > maxReport {
		err = wire.Errorf(wire.LimitExceeded, "the report has %d bytes; at most %d", len(b), maxReport)
	}
	return b, err
}

func (s *Server) scrubDisk(_ context.Context, h memberHeader, _ []byte) (empty, error) {
	if s.cfg.Scrub == nil {
		return empty{}, wire.Errorf(wire.Unavailable, "node %s reads no disks back", s.cfg.Node)
	}
	return empty{}, s.cfg.Scrub(h.Disk)
}

// Plug is a directory that is to be a disk of a node.
type Plug struct {
	Path    string `json:"path"`
	Tier    string `json:"tier"`
	Instead string `json:"instead,omitempty"` // the disk that was there, or elsewhere
	Needs   int64  `json:"needs,omitempty"`   // bytes that it has to take
}

// Plug has a node make a directory one of its disks.
func (c *Client) Plug(ctx context.Context, node string, p Plug) (catalog.DiskFacts, error) {
	return call[catalog.DiskFacts](ctx, c, node, plugDisk, p, nil)
}

func (s *Server) plugDisk(_ context.Context, p Plug, _ []byte) (catalog.DiskFacts, error) {
	if s.cfg.Plug == nil {
		return catalog.DiskFacts{}, wire.Errorf(wire.Unavailable, "node %s takes no disks", s.cfg.Node)
	}
	return s.cfg.Plug(p)
}
