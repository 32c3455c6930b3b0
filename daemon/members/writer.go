package members

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/plant"
	"github.com/tarnlake/tarn/tiering"
	"github.com/zeebo/xxh3"
)

// How long a copy on another node may hold up the rest.
const (
	// sparePatience is for one that a commit could do without: it is left for
	// repair then.
	sparePatience = time.Second
	// briefPatience is for one that it needs, when another group would take the
	// segment at once.
	briefPatience = 2 * time.Second
	// patience is for one that it needs, when there is no other group.
	patience = 30 * time.Second
)

// ErrUnplaced is in errors for a group that is to be on two nodes and has no
// place on the second one yet, which is a matter of moments.
var ErrUnplaced = fmt.Errorf("%w: the group has no place on a second node yet", ErrAway)

// Why a copy is left out that was not written to its end.
var (
	errLate    = fmt.Errorf("%w: it took too long", ErrAway)
	errAvoided = fmt.Errorf("%w: it has failed lately", ErrAway)
)

// Writer writes one segment to the disks of a group of copies. A disk that
// fails or stalls is left out, as long as enough are left for the commit. It is
// not safe for concurrent use; it ends with Commit or Abort.
//
// Disks of this node are written as Write is called. Those of others have a
// lane each, so that they hold up neither these nor each other, until one has
// its queue full.
type Writer struct {
	store  *Store
	id     catalog.SegmentID
	group  catalog.Group
	need   quorum
	kind   tiering.Fill
	view   *catalog.State // that chose the group
	copies []*newCopy     // by slot; nil: left out
	errs   []error        // of those left out

	ended chan int     // slots whose lane has ended; nil without lanes
	chunk []byte       // not sent to the lanes yet
	hash  *xxh3.Hasher // of all that was written; nil without lanes
	size  int64        // likewise
}

// newCopy is one copy in the making: to a disk of this node, or through a lane.
type newCopy struct {
	node    string
	to      NewMember
	lane    *lane
	durable bool
	receipt tiering.Receipt // of one that is
}

// groupsTried is how many placement groups Create tries.
const groupsTried = 3

// Create begins a fresh segment in a placement group of the view, in another
// one if too few disks of the first take it. It waits for no other node. Errors
// for which other nodes are to blame are wire.Unavailable.
func (s *Store) Create(view *catalog.State, id catalog.SegmentID) (*Writer, error) {
	return s.create(view, id, fresh)
}

// CreateMerged is Create for what a merge has made: only in a group all of whose
// disks have room for that. Without one the error wraps tiering.ErrDiskFull.
func (s *Store) CreateMerged(view *catalog.State, id catalog.SegmentID) (*Writer, error) {
	return s.create(view, id, merged)
}

func (s *Store) create(view *catalog.State, id catalog.SegmentID, kind tiering.Fill) (w *Writer, err error) {
	for range groupsTried {
		g, none := s.groupFor(view, id, kind)
		if none != nil {
			return nil, none
		}
		if w, err = s.createIn(view, g, id, kind); err == nil {
			return w, nil
		}
	}
	return nil, err
}

func (s *Store) createIn(view *catalog.State, g catalog.Group, id catalog.SegmentID, kind tiering.Fill) (*Writer, error) {
	w := &Writer{store: s, id: id, group: g, kind: kind, need: quorumOf(view, g), view: view, copies: make([]*newCopy, len(g.Slots))}
	var avoided []int
	for slot := range g.Slots {
		if s.shuns(g.Slots[slot].Disk) {
			avoided = append(avoided, slot)
		} else {
			w.tryBegin(slot)
		}
	}
	for _, slot := range avoided { // as long as there are others
		if w.count(begun).reaches(w.need) {
			w.leaveOut(slot, errAvoided)
		} else {
			w.tryBegin(slot)
		}
	}
	if err := w.enough(begun); err != nil {
		return nil, errors.Join(err, w.Abort())
	}
	return w, nil
}

// tryBegin begins the copy of a slot, or leaves it out.
func (w *Writer) tryBegin(slot int) {
	c, err := w.begin(w.view, slot)
	if err != nil {
		w.drop(slot, err)
		return
	}
	w.copies[slot] = c
}

// begin begins the copy of a slot.
func (w *Writer) begin(view *catalog.State, slot int) (*newCopy, error) {
	id, file := w.group.Slots[slot].Disk, catalog.SegmentFile(w.id)
	c := &newCopy{}
	if d, ok := view.Disk(id); ok {
		c.node = d.Node
	}
	if m, here := w.store.Medium(id); here {
		if err := m.CheckFill(w.kind); err != nil {
			return nil, err
		}
		to, err := m.Create(file.String())
		if err != nil {
			return nil, err
		}
		c.to = to
		return c, nil
	}
	if !w.store.reaches(view, id) {
		return nil, ErrAway
	}
	if w.store.Fill(id) >= w.kind {
		return nil, tiering.ErrDiskFull
	}
	disk, err := w.store.Disk(id)
	if err != nil {
		return nil, err
	}
	if w.ended == nil {
		w.ended, w.hash = make(chan int, len(w.copies)), xxh3.New()
	}
	c.lane = startLane(disk, file, func() { w.ended <- slot })
	return c, nil
}

