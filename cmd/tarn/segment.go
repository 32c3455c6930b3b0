package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/format/kern"
	"github.com/tarnlake/tarn/schema"
)

func (a *app) segmentCommand() *cobra.Command {
	c := a.talks(&cobra.Command{Use: "segment", Short: "List, dump, verify and measure segment files"})
	c.PersistentPreRunE = func(*cobra.Command, []string) error { // as a node does: files are decoded here
		if err := kern.TierError(); err != nil {
			return wire.Errorf(wire.InvalidArgument, "%w", err).WithHint("leave TARN_KERN out to take the best tier of this CPU")
		}
		return nil
	}
	c.AddCommand(a.segmentList(), a.segmentDump(), a.segmentStats(), a.segmentVerify())
	return group(c)
}

func (a *app) segmentList() *cobra.Command {
	var at string
	c := &cobra.Command{
		Use:               "list TABLE",
		Short:             "List the segments of a table, in commit order",
		Example:           "  tarn segment list orders\n  tarn segment list orders --at 3 --output json",
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeTables(false),
	}
	a.atFlag(c, &at)
	c.RunE = func(c *cobra.Command, args []string) error {
		when, err := parseAt(at, time.Now())
		if err != nil {
			return err
		}
		return a.withClient(c.Context(), func(n *client.Client) error { return a.listSegments(c.Context(), n, args[0], when) })
	}
	return a.prints(c)
}

func (a *app) listSegments(ctx context.Context, n *client.Client, table string, at expr.At) error {
	info, err := n.Table(ctx, table, at)
	if err != nil {
		return err
	}
	list, err := n.Segments(ctx, table, expr.At{Version: info.Version})
	if err != nil {
		return err
	}
	s := list.Segments
	type row = wire.Segment
	return a.printList(
		texts("segment", s, func(r row) string { return r.ID }),
		texts("partition", s, func(r row) string { return partitionOf(info, r.Partition) }),
		numbers("rows", s, func(r row) int64 { return r.Rows }),
		numbers("bytes", s, func(r row) int64 { return r.Bytes }),
		numbers("level", s, func(r row) int64 { return int64(r.Level) }),
		numbers("added", s, func(r row) int64 { return r.Added }),
		times("committed", s, func(r row) time.Time { return r.Committed }),
		texts("hash", s, func(r row) string { return r.Hash }),
		texts("path", s, func(r row) string { return r.Path }),
	)
}

// partitionOf writes the values of a partition as its directories are called.
func partitionOf(info wire.TableInfo, values []schema.PartitionValue) string {
	parts := make([]string, len(values))
	for i, v := range values {
		name := fmt.Sprintf("#%d", i+1)
		if i < len(info.PartitionBy) {
			name = info.PartitionBy[i].Name(info.Schema.Schema())
		}
		text := v.Text
		if v.Null {
			text = "NULL"
		}
		parts[i] = name + "=" + text
	}
	return strings.Join(parts, "/")
}

func (a *app) segmentVerify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify TABLE [ID…] | FILE…",
		Short: "Check every byte of segments, those of a table by the node",
		Long: `Have the node read segments of a table back and check every byte. A FILE, whose
name has a slash or ends in .seg, is checked on this machine and without a node:
only that it is what the catalog knows cannot be told then.`,
		Example:           "  tarn segment verify orders\n  tarn segment verify orders 0000000a-0000002f\n  tarn segment verify ./backup/0000000a-0000002f.seg",
		Args:              args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: a.completeTables(false),
		RunE: func(c *cobra.Command, args []string) error {
			if isFileName(args[0]) {
				return a.verifyFiles(c.Context(), args)
			}
			return a.withClient(c.Context(), func(n *client.Client) error {
				report, err := n.VerifySegments(c.Context(), wire.VerifySegments{Table: args[0], IDs: args[1:]})
				if err != nil {
					return err
				}
				return a.verdict(args[0], report)
			})
		},
	}
}

// isFileName tells files from tables, whose names have no slash.
func isFileName(name string) bool {
	return strings.ContainsRune(name, os.PathSeparator) || strings.HasSuffix(name, ".seg")
}

// verifyFiles checks segment files on this machine, all of them even if some
// are damaged.
func (a *app) verifyFiles(ctx context.Context, names []string) error {
	damaged := 0
	for _, name := range names {
		size, err := verifyFile(ctx, name)
		switch {
		case errors.Is(err, format.ErrCorrupt):
			damaged++
			err = a.say("%s: %v", name, err)
		case err == nil:
			err = a.say("%s, %s: every byte is as it was written", name, byteText(size))
		}
		if err != nil {
			return err
		}
	}
	if damaged > 0 {
		return wire.Errorf(wire.Corrupt, "%d of %s damaged", damaged, countText(len(names), "file"))
	}
	return nil
}

func verifyFile(ctx context.Context, name string) (size int64, err error) {
	file, size, err := openRegular(name)
	if errors.Is(err, os.ErrNotExist) {
		return 0, wire.Errorf(wire.InvalidArgument, "there is no file %s", name).WithHint("tarn segment verify TABLE")
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	r, err := format.Open(file, size)
	if err != nil {
		return 0, err
	}
	return size, r.Verify(ctx)
}

func (a *app) verdict(table string, r wire.SegmentReport) error {
	for _, p := range r.Problems {
		if err := a.say("%s: %s", p.ID, p.Problem); err != nil {
			return err
		}
	}
	if len(r.Problems) > 0 {
		return wire.Errorf(wire.Corrupt, "%d of %d segments of table %s are damaged or missing", len(r.Problems), r.Checked, table)
	}
	return a.say("%s of %s, %s: every byte is as it was written", countText(r.Checked, "segment"), table, byteText(r.Bytes))
}

func (a *app) segmentStats() *cobra.Command {
	c := &cobra.Command{
		Use:     "stats FILE|ID",
		Short:   "Show what a segment spends on each column and its indexes",
		Long:    "Show what a segment spends on each column and its indexes. A segment is a file on this machine, or the id of one on a node on this machine.",
		Example: "  tarn segment stats 0000000a-0000002f\n  tarn segment stats ./lake/…/0000000a-0000002f.seg",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withSegment(c.Context(), args[0], a.printStats)
		},
	}
	return a.prints(c)
}

