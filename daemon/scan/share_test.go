package scan

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/schema"
	"github.com/tarnlake/tarn/tiering"
)

// catalogOf returns a catalog that has the lake's table at version 2, and is
// at entry 5.
func catalogOf(t testing.TB, l *lake) *catalog.State {
	t.Helper()
	commit := &catalog.CommitSegments{Txn: "1", Epoch: 1, Table: l.snap.ID, SchemaID: 1}
	for _, seg := range l.snap.Segments {
		own := *seg
		own.Hash = strings.Repeat("0", 32)
		commit.Segments = append(commit.Segments, own)
		stripe := catalog.Stripe{ID: own.ID, Group: 1, Data: []catalog.Member{{Segment: own.ID, Bytes: own.Bytes, Hash: own.Hash}}}
		commit.Stripes = append(commit.Stripes, catalog.NewStripe{Stripe: stripe, Placed: []string{"d1"}})
	}
	s := catalog.NewState()
	for i, cmd := range []catalog.Command{
		{RegisterNode: &catalog.RegisterNode{Node: "a", Name: "a", Disks: []catalog.DiskFacts{{ID: "d1", Tier: "hot", Bytes: 1 << 40}}}},
		{SetGroup: &catalog.SetGroup{ID: 1, Tier: "hot", Scheme: tiering.Scheme{Data: 1}, Disks: []string{"d1"}}},
		{OpenEpoch: &catalog.OpenEpoch{Node: "a"}},
		{CreateTable: &wire.CreateTable{Name: "t", Fields: l.snap.Schema.Fields}},
		{CommitSegments: commit},
	} {
		cmd.Time = time.Unix(1, 0)
		next, result := s.Apply(cmd, uint64(i+1))
		if result.Err != nil {
			t.Fatalf("command %d: %v", i, result.Err)
		}
		s = next
	}
	return s
}

