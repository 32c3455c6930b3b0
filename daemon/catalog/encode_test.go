package catalog

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/klauspost/compress/zstd"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

func encoded(t tester, s *State) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// storyCommands is one of everything that a state can hold.
func storyCommands() []Command {
	create := createTable("orders")
	create.CreateTable.PartitionBy = []string{"day(day)", "truncate(10, price)"}
	create.CreateTable.SortBy = []string{"id desc"}
	create.CreateTable.Options = wire.TableOptions{RetainVersions: 2, RetainFor: time.Second}
	table := &Snapshot{ID: 1, Schema: &schema.Schema{ID: 1}, PartitionBy: make([]schema.Transform, 2)}
	first := commitOf(1, table, 1, 2)
	first.CommitSegments.Key = "file-1"
	first.CommitSegments.Producers = []wire.BatchID{{Producer: "p", Seq: 1}, {Producer: "q", Seq: 9}}
	first.CommitSegments.Detail = "line\nbreak \" quote \u2028"
	first.CommitSegments.Segments[0].Partition = []schema.PartitionValue{{Text: "2026-03-01"}, {Null: true}}
	first.CommitSegments.Segments[0].Zones = map[int32]index.Zone{
		2: {Rows: 10, Nulls: 1, Min: []byte{0, 255}, Max: []byte{}, MinExact: true}, 1: {},
	}
	swap := commitOf(3, table, 1)
	swap.CommitSegments.Remove = []SegmentID{NewSegmentID(1, 1)}
	swap.CommitSegments.Producers = []wire.BatchID{{Producer: "p", Seq: 2}}
	return []Command{
		proposed(openEpoch("n1"), "p-1", 7), proposed(openEpoch("n2"), "p-2", 7), create, first, openEpoch("n1"),
		createTable("other"), createTable("doomed"), commitOf(3, &Snapshot{ID: 3, Schema: table.Schema}, 7),
		{AlterTable: &wire.AlterTable{Name: "orders", Add: &schema.Field{Name: "tags", Nullable: true,
			Type: arrow.ListOf(arrow.BinaryTypes.String), Doc: "free text"}}},
		{AlterTable: &wire.AlterTable{Name: "orders", Widen: &wire.Widen{Column: "price", Type: "int64"}}},
		{InitTrust: &testTrust().state}, {CreateJoin: &testTrust().join}, {CreateToken: &testTrust().token}, {IssueCertificate: &testTrust().certificate},
		admit("n9", "key"),
		swap, dropTable("doomed"), dropTable("unknown"), {ExpireVersions: &ExpireVersions{}},
		commitOf(2, &Snapshot{ID: 2, Schema: table.Schema}, 1),
	}
}

func story(t testing.TB) *State {
	t.Helper()
	s := withDisk()
	for i, cmd := range storyCommands() {
		cmd.Time = testStart.Add(time.Duration(i) * time.Second).In(time.FixedZone("elsewhere", 3600))
		s, _ = s.Apply(cmd, uint64(i+10))
	}
	return s
}

func TestTheStoryHoldsEverything(t *testing.T) {
	text := plainRecords(t, encoded(t, story(t)))
	for _, kind := range []string{"meta", "proposal", "epoch", "txn", "table", "commit", "segment", "producer", "key", "node", "disk", "group", "stripe", "garbage", "trust", "join", "token", "certificate", "end"} {
		if !strings.Contains(text, `{"`+kind+`":`) {
			t.Errorf("no %s record in the story: the tests with it do not cover that", kind)
		}
	}
	if !strings.Contains(text, `"removed":`) {
		t.Error("no removed segment in the story")
	}
}

// TestSameCommandsSameBytes: two replicas that apply the same commands, one
// of them from decoded log entries, are equal byte for byte.
func TestSameCommandsSameBytes(t *testing.T) {
	replica := withDisk()
	for i, cmd := range storyCommands() {
		cmd.Time = testStart.Add(time.Duration(i) * time.Second)
		entry, err := cmd.encode()
		if err != nil {
			t.Fatal(err)
		}
		if cmd, err = decodeCommand(entry); err != nil {
			t.Fatal(err)
		}
		replica, _ = replica.Apply(cmd, uint64(i+10))
	}
	if got, want := encoded(t, replica), encoded(t, story(t)); !bytes.Equal(got, want) {
		t.Errorf("replicas differ:\n%s\n%s", plainRecords(t, got), plainRecords(t, want))
	}
}

