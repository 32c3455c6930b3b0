package scan

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

// aggregate is one aggregate's state for every group. The groups of a row are
// given by number; nil groups mean that all rows are in group 0. Each block
// fills an aggregate of its own, and those are merged in the order of blocks,
// so that a result does not depend on how many workers there were.
type aggregate interface {
	grow(groups int)                    // makes room
	add(groups []int32, n int, v *vec)  // n rows; v is nil for count(*)
	merge(into []int32, from aggregate) // group i of from goes to into[i]; nil: all to 0
	result() (*vec, error)              // one value a group
	bytes() int64                       // memory held, about
}

// An aggregate's states may leave for another node: as columns of a row for each
// group, or, where they are sets of values, as rows of their own.
type (
	columned interface {
		aggregate
		columns() []arrow.DataType
		save(from, to int) ([]arrow.Array, error) // of those groups
		load(columns []arrow.Array)               // into an empty state; may keep views of them
	}
	membered interface {
		aggregate
		// members yields the values of those groups, each with its group, at
		// most so many at a time, and reports whether all were wanted.
		members(from, to, most int, yield func(groups []int32, v *vec) bool) bool
	}
)

// emptied is an aggregate that holds nothing of a block and can be used again
// for the next. All that a block is tallied into are.
type emptied interface {
	aggregate
	empty() // of no groups, with the same memory
}

// intArray returns integers as an array.
func intArray(values []int64) arrow.Array {
	return (&vec{typ: arrow.PrimitiveTypes.Int64, n: len(values), ints: values}).array()
}

// floatArray returns floats as an array.
func floatArray(values []float64) arrow.Array {
	return (&vec{typ: arrow.PrimitiveTypes.Float64, n: len(values), floats: values}).array()
}

// aggSpec is one aggregate of a query.
type aggSpec struct {
	op       expr.Op
	distinct bool
	arg      node // nil: *
	out      arrow.DataType
	text     string
}

// bindAggregate checks the argument of an aggregate and settles its type.
func bindAggregate(e *expr.Expr, b *binder) (*aggSpec, error) {
	s := &aggSpec{op: e.Op, distinct: e.Distinct, text: e.String()}
	if e.Args[0].Op == expr.Star {
		if e.Op != expr.Count || e.Distinct {
			return nil, wire.Errorf(wire.InvalidArgument, "%s: only count takes *, and without DISTINCT", e)
		}
		s.out = arrow.PrimitiveTypes.Int64
		return s, nil
	}
	var err error
	if s.arg, err = b.bind(e.Args[0]); err != nil {
		return nil, err
	}
	if s.out = aggregateType(e, s.arg.typ()); s.out == nil {
		err := wire.Errorf(wire.InvalidArgument, "%s: no %s of type %s", e, e.Op, schema.TypeText(s.arg.typ()))
		if family(s.arg.typ()) != "" {
			err = err.WithHint("cast the argument, as in %s(CAST(x AS int64))", e.Op)
		}
		return nil, err
	}
	if e.Distinct && (e.Op == expr.Sum || e.Op == expr.Avg) {
		return nil, wire.Errorf(wire.Unsupported, "%s: DISTINCT is supported in count only", e)
	}
	return s, nil
}

// aggregateType returns the type of an aggregate over t, or nil.
func aggregateType(e *expr.Expr, t arrow.DataType) arrow.DataType {
	switch {
	case e.Op == expr.Count && (!e.Distinct || index.Bounded(t)):
		return arrow.PrimitiveTypes.Int64
	case (e.Op == expr.Min || e.Op == expr.Max) && index.Bounded(t):
		return t
	case e.Op == expr.Avg && family(t) == "number":
		return arrow.PrimitiveTypes.Float64
	case e.Op != expr.Sum || family(t) != "number":
		return nil
	}
	switch d := t.(type) {
	case *arrow.Decimal128Type:
		return decimalType(maxDigits, d.Scale)
	case *arrow.Uint64Type:
		return t
	}
	if laneOf(t) == laneFloat {
		return arrow.PrimitiveTypes.Float64
	}
	return arrow.PrimitiveTypes.Int64
}

// new returns an empty state.
func (s *aggSpec) new() aggregate {
	switch s.op {
	case expr.Count:
		if s.distinct {
			return newDistinct(s.arg.typ())
		}
		return &countAgg{}
	case expr.Min, expr.Max:
		return newExtreme(s.out, s.op == expr.Max)
	}
	if laneOf(s.arg.typ()) == laneFloat {
		return &floatSum{mean: s.op == expr.Avg}
	}
	return &exactSum{arg: s.arg.typ(), out: s.out, mean: s.op == expr.Avg, text: s.text}
}

// extend grows a slice to n zero values or leaves it.
func extend[T any](s []T, n int) []T {
	if n > len(s) {
		s = append(s, make([]T, n-len(s))...)
	}
	return s
}

// at is the group of row i.
func at(groups []int32, i int) int32 {
	if groups == nil {
		return 0
	}
	return groups[i]
}

// each calls f for the rows of v that are not null, with their group and the
// place of their value.
func each(groups []int32, n int, v *vec, f func(group int32, i int)) {
	step := v.step()
	for i := range n {
		if !v.null(i) {
			f(at(groups, i), i&step)
		}
	}
}

// fromZone adds rows that the zones describe, and reports whether they could.
func (s *aggSpec) fromZone(a aggregate, rows int, zone zones) bool {
	if s.arg == nil {
		a.add(nil, rows, nil)
		return true
	}
	col, ok := s.arg.(*colNode)
	if !ok || s.distinct {
		return false
	}
	z, ok := zone(col.field)
	if !ok || z.Rows != int64(rows) {
		return false
	}
	switch s.op {
	case expr.Count:
		a.add(nil, int(z.Rows-z.Nulls), nil)
		return true
	case expr.Min:
		return addBound(a, col.t, z, z.Min, z.MinExact)
	case expr.Max:
		return addBound(a, col.t, z, z.Max, z.MaxExact)
	}
	return false
}

func addBound(a aggregate, t arrow.DataType, z index.Zone, key []byte, exact bool) bool {
	if z.Nulls == z.Rows {
		return true
	}
	if !exact || key == nil {
		return false
	}
	v, ok := vecOfKeys(t, [][]byte{key})
	if ok {
		a.add(nil, 1, v)
	}
	return ok
}
