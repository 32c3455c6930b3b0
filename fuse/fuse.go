// Package fuse shows a lake as a read-only filesystem, so that any program
// that opens files can read tables.
//
//	DIR/TABLE/KEY=VALUE/…/part-SEGMENT[-sSCHEMA].parquet
//	DIR/.csv/TABLE/…/part-….csv        the same rows as CSV
//	DIR/.arrow/TABLE/…/part-….arrow    the same rows as Arrow IPC files
//
// Words: a tree is one of the three formats; a part is one segment under one
// schema, shown as one file in each tree; a rendering is the bytes of a part
// in one format. A part never changes: another set of rows or another schema
// is another name. A rendering is made once, when somebody first asks for its
// size or its bytes, and then served from a file of the local cache, so that
// every size is exact and every read is a read of a local file.
//
// The package asks a Lake, which a *client.Client is. It does not know where
// segments are, and it does not write.
package fuse

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
)

// Lake is what the mount asks of a node; *client.Client is one. It must be
// safe for concurrent use. A scan of one segment must yield the same rows in
// the same order each time, or a part that has left the cache fails with EIO
// instead of changing under its readers.
type Lake interface {
	// Tables returns the newest snapshot of every table.
	Tables(ctx context.Context) ([]wire.TableInfo, error)

	// Table describes the table called name as of at.
	Table(ctx context.Context, name string, at expr.At) (wire.TableInfo, error)

	// Segments lists the segments of the table called name as of at.
	Segments(ctx context.Context, name string, at expr.At) (wire.SegmentList, error)

	// Scan runs q. A batch is valid until the next one is asked for.
	Scan(ctx context.Context, q *expr.Query) iter.Seq2[arrow.RecordBatch, error]
}

// Options are the settings of a mount. The zero value of each is its default.
type Options struct {
	// CacheDir holds renderings; the default is tarn/mount below
	// os.UserCacheDir. Mounts may share it. Anybody who can write there can
	// change what the mount shows only until the next check of a file's hash.
	CacheDir string

	// CacheBytes bounds the cache; the default is 10 GiB. Files that are open,
	// and the newest one, stay even above the bound.
	CacheBytes int64

	// Logger gets one line for each failed operation; the default is
	// slog.Default.
	Logger *slog.Logger

	// AllowOther lets other users in. Without it only the user who mounts
	// may look, not even root.
	AllowOther bool

	// Refresh is how old a listing may be; the default is 1 second.
	Refresh time.Duration

	// For tests: without the kernel's own read-only lock, and without
	// passthrough.
	writable, plain bool
}

const (
	defaultCacheBytes = 10 << 30
	defaultRefresh    = time.Second

	// lease is for how long a part stays readable by its exact name after it
	// has gone from the listing: engines list first and open later.
	lease = 15 * time.Minute

	// metadataTimeout bounds one question about tables or segments, so that a
	// node that hangs does not hang every `ls`.
	metadataTimeout = 10 * time.Second
)

func (o Options) withDefaults() (Options, error) {
	if o.CacheDir == "" {
		dir, err := defaultCacheDir()
		if err != nil {
			return o, err
		}
		o.CacheDir = dir
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = defaultCacheBytes
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Refresh <= 0 {
		o.Refresh = defaultRefresh
	}
	return o, nil
}