// TestShareServe serves shares from a catalog, and refuses those that do not
// fit it.
func TestShareServe(t *testing.T) {
	l := newLake(t, "id int64", "s string")
	for i := range 3 {
		l.addPlain(t, texts(10*i, 10))
	}
	view := catalogOf(t, l)
	snap, err := view.Table("t")
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(snap, parse(t, `SELECT id FROM t`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	foreign := catalog.NewSegmentID(7, 7).String()
	tests := map[string]struct {
		change func(*Share)
		code   wire.Code // none: it is served
		text   string
	}{
		"as it is":            {func(*Share) {}, "", ""},
		"some segments":       {func(s *Share) { s.Query.Segments = s.Query.Segments[1:] }, "", ""},
		"a newer catalog":     {func(s *Share) { s.Index = 6 }, wire.Unavailable, "is behind"},
		"another table":       {func(s *Share) { s.Table = 9 }, wire.TableNotFound, "number 9"},
		"another version":     {func(s *Share) { s.Query.At.Version = 3 }, wire.VersionNotFound, "version 3"},
		"an earlier version":  {func(s *Share) { s.Query.At.Version = 1 }, wire.InvalidArgument, "is not part of table t"},
		"a foreign segment":   {func(s *Share) { s.Query.Segments[1] = foreign }, wire.InvalidArgument, "is not part of table t"},
		"a segment twice":     {func(s *Share) { s.Query.Segments[1] = s.Query.Segments[0] }, wire.InvalidArgument, "not in the order"},
		"segments turned":     {func(s *Share) { slices.Reverse(s.Query.Segments) }, wire.InvalidArgument, "not in the order"},
		"another kind":        {func(s *Share) { s.Yield = YieldGroups }, wire.InvalidArgument, `it wants "groups"`},
		"no such column":      {func(s *Share) { s.Query.Select[0].Expr.Name = "x" }, wire.ColumnNotFound, `"x"`},
		"a name of a segment": {func(s *Share) { s.Query.Segments[0] = "../x" }, wire.InvalidArgument, "is not part of table t"},
	}
	for name, test := range tests {
		share := p.share(view.Index(), 0)
		share.Query.Segments = slices.Clone(share.Query.Segments)
		share.Query.Select = parse(t, `SELECT id FROM t`).Select
		test.change(share)
		rows, err := served(t, share, view, l)
		switch {
		case test.code == "" && (err != nil || rows != int64(10*len(share.Query.Segments))):
			t.Errorf("%s: %d rows, %v; want those of %d segments", name, rows, err, len(share.Query.Segments))
		case test.code != "" && (!wire.IsCode(err, test.code) || !strings.Contains(err.Error(), test.text)):
			t.Errorf("%s: %d rows, %v; want %s with %q", name, rows, err, test.code, test.text)
		}
	}
}

// served has a share served and returns its rows.
func served(t *testing.T, share *Share, view *catalog.State, l *lake) (rows int64, err error) {
	t.Helper()
	request, err := share.bytes()
	if err != nil {
		t.Fatal(err)
	}
	read, err := ParseShare(request)
	if err != nil {
		return 0, err
	}
	part, err := New(l.snap, parse(t, `SELECT id FROM t`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	snap := *l.snap
	snap.Version = catalog.Version(share.Query.At.Version)
	part.snap = &snap
	in := newFrameReader(part, request, false)
	broken := read.Serve(t.Context(), view, shelf{l}, Options{}, func(frame []byte) error {
		_, _, failed := in.item(frame)
		if err == nil {
			err = failed
		}
		return nil
	})
	if broken != nil || !in.ended {
		t.Fatalf("the answer ended: %v, %v; want that it does, and no error of send", in.ended, broken)
	}
	return in.rows, err
}

// TestShareRefused: requests that no node of this version sends.
func TestShareRefused(t *testing.T) {
	l := newLake(t, "id int64")
	l.addPlain(t, idRows(1))
	good, err := mustPlan(t, l, `SELECT id FROM t WHERE id >= 0`, Options{}).share(5, 0).bytes()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseShare(good); err != nil {
		t.Fatalf("a share as it is: %v", err)
	}
	swap := func(from, to string) []byte {
		if !bytes.Contains(good, []byte(from)) {
			t.Fatalf("%s does not contain %s", good, from)
		}
		return bytes.Replace(good, []byte(from), []byte(to), 1)
	}
	for name, b := range map[string][]byte{
		"nothing":             nil,
		"no JSON":             []byte("{"),
		"a later format":      swap(`"format":1`, `"format":2`),
		"an unknown field":    swap(`"format":1`, `"format":1,"sample":0.1`),
		"no version":          swap(`"version":7`, `"version":0`),
		"no segments":         swap(`"segments":["00000001-00000001"]`, `"segments":[]`),
		"a malformed query":   swap(`"table":"t"`, `"table":""`),
		"two shares":          slices.Concat(good, good),
		"beyond every bound":  append(slices.Clone(good), bytes.Repeat([]byte(" "), MaxShare)...),
		"a table of no table": swap(`"table":1`, `"table":"1"`),
	} {
		if _, err := ParseShare(b); !wire.IsCode(err, wire.InvalidArgument) {
			t.Errorf("%s: got %v; want INVALID_ARGUMENT", name, err)
		}
	}
}

func idRows(n int) arrow.RecordBatch {
	b := array.NewRecordBuilder(mem, arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true}}, nil))
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
	}
	return b.NewRecordBatch()
}

// answers returns plans of each kind of share, with a request and the frames
// that answer it.
func answers(t testing.TB) (all []answer) {
	l := newLake(t, "id int64", "s string", "tags list<string>", "d decimal(9,2)")
	l.addJSON(t, `[{"id": 1, "s": "a", "tags": ["x", null], "d": "1.25"}, {"id": 2, "s": null, "tags": null, "d": null}]`)
	l.addJSON(t, `[{"id": 3, "s": "b", "tags": [], "d": "-7.00"}]`)
	stored := newLake(t, "id int64", "s string")
	stored.addPlain(t, texts(0, 8200))
	for _, query := range []string{
		`SELECT * FROM t`,
		`SELECT s, tags FROM t ORDER BY d`,
		`SELECT tags, id + 1 FROM t ORDER BY id DESC LIMIT 2`,
		`SELECT s, count(*), sum(d), avg(id), sum(CAST(id AS float64)), min(s), max(d), count(DISTINCT d) FROM t GROUP BY s`,
		`SELECT count(DISTINCT s) FROM t`,
	} {
		all = append(all, answerOf(t, l, query, 0))
	}
	return append(all, answerOf(t, stored, `SELECT s FROM t`, format.PageAbilities))
}

