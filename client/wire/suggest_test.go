package wire

import "testing"

func TestDidYouMean(t *testing.T) {
	known := []string{"orders", "order_lines", "products"}
	for word, want := range map[string]string{
		"ordres":  `; did you mean "orders"?`,
		"PRODUCT": `; did you mean "products"?`,
		"weather": "",
		"":        "",
	} {
		if got := DidYouMean(word, known); got != want {
			t.Errorf("DidYouMean(%q): got %q; want %q", word, got, want)
		}
	}
}
