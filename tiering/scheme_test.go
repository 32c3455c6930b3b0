package tiering

import (
	"strings"
	"testing"
)

// shipped are the schemes that DefaultSchemes gives.
var shipped = []Scheme{{1, 1}, {1, 2}, {2, 2}, {3, 2}, {4, 2}, {6, 3}, {10, 4}}

func TestSchemeText(t *testing.T) {
	for _, want := range append(shipped, Scheme{1, 0}, Scheme{17, 3}) {
		got, err := ParseScheme(want.String())
		if err != nil || got != want {
			t.Errorf("%v: got %v, %v", want, got, err)
		}
	}
	for _, text := range []string{"", "+", "4", "4+", "+2", "4+2+1", " 4+2", "4 + 2", "04+2", "4+02", "-4+2", "4+-2", "+4+2", "4+2 ", "4.0+2", "٤+٢",
		"999999999999999999999+2"} {
		if got, err := ParseScheme(text); err == nil {
			t.Errorf("%q: got %v; want an error", text, got)
		}
	}
}

func TestSchemesRefused(t *testing.T) {
	for text, why := range map[string]string{
		"4+1":  "too little",
		"2+1":  "too little",
		"4+0":  "protects nothing",
		"0+2":  "at least one data",
		"0+0":  "at least one data",
		"62+3": "at most 64",
		"1+64": "at most 64",
	} {
		if _, err := ParseScheme(text); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: got %v; want an error with %q", text, err, why)
		}
	}
}

func TestDefaultSchemes(t *testing.T) {
	for _, c := range []struct {
		shape      Shape
		l0, merged string
		survives   Loss
	}{
		{Shape{0, 0, 0}, "1+0", "1+0", Loss{0, 0, 0}},
		{Shape{1, 1, 1}, "1+0", "1+0", Loss{0, 0, 0}},
		{Shape{1, 1, 2}, "1+1", "1+1", Loss{1, 0, 0}},
		{Shape{1, 1, 3}, "1+2", "1+2", Loss{2, 0, 0}},
		{Shape{1, 1, 4}, "1+2", "2+2", Loss{2, 0, 0}},
		{Shape{1, 1, 5}, "1+2", "3+2", Loss{2, 0, 0}},
		{Shape{1, 1, 6}, "1+2", "4+2", Loss{2, 0, 0}},
		{Shape{1, 1, 24}, "1+2", "4+2", Loss{2, 0, 0}},
		{Shape{1, 2, 1}, "1+1", "1+1", Loss{1, 1, 0}},
		{Shape{1, 2, 8}, "1+1", "1+1", Loss{1, 1, 0}},
		{Shape{1, 3, 1}, "1+2", "1+2", Loss{2, 2, 0}},
		{Shape{1, 3, 2}, "1+2", "4+2", Loss{2, 1, 0}},
		{Shape{1, 4, 1}, "1+2", "2+2", Loss{2, 2, 0}},
		{Shape{1, 4, 2}, "1+2", "4+2", Loss{2, 1, 0}},
		{Shape{1, 5, 1}, "1+2", "3+2", Loss{2, 2, 0}},
		{Shape{1, 5, 4}, "1+2", "3+2", Loss{2, 2, 0}},
		{Shape{1, 6, 1}, "1+2", "4+2", Loss{2, 2, 0}},
		{Shape{3, 6, 1}, "1+2", "4+2", Loss{2, 2, 1}},
		{Shape{1, 7, 1}, "1+2", "4+2", Loss{2, 2, 0}},
		{Shape{1, 10, 1}, "1+2", "6+3", Loss{2, 2, 0}},
		{Shape{3, 12, 4}, "1+2", "6+3", Loss{2, 2, 1}},
		{Shape{6, 18, 4}, "1+2", "10+4", Loss{2, 2, 1}},
		{Shape{3, 18, 4}, "1+2", "6+3", Loss{2, 2, 1}},
	} {
		got := DefaultSchemes(c.shape)
		if got.L0.String() != c.l0 || got.Merged.String() != c.merged {
			t.Errorf("%+v: got %v and %v; want %s and %s", c.shape, got.L0, got.Merged, c.l0, c.merged)
		}
		if s := got.Survives(c.shape); s != c.survives {
			t.Errorf("%+v: survives %+v; want %+v", c.shape, s, c.survives)
		}
		for _, s := range []Scheme{got.L0, got.Merged} {
			if err := s.Check(); err != nil {
				t.Errorf("%+v: %v", c.shape, err)
			}
			if disks := c.shape.Nodes * c.shape.DisksPerNode; s.Width() > max(disks, 1) {
				t.Errorf("%+v: %v has more members than there are disks", c.shape, s)
			}
		}
	}
}

func TestShapeOf(t *testing.T) {
	got := ShapeOf([]Disk{
		{ID: "1", Node: "a", Zone: "x"}, {ID: "2", Node: "a", Zone: "x"},
		{ID: "3", Node: "b", Zone: "y"}, {ID: "4", Node: "c", Zone: "z", State: DiskLeaving},
	})
	if want := (Shape{2, 2, 1}); got != want {
		t.Errorf("got %+v; want %+v", got, want)
	}
}
