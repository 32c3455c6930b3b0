package wire

import "testing"

func TestClosest(t *testing.T) {
	tables := []string{"orders", "order_lines", "products", "clicks"}
	for _, c := range []struct{ name, want string }{
		{"order", "orders"},
		{"ORDERS", "orders"},
		{"produtcs", "products"},
		{"clikcs", "clicks"},
		{"orderlines", "order_lines"},
		{"customers", ""},
		{"x", ""},
		{"", ""},
	} {
		if got := Closest(c.name, tables); got != c.want {
			t.Errorf("Closest(%q) = %q; want %q", c.name, got, c.want)
		}
	}
}
