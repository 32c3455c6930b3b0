package recovery

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/schema"
	"github.com/tarnlake/tarn/tiering"
)

const cluster = "c1"

// shelf is disks in memory with a stripe of 2+2 on them: segments 1 and 2, on
// disks 0 and 1, and parity on 2 and 3.
type shelf struct {
	t     *testing.T
	fs    *tiering.CrashFS
	media []*tiering.Medium
	files []string
}

var ids = []catalog.SegmentID{catalog.NewSegmentID(1, 1), catalog.NewSegmentID(1, 2)}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{t: t, fs: tiering.NewCrashFS()}
	for i := range 4 {
		dir := fmt.Sprintf("/d%d", i)
		if err := tiering.Format(s.fs, dir, cluster, fmt.Sprintf("disk%d", i)); err != nil {
			t.Fatal(err)
		}
		m, err := tiering.Mount(s.fs, dir, cluster)
		if err != nil {
			t.Fatal(err)
		}
		s.media = append(s.media, m)
	}
	var data []tiering.Member
	var sources []tiering.Source
	for i, id := range ids {
		b := segment(t, id, 100*(i+1))
		r := s.put(i, catalog.SegmentFile(id).String(), b)
		data = append(data, tiering.Member{Name: catalog.SegmentFile(id).String(), Size: r.Size, Hash: r.Hash})
		sources = append(sources, bytes.NewReader(b))
	}
	st, err := tiering.NewStripe(ids[0].String(), tiering.Scheme{Data: 2, Parity: 2}, data)
	if err != nil {
		t.Fatal(err)
	}
	var parity [2]bytes.Buffer
	if _, _, err := st.Encode(t.Context(), sources, []io.Writer{&parity[0], &parity[1]}); err != nil {
		t.Fatal(err)
	}
	for n := range parity {
		s.put(2+n, catalog.MemberFile{ID: ids[0], Parity: n}.String(), parity[n].Bytes())
	}
	return s
}

