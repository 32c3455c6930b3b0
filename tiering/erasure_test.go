package tiering

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zeebo/xxh3"
)

// memory is a member in memory.
type memory []byte

func (m memory) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(m).ReadAt(p, off) }
func (m memory) Size() int64                             { return int64(len(m)) }

// encoded is a stripe and the files of all its members, by slot.
type encoded struct {
	*Stripe
	files [][]byte
}

func newData(scheme Scheme, sizes []int, seed uint64) (files [][]byte, members []Member) {
	rng := rand.NewChaCha8([32]byte{byte(seed)})
	for slot := range scheme.Data {
		b := make([]byte, sizes[slot%len(sizes)])
		_, _ = rng.Read(b)
		files = append(files, b)
		members = append(members, Member{fmt.Sprintf("seg-%d", slot), int64(len(b)), hashText(xxh3.Hash128(b))})
	}
	return files, members
}

// encode makes a stripe of members of random bytes; sizes are repeated.
func encode(t testing.TB, scheme Scheme, sizes ...int) encoded {
	t.Helper()
	files, members := newData(scheme, sizes, 1)
	plan, err := NewStripe("st1", scheme, members)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]bytes.Buffer, scheme.Parity)
	var to []io.Writer
	for i := range out {
		to = append(to, &out[i])
	}
	s, receipts, err := plan.Encode(t.Context(), encoded{files: files}.sources(), to)
	if err != nil {
		t.Fatal(err)
	}
	for i := range out {
		b := out[i].Bytes()
		if want := (Receipt{int64(len(b)), hashText(xxh3.Hash128(b))}); receipts[i] != want || s.Size(scheme.Data+i) != want.Size {
			t.Fatalf("%v %v: receipt %v, size %d; want %v", scheme, sizes, receipts[i], s.Size(scheme.Data+i), want)
		}
		files = append(files, b)
	}
	return encoded{s, files}
}

// sources returns all members but the lost ones.
func (e encoded) sources(lost ...int) []Source {
	all := make([]Source, len(e.files))
	for slot, b := range e.files {
		if !slices.Contains(lost, slot) {
			all[slot] = memory(b)
		}
	}
	return all
}

// with returns the stripe with another file in a slot.
func (e encoded) with(slot int, file []byte) encoded {
	files := slices.Clone(e.files)
	files[slot] = file
	return encoded{e.Stripe, files}
}

// flip returns the stripe with one bit of a file turned.
func (e encoded) flip(slot, at int) encoded {
	file := bytes.Clone(e.files[slot])
	file[at] ^= 1 << (at % 8)
	return e.with(slot, file)
}

func rebuildInto(d *Decoder, ctx context.Context, lost []int) ([][]byte, error) {
	out := make([]bytes.Buffer, len(lost))
	var outputs []Output
	for i, slot := range lost {
		outputs = append(outputs, Output{Slot: slot, To: &out[i]})
	}
	_, err := d.Rebuild(ctx, outputs)
	files := make([][]byte, len(lost))
	for i := range out {
		files[i] = out[i].Bytes()
	}
	return files, err
}

// checkRebuild loses slots and expects them back, whole and a range of each.
func (e encoded) checkRebuild(t *testing.T, lost []int) {
	t.Helper()
	d := NewDecoder(e.Stripe, e.sources(lost...), nil)
	files, err := rebuildInto(d, t.Context(), lost)
	if err != nil {
		t.Fatalf("%v without %v: %v", e.Scheme, lost, err)
	}
	for i, slot := range lost {
		if !bytes.Equal(files[i], e.files[slot]) {
			t.Fatalf("%v without %v: slot %d came back as something else", e.Scheme, lost, slot)
		}
		if slot < e.Scheme.Data || e.Scheme.Copies() {
			e.checkRange(t, d, slot)
		}
	}
}

