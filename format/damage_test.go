package format

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/schema"
	"github.com/zeebo/xxh3"
)

// TestEveryFlippedByte changes each byte of a small file of all types, one at
// a time: reading and verifying has to fail.
func TestEveryFlippedByte(t *testing.T) {
	s := allTypes(t)
	file, _ := write(t, s, Options{}, batchOf(s, 3, 6, true))
	checkFlips(t, file)
}

func TestEveryFlippedByteOfIndexes(t *testing.T) {
	s := smallSchema(t)
	file, _ := write(t, s, allIndexes(s), batchOf(s, 2, 20, true))
	checkFlips(t, file)
}

// TestEveryFlippedByteOfDictionaries takes all bytes only in a long test: each
// of them reads a whole block.
func TestEveryFlippedByteOfDictionaries(t *testing.T) {
	file := dictionaryFile(t)
	step := 1
	if testing.Short() {
		step = 17
	}
	for at := 0; at < len(file); at += step {
		file[at] ^= 0x10
		_, err := readAll(file)
		file[at] ^= 0x10
		if !errors.Is(err, ErrCorrupt) {
			t.Fatalf("byte %d of %d: got %v; want ErrCorrupt", at, len(file), err)
		}
	}
	for n := 0; n < len(file); n += step {
		if _, err := readAll(file[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("first %d of %d bytes: got %v; want ErrCorrupt", n, len(file), err)
		}
	}
}

func checkFlips(t *testing.T, file []byte) {
	t.Helper()
	flips := []byte{0x01, 0x80, 0xff}
	if testing.Short() {
		flips = flips[:1]
	}
	for at := range file {
		for _, flip := range flips {
			file[at] ^= flip
			_, err := readAll(file)
			file[at] ^= flip
			if err == nil {
				t.Fatalf("byte %d of %d xor %#x: no error", at, len(file), flip)
			}
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("byte %d xor %#x: error %q is not ErrCorrupt", at, flip, err)
			}
		}
	}
	if _, err := readAll(file); err != nil {
		t.Errorf("the file as it was: %v", err)
	}
}