type answer struct {
	plan    *Plan
	request []byte
	pages   bool
	frames  [][]byte
}

func answerOf(t testing.TB, l *lake, query string, pages format.Features) answer {
	p := mustPlan(t, l, query, Options{})
	request, err := p.share(1, pages).bytes()
	if err != nil {
		t.Fatal(err)
	}
	a := answer{plan: p, request: request, pages: pages != 0}
	share, err := ParseShare(request)
	if err != nil {
		t.Fatal(err)
	}
	send := func(frame []byte) error { a.frames = append(a.frames, slices.Clone(frame)); return nil }
	if err := share.serve(t.Context(), shelf{l}, send, func() (*Plan, error) { return share.planOn(l.snap, Options{}) }); err != nil {
		t.Fatal(err)
	}
	return a
}

// read reads frames as an answer, and makes of their items what a query does.
func (a *answer) read(frames [][]byte) (ended bool, err error) {
	in := newFrameReader(a.plan, a.request, a.pages)
	for _, frame := range frames {
		it, any, err := in.item(frame)
		if err != nil {
			return false, err
		}
		if any && a.plan.grouped {
			a.plan.newPartial().merge(a.plan.partialOf(&it))
		}
		if any {
			new(rowHash).add(&it, it.rows())
		}
	}
	return in.ended, nil
}

// TestFramesRefused: answers that are damaged, or to something else.
func TestFramesRefused(t *testing.T) {
	all := answers(t)
	for i, a := range all {
		if ended, err := a.read(a.frames); err != nil || !ended {
			t.Fatalf("answer %d as it is: ended %v, %v", i, ended, err)
		}
		last := len(a.frames) - 1
		other := all[(i+1)%len(all)]
		for name, frames := range map[string][][]byte{
			"of another request":  other.frames,
			"without a beginning": a.frames[1:],
			"without its middle":  slices.Delete(slices.Clone(a.frames), 1, 2),
			"a frame twice":       slices.Insert(slices.Clone(a.frames), 1, a.frames[1]),
			"more behind it":      append(slices.Clone(a.frames), a.frames[last]),
			"of other contents":   {a.frames[0], other.frames[1]},
			"of another version":  {changed(a.frames[0], frameHeader+8)},
			"of more rows":        append(slices.Clone(a.frames[:last]), changed(a.frames[last], frameHeader)),
			"of no segment":       {a.frames[0], changed(a.frames[1], 11)},
			"an empty frame":      {nil},
			"a short batch":       {a.frames[0], a.frames[1][:len(a.frames[1])-16]},
		} {
			if ended, err := a.read(frames); err == nil {
				t.Errorf("answer %d, %s: ended %v, no error; want one", i, name, ended)
			}
		}
		if ended, err := a.read(a.frames[:last]); ended || err != nil {
			t.Errorf("answer %d, cut off: ended %v, %v; want that it has not", i, ended, err)
		}
	}
}

func changed(frame []byte, at int) []byte {
	frame = slices.Clone(frame)
	frame[at] ^= 0x40
	return frame
}

// FuzzShare: no request, whatever its bytes, does more than to be refused.
func FuzzShare(f *testing.F) {
	for _, a := range answers(f) {
		f.Add(a.request)
	}
	l := newLake(f, "id int64", "s string", "tags list<string>", "d decimal(9,2)")
	f.Fuzz(func(t *testing.T, request []byte) {
		share, err := ParseShare(request)
		if err != nil {
			return
		}
		share.planOn(l.snap, Options{})
		again, err := share.bytes()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseShare(again); err != nil {
			t.Errorf("what was read is written as %s, which cannot be read: %v", again, err)
		}
	})
}

