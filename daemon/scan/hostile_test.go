package scan

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/format"
	"github.com/zeebo/xxh3"
)

// hostileColumns have among them every way in which pages are looked at
// without being decoded.
var hostileColumns = []string{
	"id int64", "run int32", "code int16", "spike int64", "rare int32", "step int64", "even int64", "flag bool", "price float64", "wide decimal(38,2)",
	"kind string", "note string", "key string", "day date", "list list<int32>",
}

// hostileQueries go through conditions on encoded data, indexes, tallies,
// groups by codes, top rows and plain rows.
var hostileQueries = []string{
	"SELECT * FROM t",
	"SELECT count(*), sum(id), min(step), max(step), sum(spike), sum(rare), avg(price), sum(wide) FROM t WHERE code BETWEEN 10 AND 60 AND even > 5000 AND spike < 100",
	"SELECT kind, count(*) FROM t GROUP BY kind",
	"SELECT kind, code, count(*), sum(even), min(note) FROM t WHERE flag GROUP BY kind, code",
	"SELECT run, flag, count(*), sum(price), max(day) FROM t WHERE rare IN (1, 2, 3, 5) OR kind = 'b' GROUP BY run, flag",
	"SELECT DISTINCT code FROM t WHERE note LIKE '%ox%' AND NOT key LIKE 'k-00%'",
	"SELECT * FROM t ORDER BY spike DESC, kind LIMIT 7",
	"SELECT id, note FROM t WHERE has_token(note, 'fox') AND key IN ('k-0007-q', 'k-0100-q') OR has_token(note, 'rare7')",
	"SELECT count(*), min(key) FROM t WHERE key = 'k-0042-q' OR kind <> 'a' AND id > 30",
	"SELECT count(DISTINCT kind), count(kind), max(length(note)) FROM t WHERE price IN (1.25, 2.5) OR price > 99 OR kind IS NULL",
	"SELECT id FROM t WHERE step = 70 OR run <= 1 OR NOT flag AND day < DATE '1970-01-20'",
	"SELECT sum(price * (1 - code)), sum(wide * 2) FROM t WHERE note >= 'f' AND note < 'q'",
}

func hostileBatch(t testing.TB, l *lake, rows int) arrow.RecordBatch {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(rows), 1))
	words := strings.Fields("the quick brown fox jumps over lazy dogs")
	var out []string
	step := 0
	for i := range rows {
		step += r.IntN(9)
		rare, spike := 5, r.IntN(200)
		if r.IntN(60) == 0 {
			rare, spike = r.IntN(9), r.IntN(1<<40)
		}
		note := words[r.IntN(8)] + " " + words[r.IntN(8)] + " " + words[r.IntN(8)]
		if r.IntN(50) == 0 {
			note += fmt.Sprintf(" rare%d", r.IntN(9))
		}
		kind := []string{`"a"`, `"b"`, `"long kind"`, "null"}[r.IntN(4)]
		out = append(out, fmt.Sprintf(`{"id":%d,"run":%d,"code":%d,"spike":%d,"rare":%d,"step":%d,"even":%d,"flag":%t,"price":%d.25,"wide":"%d.50","kind":%s,"note":"%s","key":"k-%04d-q","day":%d,"list":[%d]}`,
			i, i/50, r.IntN(90), spike, rare, step, 1000*r.IntN(90), i/30%2 == 0, r.IntN(100), r.Int64(), kind, note, i, i/40, i))
	}
	rec, _, err := array.RecordFromJSON(mem, l.snap.Schema.Arrow(), strings.NewReader("["+strings.Join(out, ",")+"]"))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// hostileFile is a segment with every index.
func hostileFile(t testing.TB, rows int, profile format.Profile) []byte {
	t.Helper()
	l := newLake(t, hostileColumns...)
	opts := allIndexes(l.snap.Schema)
	opts.Profile = profile
	var file bytes.Buffer
	w, err := format.NewWriter(&file, l.snap.Schema, format.Info{}, opts)
	if err == nil {
		err = w.Write(hostileBatch(t, l, rows))
	}
	if err == nil {
		_, err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// TestHostileSegments changes bytes of a segment and makes all checksums right
// again, as somebody would who wants to break a node. What comes of a query is
// an answer or an error, but no panic: guarded would make it INTERNAL.
func TestHostileSegments(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 15
	}
	for _, profile := range []format.Profile{format.ProfileDefault, format.ProfileFast, format.ProfileCompact} {
		file := hostileFile(t, 300, profile)
		if n := askHostile(t, file); n != len(hostileQueries) {
			t.Fatalf("%d of %d queries pass over the file as it was", n, len(hostileQueries))
		}
		r := rand.New(rand.NewPCG(uint64(profile), 7))
		opened, answers := 0, 0
		for range rounds {
			changed := bytes.Clone(file)
			for range 1 + r.IntN(3) {
				changed[r.IntN(len(changed))] = []byte{0, 1, 2, 0x7f, 0x80, 0xff, byte(r.Uint32())}[r.IntN(7)]
			}
			resealFile(changed)
			n := askHostile(t, changed)
			if answers += n; n > 0 {
				opened++
			}
			if t.Failed() {
				return
			}
		}
		t.Logf("%v: %d of %d files answered %d queries", profile, opened, rounds, answers)
	}
}

// FuzzHostileSegments does the same with other changes.
func FuzzHostileSegments(f *testing.F) {
	for _, profile := range []format.Profile{format.ProfileDefault, format.ProfileFast, format.ProfileCompact} {
		f.Add(hostileFile(f, 100, profile))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		file = bytes.Clone(file)
		resealFile(file)
		askHostile(t, file)
	})
}