func (e encoded) checkRange(t *testing.T, d *Decoder, slot int) {
	t.Helper()
	size := len(e.files[slot])
	off := rand.IntN(size + 10)
	p := make([]byte, rand.IntN(size+10))
	n, err := d.ReadAt(t.Context(), slot, p, int64(off))
	want := e.files[slot][min(off, size):min(off+len(p), size)]
	if wantErr := len(want) < len(p); (err != nil) != wantErr || wantErr && err != io.EOF {
		t.Fatalf("%v: slot %d of %d bytes, %d at %d: got %v", e.Scheme, slot, size, len(p), off, err)
	}
	if !bytes.Equal(p[:n], want) {
		t.Fatalf("%v: slot %d of %d bytes, %d at %d: wrong bytes", e.Scheme, slot, size, len(p), off)
	}
}

// erasures calls f with every set of 1 to m slots.
func erasures(s Scheme, f func(lost []int)) {
	var add func(lost []int, from int)
	add = func(lost []int, from int) {
		if len(lost) > 0 {
			f(slices.Clone(lost))
		}
		for slot := from; slot < s.Width() && len(lost) < s.Parity; slot++ {
			add(append(lost, slot), slot+1)
		}
	}
	add(nil, 0)
}

const (
	tinyMembers   = 0
	borderMembers = 1
)

// ragged are lengths of members: short, and around the borders of blocks.
var ragged = [][]int{
	tinyMembers:   {100, 0, 333, 1, 77, 8},
	borderMembers: {blockSize + 1, blockSize, 0, blockSize - 1, 1, 2*blockSize + 3, 300},
}

func TestEveryErasure(t *testing.T) {
	for _, scheme := range shipped {
		t.Run(scheme.String(), func(t *testing.T) {
			t.Parallel()
			e := encode(t, scheme, ragged[tinyMembers]...)
			erasures(scheme, func(lost []int) { e.checkRebuild(t, lost) })
		})
	}
}

func TestErasureAroundBlocks(t *testing.T) {
	for _, scheme := range shipped {
		e, every := encode(t, scheme, ragged[borderMembers]...), 1
		if scheme.Data >= 6 {
			every = 37
		}
		n := 0
		erasures(scheme, func(lost []int) {
			if n++; n%every == 0 {
				e.checkRebuild(t, lost)
			}
		})
	}
}

func TestLengths(t *testing.T) {
	for _, sizes := range [][]int{{0}, {1}, {7}, {8}, {blockSize}, {0, 0, 0, 9}, {blockSize, 0}, {0, 2*blockSize + 1}, {blockSize - 1}, {3 * blockSize}} {
		for _, scheme := range []Scheme{{1, 2}, {2, 2}, {4, 2}} {
			e := encode(t, scheme, sizes...)
			if err := e.Verify(t.Context(), e.sources()); err != nil {
				t.Errorf("%v of %v: %v", scheme, sizes, err)
			}
			e.checkRebuild(t, []int{0, scheme.Data})
			e.checkRebuild(t, []int{0, 1})
		}
	}
}

func TestParityIsTheReference(t *testing.T) {
	for _, scheme := range shipped[2:] {
		for _, sizes := range ragged {
			e := encode(t, scheme, sizes...)
			data, longest := e.files[:scheme.Data], int(e.coded())
			step := 1 + longest/2000
			for slot := scheme.Data; slot < scheme.Width(); slot++ {
				for i := 0; i < longest; i += step {
					if got, want := e.files[slot][headSize+i], refParity(data, slot, i); got != want {
						t.Fatalf("%v: slot %d, byte %d: got %d; want %d", scheme, slot, i, got, want)
					}
				}
			}
		}
	}
}

func TestRandomRanges(t *testing.T) {
	e := encode(t, Scheme{4, 2}, 2*blockSize+700, 3*blockSize, blockSize/2, 10)
	for slot := range 4 {
		for other := range 6 {
			d := NewDecoder(e.Stripe, e.sources(slot, other), nil)
			for range 20 {
				e.checkRange(t, d, slot)
			}
		}
	}
}

// A lost member is a Source like any other.
func TestDecodedMember(t *testing.T) {
	e := encode(t, Scheme{3, 2}, 3*blockSize+5, 40, 1000)
	d := NewDecoder(e.Stripe, e.sources(0, 2), nil)
	m := d.Member(t.Context(), 0)
	if err := e.VerifyMember(t.Context(), 0, m); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Member(ctx, 0).ReadAt(make([]byte, 1), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: got %v; want %v", err, context.Canceled)
	}
}