// FuzzFrames: no frames, whatever their bytes, do more than to be refused. The
// input is an answer's number and frames, each after its length.
func FuzzFrames(f *testing.F) {
	all := answers(f)
	for i, a := range all {
		input := []byte{byte(i)}
		for _, frame := range a.frames {
			input = binary.LittleEndian.AppendUint32(input, uint32(len(frame)))
			input = append(input, frame...)
		}
		f.Add(input)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) == 0 {
			return
		}
		a := all[int(input[0])%len(all)]
		frames := [][]byte{a.frames[0]} // the rest is what can be wrong in many ways
		for input = input[1:]; len(input) >= 4; {
			n := min(int(binary.LittleEndian.Uint32(input)), len(input)-4)
			frame := slices.Clone(input[4 : 4+n])
			input = input[4+n:]
			if n >= frameHeader && frame[0] != byte(frameBegin) {
				binary.LittleEndian.PutUint32(frame[4:], uint32(len(frames)))
				frames = append(frames, frame)
			}
		}
		a.read(frames)
	})
}

// TestFailedFrame: an error keeps its kind, its hint and its place, and is
// never too long to be read.
func TestFailedFrame(t *testing.T) {
	l := newLake(t, "id int64")
	l.addPlain(t, idRows(1))
	l.addPlain(t, idRows(1))
	p := mustPlan(t, l, `SELECT id FROM t`, Options{})
	long := strings.Repeat("\x01", 1<<20)
	for _, want := range []*wire.Error{
		wire.Errorf(wire.LimitExceeded, "too much").WithHint("less"),
		wire.Errorf(wire.Corrupt, "%s", long).WithHint("%s", long),
	} {
		var frame []byte
		w := &frameWriter{send: func(b []byte) error { frame = b; return nil }}
		if err := w.end(&failure{1, want}); err != nil {
			t.Fatal(err)
		}
		_, _, err := newFrameReader(p, nil, false).item(frame)
		f, ok := err.(*failure)
		if !ok || f.nth != 1 || !wire.IsCode(err, want.Code) || !strings.HasPrefix(want.Message, wire.FromError(err).Message) {
			t.Errorf("got %.100v; want %.100v in segment 1", err, want)
		}
	}
}

// TestRowHash: the hash depends on rows, and on nothing else.
func TestRowHash(t *testing.T) {
	s, err := schema.ParseType("struct<a: list<string>, b: int16>")
	if err != nil {
		t.Fatal(err)
	}
	as := arrow.NewSchema([]arrow.Field{{Name: "x", Type: s, Nullable: true}, {Name: "y", Type: arrow.BinaryTypes.String, Nullable: true}, {Name: "z", Type: arrow.FixedWidthTypes.Boolean, Nullable: true}}, nil)
	rows := func(text string) arrow.RecordBatch {
		rec, _, err := array.RecordFromJSON(mem, as, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return rec
	}
	hashed := func(rec arrow.RecordBatch, ends ...int64) *rowHash {
		h, from := &rowHash{}, int64(0)
		for _, end := range append(ends, rec.NumRows()) {
			h.add(&item{batch: rec.NewSlice(from, rec.NumRows())}, end-from)
			from = end
		}
		return h
	}
	const text = `[{"x": {"a": ["p", null], "b": 1}, "y": "ab", "z": true}, {"x": null, "y": null, "z": null}, {"x": {"a": null, "b": null}, "y": "", "z": false}, {"x": {"a": [], "b": 2}, "y": "c", "z": null}]`
	want := hashed(rows(text))
	for _, ends := range [][]int64{{1}, {2}, {3}, {1, 2, 3}, {0, 4}} {
		if !hashed(rows(text), ends...).equal(want) {
			t.Errorf("cut at %v the hash is another", ends)
		}
	}
	for _, change := range [][2]string{{`"p", null`, `null, "p"`}, {`["p", null]`, `["p"]`}, {`"b": 1`, `"b": 3`}, {`"a": []`, `"a": null`}, {`"y": "ab"`, `"y": "a"`},
		{`"y": null`, `"y": ""`}, {`"z": true`, `"z": false`}, {`"z": false`, `"z": null`}, {`"y": "", "z": false}`, `"y": "c", "z": false}`}} {
		other := strings.Replace(text, change[0], change[1], 1)
		if other == text || hashed(rows(other)).equal(want) {
			t.Errorf("with %s for %s the hash is the same", change[1], change[0])
		}
	}
}