func (s *shelf) put(disk int, name string, b []byte) tiering.Receipt {
	s.t.Helper()
	w, err := s.media[disk].Create(name)
	if err == nil {
		_, err = w.Write(b)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := w.Commit()
	if err != nil {
		s.t.Fatal(err)
	}
	s.files = append(s.files, s.media[disk].Path(name))
	return r
}

// segment returns the file of a segment of so many rows.
func segment(t *testing.T, id catalog.SegmentID, rows int) []byte {
	t.Helper()
	fields := &schema.Schema{ID: 1, Fields: []schema.Field{{ID: 1, Name: "x", Type: arrow.PrimitiveTypes.Int64}}}
	origin := catalog.Origin{Table: "t", Version: 3}
	var b bytes.Buffer
	w, err := format.NewWriter(&b, fields, format.Info{
		Segment: id.String(), Table: "7", Properties: map[string]string{catalog.OriginProperty: origin.String()},
	}, format.Options{})
	if err != nil {
		t.Fatal(err)
	}
	col := array.NewInt64Builder(memory.DefaultAllocator)
	for i := range rows {
		col.Append(int64(i))
	}
	if err := w.Write(array.NewRecordBatch(fields.Arrow(), []arrow.Array{col.NewArray()}, int64(rows))); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// gather returns what is found, and how many problems.
func (s *shelf) gather(want func(catalog.MemberFile) bool) (catalog.Found, []Problem) {
	s.t.Helper()
	var problems []Problem
	g := &Gatherer{Report: func(p Problem) { problems = append(problems, p) }}
	for _, m := range s.media {
		if err := g.Add(m); err != nil {
			s.t.Fatal(err)
		}
	}
	found, err := g.Gather(s.t.Context(), want)
	if err != nil {
		s.t.Fatal(err)
	}
	return found, problems
}

func all(catalog.MemberFile) bool { return true }

// TestGatherAnyMembers takes every set of members away: what two of the four
// have is found whole, with the same hashes; of fewer, what is there itself.
func TestGatherAnyMembers(t *testing.T) {
	whole, problems := newShelf(t).gather(all)
	if len(problems) > 0 || len(whole.Stripes) != 1 || len(whole.Segments) != 2 || !slices.Equal(whole.Stripes[0].Disks, []string{"disk0", "disk1", "disk2", "disk3"}) {
		t.Fatalf("of all members it finds %+v, %v", whole, problems)
	}
	for lost := range 1 << 4 {
		s := newShelf(t)
		var segments int
		for i := range 4 {
			if lost>>i&1 == 0 {
				segments += 1 - i/2
				continue
			}
			if err := s.fs.Remove(s.files[i]); err != nil {
				t.Fatal(err)
			}
		}
		found, _ := s.gather(all)
		left := 4 - len(strings.ReplaceAll(fmt.Sprintf("%b", lost), "0", ""))
		parity := lost>>2 != 3
		if left >= 2 && parity {
			if len(found.Stripes) != 1 || len(found.Segments) != 2 {
				t.Errorf("without %04b it finds %+v; want both segments", lost, found)
				continue
			}
			st := found.Stripes[0]
			if !slices.Equal(st.Data, whole.Stripes[0].Data) || !slices.Equal(st.Parity, whole.Stripes[0].Parity) {
				t.Errorf("without %04b the members are %+v; want those that were written", lost, st)
			}
			for i, disk := range st.Disks {
				if (disk == "") != (lost>>i&1 != 0) {
					t.Errorf("without %04b the disks are %q", lost, st.Disks)
				}
			}
			continue
		}
		if len(found.Segments) != segments || len(found.Stripes) != segments {
			t.Errorf("without %04b it finds %+v; want %d segments alone", lost, found, segments)
		}
	}
}

func TestGatherDescribes(t *testing.T) {
	found, _ := newShelf(t).gather(all)
	i := slices.IndexFunc(found.Segments, func(f catalog.FoundSegment) bool { return f.ID == ids[1] })
	f := found.Segments[i]
	if f.Rows != 200 || f.Table != 7 || f.SchemaID != 1 || f.Origin.Table != "t" || f.Origin.Version != 3 || f.Zones[1].Rows != 200 || !f.Zones[1].MaxExact {
		t.Errorf("the segment is %+v; want 200 rows of table 7", f)
	}
}

// TestGatherDamage flips a bit in each member: it is as good as lost.
func TestGatherDamage(t *testing.T) {
	for i := range 4 {
		s := newShelf(t)
		f, err := s.fs.Open(s.files[i])
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.fs.Flip(s.files[i], (info.Size()-20)*8); err != nil { // in what stands at its end
			t.Fatal(err)
		}
		found, problems := s.gather(all)
		if len(found.Stripes) != 1 || len(found.Segments) != 2 || len(problems) != 1 {
			t.Errorf("with member %d damaged it finds %+v, %v; want both segments, and what is damaged", i, found, problems)
			continue
		}
		if found.Stripes[0].Disks[i] != "" {
			t.Errorf("member %d is damaged, and is taken from %q", i, found.Stripes[0].Disks[i])
		}
	}
}

// TestGatherOnlyWhatIsWanted: of what the catalog knows only what it says.
func TestGatherOnlyWhatIsWanted(t *testing.T) {
	s := newShelf(t)
	fresh := catalog.NewSegmentID(2, 1)
	for disk := range 2 {
		s.put(disk, catalog.SegmentFile(fresh).String(), segment(t, fresh, 10))
	}
	found, problems := s.gather(func(f catalog.MemberFile) bool { return f.ID == fresh })
	if len(problems) > 0 || len(found.Segments) != 3 || len(found.Stripes) != 1 || found.Stripes[0].ID != fresh || !slices.Equal(found.Stripes[0].Disks, []string{"disk0", "disk1"}) {
		t.Errorf("it finds %+v, %v; want one stripe of two copies, and three segments", found, problems)
	}
}
