package daemon

import (
	"testing"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
)

// TestGoneOrDamaged: a file that is not there is damage only where a table
// still has it.
func TestGoneOrDamaged(t *testing.T) {
	dir := t.TempDir()
	if err := tiering.Format(tiering.OSFS{}, dir, "c", "m"); err != nil {
		t.Fatal(err)
	}
	m, err := tiering.Mount(tiering.OSFS{}, dir, "c")
	if err != nil {
		t.Fatal(err)
	}
	for lives, want := range map[bool]wire.Code{true: wire.Corrupt, false: wire.VersionNotFound} {
		rs := newReaders(m, nil, func(catalog.SegmentID) bool { return lives })
		if _, err := rs.OpenSegment(t.Context(), &catalog.Segment{ID: 7}); !wire.IsCode(err, want) {
			t.Errorf("lives %v: %v; want %s", lives, err, want)
		}
	}
}