// askHostile asks all queries of a file and returns how many have an answer.
func askHostile(t *testing.T, file []byte) (answers int) {
	t.Helper()
	r, err := format.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil || r.Rows() > 1<<20 {
		return 0
	}
	l := newLake(t, hostileColumns...)
	seg := &catalog.Segment{ID: 1, SchemaID: 1, Rows: r.Rows(), Bytes: int64(len(file))}
	l.snap.Segments = []*catalog.Segment{seg}
	l.readers[seg.ID] = r
	for _, text := range hostileQueries {
		_, err := l.query(parse(t, text), Options{MemoryBytes: 16 << 20, Pool: NewPool(64<<20, 1)})
		var e *wire.Error
		switch {
		case err == nil:
			answers++
		case errors.As(err, &e) && e.Code == wire.Internal:
			t.Errorf("%s\n%v", text, err)
		}
	}
	return answers
}

// resealFile makes the checksums of a changed file right, as far as its parts
// can be found. Where they are stands in docs/format.md.
func resealFile(file []byte) {
	if len(file) < 128 {
		return
	}
	seal(file[:64])
	end := file[len(file)-64:]
	foot := bytesAt(file, end)
	for at := 16; at+32 <= len(foot); at += 32 {
		entry := foot[at:]
		b := bytesAt(file, entry[8:])
		if u16(entry) == 2 { // the directory
			for ; len(b) >= 32; b = b[32:] {
				resealColumn(file, b)
			}
		}
		le.PutUint64(entry[24:], xxh3.Hash(bytesAt(file, entry[8:])))
	}
	le.PutUint64(end[16:], xxh3.Hash(foot))
	seal(end)
}

// resealColumn takes an entry of the directory.
func resealColumn(file, entry []byte) {
	meta := bytesAt(file, entry[8:])
	if len(meta) < 16 {
		return
	}
	pages, sections, rest := le.Uint32(meta), le.Uint32(meta[4:]), meta[16:]
	for ; pages > 0 && len(rest) >= 40; pages-- {
		le.PutUint64(rest[32:], xxh3.Hash(cut(file, le.Uint64(rest), uint64(le.Uint32(rest[8:])))))
		rest = rest[40:]
	}
	for ; sections > 0 && len(rest) >= 32; sections-- {
		part := bytesAt(file, rest[8:])
		if u16(rest) != 16 { // in pages
			resealIndex(part)
		}
		le.PutUint64(rest[24:], xxh3.Hash(part))
		rest = rest[32:]
	}
	le.PutUint64(entry[24:], xxh3.Hash(meta))
}

func resealIndex(b []byte) {
	if len(b) < 16 {
		return
	}
	head, pages, table := uint64(le.Uint32(b)), uint64(le.Uint32(b[4:])), 16+uint64(le.Uint32(b[12:]))
	if head > uint64(len(b)) || head != table+16*pages+8 {
		return
	}
	from := head
	for i := range pages {
		entry := b[table+16*i:]
		end := head + le.Uint64(entry)
		le.PutUint64(entry[8:], xxh3.Hash(cut(b, from, end-from)))
		from = end
	}
	seal(b[:head])
}

var le = binary.LittleEndian

func u16(b []byte) uint16 { return le.Uint16(b) }

// seal puts the hash of what is before them into the last eight bytes.
func seal(b []byte) { le.PutUint64(b[len(b)-8:], xxh3.Hash(b[:len(b)-8])) }

// bytesAt returns the part of a file whose offset and length stand in b.
func bytesAt(file, b []byte) []byte { return cut(file, le.Uint64(b), le.Uint64(b[8:])) }

func cut(b []byte, from, n uint64) []byte {
	if from > uint64(len(b)) || n > uint64(len(b))-from {
		return nil
	}
	return b[from : from+n]
}
