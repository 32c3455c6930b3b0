package recovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/tiering"
)

// Gatherer finds out what is on disks from nothing but their files. Copies and
// parity are read whole. Of the data members of stripes with parity only what
// is at their ends is read: the parity knows their hashes, and every reader
// checks the rest. It is not safe for concurrent use.
type Gatherer struct {
	Report func(Problem)

	files  map[catalog.MemberFile][]place
	copied map[catalog.SegmentID]bool // in no stripe with parity
	found  catalog.Found
}

// place is a file on a disk.
type place struct {
	medium *tiering.Medium
	file   catalog.MemberFile
	size   int64
}

func (p place) open() (*tiering.File, error) { return p.medium.Open(p.file.String()) }

// Add lists the files of a disk.
func (g *Gatherer) Add(m *tiering.Medium) error {
	entries, err := m.Inventory()
	if err != nil {
		return err
	}
	if g.files == nil {
		g.files = map[catalog.MemberFile][]place{}
	}
	for _, e := range entries {
		f, err := catalog.ParseMemberFile(e.Name)
		if err != nil {
			g.problem(Unknown, m.Path(e.Name), "it is not one of Tarn's")
			continue
		}
		g.files[f] = append(g.files[f], place{m, f, e.Size})
	}
	return nil
}

// Seen returns the last epoch that a file is of.
func (g *Gatherer) Seen() (last catalog.Epoch) {
	for f := range g.files {
		last = max(last, f.ID.Epoch())
	}
	return last
}

func (g *Gatherer) problem(kind Kind, where, what string, args ...any) {
	g.Report(Problem{Kind: kind, Where: where, What: fmt.Sprintf(what, args...), Next: "keep it; see docs/operations/recovery.md"})
}

