package ingest

import (
	"slices"
	"testing"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/format/codec"
)

// TestProfiles: the catalog lets those pass that segments can be written in.
func TestProfiles(t *testing.T) {
	if !slices.Equal(catalog.Profiles, codec.Profiles) {
		t.Errorf("the catalog knows %v; want %v", catalog.Profiles, codec.Profiles)
	}
}
