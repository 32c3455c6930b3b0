package format

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/index"
)

// Verify reads the whole file and checks every byte of it: head, pages, metas,
// sections and footer by their checksums, the gaps between them for zero, that
// nothing overlaps and nothing is left over, that every page decodes, that
// zones bound their rows, and that indexes say of the rows what is true. A nil error says that the file is what its Writer
// wrote.
func (r *Reader) Verify(ctx context.Context) error {
	metas, err := r.load(ctx, r.all())
	if err != nil {
		return err
	}
	parts := r.parts(metas)
	if err := r.verifyHead(); err != nil {
		return err
	}
	if err := r.verifyGaps(parts); err != nil {
		return err
	}
	checks := make([]*indexCheck, len(metas))
	for i, m := range metas {
		if len(m.sections) == 0 {
			continue
		}
		if checks[i], err = r.newIndexCheck(ctx, i, m); err != nil {
			return err
		}
	}
	for _, p := range parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.verifyPart(ctx, p, checks); err != nil {
			return err
		}
	}
	for i, c := range checks {
		if c != nil {
			if err := c.finish(r, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// part is one run of bytes of the file, and its page if it is one.
type part struct {
	span
	name  string
	align int64
	page  *page
	index sectionID // of a section of a column
	place int       // of the column in the directory, for page and index
	block int
}

// parts lists what lies between head and trailer, in the order of the file.
func (r *Reader) parts(metas []*meta) []part {
	parts := []part{{span: r.trailer.footer, name: "footer", align: partAlign}}
	for _, s := range r.footer.sections {
		parts = append(parts, part{span: s.span, name: s.id.String(), align: partAlign})
	}
	for i, m := range metas {
		parts = append(parts, part{span: r.columns.at(i).meta, name: "meta", align: partAlign})
		for _, s := range m.sections {
			parts = append(parts, part{span: s.span, name: "column " + s.id.String(), align: partAlign, index: s.id, place: i})
		}
		for b := range m.pages {
			parts = append(parts, part{span: m.pages[b].span, name: "page", align: pageAlign, page: &m.pages[b], place: i, block: b})
		}
	}
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(a.off, b.off) })
	return parts
}

func (r *Reader) verifyHead() error {
	b := make([]byte, headSize)
	if err := readFull(r.file, b, 0); err != nil {
		return err
	}
	return checkHead(b)
}

// verifyGaps checks that each part starts at the first place its alignment
// allows, and that the bytes skipped for that are zero.
func (r *Reader) verifyGaps(parts []part) error {
	end := int64(headSize)
	for _, p := range append(parts, part{span: span{off: uint64(r.size - trailerSize)}, name: "trailer", align: partAlign}) {
		if int64(p.off) != alignUp(end, p.align) {
			return corrupt(p.name, int64(p.off), "want it at byte %d: bytes overlap or belong to nothing", alignUp(end, p.align))
		}
		gap := make([]byte, int64(p.off)-end)
		if len(gap) > 0 {
			if err := readFull(r.file, gap, end); err != nil {
				return err
			}
		}
		if i := bytes.IndexFunc(gap, func(c rune) bool { return c != 0 }); i >= 0 {
			return corrupt("padding", end+int64(i), "not zero")
		}
		end = int64(p.end())
	}
	return nil
}

func (r *Reader) verifyPart(ctx context.Context, p part, checks []*indexCheck) error {
	bufs, err := fetch(ctx, r.file, []span{p.span})
	if err != nil {
		return err
	}
	if p.page == nil {
		return p.check(r.file, p.name, bufs[0])
	}
	a, err := r.decode(memory.DefaultAllocator, pageAt{p.place, p.block, *p.page}, bufs[0])
	if err != nil {
		return err
	}
	defer a.Release()
	if c := checks[p.place]; c != nil {
		if err := c.add(p.block, a); err != nil {
			return r.badIndex(p.place, sectionValues, err)
		}
	}
	return verifyZone(p, a)
}

// verifyZone checks that the bounds of a page hold. They may be looser than
// those of today's ZoneOf, but not missing the rows.
func verifyZone(p part, a arrow.Array) error {
	got, want := p.page.zone, index.ZoneOf(a)
	lowOK := got.Min == nil || want.Min != nil && bytes.Compare(got.Min, want.Min) <= 0
	highOK := got.Max == nil || want.Max != nil && bytes.Compare(got.Max, want.Max) >= 0
	if want.Nulls < want.Rows && (!lowOK || !highOK) {
		return corrupt("page", int64(p.off), "zone does not bound its rows")
	}
	return nil
}
