package wire

import "testing"

// TestBudgetTakesMemoryBackLate: memory of a batch that is freed when the next
// has begun is no reason to refuse one.
func TestBudgetTakesMemoryBackLate(t *testing.T) {
	b := NewBudget(1 << 20)
	for range 100 {
		old := b.Allocate(1 << 19)
		b.Renew()
		b.Free(old)
		b.Free(b.Allocate(1 << 19))
	}
}
