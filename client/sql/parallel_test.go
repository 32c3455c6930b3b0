package sql

import (
	"fmt"
	"sync"
	"testing"
)

// TestParsersAreShared parses at once what must not get mixed up, and what
// fails in between.
func TestParsersAreShared(t *testing.T) {
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 200 {
				limit := int64(worker*1000 + i)
				q, err := Parse(fmt.Sprintf("SELECT a FROM t%d LIMIT %d", limit, limit))
				if err != nil || q.Table != fmt.Sprint("t", limit) || *q.Limit != limit {
					t.Errorf("limit %d: got %+v, %v", limit, q, err)
				}
				if _, err := Parse("SELECT FROM WHERE"); err == nil {
					t.Error("no error for what is no query")
				}
			}
		})
	}
	all.Wait()
}
