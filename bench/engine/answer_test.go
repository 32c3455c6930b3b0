package engine

import "testing"

func TestSame(t *testing.T) {
	cases := map[string]struct {
		a, b    Answer
		ordered bool
		tie     int
		same    bool
	}{
		"equal":                        {Answer{{"1", "x"}}, Answer{{"1", "x"}}, true, -1, true},
		"another value":                {Answer{{"1"}}, Answer{{"2"}}, true, -1, false},
		"a row less":                   {Answer{{"1"}}, Answer{}, false, -1, false},
		"a column less":                {Answer{{"1", "2"}}, Answer{{"1"}}, false, -1, false},
		"another order, free":          {Answer{{"1"}, {"2"}}, Answer{{"2"}, {"1"}}, false, -1, true},
		"another order, not free":      {Answer{{"1"}, {"2"}}, Answer{{"2"}, {"1"}}, true, -1, false},
		"floats in the last digit":     {Answer{{"~0.30000000000000004"}}, Answer{{"~0.3"}}, true, -1, true},
		"floats further apart":         {Answer{{"~0.3001"}}, Answer{{"~0.3"}}, true, -1, false},
		"a float and a decimal":        {Answer{{"~0.3"}}, Answer{{"0.3"}}, true, -1, true},
		"exact numbers must be equal":  {Answer{{"9007199254740993"}}, Answer{{"9007199254740992"}}, true, -1, false},
		"others tie with the last":     {Answer{{"9", "a"}, {"7", "b"}}, Answer{{"9", "a"}, {"7", "c"}}, true, 0, true},
		"another row above the tie":    {Answer{{"9", "a"}, {"7", "b"}}, Answer{{"9", "x"}, {"7", "b"}}, true, 0, false},
		"another value where they tie": {Answer{{"9", "a"}, {"7", "b"}}, Answer{{"9", "a"}, {"6", "b"}}, true, 0, false},
		"no rows":                      {Answer{}, Answer{}, true, 0, true},
		"text is no number":            {Answer{{"~x"}}, Answer{{"1"}}, true, -1, false},
	}
	for name, c := range cases {
		if err := Same(c.a, c.b, c.ordered, c.tie); (err == nil) != c.same {
			t.Errorf("%s: got %v; want same %v", name, err, c.same)
		}
	}
}

func TestDecimalText(t *testing.T) {
	for in, want := range map[string]string{"1.50": "1.5", "1.00": "1", "100": "100", "-0.10": "-0.1"} {
		if got := decimalText(in); got != want {
			t.Errorf("decimalText(%q) = %q; want %q", in, got, want)
		}
	}
}
