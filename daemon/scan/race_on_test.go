//go:build race

package scan

// raced tells that the race detector watches, under which a sync.Pool throws
// away some of what it is given.
const raced = true