func TestTooManyLost(t *testing.T) {
	for _, scheme := range shipped {
		e := encode(t, scheme, 100, 90)
		lost := slotsFrom(0, scheme.Parity+1)
		d := NewDecoder(e.Stripe, e.sources(lost...), nil)
		_, err := d.ReadAt(t.Context(), 0, make([]byte, 1), 0)
		checkTooFew(t, err, lost)
		_, err = rebuildInto(d, t.Context(), lost[:1])
		checkTooFew(t, err, lost)
		if _, err = rebuildInto(d, t.Context(), lost); !errors.Is(err, ErrTooFew) {
			t.Errorf("%v without %v: got %v; want ErrTooFew", scheme, lost, err)
		}
	}
}

func checkTooFew(t *testing.T, err error, lost []int) {
	t.Helper()
	var e *StripeError
	if !errors.Is(err, ErrTooFew) || !errors.As(err, &e) {
		t.Fatalf("got %v; want ErrTooFew", err)
	}
	var named []int
	for _, d := range e.Damage {
		named = append(named, d.Slot)
	}
	if !slices.Equal(named, lost) {
		t.Errorf("named as lost: %v; want %v in: %v", named, lost, err)
	}
}

// damages is a report that keeps what it is told.
type damages struct {
	sync.Mutex
	list []Damage
}

func (d *damages) add(x Damage) {
	d.Lock()
	defer d.Unlock()
	d.list = append(d.list, x)
}

func TestCorruptSourceIsOneMoreLost(t *testing.T) {
	for _, scheme := range shipped {
		e := encode(t, scheme, blockSize+100)
		if scheme.Parity == 1 {
			continue // two of two
		}
		for bad := 1; bad < scheme.Width(); bad++ {
			e := e.flip(bad, len(e.files[0])-20)
			var seen damages
			d := NewDecoder(e.Stripe, e.sources(0), seen.add)
			files, err := rebuildInto(d, t.Context(), []int{0})
			if err != nil || !bytes.Equal(files[0], e.files[0]) {
				t.Fatalf("%v with bad slot %d: got %v", scheme, bad, err)
			}
			for _, x := range seen.list {
				if x.Slot != bad || !errors.Is(x.Err, ErrCorrupt) || len(seen.list) > 1 {
					t.Errorf("%v with bad slot %d: reported %v", scheme, bad, seen.list)
				}
			}
			if bad < scheme.Data && len(seen.list) == 0 {
				t.Errorf("%v: bad slot %d was read and not reported", scheme, bad)
			}
			lost := append(slotsFrom(bad+1, scheme.Width()), slotsFrom(0, bad)...)[:scheme.Parity]
			d = NewDecoder(e.Stripe, e.sources(lost...), nil)
			_, err = rebuildInto(d, t.Context(), lost)
			want := append(lost, bad)
			slices.Sort(want)
			checkTooFew(t, err, want)
		}
	}
}

// What is damaged in one block serves for the others.
func TestDamageIsOfABlock(t *testing.T) {
	e := encode(t, Scheme{2, 2}, 3*blockSize)
	for slot, n := range []int{1: 0, 2: 1, 3: 2} {
		if slot > 0 {
			e = e.flip(slot, int(e.blockAt(slot, int64(n)))+5)
		}
	}
	e.checkRebuild(t, []int{0})
}

func TestEveryFlippedByteIsFound(t *testing.T) {
	for _, scheme := range []Scheme{{1, 1}, {2, 2}, {3, 2}} {
		e := encode(t, scheme, 30, 0, 17)
		for slot, file := range e.files {
			for at := range file {
				bad := e.flip(slot, at)
				if err := bad.VerifyMember(t.Context(), slot, memory(bad.files[slot])); !errors.Is(err, ErrCorrupt) {
					t.Fatalf("%v slot %d byte %d: VerifyMember: got %v; want ErrCorrupt", scheme, slot, at, err)
				}
				checkDamaged(t, bad, slot)
			}
		}
	}
}