// Gather reads the files that want holds for, and of others only what they say.
// The error is of ctx only: what is damaged is reported, and what is left is found.
func (g *Gatherer) Gather(ctx context.Context, want func(catalog.MemberFile) bool) (catalog.Found, error) {
	g.found, g.copied = catalog.Found{}, map[catalog.SegmentID]bool{}
	parity := map[catalog.SegmentID]bool{}
	for f := range g.files {
		switch {
		case !want(f):
			g.note(f)
		case f.Parity >= 0:
			parity[f.ID] = true
		default:
			g.copied[f.ID] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(parity)) {
		if err := g.stripe(ctx, id); err != nil {
			return catalog.Found{}, err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(g.copied)) {
		if err := g.copies(ctx, id); err != nil {
			return catalog.Found{}, err
		}
	}
	return g.found, ctx.Err()
}

// note notes what a segment says that is not to be taken. One that cannot be
// read says nothing.
func (g *Gatherer) note(file catalog.MemberFile) {
	if file.Parity >= 0 {
		return
	}
	for _, p := range g.files[file] {
		f, err := p.open()
		if err != nil {
			continue
		}
		s, err := describe(f, catalog.Member{Segment: file.ID, Bytes: p.size})
		f.Close() // read-only: nothing left to lose
		if err == nil {
			g.found.Segments = append(g.found.Segments, s)
			return
		}
	}
}

// copies finds the whole copies of a segment.
func (g *Gatherer) copies(ctx context.Context, id catalog.SegmentID) error {
	whole := map[string][]place{} // by hash
	for _, p := range g.files[catalog.SegmentFile(id)] {
		hash, err := p.verified(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			g.problem(Damaged, p.medium.Path(p.file.String()), "%v", err)
			continue
		}
		whole[hash] = append(whole[hash], p)
	}
	hash, some := most(whole)
	if len(some) == 0 {
		return nil
	}
	st := catalog.FoundStripe{Scheme: catalog.CopiesOf(len(some))}
	st.ID, st.Data = id, []catalog.Member{{Segment: id, Bytes: some[0].size, Hash: hash}}
	for _, p := range some {
		st.Disks = append(st.Disks, p.medium.ID())
	}
	f, err := some[0].open()
	if err != nil {
		g.problem(Unreadable, some[0].medium.Path(some[0].file.String()), "%v", err)
		return nil
	}
	defer f.Close()
	g.take(f, st.Data[0], some[0].medium.Path(some[0].file.String()))
	g.found.Stripes = append(g.found.Stripes, st)
	return nil
}

// most returns the places of the hash that most copies have, no more than a
// segment has copies.
func most(by map[string][]place) (hash string, places []place) {
	for _, h := range slices.Sorted(maps.Keys(by)) {
		if len(by[h]) > len(places) {
			hash, places = h, by[h]
		}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Compare(a.medium.ID(), b.medium.ID()) })
	return hash, places[:min(len(places), maxCopies)]
}

const maxCopies = 3

// verified reads a copy of a segment, checks all of it and returns its hash.
func (p place) verified(ctx context.Context) (string, error) {
	if err := verifyFile(ctx, p.medium, p.file, catalog.Member{}); err != nil {
		return "", err
	}
	f, err := p.open()
	if err != nil {
		return "", err
	}
	defer f.Close()
	return hashOf(f)
}

// take notes a segment that can be read, as its file tells.
func (g *Gatherer) take(src tiering.Source, m catalog.Member, where string) {
	s, err := describe(src, m)
	if err != nil {
		g.problem(Unknown, where, "no table can have segment %s: %v", m.Segment, err)
		return
	}
	g.found.Segments = append(g.found.Segments, s)
}

// describe reads what a segment says of itself.
func describe(src tiering.Source, m catalog.Member) (f catalog.FoundSegment, err error) {
	r, err := format.Open(src, src.Size())
	if err != nil {
		return f, err
	}
	info := r.Info()
	if info.Segment != m.Segment.String() {
		return f, fmt.Errorf("it is segment %.40q under the name of another", info.Segment)
	}
	table, err := strconv.ParseInt(info.Table, 10, 64)
	if err != nil {
		return f, fmt.Errorf("it is of table %.40q, which is no number", info.Table)
	}
	if f.Origin, err = catalog.ParseOrigin(info.Properties[catalog.OriginProperty]); err != nil {
		return f, err
	}
	f.Table, f.Schema = catalog.TableID(table), r.Schema()
	f.Segment = catalog.Segment{
		ID: m.Segment, SchemaID: f.Schema.ID, Partition: f.Origin.Partition, Rows: r.Rows(), Bytes: m.Bytes, Hash: m.Hash,
		Level: levelOf(f.Origin),
	}
	f.Zones, err = zonesOf(r)
	return f, err
}

// levelOf is below that of any merged segment, so that the policy of merges
// looks at it again.
func levelOf(o catalog.Origin) int {
	if o.Merged == nil {
		return 0
	}
	return 1
}

// zonesOf returns the zones of the columns over all rows.
func zonesOf(r *format.Reader) (map[int32]index.Zone, error) {
	zones := map[int32]index.Zone{}
	for _, f := range r.Schema().Fields {
		var all index.Zone
		for b := range r.Blocks() {
			z, err := r.Zone(f.ID, b)
			if err != nil {
				return nil, err
			}
			all = all.Merge(z)
		}
		zones[f.ID] = all
	}
	return zones, nil
}

// stripe finds the members of a stripe with parity.
func (g *Gatherer) stripe(ctx context.Context, id catalog.SegmentID) error {
	o := &openStripe{g: g}
	defer o.close()
	if !o.describe(id) {
		return nil
	}
	st := catalog.FoundStripe{Scheme: o.described.Scheme, Disks: make([]string, o.described.Scheme.Width())}
	st.ID = id
	if err := o.openData(&st); err != nil {
		g.problem(Damaged, id.String(), "%v", err)
		return nil
	}
	if err := o.parity(ctx, &st); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		g.problem(Damaged, id.String(), "its parity cannot be counted on, so what is there is taken and the rest is given up: %v", err)
		return nil // its data members are copies now
	}
	for slot, m := range st.Data {
		delete(g.copied, m.Segment)
		o.take(ctx, slot, &st)
	}
	g.found.Stripes = append(g.found.Stripes, st)
	return ctx.Err()
}

// take notes a data member, from its file or else from the rest of the stripe.
func (o *openStripe) take(ctx context.Context, slot int, st *catalog.FoundStripe) {
	m := st.Data[slot]
	if src := o.sources[slot]; src != nil {
		s, err := describe(src, m)
		if err == nil {
			o.g.found.Segments = append(o.g.found.Segments, s)
			return
		}
		o.g.problem(Damaged, o.described.Name(slot), "%v", err)
		o.sources[slot], st.Disks[slot] = nil, ""
	}
	o.g.take(tiering.NewDecoder(o.described, o.sources, nil).Member(ctx, slot), m, "stripe "+st.ID.String())
}