func TestTruncatedAndExtended(t *testing.T) {
	s := allTypes(t)
	file, _ := write(t, s, Options{}, batchOf(s, 3, 6, true))
	for n := range file {
		if _, err := readAll(file[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("first %d of %d bytes: got %v; want ErrCorrupt", n, len(file), err)
		}
	}
	for _, more := range [][]byte{{0}, make([]byte, 64), file} {
		if _, err := readAll(append(bytes.Clone(file), more...)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d bytes more: got %v; want ErrCorrupt", len(more), err)
		}
	}
	if _, err := readAll(append(bytes.Clone(file), file[len(file)-trailerSize:]...)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("trailer doubled: got %v; want ErrCorrupt", err)
	}
}

// parts finds what reseal has to seal, without trusting anything.
func inFile(file []byte, s span) []byte {
	if s.inside(uint64(len(file))) != nil {
		return nil
	}
	return file[s.off:s.end()]
}

// reseal makes every checksum of a changed file right, as far as its parts
// can be found: what an attacker would do.
func reseal(file []byte) {
	if len(file) < headSize+trailerSize {
		return
	}
	le.PutUint64(file[headSize-8:], xxh3.Hash(file[:headSize-8]))
	end := file[len(file)-trailerSize:]
	foot := inFile(file, span{off: le.Uint64(end), len: le.Uint64(end[8:])})
	for at := footerFixed; at+sectionSize <= len(foot); at += sectionSize {
		resealSection(file, foot[at:])
	}
	le.PutUint64(end[16:], xxh3.Hash(foot))
	le.PutUint64(end[trailerSize-8:], xxh3.Hash(end[:trailerSize-8]))
}

func resealSection(file, entry []byte) {
	b := inFile(file, span{off: le.Uint64(entry[8:]), len: le.Uint64(entry[16:])})
	if sectionID(le.Uint16(entry)) == sectionColumns {
		for at := 0; at+columnSize <= len(b); at += columnSize {
			resealMeta(file, b[at:])
		}
	}
	le.PutUint64(entry[24:], xxh3.Hash(b))
}

func resealMeta(file, column []byte) {
	b := inFile(file, span{off: le.Uint64(column[8:]), len: le.Uint64(column[16:])})
	for at := metaFixed; at+pageSize <= len(b) && len(b) > 0 && (at-metaFixed)/pageSize < int(le.Uint32(b)); at += pageSize {
		page := inFile(file, span{off: le.Uint64(b[at:]), len: uint64(le.Uint32(b[at+8:]))})
		le.PutUint64(b[at+32:], xxh3.Hash(page))
	}
	if len(b) >= metaFixed {
		resealIndexes(file, b[min(uint64(len(b)), metaFixed+uint64(le.Uint32(b))*pageSize):], le.Uint32(b[4:]))
	}
	le.PutUint64(column[24:], xxh3.Hash(b))
}

// resealIndexes takes the entries of n sections of a column.
func resealIndexes(file, entries []byte, n uint32) {
	for ; n > 0 && len(entries) >= sectionSize; n-- {
		part := inFile(file, span{off: le.Uint64(entries[8:]), len: le.Uint64(entries[16:])})
		if id := sectionID(le.Uint16(entries)); id != sectionValues && id != sectionDictionary {
			resealPages(part)
		}
		le.PutUint64(entries[24:], xxh3.Hash(part))
		entries = entries[sectionSize:]
	}
}

// resealPages makes the checksums of an index in pages right.
func resealPages(b []byte) {
	if len(b) < 16 {
		return
	}
	head, n := uint64(le.Uint32(b)), uint64(le.Uint32(b[4:]))
	table := 16 + uint64(le.Uint32(b[12:]))
	if head > uint64(len(b)) || head != table+16*n+8 {
		return
	}
	from := head
	for i := range n {
		entry := b[table+16*i:]
		end := head + le.Uint64(entry)
		if from <= end && end <= uint64(len(b)) {
			le.PutUint64(entry[8:], xxh3.Hash(b[from:end]))
			from = end
		}
	}
	le.PutUint64(b[head-8:], xxh3.Hash(b[:head-8]))
}

func smallSchema(t testing.TB) *schema.Schema {
	return &schema.Schema{ID: 1, Fields: []schema.Field{
		{ID: 1, Name: "n", Type: arrow.PrimitiveTypes.Int32},
		{ID: 2, Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
	}}
}

func TestResealKeepsAGoodFile(t *testing.T) {
	s := smallSchema(t)
	file, _ := write(t, s, Options{}, batchOf(s, 3, 60, true))
	same := bytes.Clone(file)
	if reseal(same); !bytes.Equal(same, file) {
		t.Error("reseal changed a whole file")
	}
}

func TestNewerFiles(t *testing.T) {
	s := smallSchema(t)
	file, _ := write(t, s, Options{}, batchOf(s, 3, 60, true))
	end := len(file) - trailerSize
	for _, c := range []struct {
		name   string
		change func(file []byte)
		want   string // in an ErrUnsupported; "" means that the file opens
	}{
		{"required feature", func(f []byte) { f[end+32+5] |= 0x80 }, "0x800000000000"},
		{"optional feature", func(f []byte) { f[end+40+7] |= 0x80 }, ""},
		{"major version", func(f []byte) { f[end+52] = 2 }, "version 2.1"},
		{"minor version", func(f []byte) { f[end+54] = 9 }, ""},
	} {
		changed := bytes.Clone(file)
		c.change(changed)
		reseal(changed)
		_, err := readAll(changed)
		if c.want == "" && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.want != "" && (!errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v; want ErrUnsupported with %q", c.name, err, c.want)
		}
	}
}

// TestUnknownSections adds a section 99 to the footer: one that may be skipped
// is, one that may not is refused.
func TestUnknownSections(t *testing.T) {
	for _, flags := range []uint16{0, mustKnow} {
		_, err := readAll(withSection(t, flags))
		if flags == 0 && err != nil {
			t.Errorf("optional section: %v", err)
		}
		if flags == mustKnow && !errors.Is(err, ErrUnsupported) {
			t.Errorf("required section: got %v; want ErrUnsupported", err)
		}
	}
	file := withSection(t, 0)
	at := bytes.Index(file, []byte("from the future"))
	file[at] ^= 1
	if _, err := readAll(file); !errors.Is(err, ErrCorrupt) {
		t.Errorf("damaged unknown section: got %v; want ErrCorrupt", err)
	}
}

func withSection(t *testing.T, flags uint16) []byte {
	s := smallSchema(t)
	file, _ := write(t, s, Options{}, batchOf(s, 3, 60, true))
	r := open(t, file)
	out := output{w: new(bytes.Buffer)}
	out.write(file[:r.trailer.footer.off])
	extra := section{id: 99, flags: flags, span: out.put([]byte("from the future"), partAlign)}
	foot, end := r.footer, r.trailer
	foot.sections = append(foot.sections, extra)
	end.footer = out.put(foot.append(nil), partAlign)
	out.align(partAlign)
	end.fileSize = uint64(out.at + trailerSize)
	out.write(end.append(nil))
	return out.w.(*bytes.Buffer).Bytes()
}

// hostile pages: valid checksums, absurd contents.
func TestHostilePages(t *testing.T) {
	node := func(enc codec.Encoding, shape codec.Shape, count uint32, param uint64) []byte {
		b := []byte{byte(enc), byte(shape), 0, 0}
		return le.AppendUint64(le.AppendUint32(b, count), param)
	}
	page := func(nodes [][]byte, bufs ...[]byte) []byte {
		b := le.AppendUint32(nil, uint32(len(nodes)))
		b = le.AppendUint64(le.AppendUint32(b, uint32(len(bufs))), 0)
		for _, n := range nodes {
			b = append(b, n...)
		}
		for _, buf := range bufs {
			b = le.AppendUint32(b, uint32(len(buf)))
		}
		for _, buf := range bufs {
			b = append(b, make([]byte, -len(b)&7)...)
			b = append(b, buf...)
		}
		return b
	}
	valid := func(n uint32) []byte { return node(codec.Constant, codec.Bits, n, 1) }
	for _, c := range []struct {
		name, typ string
		rows      int
		page      []byte
		want      string
	}{
		{"nothing", "int32", 1, nil, "shorter than its header"},
		{"no nodes", "int32", 1, page(nil), "ends before"},
		{"other count", "int32", 2, page([][]byte{valid(1)}), "counts 1"},
		{"other shape", "int32", 1, page([][]byte{valid(1), node(codec.Constant, codec.Word64, 1, 1)}), "holds word64"},
		{"unknown encoding", "int32", 1, page([][]byte{valid(1), node(40, codec.Word32, 1, 1)}), "no encoding of"},
		{"constant too wide", "int8", 1, page([][]byte{valid(1), node(codec.Constant, codec.Word8, 1, 256)}), "does not fit"},
		{"more than a column", "int8", 1, page([][]byte{valid(1), node(codec.Constant, codec.Word8, 1, 1), valid(1)}), "more than its column"},
		{"code too big", "int8", 1, page([][]byte{valid(1), node(codec.Dictionary, codec.Word8, 1, 1),
			node(codec.Constant, codec.Word8, 1, 1), node(codec.Constant, codec.Word8, 1, 1)}), "code 1 in a dictionary of 1"},
		{"huge dictionary", "int64", 1, page([][]byte{valid(1), node(codec.Dictionary, codec.Word64, 1, 1<<40)}), "dictionary of"},
		{"huge list", "list<int64>", 100, page([][]byte{valid(100), node(codec.Constant, codec.Word32, 100, 1<<24)}), "list elements"},
		{"huge strings", "string", 100, page([][]byte{valid(100), node(codec.Raw, codec.Bytes, 100, 0),
			node(codec.Constant, codec.Word32, 100, 1<<30)}), "lengths sum up"},
		{"over budget", "list<list<decimal(38,0)>>", 1, page([][]byte{valid(1), node(codec.Constant, codec.Word32, 1, 1<<26), valid(1 << 26),
			node(codec.Constant, codec.Word32, 1<<26, 1), valid(1 << 26)}), "more than its limit"},
		{"deep runs", "int8", 2, page([][]byte{valid(2), node(codec.Runs, codec.Word8, 2, 1), node(codec.Runs, codec.Word8, 1, 1),
			node(codec.Runs, codec.Word8, 1, 1), node(codec.Constant, codec.Word8, 1, 1)}), "nest deeper"},
		{"empty run", "int8", 2, page([][]byte{valid(2), node(codec.Runs, codec.Word8, 2, 2),
			node(codec.Constant, codec.Word8, 2, 1), node(codec.Raw, codec.Word32, 2, 0)}, []byte{2, 0, 0, 0, 0, 0, 0, 0}), "a run is empty"},
		{"zstd bomb", "string", 1, page([][]byte{valid(1), node(codec.Raw, codec.Bytes, 1, 0), node(codec.Constant, codec.Word32, 1, 9),
			node(codec.Zstd, codec.Blob, 9, 0)}, zstdBomb), "zstd"},
		{"width too big", "int8", 1, page([][]byte{valid(1), node(codec.Packed, codec.Word8, 1, 0)}, []byte{9}, []byte{0}, nil), "packed width"},
		{"patch past the vector", "int8", 1, page([][]byte{valid(1), node(codec.Patched, codec.Word8, 1, 0)}, []byte{0}, []byte{0}, []byte{1, 0}, nil, []byte{1, 4}, nil),
			"a patch of value 1 in a vector of 1"},
		{"patch too long", "int8", 1, page([][]byte{valid(1), node(codec.Patched, codec.Word8, 1, 0)}, []byte{0}, []byte{0}, []byte{1, 0x20}, nil), "a patch has 2 more bytes"},
		{"patches missing", "int8", 1, page([][]byte{valid(1), node(codec.Patched, codec.Word8, 1, 0)}, []byte{0}, []byte{0}, []byte{0xff, 0x0f}, nil, nil, nil),
			"buffer of 0 bytes; want 8190"},
		{"delta by nothing", "int8", 1, page([][]byte{valid(1), node(codec.Delta, codec.Word8, 1, 0)}), "delta by 0"},
		{"scale too wide", "int8", 1, page([][]byte{valid(1), node(codec.Scaled, codec.Word8, 1, 256)}), "scaled by 256"},
		{"sparse value too wide", "int8", 1, page([][]byte{valid(1), node(codec.Sparse, codec.Word8, 1, 256)}), "sparse value 0x100"},
		{"more others than rows", "int8", 9, page([][]byte{valid(9), node(codec.Sparse, codec.Word8, 9, 0), node(codec.Raw, codec.Bits, 9, 0),
			node(codec.Constant, codec.Word8, 3, 0)}, []byte{1, 1}), "counts 3 values; want 2"},
		{"alp of bytes", "int8", 1, page([][]byte{valid(1), node(codec.ALP, codec.Word8, 1, 0)}), "no encoding of"},
		{"alp exponent", "float64", 1, page([][]byte{valid(1), node(codec.ALP, codec.Word64, 1, 0)}, []byte{19}, []byte{0}), "alp exponent 19"},
		{"alp factor", "float32", 1, page([][]byte{valid(1), node(codec.ALP, codec.Word32, 1, 0)}, []byte{3}, []byte{4}), "and factor 4"},
		{"exception past the vector", "float64", 1, page([][]byte{valid(1), node(codec.ALP, codec.Word64, 1, 0), node(codec.Constant, codec.Word64, 1, 0)},
			[]byte{0}, []byte{0}, []byte{1, 0}, []byte{1, 0}, make([]byte, 8)), "exception for value 1"},
		{"decimal places", "float64", 1, page([][]byte{valid(1), node(codec.Decimal, codec.Word64, 1, 0), node(codec.Constant, codec.Word64, 1, 0),
			node(codec.Constant, codec.Word8, 1, 23)}, []byte{0, 0}, nil, nil), "decimal with 23 places"},
		{"shared without a dictionary", "string", 1, page([][]byte{valid(1), node(codec.Shared, codec.Bytes, 1, 1), node(codec.Constant, codec.Word8, 1, 0)}),
			"a dictionary that the column does not have"},
		{"shared words", "int8", 1, page([][]byte{valid(1), node(codec.Shared, codec.Word8, 1, 1), node(codec.Constant, codec.Word8, 1, 0)}), "no encoding of"},
		{"fsst bomb", "string", 1, page([][]byte{valid(1), node(codec.FSST, codec.Bytes, 1, 1<<40)}, []byte{1, 1, 'a'}, []byte{0}), "1 bytes of codes for"},
		{"fsst lengths", "string", 1, page([][]byte{valid(1), node(codec.FSST, codec.Bytes, 1, 1), node(codec.Constant, codec.Word32, 1, 2)},
			[]byte{1, 1, 'a'}, []byte{0}), "2 bytes of codes; want 1"},
		{"fields bomb", "string", 1 << 16, page([][]byte{valid(1 << 16), node(codec.Fields, codec.Bytes, 1<<16, 16)}, bytes.Repeat([]byte{1}, 16)), "ends before"},
		{"deep deltas", "int8", 2, page([][]byte{valid(2), node(codec.Delta, codec.Word8, 2, 1), node(codec.Delta, codec.Word8, 2, 1),
			node(codec.Delta, codec.Word8, 2, 1), node(codec.Constant, codec.Word8, 2, 1)}, []byte{0}, []byte{0}, []byte{0}), "nest deeper"},
		{"dirty tail", "bool", 1, page([][]byte{valid(1), node(codec.Raw, codec.Bits, 1, 0)}, []byte{3}), "past the last"},
	} {
		a, err := decodeBounded(parseType(t, c.typ), c.rows, c.page)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, %v; want an error with %q", c.name, a, err, c.want)
		}
	}
}

// zstdBomb is a frame of one run-length block of 128 KiB.
var zstdBomb = []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 2, 0, 0x03, 0, 0x10, 'x'}