func checkDamaged(t *testing.T, e encoded, want ...int) {
	t.Helper()
	var se *StripeError
	if err := e.Verify(t.Context(), e.sources()); !errors.As(err, &se) || !errors.Is(err, ErrCorrupt) {
		t.Fatalf("%v: damage in %v: Verify: got %v", e.Scheme, want, err)
	}
	var got []int
	for _, d := range se.Damage {
		got = append(got, d.Slot)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%v: Verify found damage in %v; want %v", e.Scheme, got, want)
	}
}

func TestFlippedBitsInLargeMembers(t *testing.T) {
	e := encode(t, Scheme{4, 2}, ragged[borderMembers]...)
	for range 30 {
		bad, want := e, []int(nil)
		for slot, file := range e.files {
			if len(file) > 0 && rand.IntN(3) == 0 {
				bad, want = bad.flip(slot, rand.IntN(len(file))), append(want, slot)
			}
		}
		if want != nil {
			checkDamaged(t, bad, want...)
		}
	}
}

func TestTruncated(t *testing.T) {
	e := encode(t, Scheme{2, 2}, 100, 50)
	for slot, file := range e.files {
		for _, n := range []int{0, 1, len(file) / 2, len(file) - 1} {
			checkDamaged(t, e.with(slot, file[:n]), slot)
		}
		checkDamaged(t, e.with(slot, append(bytes.Clone(file), 0)), slot)
	}
}

func TestFindStripe(t *testing.T) {
	e := encode(t, Scheme{2, 2}, 100, 50)
	find := func(e encoded, lost ...int) error {
		s, err := FindStripe("st1", Scheme{2, 2}, e.sources(lost...))
		if err == nil && !bytes.Equal(s.foot(2), e.Stripe.foot(2)) {
			t.Error("found another stripe")
		}
		return err
	}
	last := len(e.files[2])
	for name, err := range map[string]error{
		"all there":        find(e),
		"first lost":       find(e, 2),
		"second lost":      find(e, 3),
		"tail flipped":     find(e.flip(2, last-30)),
		"trailer flipped":  find(e.flip(2, last-80)),
		"truncated":        find(e.with(2, e.files[2][:last-1])),
		"other slot's":     find(e.with(2, e.files[3])),
		"not a parity one": find(e.with(2, e.files[0])),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := find(e.flip(2, last-1), 3)
	if err == nil || !strings.Contains(err.Error(), "slot 2 (st1.p0): corrupt") || !strings.Contains(err.Error(), "slot 3 (st1.p1): not there") {
		t.Errorf("none left: got %v", err)
	}
	if _, err := FindStripe("st2", Scheme{2, 2}, e.sources()); err == nil {
		t.Error("the trailer of another stripe was taken")
	}
}

// Parity that was made wrong has good checksums all the same.
func TestWrongParityIsFound(t *testing.T) {
	e := encode(t, Scheme{3, 2}, 1000)
	wrong := *e.Stripe
	wrong.sums = slices.Clone(e.sums)
	file := bytes.Clone(e.files[4])
	file[headSize+5] ^= 1
	wrong.sums[4] = []uint64{xxh3.Hash(file[headSize:][:1000])}
	bad := encoded{&wrong, slices.Clone(e.files)}
	for slot := 3; slot < 5; slot++ {
		bad.files[slot] = append(slices.Clone(append(wrong.head(slot), e.files[slot][headSize:][:1000]...)), wrong.foot(slot)...)
	}
	copy(bad.files[4][headSize:], file[headSize:][:1000])
	checkDamaged(t, bad, 4)
	d := NewDecoder(bad.Stripe, bad.sources(0, 3), nil)
	_, err := rebuildInto(d, t.Context(), []int{0, 3})
	if !errors.Is(err, errDecoded) || !errors.Is(err, ErrCorrupt) {
		t.Errorf("rebuild from it: got %v; want %v", err, errDecoded)
	}
	if n, err := d.ReadAt(t.Context(), 0, make([]byte, 10), 0); n != 0 || !errors.Is(err, errDecoded) {
		t.Errorf("read through it: got %d bytes, %v; want %v", n, err, errDecoded)
	}
}

// Whatever goes wrong in memory between decoding and writing is found by
// decoding back, whichever member is the one looked at.
func TestSelfCheck(t *testing.T) {
	for _, scheme := range shipped[2:] {
		e := encode(t, scheme, 500)
		c, data, parity := coderFor(scheme), slotsFrom(0, scheme.Data), slotsFrom(scheme.Data, scheme.Width())
		r := newRow(scheme.Width())
		r.begin(e.Stripe, 0)
		for _, slot := range data {
			if _, err := r.read(e.Stripe, slot, memory(e.files[slot])); err != nil {
				t.Fatal(err)
			}
		}
		c.solve(r, parity)
		for r.n = range int64(scheme.Data) {
			if err := c.checkBack(r, parity, data); err != nil {
				t.Errorf("%v, row %d: %v", scheme, r.n, err)
			}
			flipped := r.shards[parity[int(r.n)%min(scheme.Data, scheme.Parity)]]
			flipped[499] ^= 4
			if err := c.checkBack(r, parity, data); err != errSelfCheck {
				t.Errorf("%v, row %d with a flipped bit: got %v; want %v", scheme, r.n, err, errSelfCheck)
			}
			flipped[499] ^= 4
		}
		r.release()
	}
}

func TestEncodeRefusesOtherBytes(t *testing.T) {
	for _, scheme := range []Scheme{{1, 2}, {2, 2}} {
		e := encode(t, scheme, blockSize+9)
		to := make([]io.Writer, scheme.Parity)
		for i := range to {
			to[i] = io.Discard
		}
		for at := range 3 {
			_, _, err := e.Encode(t.Context(), e.flip(0, at*blockSize/2).sources()[:scheme.Data], to)
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "seg-0") {
				t.Errorf("%v: a flipped bit: got %v", scheme, err)
			}
		}
		_, _, err := e.Encode(t.Context(), e.with(0, e.files[0][1:]).sources()[:scheme.Data], to)
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%v: a short member: got %v", scheme, err)
		}
	}
}