// openStripe is a stripe whose members are open.
type openStripe struct {
	g         *Gatherer
	described *tiering.Stripe
	sources   []tiering.Source // by slot; nil: not there
	disks     []string         // by slot
	closers   []io.Closer
}

func (o *openStripe) close() {
	for _, c := range o.closers {
		c.Close() // read-only: nothing left to lose
	}
}

// describe opens the parity of a stripe, and reports whether any says what the
// stripe is.
func (o *openStripe) describe(id catalog.SegmentID) bool {
	for n := 0; o.described == nil || n < o.described.Scheme.Parity; n++ {
		if n > maxParity {
			return false
		}
		for _, p := range o.g.files[catalog.MemberFile{ID: id, Parity: n}] {
			if err := o.openParity(id, n, p); err != nil {
				o.g.problem(Damaged, p.medium.Path(p.file.String()), "%v", err)
			}
		}
	}
	return true
}

const maxParity = 64

func (o *openStripe) openParity(id catalog.SegmentID, n int, p place) error {
	f, err := p.open()
	if err != nil {
		return err
	}
	o.closers = append(o.closers, f)
	s, slot, err := tiering.ReadStripe(f)
	if err != nil {
		return err
	}
	if s.ID != id.String() || slot != s.Scheme.Data+n {
		return fmt.Errorf("it is parity %d of stripe %.40q under the name of another", slot-s.Scheme.Data, s.ID)
	}
	if o.described == nil {
		o.described, o.sources, o.disks = s, make([]tiering.Source, s.Scheme.Width()), make([]string, s.Scheme.Width())
	}
	if !slices.Equal(o.described.Data, s.Data) || o.described.Scheme != s.Scheme {
		return errors.New("it tells of other members than the parity before it")
	}
	if o.sources[slot] == nil {
		o.sources[slot], o.disks[slot] = f, p.medium.ID()
	}
	return nil
}

// openData opens the data members that are there.
func (o *openStripe) openData(st *catalog.FoundStripe) error {
	for i, m := range o.described.Data {
		file, err := catalog.ParseMemberFile(m.Name)
		if err != nil || file.Parity >= 0 {
			return fmt.Errorf("its data member %.60q is no segment", m.Name)
		}
		st.Data = append(st.Data, catalog.Member{Segment: file.ID, Bytes: m.Size, Hash: m.Hash})
		for _, p := range o.g.files[file] {
			if p.size != m.Size || o.sources[i] != nil || slices.Contains(o.disks, p.medium.ID()) {
				continue
			}
			f, err := p.open()
			if err != nil {
				o.g.problem(Unreadable, p.medium.Path(file.String()), "%v", err)
				continue
			}
			o.closers = append(o.closers, f)
			o.sources[i], o.disks[i] = f, p.medium.ID()
		}
	}
	if st.Data[0].Segment != st.ID {
		return errors.New("it does not begin with the segment of its name")
	}
	return nil
}

// parity finds out size and hash of all parity members: of those that are
// there by reading them, of others by computing them.
func (o *openStripe) parity(ctx context.Context, st *catalog.FoundStripe) error {
	sc := o.described.Scheme
	st.Parity = make([]catalog.Member, sc.Parity)
	var lost []tiering.Output
	for n := range sc.Parity {
		slot := sc.Data + n
		f, there := o.sources[slot].(*tiering.File)
		if there {
			if err := o.described.VerifyMember(ctx, slot, f); err != nil {
				o.g.problem(Damaged, o.described.Name(slot), "%v", err)
				o.sources[slot], o.disks[slot], there = nil, "", false
			}
		}
		if !there {
			lost = append(lost, tiering.Output{Slot: slot, To: io.Discard})
			continue
		}
		hash, err := hashOf(f)
		if err != nil {
			return err
		}
		st.Parity[n] = catalog.Member{Bytes: f.Size(), Hash: hash}
	}
	copy(st.Disks, o.disks)
	if len(lost) == 0 {
		return nil
	}
	made, err := tiering.NewDecoder(o.described, o.sources, nil).Rebuild(ctx, lost)
	if err != nil {
		return err
	}
	for i, l := range lost {
		st.Parity[l.Slot-sc.Data] = catalog.Member{Bytes: made[i].Size, Hash: made[i].Hash}
	}
	return nil
}
