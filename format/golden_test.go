package format

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/tarnlake/tarn/format/codec"
)

var update = flag.Bool("update", false, "write the worked example of docs/format.md anew")

const goldenRows, goldenSeed = 600, 11

// TestGoldenFile reads a segment that format 1.0 wrote once. It has to give
// the same values for ever: never write that file anew; a new minor version
// gets a file of its own.
func TestGoldenFile(t *testing.T) {
	name := filepath.Join("testdata", "v1.0.segment")
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := readAll(file)
	if err != nil {
		t.Fatal(err)
	}
	s := allTypes(t)
	want := batchOf(s, goldenSeed, goldenRows, true)
	for i, f := range s.Fields {
		if !identical(blocks[0][i], want.Column(i)) {
			t.Errorf("column %s %s: values differ from those of 1.0", f.Name, f.Type)
		}
	}
	r := open(t, file)
	if got := r.Info(); got.Segment != testInfo.Segment || got.Properties["table_name"] != "sales" {
		t.Errorf("info: got %v; want %v", got, testInfo)
	}
	if all := Features(1<<(codec.Split+1) - 1<<codec.Raw); r.trailer.required != all {
		t.Errorf("golden file uses encodings %#x; want all of 1.0, %#x", uint64(r.trailer.required), uint64(all))
	}
}