func (a *app) printStats(file io.ReaderAt, size int64) error {
	r, err := format.Open(file, size)
	if err != nil {
		return err
	}
	stats, err := r.Stats()
	if err != nil {
		return err
	}
	type row = format.ColumnStats
	return a.printList(
		numbers("id", stats, func(r row) int64 { return int64(r.FieldID) }),
		texts("column", stats, func(r row) string { return r.Name }),
		texts("type", stats, func(r row) string { return schema.TypeText(r.Type) }),
		numbers("rows", stats, func(r row) int64 { return r.Rows }),
		numbers("nulls", stats, func(r row) int64 { return r.Nulls }),
		numbers("pages", stats, func(r row) int64 { return int64(r.Pages) }),
		numbers("bytes", stats, func(r row) int64 { return r.Bytes }),
		texts("encodings", stats, func(r row) string { return encodingsText(r.Encodings) }),
		numbers("index_bytes", stats, indexBytes),
		texts("indexes", stats, indexesText),
	)
}

func indexBytes(c format.ColumnStats) (n int64) {
	for _, x := range c.Indexes {
		n += x.Bytes
	}
	return n
}

func indexesText(c format.ColumnStats) string {
	parts := make([]string, len(c.Indexes))
	for i, x := range c.Indexes {
		parts[i] = fmt.Sprintf("%s %s", x.Name, byteText(x.Bytes))
		if x.Holds != "" {
			parts[i] += " (" + x.Holds + ")"
		}
	}
	return strings.Join(parts, ", ")
}

// encodingsText lists encodings, the most used first.
func encodingsText(uses map[codec.Encoding]int) string {
	var list []codec.Encoding
	for e := range uses {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b codec.Encoding) int {
		return cmp.Or(cmp.Compare(uses[b], uses[a]), cmp.Compare(a, b))
	})
	parts := make([]string, len(list))
	for i, e := range list {
		parts[i] = fmt.Sprintf("%v×%d", e, uses[e])
	}
	return strings.Join(parts, " ")
}

func (a *app) segmentDump() *cobra.Command {
	return &cobra.Command{
		Use:     "dump FILE|ID",
		Short:   "Show the parts of a segment file, byte range by byte range",
		Long:    "Show the parts of a segment file, byte range by byte range. A segment is a file on this machine, or the id of one on a node on this machine.",
		Example: "  tarn segment dump 0000000a-0000002f",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withSegment(c.Context(), args[0], func(r io.ReaderAt, size int64) error { return format.Dump(a.out, r, size) })
		},
	}
}

// withSegment opens a segment: a file, or else the id of one on the node.
func (a *app) withSegment(ctx context.Context, name string, f func(file io.ReaderAt, size int64) error) error {
	file, size, err := openRegular(name)
	if errors.Is(err, os.ErrNotExist) {
		file, size, err = a.openSegmentOf(ctx, name)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	err = f(file, size)
	if errors.Is(err, format.ErrCorrupt) {
		return wire.Errorf(wire.Corrupt, "%s: %w", file.Name(), err)
	}
	return err
}

// openRegular opens a file for reading at any place. What has no such places
// is refused before it is opened: opening a named pipe waits for a writer, and
// no signal ends that.
func openRegular(name string) (*os.File, int64, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, 0, err
	case err != nil:
		return nil, 0, wire.Errorf(wire.BadInput, "%w", err)
	case !info.Mode().IsRegular():
		return nil, 0, wire.Errorf(wire.BadInput, "%s is no regular file: its mode is %s", name, info.Mode()).WithHint("copy it into a file")
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, 0, wire.Errorf(wire.BadInput, "%w", err)
	}
	return file, info.Size(), nil
}

// openSegmentOf asks the node where the segment with that id lies.
func (a *app) openSegmentOf(ctx context.Context, id string) (file *os.File, size int64, err error) {
	err = a.withClient(ctx, func(n *client.Client) error {
		path, err := findSegment(ctx, n, id)
		if err != nil {
			return err
		}
		if file, size, err = openRegular(path); err != nil {
			return wire.Errorf(wire.Unavailable, "segment %s lies on the node, not on this machine: %w", id, err).
				WithHint("run this on the node: tarn segment dump %s", path)
		}
		return nil
	})
	return file, size, err
}

func findSegment(ctx context.Context, n *client.Client, id string) (path string, err error) {
	tables, err := n.Tables(ctx)
	if err != nil {
		return "", err
	}
	for _, t := range tables {
		list, err := n.Segments(ctx, t.Name, expr.At{})
		if err != nil {
			return "", err
		}
		for _, s := range list.Segments {
			if s.ID == id {
				return s.Path, nil
			}
		}
	}
	return "", wire.Errorf(wire.InvalidArgument, "%q is neither a file nor the id of a live segment", id).WithHint("tarn segment list TABLE")
}
