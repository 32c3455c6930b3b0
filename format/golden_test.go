package format

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/format/codec"
)

var update = flag.Bool("update", false, "write the worked example of docs/format.md anew")

// golden files are segments that each minor version wrote once. They have to
// give the same values for ever: never write one anew; a new minor version
// gets a file of its own.
var golden = []struct {
	file  string
	batch func(t *testing.T) arrow.RecordBatch
	uses  codec.Set // besides any others
}{
	{"v1.0.segment", func(t *testing.T) arrow.RecordBatch { return batchOf(allTypes(t), 11, 600, true) },
		1<<(codec.Split+1) - 1<<codec.Raw},
	{"v1.1.segment", func(t *testing.T) arrow.RecordBatch { return batchIn(allTypes(t), 3, 1500, true, moods) },
		1<<(codec.Fields+1) - 1<<codec.Patched},
}

func TestGoldenFiles(t *testing.T) {
	for _, g := range golden {
		t.Run(g.file, func(t *testing.T) {
			file, err := os.ReadFile(filepath.Join("testdata", g.file))
			if err != nil {
				t.Fatal(err)
			}
			blocks, err := readAll(file)
			if err != nil {
				t.Fatal(err)
			}
			want := g.batch(t)
			for i, f := range want.Schema().Fields() {
				if !identical(blocks[0][i], want.Column(i)) {
					t.Errorf("column %s %s: values differ from those written then", f.Name, f.Type)
				}
			}
			r := open(t, file)
			if got := r.Info(); got.Segment != testInfo.Segment || got.Properties["table_name"] != "sales" {
				t.Errorf("info: got %v; want %v", got, testInfo)
			}
			if missing := Features(g.uses) &^ r.trailer.required; missing != 0 {
				t.Errorf("golden file does not use encodings %v", codec.Set(missing).List())
			}
		})
	}
}

// TestSameBytes: what is written depends on nothing but the rows.
func TestSameBytes(t *testing.T) {
	s, batch := allTypes(t), golden[1].batch(t)
	one, _ := write(t, s, Options{}, batch)
	two, _ := write(t, s, Options{}, batch.NewSlice(0, 700), batch.NewSlice(700, 1500))
	if !bytes.Equal(one, two) {
		t.Error("the same rows in other batches made another file")
	}
}
