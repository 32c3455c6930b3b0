package wire

import "fmt"

// DidYouMean returns what to put behind an error message about an unknown
// word: `; did you mean "orders"?`, or "" where no known word is near (see
// Closest).
func DidYouMean(word string, known []string) string {
	near := Closest(word, known)
	if near == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", near)
}
