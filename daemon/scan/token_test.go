package scan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/sql"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

// allIndexes are options with every index on every column that can have it,
// however few the rows.
func allIndexes(s *schema.Schema) format.Options {
	o := format.Options{IndexRows: 1}
	for _, f := range s.Fields {
		if index.Bounded(f.Type) {
			o.Lookup = append(o.Lookup, f.ID)
		}
		if f.Type.ID() == arrow.STRING {
			o.Text = append(o.Text, f.ID)
		}
	}
	return o
}

var refWord = regexp.MustCompile(`[\p{L}\p{M}\p{Nd}]+`)

func refHasToken(text, word val) val {
	if text.null() || word.null() {
		return val{}
	}
	wanted := strings.ToLower(*word.text)
	return boolVal(slices.ContainsFunc(refWord.FindAllString(*text.text, -1), func(w string) bool {
		return strings.ToLower(w) == wanted
	}))
}

// notes is a lake of texts; row i has the words "row", "n<i mod 100>" and, in
// row 7 alone, "Lonely".
func notes(t testing.TB, rows int) *lake {
	l := newLake(t, "i int64", "note string")
	var b strings.Builder
	for i := range rows {
		note := fmt.Sprintf("row: n%d", i%100)
		if i == 7 {
			note += " Lonely!"
		}
		fmt.Fprintf(&b, `{"i": %d, "note": "%s"},`, i, note)
	}
	b.WriteString(fmt.Sprintf(`{"i": %d, "note": null}`, rows))
	l.addJSON(t, "["+b.String()+"]")
	return l
}

func TestHasToken(t *testing.T) {
	l := notes(t, 300)
	for where, want := range map[string]int{
		"has_token(note, 'lonely')":                          1,
		"has_token(note, ' LONELY! ')":                       1,
		"has_token(note, 'lone')":                            0,
		"has_token(note, 'n5')":                              3,
		"has_token(note, 'row')":                             300,
		"NOT has_token(note, 'row')":                         0,
		"NOT has_token(note, 'n5')":                          297,
		"has_token(note, 'n5') OR has_token(note, 'lonely')": 4,
		"has_token(note, 'n5') AND i > 100":                  2,
		"has_token(note, NULL)":                              0,
		"has_token(upper(note), 'n5')":                       3,
		"has_token(note, 'n5') IS NULL":                      1,
	} {
		for _, opts := range []Options{{}, {NoPrune: true}} {
			got, err := l.query(parse(t, "SELECT i FROM t WHERE "+where), opts)
			if err != nil {
				t.Errorf("%s: %v", where, err)
			} else if len(got) != want {
				t.Errorf("%s, %+v: %d rows; want %d", where, opts, len(got), want)
			}
		}
	}
}

func TestHasTokenRefuses(t *testing.T) {
	l := notes(t, 1)
	for where, want := range map[string]string{
		"has_token(note, 'two words')": "holds 2",
		"has_token(note, '--')":        "holds 0",
		"has_token(i, 'x')":            "takes strings",
		"has_token(note, note)":        "string literal",
		"has_token(note, 5)":           "string literal",
		"has_token(note)":              "2",
	} {
		q, err := sql.Parse("SELECT i FROM t WHERE " + where)
		if err == nil {
			_, err = l.query(q, Options{})
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v; want %q", where, err, want)
		}
	}
	_, err := l.query(parse(t, "SELECT i FROM t WHERE has_token(note, 'two words')"), Options{})
	if !wire.IsCode(err, wire.InvalidArgument) {
		t.Errorf("two words: got %v; want %s", err, wire.InvalidArgument)
	}
}

// TestIndexLeavesBlocksOut: the blocks' zones let these values through.
func TestIndexLeavesBlocksOut(t *testing.T) {
	l := notes(t, 3*format.BlockRows)
	for where, wantBlocks := range map[string]int{
		"has_token(note, 'lonely')":          1,
		"has_token(note, 'absent')":          0,
		"note = 'row: n5x'":                  0,
		"note = 'row: n7 Lonely!'":           1,
		"note IN ('row: n7 Lonely!', 'row')": 1,
		"note LIKE 'row: n7 L%'":             1,
		"note = 'row: n5'":                   3,
	} {
		p, err := New(l.snap, parse(t, "SELECT count(*) FROM t WHERE "+where), Options{})
		if err != nil {
			t.Fatal(err)
		}
		e, err := p.Explain(t.Context(), l, Spread{})
		if err != nil {
			t.Fatal(err)
		}
		if e.BlocksRead != wantBlocks || e.BlocksRead+e.BlocksByIndex > e.Blocks {
			t.Errorf("%s: reads %d of %d blocks, %d left out by index; want %d", where, e.BlocksRead, e.Blocks, e.BlocksByIndex, wantBlocks)
		}
		if wantBlocks < 3 && !slices.ContainsFunc(e.Plan, func(s string) bool { return strings.Contains(s, "by index") }) {
			t.Errorf("%s: the plan does not say so: %q", where, e.Plan)
		}
	}
}