func plainRecords(t testing.TB, b []byte) string {
	t.Helper()
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	text, err := d.DecodeAll(b[len(stateMagic):], nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// withEnd returns lines as the records of a snapshot, with an end that fits.
func withEnd(t testing.TB, lines ...string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	e := newEncoder(&b)
	for _, line := range lines {
		e.line([]byte(line + "\n"))
	}
	e.end()
	if e.err != nil {
		t.Fatal(e.err)
	}
	return &b
}

func TestRestoredStateIsTheSame(t *testing.T) {
	s := story(t)
	want := encoded(t, s)
	restored, err := DecodeState(bytes.NewReader(want))
	if err != nil {
		t.Fatal(err)
	}
	if got := encoded(t, restored); !bytes.Equal(got, want) {
		t.Errorf("restored state:\n%s\nwant\n%s", plainRecords(t, got), plainRecords(t, want))
	}
	// And it goes on in the same way.
	for i, cmd := range storyCommands() {
		var a, b Result
		s, a = s.Apply(cmd, uint64(100+i))
		restored, b = restored.Apply(cmd, uint64(100+i))
		if fmt.Sprintf("%+v", a.Err) != fmt.Sprintf("%+v", b.Err) || a.Version != b.Version || a.Duplicate != b.Duplicate || a.Index != b.Index {
			t.Errorf("command %d: got %+v after restore; want %+v", i, b, a)
		}
		if !bytes.Equal(encoded(t, s), encoded(t, restored)) {
			t.Fatalf("command %d: states differ after restore", i)
		}
	}
}

func TestEmptyState(t *testing.T) {
	s, err := DecodeState(bytes.NewReader(encoded(t, NewState())))
	if err != nil || s.Index() != 0 || len(s.Tables()) != 0 {
		t.Errorf("got %+v, %v; want the empty state", s, err)
	}
}

// TestDamagedSnapshots: each cut and each flip is an error, or changes nothing.
func TestDamagedSnapshots(t *testing.T) {
	want := encoded(t, story(t))
	for n := range want {
		if _, err := DecodeState(bytes.NewReader(want[:n])); err == nil {
			t.Errorf("cut to %d of %d bytes: no error", n, len(want))
		}
	}
	for i := range want {
		for bit := range 8 {
			b := bytes.Clone(want)
			b[i] ^= 1 << bit
			s, err := DecodeState(bytes.NewReader(b))
			if err == nil && !bytes.Equal(encoded(t, s), want) {
				t.Errorf("byte %d bit %d: another state and no error", i, bit)
			}
		}
	}
	if _, err := DecodeState(bytes.NewReader(append(bytes.Clone(want), want[len(stateMagic):]...))); err == nil {
		t.Error("a second stream behind the end: no error")
	}
	newer := append([]byte("TARNCAT\x02"), want[len(stateMagic):]...)
	if _, err := DecodeState(bytes.NewReader(newer)); err == nil || !strings.Contains(err.Error(), "this build knows") {
		t.Errorf("a newer version: got %v", err)
	}
}

// TestContradictorySnapshots leaves out or doubles each record in turn, with
// an end that fits: the state is refused, or sound enough to be written again.
func TestContradictorySnapshots(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(plainRecords(t, encoded(t, story(t)))), "\n")
	lines = lines[:len(lines)-1] // without the end
	if _, err := decodeRecords(withEnd(t, lines...)); err != nil {
		t.Fatalf("unchanged: %v", err)
	}
	refused := 0
	for i := range lines {
		without := append(append([]string{}, lines[:i]...), lines[i+1:]...)
		twice := append(append(append([]string{}, lines[:i+1]...), lines[i]), lines[i+1:]...)
		if checkDecoded(t)(decodeRecords(withEnd(t, without...))) != nil {
			refused++
		}
		if checkDecoded(t)(decodeRecords(withEnd(t, twice...))) == nil {
			t.Errorf("record doubled: no error: %s", lines[i])
		}
	}
	if refused == 0 {
		t.Error("no missing record was noticed")
	}
	for _, bad := range []string{
		`{}`, `null`, `{"meta":{}}`, `{"future":{}}`, `{"commit":{"version":1,"schema":1}}`, `[]`, `{"txn":{"id":"x"}}`,
	} {
		if _, err := decodeRecords(withEnd(t, `{"meta":{"index":1,"last_epoch":0,"last_table":0}}`, bad)); err == nil {
			t.Errorf("record %s: no error", bad)
		}
	}
}

// checkDecoded takes what a decoder returned and, if it is a state, wants it
// to be one that can be read and written.
func checkDecoded(t testing.TB) func(*State, error) error {
	return func(s *State, err error) error {
		t.Helper()
		if err != nil {
			return err
		}
		for _, table := range s.Tables() {
			tbl, _ := s.tables.Get(table.ID)
			for _, c := range tbl.commits.items {
				if tbl.at(c).Schema == nil {
					t.Fatalf("table %q version %d has no schema", table.Name, c.Version)
				}
			}
		}
		again, err := DecodeState(bytes.NewReader(encoded(t, s)))
		if err != nil {
			t.Fatalf("a state that was taken does not read back: %v", err)
		}
		if !bytes.Equal(encoded(t, again), encoded(t, s)) {
			t.Fatal("a state that was taken reads back as another")
		}
		return nil
	}
}

func FuzzDecodeState(f *testing.F) {
	f.Add(encoded(f, NewState()))
	f.Add(encoded(f, story(f)))
	f.Fuzz(func(t *testing.T, b []byte) { _ = checkDecoded(t)(DecodeState(bytes.NewReader(b))) })
}

// FuzzRecords gets past zstd and hash, to the records themselves.
func FuzzRecords(f *testing.F) {
	text := strings.TrimSpace(plainRecords(f, encoded(f, story(f))))
	f.Add(text[:strings.LastIndexByte(text, '\n')])
	f.Add(`{"meta":{"index":1,"last_epoch":1,"last_table":1}}`)
	f.Fuzz(func(t *testing.T, text string) {
		_ = checkDecoded(t)(decodeRecords(withEnd(t, strings.Split(text, "\n")...)))
	})
}

func TestCommandsSurviveTheLog(t *testing.T) {
	for i, cmd := range storyCommands() {
		cmd.Time = testStart
		entry, err := cmd.encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeCommand(entry)
		if err != nil {
			t.Fatalf("command %d: %v", i, err)
		}
		again, err := back.encode()
		if err != nil || !bytes.Equal(again, entry) {
			t.Errorf("command %d: got %s, %v; want %s", i, again, err, entry)
		}
		for bit := range len(entry) * 8 {
			b := bytes.Clone(entry)
			b[bit/8] ^= 1 << (bit % 8)
			if _, err := decodeCommand(b); err == nil {
				t.Fatalf("command %d: bit %d flipped: no error", i, bit)
			}
		}
	}
}

func TestCommandsThatCannotBeWritten(t *testing.T) {
	if _, err := tooLarge().encode(); !wire.IsCode(err, wire.LimitExceeded) {
		t.Errorf("too large: got %v; want LIMIT_EXCEEDED", err)
	}
	odd := createTable("t")
	odd.CreateTable.Fields[0].Type = arrow.FixedWidthTypes.MonthInterval
	if _, err := odd.encode(); !wire.IsCode(err, wire.InvalidArgument) {
		t.Errorf("a type without a text: got %v; want INVALID_ARGUMENT", err)
	}
}

// tooLarge is a command of 20 bytes for each of its ids.
func tooLarge() Command {
	return forget(slices.Repeat([]SegmentID{1<<64 - 1}, MaxCommandBytes/20)...)
}

func FuzzDecodeCommand(f *testing.F) {
	for _, cmd := range storyCommands() {
		entry, err := cmd.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(entry[commandHeadSize:])
	}
	s := story(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		cmd, err := decodeCommand(sealCommand(body))
		if err != nil {
			return
		}
		next, r := s.Apply(cmd, s.Index()+1) // whatever it says, it must not panic
		if r.Err == nil {
			if _, err := DecodeState(bytes.NewReader(encoded(t, next))); err != nil {
				t.Fatalf("a command was taken and the state does not read back: %v", err)
			}
		}
	})
}

// tester is what testing.TB and rapid.T share.
type tester interface {
	Helper()
	Fatal(args ...any)
}
