package source

import (
	"bytes"
	"context"
	"os"
	"testing"
)

// BenchmarkCSV reads all of retail, some 48 MB, as one file in memory.
func BenchmarkCSV(b *testing.B) {
	files, err := Expand([]string{testData(b, "retail/by-day")})
	if err != nil {
		b.Fatal(err)
	}
	var all []byte
	for i, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		if i > 0 {
			data = data[bytes.IndexByte(data, '\n')+1:]
		}
		all = append(all, data...)
	}
	benchmark(b, "x.csv", all)
}

func BenchmarkNDJSON(b *testing.B) {
	data, err := os.ReadFile(testData(b, "formats/events/githubEvents.json"))
	if err != nil {
		b.Fatal(err)
	}
	benchmark(b, "x.ndjson", bytes.Repeat(data, 10))
}

func BenchmarkAvro(b *testing.B) {
	data, err := os.ReadFile(testData(b, "formats/events/airlineStats_data.avro"))
	if err != nil {
		b.Fatal(err)
	}
	benchmark(b, "x.avro", data)
}

func benchmark(b *testing.B, name string, data []byte) {
	want := schemaOf(b, name, data)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		s, err := OpenReader(context.Background(), bytes.NewReader(data), name, Options{Want: want})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := drainCount(s); err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}
