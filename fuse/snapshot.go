package fuse

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/zeebo/xxh3"
)

// format is one way to render a part, and so one tree of the mount. The
// values are what client/sink calls them, and the files' extensions.
type format string

const (
	formatParquet format = "parquet"
	formatCSV     format = "csv"
	formatArrow   format = "arrow"
)

// hiddenTrees are the formats beside the visible one, by directory name.
var hiddenTrees = map[string]format{".arrow": formatArrow, ".csv": formatCSV}

func (f format) ext() string { return "." + string(f) }

// part is one segment under one schema.
type part struct {
	table   string // name of the table
	dir     string // its directory, see tableDir
	name    string // file name without its extension
	key     string // what the rendering depends on besides the format
	segment wire.Segment
	schema  wire.SchemaInfo

	// version is the newest known version of the table that holds the part:
	// older ones go first when retention drops versions.
	version atomic.Int64
}

// folder is one directory of one snapshot. It is not changed once built.
type folder struct {
	mtime   time.Time
	folders map[string]*folder
	parts   map[string]*part // by name, without extension
	order   []string         // all names, sorted
}

// table is one snapshot of a table as a tree of folders.
type table struct {
	info wire.TableInfo
	root *folder
}

// newTable builds the tree of a snapshot. Parts that old shows too are
// shared with it.
func newTable(info wire.TableInfo, list wire.SegmentList, old *table) (*table, error) {
	t := &table{info: info, root: newFolder()}
	keys := partitionKeys(info.Schema.Schema(), info.PartitionBy)
	text, err := fingerprint(info)
	if err != nil {
		return nil, err
	}
	known := old.parts()
	for _, seg := range list.Segments {
		if len(seg.Partition) != len(keys) {
			return nil, wire.Errorf(wire.Internal, "segment %s of table %q has %d partition values; the table has %d partition expressions", seg.ID, info.Name, len(seg.Partition), len(keys))
		}
		p := newPart(info, seg, text)
		if same := known[p.key]; same != nil {
			p = same
		}
		p.version.Store(info.Version)
		t.add(p, keys)
	}
	t.root.sort()
	t.root.mtime = info.Committed
	return t, nil
}

func newPart(info wire.TableInfo, seg wire.Segment, schemaText string) *part {
	name := "part-" + escape(seg.ID)
	if seg.SchemaID != info.Schema.ID {
		name += fmt.Sprintf("-s%d", info.Schema.ID)
	}
	h := xxh3.HashString128(info.ID + "\x00" + seg.ID + "\x00" + seg.Hash + "\x00" + schemaText)
	return &part{
		table: info.Name, dir: tableDir(info.Name), name: name, segment: seg, schema: info.Schema,
		key: fmt.Sprintf("%016x%016x", h.Hi, h.Lo),
	}
}

// fingerprint is the text of a schema: equal text, equal rendering. Ids of
// tables, segments and schemas count within one cluster only, and caches
// outlive clusters.
func fingerprint(info wire.TableInfo) (string, error) {
	b, err := json.Marshal(info.Schema)
	if err != nil {
		return "", wire.Errorf(wire.Internal, "table %q: schema: %w", info.Name, err)
	}
	return string(b), nil
}

func newFolder() *folder {
	return &folder{folders: map[string]*folder{}, parts: map[string]*part{}}
}

func (t *table) add(p *part, keys []partitionKey) {
	at := t.root
	for i, k := range keys {
		name := k.dir(p.segment.Partition[i])
		next := at.folders[name]
		if next == nil {
			next = newFolder()
			at.folders[name] = next
		}
		if p.segment.Committed.After(next.mtime) {
			next.mtime = p.segment.Committed
		}
		at = next
	}
	at.parts[p.name] = p
}

func (f *folder) sort() {
	f.order = make([]string, 0, len(f.folders)+len(f.parts))
	for name, sub := range f.folders {
		f.order = append(f.order, name)
		sub.sort()
	}
	for name := range f.parts {
		f.order = append(f.order, name)
	}
	slices.Sort(f.order)
}

// index returns where p stands in the order.
func (f *folder) index(p *part) (int64, bool) {
	i, ok := slices.BinarySearch(f.order, p.name)
	return int64(i), ok
}

// walk calls visit for everything below f with its path below path.
func (f *folder) walk(path string, visit func(path string, e entry)) {
	for name, sub := range f.folders {
		visit(path+"/"+name, entry{folder: sub})
		sub.walk(path+"/"+name, visit)
	}
	for name, p := range f.parts {
		visit(path+"/"+name, entry{part: p})
	}
}

// parts returns the parts of t by key.
func (t *table) parts() map[string]*part {
	parts := map[string]*part{}
	if t != nil {
		t.root.walk("", func(_ string, e entry) {
			if e.part != nil {
				parts[e.part.key] = e.part
			}
		})
	}
	return parts
}

// entry is what a path leads to: a folder or a part, never both.
type entry struct {
	folder *folder
	part   *part
}

func (e entry) ok() bool { return e.folder != nil || e.part != nil }

// find follows path below f.
func (f *folder) find(path []string) entry {
	for i, name := range path {
		if next := f.folders[name]; next != nil {
			f = next
			continue
		}
		if p := f.parts[name]; p != nil && i == len(path)-1 {
			return entry{part: p}
		}
		return entry{}
	}
	return entry{folder: f}
}
