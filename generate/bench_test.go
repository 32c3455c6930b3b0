package generate

import "testing"

// BenchmarkRetail makes a lake; ns/op is the time of a row.
func BenchmarkRetail(b *testing.B) {
	for _, table := range Retail(1, int64(b.N)) {
		for batch := range table.Batches() {
			_ = batch
		}
	}
}

// BenchmarkWholesale makes the wide table; ns/op is the time of a row.
func BenchmarkWholesale(b *testing.B) {
	for batch := range Wholesale(1, int64(b.N)).Batches() {
		_ = batch
	}
}
