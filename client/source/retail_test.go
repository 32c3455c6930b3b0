package source

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/tarnlake/tarn/schema"
)

// TestRetail reads every day of the retail set under the schema inferred from
// its first day, and counts what its README says.
func TestRetail(t *testing.T) {
	files, err := Expand([]string{testData(t, "retail/by-day")})
	if err != nil {
		t.Fatal(err)
	}
	want := inferred(t, files[0])
	for i, text := range []string{"string", "string", "string", "int64", "timestamp[us]", "decimal(18,3)", "int64", "string"} {
		if got := schema.TypeText(want.Fields[i].Type); got != text {
			t.Errorf("column %s: got %s; want %s", want.Fields[i].Name, got, text)
		}
	}
	var rows, noCustomer, returns, quantity int64
	var revenue decimal128.Num
	for _, f := range files {
		s, err := Open(context.Background(), f, Options{Want: want})
		if err != nil {
			t.Fatal(err)
		}
		for b, err := range s.Batches() {
			if err != nil {
				t.Fatalf("%s: %v", filepath.Base(f), err)
			}
			rows += b.NumRows()
			noCustomer += int64(b.Column(6).NullN())
			q, p := b.Column(3).(*array.Int64), b.Column(5).(*array.Decimal128)
			for i := range q.Len() {
				quantity += q.Value(i)
				if q.Value(i) < 0 {
					returns++
				}
				revenue = revenue.Add(p.Value(i).Mul(decimal128.FromI64(q.Value(i))))
			}
		}
		s.Close()
	}
	if got := []int64{rows, noCustomer, returns, quantity}; got[0] != 541909 || got[1] != 135080 || got[2] != 10624 || got[3] != 5176450 {
		t.Errorf("rows, without customer, returns, quantity: got %v; want 541909, 135080, 10624, 5176450", got)
	}
	if got := revenue.ToString(3); got != "9747747.934" {
		t.Errorf("revenue: got %s; want 9747747.934", got)
	}
}

func inferred(t *testing.T, path string) *schema.Schema {
	t.Helper()
	s, err := Open(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, f := range s.Explain() {
		t.Log(f)
	}
	return s.Schema()
}