// broken fails at its n-th byte, as a reader and as a writer.
type broken struct {
	memory
	at  int
	err error
}

func (b *broken) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > int64(b.at) {
		return 0, b.err
	}
	return b.memory.ReadAt(p, off)
}

func (b *broken) Write(p []byte) (int, error) {
	if b.at -= len(p); b.at < 0 {
		return 0, b.err
	}
	return len(p), nil
}

func TestErrorsOfSourcesAndWriters(t *testing.T) {
	gone := errors.New("disk is gone")
	for _, scheme := range []Scheme{{1, 2}, {4, 2}} {
		e := encode(t, scheme, 2*blockSize)
		sources := e.sources(0)
		sources[1] = &broken{e.files[1], blockSize, gone}
		sources[2] = &broken{e.files[2], blockSize, gone}
		_, err := rebuildInto(NewDecoder(e.Stripe, sources, nil), t.Context(), []int{0})
		if !errors.Is(err, ErrTooFew) || !errors.Is(err, gone) {
			t.Errorf("%v: broken sources: got %v", scheme, err)
		}
		d := NewDecoder(e.Stripe, e.sources(), nil)
		if _, err = d.Rebuild(t.Context(), []Output{{Slot: 0, To: &broken{nil, blockSize + 9, gone}}}); !errors.Is(err, gone) {
			t.Errorf("%v: broken writer: got %v", scheme, err)
		}
		to := []io.Writer{io.Discard, &broken{nil, blockSize + 9, gone}}
		if _, _, err = e.Encode(t.Context(), e.sources()[:scheme.Data], to); !errors.Is(err, gone) {
			t.Errorf("%v: encode to a broken writer: got %v", scheme, err)
		}
		if err = e.VerifyMember(t.Context(), 1, sources[1]); !errors.Is(err, gone) {
			t.Errorf("%v: verify a broken source: got %v", scheme, err)
		}
	}
}

// The hash that the catalog has of a parity member is met, or it is an error.
func TestRebuildChecksTheCatalogsHash(t *testing.T) {
	e := encode(t, Scheme{2, 2}, 77)
	d := NewDecoder(e.Stripe, e.sources(3), nil)
	want := hashText(xxh3.Hash128(e.files[3]))
	got, err := d.Rebuild(t.Context(), []Output{{3, io.Discard, want}})
	if err != nil || got[0] != (Receipt{int64(len(e.files[3])), want}) {
		t.Errorf("got %v, %v; want hash %s", got, err, want)
	}
	if _, err := d.Rebuild(t.Context(), []Output{{3, io.Discard, hashText(xxh3.Hash128(nil))}}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another hash: got %v; want ErrCorrupt", err)
	}
}

