// Package recovery is for what a running cluster cannot do for itself: it
// looks over what a stopped node has on its disks, and makes a catalog anew
// when the majority of its voters, or all of it, is lost. Everything here
// works offline, on one node, with the files that are there.
package recovery

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/tiering"
	"github.com/zeebo/xxh3"
)

// Kind says what is wrong.
type Kind string

// Kinds of problems. They are printed and part of the output for programs.
const (
	Unreadable Kind = "unreadable" // a disk or the node's own files
	Damaged    Kind = "damaged"    // bytes are not those that were written
	Missing    Kind = "missing"    // the catalog counts on it, and it is not there
	Unknown    Kind = "unknown"    // it is there, and the catalog does not know it: perhaps of a commit that was lost
	Doubtful   Kind = "doubtful"   // rows that may be there twice
)

// Problem is one thing that is wrong.
type Problem struct {
	Kind  Kind   `json:"kind"`
	Where string `json:"where"` // a file, directory or member
	What  string `json:"what"`  // in words
	Next  string `json:"next"`  // command or deed
}

// DiskReport is what a disk holds.
type DiskReport struct {
	Disk    string `json:"disk"` // UUID
	Path    string `json:"path"`
	Members int    `json:"members"` // that are needed and whole
	Bytes   int64  `json:"bytes"`   // of them
	Garbage int    `json:"garbage"` // that go to the trash with the next start
	Trash   int    `json:"trash"`   // deleted, and can be brought back
	Unknown int    `json:"unknown"`
}

// Checker checks the disks of a node against a state.
type Checker struct {
	State   *catalog.State       // nil: files are only checked against themselves
	Report  func(Problem)        // is called for each problem, by one goroutine at a time
	stripes map[string]Reference // of the disk at hand, by file name
}

// Reference is what a state expects of a file on a disk.
type Reference struct {
	Member  catalog.Member
	Missing bool // the catalog knows that it is not there
}

// References returns the files that a state expects on a disk, by name.
func References(s *catalog.State, disk string) map[string]Reference {
	want := map[string]Reference{}
	for _, g := range s.Groups() {
		s.Stripes(g.ID, 0, func(at catalog.Location) bool {
			for i, slot := range g.Slots {
				m, used := at.Member(g.Scheme, i)
				if !used || slot.Disk != disk && slot.From != disk {
					continue
				}
				want[at.FileOf(g.Scheme, i).String()] = Reference{m, !slices.Contains(at.DisksOf(i), disk)}
			}
			return true
		})
	}
	return want
}

// Disk reads every file of a disk, and changes nothing. The error is of ctx
// only: all else is a problem.
func (c *Checker) Disk(ctx context.Context, m *tiering.Medium) (DiskReport, error) {
	r := DiskReport{Disk: m.ID(), Path: m.Dir()}
	c.stripes = map[string]Reference{}
	if c.State != nil {
		c.stripes = References(c.State, m.ID())
	}
	files, err := m.Inventory()
	if err != nil {
		c.problem(Unreadable, m.Dir(), "tarn disk list: take the disk out of use if it does not come back", "its files cannot be listed: %v", err)
		return r, nil
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		c.file(ctx, m, f, &r)
		delete(c.stripes, f.Name)
	}
	for _, name := range sortedKeys(c.stripes) {
		if !c.stripes[name].Missing {
			c.problem(Missing, m.Path(name), "tarn server --dir DIR: the node reports it, and the cluster rebuilds it from other copies if there are any",
				"the catalog counts on it and it is not there")
		}
	}
	trash, err := m.TrashCount()
	if err != nil {
		c.problem(Unreadable, m.Dir(), "look at the filesystem", "its trash cannot be listed: %v", err)
	}
	r.Trash = trash
	return r, nil
}

func (c *Checker) problem(kind Kind, where, next, what string, args ...any) {
	c.Report(Problem{Kind: kind, Where: where, What: fmt.Sprintf(what, args...), Next: next})
}

const nextUnknown = "keep it; if its rows are missed, see docs/operations/recovery.md"

// file judges one file of a disk.
func (c *Checker) file(ctx context.Context, m *tiering.Medium, f tiering.Entry, r *DiskReport) {
	name, err := catalog.ParseMemberFile(f.Name)
	if err != nil {
		r.Unknown++
		c.problem(Unknown, m.Dir(), "move it elsewhere if it is yours", "file %q among its members is not one of Tarn's", f.Name)
		return
	}
	want, expected := c.stripes[f.Name]
	switch {
	case c.State == nil || expected:
		if err := verifyFile(ctx, m, name, want.Member); err != nil {
			c.problem(Damaged, m.Path(f.Name), "tarn server --dir DIR: scans and scrub replace it from other copies if there are any", "%v", err)
			return
		}
		r.Members, r.Bytes = r.Members+1, r.Bytes+f.Size
	case c.State.Verdict(m.ID(), name) == catalog.Trash:
		r.Garbage++
	default:
		r.Unknown++
		c.problem(Unknown, m.Path(f.Name), nextUnknown,
			"the newest state that this node has does not know it: it was being committed when the node stopped, or is of a commit that this node has not heard of")
	}
}

// verifyFile reads a file and compares it with what the catalog says, where it
// does, and with itself.
func verifyFile(ctx context.Context, m *tiering.Medium, name catalog.MemberFile, want catalog.Member) error {
	f, err := m.Open(name.String())
	if err != nil {
		return err
	}
	defer f.Close()
	if want.Hash != "" {
		if err := verifyHash(f, want); err != nil {
			return err
		}
	}
	if name.Parity >= 0 {
		return verifyParity(ctx, f)
	}
	r, err := format.Open(f, f.Size())
	if err != nil {
		return err
	}
	if got := r.Info().Segment; got != name.ID.String() {
		return fmt.Errorf("it is segment %.40q under the name of another", got)
	}
	return r.Verify(ctx)
}

func verifyHash(f *tiering.File, want catalog.Member) error {
	if f.Size() != want.Bytes {
		return fmt.Errorf("it has %d bytes; the catalog says %d", f.Size(), want.Bytes)
	}
	got, err := hashOf(f)
	if err != nil {
		return err
	}
	if got != want.Hash {
		return fmt.Errorf("its hash is %s; the catalog says %s", got, want.Hash)
	}
	return nil
}

func hashOf(f *tiering.File) (string, error) {
	h := xxh3.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, f.Size())); err != nil {
		return "", err
	}
	sum := h.Sum128().Bytes()
	return hex.EncodeToString(sum[:]), nil
}

func verifyParity(ctx context.Context, f *tiering.File) error {
	s, slot, err := tiering.ReadStripe(f)
	if err != nil {
		return err
	}
	if err := s.VerifyMember(ctx, slot, f); err != nil {
		return errors.Join(errors.New("it is not the parity that its trailer describes"), err)
	}
	return nil
}

func sortedKeys(m map[string]Reference) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
