//go:build !race

package scan

const raced = false