// stopping cancels at the n-th read.
type stopping struct {
	Source
	n    int
	stop func()
}

func (s *stopping) ReadAt(p []byte, off int64) (int, error) {
	if s.n--; s.n == 0 {
		s.stop()
	}
	return s.Source.ReadAt(p, off)
}

func TestCancel(t *testing.T) {
	for _, scheme := range []Scheme{{1, 2}, {3, 2}} {
		e := encode(t, scheme, 20*blockSize)
		for name, run := range map[string]func(ctx context.Context, sources []Source) error{
			"encode": func(ctx context.Context, sources []Source) error {
				_, _, err := e.Encode(ctx, sources[:scheme.Data], []io.Writer{io.Discard, io.Discard})
				return err
			},
			"rebuild": func(ctx context.Context, sources []Source) error {
				_, err := NewDecoder(e.Stripe, sources, nil).Rebuild(ctx, []Output{{Slot: scheme.Width() - 1, To: io.Discard}})
				return err
			},
			"verify": e.Verify,
			"verify member": func(ctx context.Context, sources []Source) error {
				return e.VerifyMember(ctx, 0, sources[0])
			},
		} {
			ctx, cancel := context.WithCancel(t.Context())
			sources := e.sources()
			sources[0] = &stopping{sources[0], 3, cancel}
			if err := run(ctx, sources); !errors.Is(err, context.Canceled) {
				t.Errorf("%v: %s: got %v; want %v", scheme, name, err, context.Canceled)
			}
		}
	}
}

// A source that stops because it is told to is not damaged.
func TestCancelIsNoDamage(t *testing.T) {
	for _, scheme := range []Scheme{{1, 2}, {2, 2}} {
		e := encode(t, scheme, 100)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var seen damages
		sources := e.sources(0)
		for slot := 1; slot < len(sources); slot++ {
			sources[slot] = &stopping{&broken{e.files[slot], 0, context.Canceled}, 1, cancel}
		}
		_, err := NewDecoder(e.Stripe, sources, seen.add).ReadAt(ctx, 0, make([]byte, 9), 0)
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrTooFew) || len(seen.list) > 0 {
			t.Errorf("%v: got %v and damage %v; want %v and none", scheme, err, seen.list, context.Canceled)
		}
	}
}

// zeroes is a long member that takes no memory.
type zeroes int64

func (z zeroes) Size() int64 { return int64(z) }
func (z zeroes) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	return len(p), nil
}

func TestMemoryIsBounded(t *testing.T) {
	const size = 64 << 20
	h := xxh3.New()
	for range size / blockSize {
		h.Write(make([]byte, blockSize))
	}
	var members []Member
	var sources []Source
	for slot := range 4 {
		members = append(members, Member{fmt.Sprint("seg", slot), size, hashText(h.Sum128())})
		sources = append(sources, zeroes(size))
	}
	plan, err := NewStripe("st1", Scheme{4, 2}, members)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s, _, err := plan.Encode(t.Context(), sources, []io.Writer{io.Discard, io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	sources = append(sources, nil, nil)
	sources[0] = nil
	parity := memoryOfZeroes{s}
	sources[4], sources[5] = parity, parity
	if _, err := NewDecoder(s, sources, nil).Rebuild(t.Context(), []Output{{Slot: 0, To: io.Discard}}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > size { // of four members, read twice
		t.Errorf("allocated %d MiB for four members of %d MiB", got>>20, size>>20)
	}
}

// memoryOfZeroes is the parity of zeroes.
type memoryOfZeroes struct{ s *Stripe }

func (m memoryOfZeroes) Size() int64                             { return m.s.Size(m.s.Scheme.Data) }
func (m memoryOfZeroes) ReadAt(p []byte, off int64) (int, error) { return zeroes(0).ReadAt(p, off) }