func begun(*newCopy) bool     { return true }
func durable(c *newCopy) bool { return c.durable }

// count counts copies that are not left out.
func (w *Writer) count(which func(*newCopy) bool) quorum {
	nodes, n := map[string]bool{}, 0
	for _, c := range w.copies {
		if c != nil && which(c) {
			n++
			nodes[c.node] = true
		}
	}
	return quorum{n, len(nodes)}
}

// enough returns an error when those copies are too few for a commit.
func (w *Writer) enough(which func(*newCopy) bool) error {
	have := w.count(which)
	if have.reaches(w.need) {
		return nil
	}
	why := errors.Join(w.errs...)
	if why == nil {
		why = ErrUnplaced
	}
	return unavailable(fmt.Errorf("segment %s: %d of the %d disks of group %d take it, on %d of the nodes, and %d on %d must: %w",
		w.id, have.copies, len(w.copies), w.group.ID, have.nodes, w.need.copies, w.need.nodes, why))
}

// Write appends to the segment. After an error the writer is good for Abort only.
func (w *Writer) Write(p []byte) (int, error) {
	out := len(w.errs)
	for slot, c := range w.copies {
		if c == nil || c.to == nil {
			continue
		}
		if _, err := c.to.Write(p); err != nil {
			w.drop(slot, errors.Join(err, c.to.Abort()))
		}
	}
	if w.ended != nil {
		w.send(p)
	}
	if len(w.errs) > out {
		if err := w.enough(begun); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// drop leaves out a copy that has failed, and has others keep away from its disk.
func (w *Writer) drop(slot int, err error) {
	w.leaveOut(slot, err)
	w.store.avoid(w.view, w.group.Slots[slot].Disk, err, errors.Is(err, errLate))
}

func (w *Writer) leaveOut(slot int, err error) {
	w.copies[slot] = nil
	w.errs = append(w.errs, fmt.Errorf("disk %s: %w", w.group.Slots[slot].Disk, err))
}

// send hands bytes to the lanes, in chunks that all of them share.
func (w *Writer) send(p []byte) {
	w.hash.Write(p)
	w.size += int64(len(p))
	for len(p) > 0 {
		n := min(len(p), chunkBytes-len(w.chunk))
		w.chunk, p = append(w.chunk, p[:n]...), p[n:]
		if len(w.chunk) == chunkBytes {
			w.flush()
		}
	}
	w.dropEnded()
}

// flush gives every lane the chunk that was gathered.
func (w *Writer) flush() {
	chunk := w.chunk
	if w.chunk = nil; len(chunk) == 0 {
		return
	}
	for slot, c := range w.copies {
		if c != nil && c.lane != nil {
			w.push(slot, chunk)
		}
	}
}

// push puts a chunk in the queue of a lane. A lane that lets it wait for too
// long is given up.
func (w *Writer) push(slot int, chunk []byte) {
	l := w.copies[slot].lane
	select {
	case l.chunks <- chunk:
		return
	default:
	}
	late := time.NewTimer(w.patienceWith(slot))
	defer late.Stop()
	for w.copies[slot] != nil {
		select {
		case l.chunks <- chunk:
			return
		case ended := <-w.ended:
			w.settle(ended)
		case <-late.C:
			w.giveUp(slot)
		}
	}
}

// patienceWith returns how long a copy may hold up the others.
func (w *Writer) patienceWith(slot int) time.Duration {
	c := w.copies[slot]
	if w.count(func(other *newCopy) bool { return other != c }).reaches(w.need) {
		return sparePatience
	}
	return w.patience([]int{slot})
}

// patience returns how long copies that are needed may hold up the others.
func (w *Writer) patience(slots []int) time.Duration {
	late := map[string]bool{}
	for _, slot := range slots {
		late[w.group.Slots[slot].Disk] = true
	}
	if w.store.another(w.view, late) {
		return briefPatience
	}
	return patience
}

// giveUp leaves out a copy that is late.
func (w *Writer) giveUp(slot int) {
	w.copies[slot].lane.cancel(errLate)
	w.drop(slot, errLate)
}

// dropEnded leaves out the copies whose lanes have failed.
func (w *Writer) dropEnded() {
	for {
		select {
		case slot := <-w.ended:
			w.settle(slot)
		default:
			return
		}
	}
}

// settle takes note of what a lane has come to.
func (w *Writer) settle(slot int) {
	c := w.copies[slot]
	if c == nil {
		return // it was given up before
	}
	if c.lane.err != nil {
		w.drop(slot, c.lane.err)
		return
	}
	if got := c.lane.receipt; c.to == nil && (got.Size != w.size || got.Hash != hashText(w.hash)) && !plant.On(plant.TrustReceipt) {
		w.drop(slot, fmt.Errorf("%w: it says to have received %d bytes of hash %s; %d of hash %s were sent",
			tiering.ErrCorrupt, got.Size, got.Hash, w.size, hashText(w.hash)))
		return
	}
	c.durable, c.receipt = true, c.lane.receipt
}

// Commit makes the segment durable on all disks at a time and returns it as
// the stripe of a commit. A disk of another node that is late is not waited for
// when there are enough without it: the segment is not placed there. When
// Commit fails nothing is left of the segment but what a disk that failed or is
// away may keep, which nobody will refer to.
func (w *Writer) Commit() (catalog.NewStripe, error) {
	w.flush()
	for _, c := range w.copies {
		if c != nil && c.lane != nil {
			close(c.lane.chunks)
		}
	}
	w.commitHere()
	w.awaitLanes()
	st := catalog.NewStripe{Stripe: catalog.Stripe{ID: w.id, Group: w.group.ID}, Placed: make([]string, len(w.copies))}
	for slot, c := range w.copies {
		if c != nil {
			st.Placed[slot] = w.group.Slots[slot].Disk
			st.Data = []catalog.Member{{Segment: w.id, Bytes: c.receipt.Size, Hash: c.receipt.Hash}}
		}
	}
	err := w.enough(durable)
	w.copies = nil
	if err != nil {
		return catalog.NewStripe{}, errors.Join(err, w.store.Discard(st, w.view.Index()))
	}
	return st, nil
}

// commitHere commits the copies on disks of this node: each in a goroutine of
// its own, as a lane that ends, unless it is the only copy.
func (w *Writer) commitHere() {
	alone := w.count(begun).copies == 1
	for slot, c := range w.copies {
		switch {
		case c == nil || c.to == nil:
		case alone:
			w.commitAlone(slot)
		default:
			w.commitInLane(slot)
		}
	}
}

func (w *Writer) commitAlone(slot int) {
	c := w.copies[slot]
	receipt, err := c.to.Commit()
	if err != nil {
		w.drop(slot, err)
		return
	}
	c.durable, c.receipt = true, receipt
}

func (w *Writer) commitInLane(slot int) {
	if w.ended == nil {
		w.ended = make(chan int, len(w.copies))
	}
	c, ended := w.copies[slot], w.ended
	c.lane = &lane{cancel: func(error) {}} // a commit that is late is left behind
	go func() {
		c.lane.receipt, c.lane.err = c.to.Commit()
		ended <- slot
	}()
}

// awaitLanes waits until every lane has ended or is given up.
func (w *Writer) awaitLanes() {
	if w.ended == nil {
		return
	}
	late := time.NewTimer(w.patience(w.pending()))
	defer late.Stop()
	hurry := false
	for pending := w.pending(); len(pending) > 0; pending = w.pending() {
		if !hurry && w.enough(durable) == nil {
			hurry = true
			late.Reset(sparePatience)
		}
		select {
		case slot := <-w.ended:
			w.settle(slot)
		case <-late.C:
			for _, slot := range pending {
				w.giveUp(slot)
			}
		}
	}
}

// pending returns the slots whose lane has not ended.
func (w *Writer) pending() []int {
	var slots []int
	for slot, c := range w.copies {
		if c != nil && !c.durable {
			slots = append(slots, slot)
		}
	}
	return slots
}

// Abort gives the segment up. It may be called again, and after Commit, when
// it does nothing.
func (w *Writer) Abort() error {
	var errs []error
	for _, c := range w.copies {
		switch {
		case c == nil:
		case c.to != nil:
			errs = append(errs, c.to.Abort())
		default:
			c.lane.cancel(context.Canceled)
		}
	}
	return errors.Join(errs...)
}

// discardTime is how long Discard waits for other nodes.
const discardTime = 2 * time.Second

// Discard moves the members of a stripe that no commit refers to, or ever
// will, to the trash; index is that of the state that says so. Placed names the
// disks of all slots. Other nodes do so only when their own state says the
// same, which it does not as long as the epoch that wrote the segment is open:
// what stays with them goes by that verdict later.
func (s *Store) Discard(st catalog.NewStripe, index uint64) error {
	ctx, cancel := context.WithTimeout(context.Background(), discardTime)
	defer cancel()
	scheme := schemeOf(st)
	errs := make([]error, len(st.Placed))
	var calls sync.WaitGroup
	for i, id := range st.Placed {
		disk, err := s.Disk(id)
		if id == "" || err != nil {
			continue
		}
		file := st.FileOf(scheme, i)
		if _, here := s.Medium(id); here {
			errs[i] = disk.Trash(ctx, file, index)
			continue
		}
		calls.Go(func() { _ = disk.Trash(ctx, file, index) }) // its own node sees to it otherwise
	}
	calls.Wait()
	return errors.Join(errs...)
}

// schemeOf returns the scheme of a stripe whose slots are all in Placed.
func schemeOf(st catalog.NewStripe) tiering.Scheme {
	if len(st.Data) > 1 {
		return tiering.Scheme{Data: len(st.Placed) - len(st.Parity), Parity: len(st.Parity)}
	}
	return tiering.Scheme{Data: 1, Parity: len(st.Placed) - 1}
}
