package schema_test

import (
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	"github.com/tarnlake/tarn/schema"
)

// Canonical arrays are put into every other layout that holds the same
// values, at random and at every depth; Canonicalize must find the way back.
func TestCanonicalizeUndoesDisguise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := drawType(t, 2)
		n := rapid.IntRange(0, 8).Draw(t, "rows")
		whole := drawArray(t, typ, n)
		disguised := disguise(t, whole, 3)
		start := rapid.IntRange(0, n).Draw(t, "start")
		end := rapid.IntRange(start, n).Draw(t, "end")
		checkCanonical(t, array.NewSlice(disguised, int64(start), int64(end)), array.NewSlice(whole, int64(start), int64(end)))
	})
}

func checkCanonical(t fataler, in, want arrow.Array) {
	if err := array.ValidateFull(in); err != nil {
		t.Fatalf("the test made a bad array of %s: %v", in.DataType(), err)
	}
	got, err := schema.Canonicalize(mem, in)
	if err != nil {
		t.Fatalf("%s: %v", in.DataType(), err)
	}
	if typ, err := schema.Canonical(in.DataType()); err != nil || !arrow.TypeEqual(got.DataType(), typ) {
		t.Fatalf("%s: got type %s; Canonical says %s, %v", in.DataType(), got.DataType(), typ, err)
	}
	if err := array.ValidateFull(got); err != nil {
		t.Fatalf("%s: the result is not sound: %v", in.DataType(), err)
	}
	if !array.Equal(got, want) {
		t.Fatalf("%s %v:\n got %v\nwant %v", in.DataType(), in, got, want)
	}
	if said, is := schema.PlainBytes(in, math.MaxInt64), schema.Bytes(got); 2*said+64 < is || said > 4*is+64*int64(got.Len())+64 {
		t.Fatalf("%s: PlainBytes says %d; it is %d", in.DataType(), said, is)
	}
	if again := array.MakeFromData(got.Data()); !array.Equal(again, got) {
		t.Fatalf("%s: Go type %T of the result is not that of its data", in.DataType(), got)
	}
}

// disguise returns the values of a, which is canonical, in some other layout.
func disguise(t *rapid.T, a arrow.Array, depth int) arrow.Array {
	if depth > 0 {
		switch rapid.IntRange(0, 5).Draw(t, "wrap") {
		case 0:
			return asDictionary(t, a, depth-1)
		case 1:
			return asRuns(t, a, depth-1)
		}
	}
	switch a := a.(type) {
	case *array.String, *array.Binary:
		return otherBytes(t, a)
	case *array.Date32:
		return asDate64(t, a)
	case *array.Decimal128:
		return narrowDecimal(a)
	case *array.Struct:
		children := make([]arrow.ArrayData, a.NumField())
		fields := make([]arrow.Field, a.NumField())
		for i := range children {
			c := disguise(t, a.Field(i), depth)
			children[i], fields[i] = c.Data(), arrow.Field{Name: a.DataType().(*arrow.StructType).Field(i).Name, Type: c.DataType(), Nullable: true}
		}
		return array.MakeFromData(array.NewData(arrow.StructOf(fields...), a.Len(), a.Data().Buffers()[:1], children, a.NullN(), 0))
	case *array.Map:
		return oddMap(t, a, depth)
	case *array.List:
		return otherList(t, a, depth)
	}
	return a
}

// asDictionary spreads the rows over a shuffled dictionary with values that
// nothing points at; a null is a null index or the index of a null.
func asDictionary(t *rapid.T, a arrow.Array, depth int) arrow.Array {
	order := rapid.Permutation(sequence(a.Len())).Draw(t, "order")
	parts := []arrow.Array{drawArray(t, a.DataType(), 1)} // concatenation wants at least one
	indices := make([]int8, a.Len())
	for at, row := range order {
		parts = append(parts, array.NewSlice(a, int64(row), int64(row+1)))
		indices[row] = int8(at + 1)
	}
	b := array.NewInt8Builder(mem)
	for row, at := range indices {
		if a.IsNull(row) && rapid.Bool().Draw(t, "null index") {
			b.AppendNull()
		} else {
			b.Append(at)
		}
	}
	values := disguise(t, concat(t, parts), depth)
	return array.NewDictionaryArray(&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: values.DataType()}, b.NewArray(), values)
}

// asRuns makes each row a run of its own, behind rows that the offset hides.
func asRuns(t *rapid.T, a arrow.Array, depth int) arrow.Array {
	hidden := rapid.IntRange(1, 3).Draw(t, "hidden")
	b := array.NewInt32Builder(mem)
	for i := range a.Len() + 1 {
		b.Append(int32(hidden + i))
	}
	values := disguise(t, concat(t, []arrow.Array{drawArray(t, a.DataType(), 1), a}), depth)
	return array.NewRunEndEncodedArray(b.NewArray(), values, a.Len(), hidden)
}

func concat(t *rapid.T, parts []arrow.Array) arrow.Array {
	all, err := array.Concatenate(parts, mem)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return all
}

func sequence(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func otherBytes(t *rapid.T, a arrow.Array) arrow.Array {
	if a.DataType().ID() == arrow.STRING && a.NullN() == a.Len() && rapid.Bool().Draw(t, "as null") {
		return array.NewNull(a.Len())
	}
	types := map[arrow.Type][]arrow.DataType{
		arrow.STRING: {arrow.BinaryTypes.LargeString, arrow.BinaryTypes.StringView, arrow.BinaryTypes.String},
		arrow.BINARY: {arrow.BinaryTypes.LargeBinary, arrow.BinaryTypes.BinaryView, arrow.BinaryTypes.Binary},
	}
	b := array.NewBuilder(mem, rapid.SampledFrom(types[a.DataType().ID()]).Draw(t, "layout"))
	for i := range a.Len() {
		if a.IsNull(i) {
			b.AppendNull()
			continue
		}
		switch b := b.(type) {
		case array.StringLikeBuilder:
			b.Append(a.(*array.String).Value(i))
		case interface{ Append([]byte) }:
			b.Append(a.(*array.Binary).Value(i))
		}
	}
	return b.NewArray()
}

func asDate64(t *rapid.T, a *array.Date32) arrow.Array {
	b := array.NewDate64Builder(mem)
	for i := range a.Len() {
		if a.IsNull(i) {
			b.AppendNull()
			continue
		}
		b.Append(arrow.Date64(int64(a.Value(i))*86_400_000 + rapid.Int64Range(0, 86_399_999).Draw(t, "time of day")))
	}
	return b.NewArray()
}

func narrowDecimal(a *array.Decimal128) arrow.Array {
	typ := a.DataType().(*arrow.Decimal128Type)
	var b array.Builder
	var add func(decimal128.Num)
	switch {
	case typ.Precision <= 9:
		d := array.NewDecimal32Builder(mem, &arrow.Decimal32Type{Precision: typ.Precision, Scale: typ.Scale})
		b, add = d, func(v decimal128.Num) { d.Append(decimal.Decimal32(v.LowBits())) }
	case typ.Precision <= 18:
		d := array.NewDecimal64Builder(mem, &arrow.Decimal64Type{Precision: typ.Precision, Scale: typ.Scale})
		b, add = d, func(v decimal128.Num) { d.Append(decimal.Decimal64(v.LowBits())) }
	default:
		return a
	}
	for i := range a.Len() {
		if a.IsNull(i) {
			b.AppendNull()
		} else {
			add(a.Value(i))
		}
	}
	return b.NewArray()
}

func oddMap(t *rapid.T, a *array.Map, depth int) arrow.Array {
	entries := a.ListValues().(*array.Struct)
	keys, items := disguise(t, entries.Field(0), depth), disguise(t, entries.Field(1), depth)
	typ := arrow.MapOfFields(arrow.Field{Name: "k", Type: keys.DataType()}, arrow.Field{Name: "v", Type: items.DataType(), Nullable: true})
	typ.KeysSorted = rapid.Bool().Draw(t, "sorted")
	odd := array.NewData(typ.Elem(), entries.Len(), []*memory.Buffer{nil}, []arrow.ArrayData{keys.Data(), items.Data()}, 0, 0)
	return array.MakeFromData(array.NewData(typ, a.Len(), a.Data().Buffers(), []arrow.ArrayData{odd}, a.NullN(), a.Data().Offset()))
}

// otherList lays the lists of a out with elements that no list holds in
// between, under the nulls too, and in any order where the layout has one.
func otherList(t *rapid.T, a *array.List, depth int) arrow.Array {
	field := arrow.Field{Name: rapid.SampledFrom([]string{"item", "element"}).Draw(t, "name"), Nullable: true}
	size, same := commonSize(a)
	layout := rapid.IntRange(0, 4).Draw(t, "layout")
	if layout == 4 && !same {
		layout = 2
	}
	order := sequence(a.Len())
	if layout == 2 || layout == 3 {
		order = rapid.Permutation(order).Draw(t, "order")
	}
	elem := a.DataType().(*arrow.ListType).Elem()
	parts := []arrow.Array{drawArray(t, elem, 0)}
	starts, sizes, at := make([]int64, a.Len()), make([]int64, a.Len()), int64(0)
	for _, row := range order {
		part := drawArray(t, elem, int(size))
		if start, end := a.ValueOffsets(row); a.IsValid(row) {
			part = array.NewSlice(a.ListValues(), start, end)
		}
		parts = append(parts, part)
		starts[row], sizes[row] = at, int64(part.Len())
		at += sizes[row]
		if layout == 2 || layout == 3 {
			gap := rapid.IntRange(0, 2).Draw(t, "gap")
			parts, at = append(parts, drawArray(t, elem, gap)), at+int64(gap)
		}
	}
	child := disguise(t, concat(t, parts), depth)
	field.Type = child.DataType()
	narrow := func(v []int64) *memory.Buffer {
		out := make([]int32, len(v))
		for i := range v {
			out[i] = int32(v[i])
		}
		return memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(out))
	}
	wide := func(v []int64) *memory.Buffer { return memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(v)) }
	bounds := append(starts[:len(starts):len(starts)], at)
	var typ arrow.DataType
	var bufs []*memory.Buffer
	switch layout {
	case 0:
		typ, bufs = arrow.ListOfField(field), []*memory.Buffer{narrow(bounds)}
	case 1:
		typ, bufs = arrow.LargeListOfField(field), []*memory.Buffer{wide(bounds)}
	case 2:
		typ, bufs = arrow.ListViewOfField(field), []*memory.Buffer{narrow(starts), narrow(sizes)}
	case 3:
		typ, bufs = arrow.LargeListViewOfField(field), []*memory.Buffer{wide(starts), wide(sizes)}
	case 4:
		typ = arrow.FixedSizeListOfField(int32(size), field)
	}
	bufs = append([]*memory.Buffer{bitmap(a)}, bufs...)
	return array.MakeFromData(array.NewData(typ, a.Len(), bufs, []arrow.ArrayData{child.Data()}, a.NullN(), 0))
}

// commonSize returns the length that all lists share, where they do.
func commonSize(a *array.List) (size int64, same bool) {
	size = -1
	for i := range a.Len() {
		start, end := a.ValueOffsets(i)
		if a.IsValid(i) && size >= 0 && end-start != size {
			return 1, false
		}
		if a.IsValid(i) {
			size = end - start
		}
	}
	if size < 1 {
		return 1, size < 0
	}
	return size, true
}

func bitmap(a arrow.Array) *memory.Buffer {
	b := array.NewBooleanBuilder(mem)
	for i := range a.Len() {
		b.Append(a.IsValid(i))
	}
	return b.NewBooleanArray().Data().Buffers()[1]
}

func fromJSON(t *testing.T, typ arrow.DataType, text string) arrow.Array {
	t.Helper()
	a, _, err := array.FromJSON(mem, typ, strings.NewReader(text))
	if err != nil {
		t.Fatalf("%s %s: %v", typ, text, err)
	}
	return a
}

func TestCanonicalizeByHand(t *testing.T) {
	i8, str := arrow.PrimitiveTypes.Int8, arrow.BinaryTypes.String
	runs := array.NewRunEndEncodedArray(fromJSON(t, arrow.PrimitiveTypes.Int16, `[3,5,9]`), fromJSON(t, arrow.BinaryTypes.StringView, `["a",null,"b"]`), 9, 0)
	date64 := array.NewDate64Builder(mem)
	date64.AppendValues([]arrow.Date64{-1, 0, -86_400_000, -86_400_001, 86_399_999}, nil)
	uuids := extensions.NewUUIDBuilder(mem)
	for _, s := range []string{"00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"} {
		if err := uuids.AppendValueFromString(s); err != nil {
			t.Fatal(err)
		}
	}
	uuids.AppendNull()
	bytes16 := fromJSON(t, &arrow.FixedSizeBinaryType{ByteWidth: 16}, `["AAAAAAAAAAAAAAAAAAAAAg==",null]`)
	noValues := array.NewDictionaryArray(&arrow.DictionaryType{IndexType: i8, ValueType: str}, fromJSON(t, i8, `[null,null]`), fromJSON(t, str, `[]`))

	for name, c := range map[string]struct{ in, want arrow.Array }{
		"null":                    {array.NewNull(2), fromJSON(t, str, `[null,null]`)},
		"runs":                    {array.NewSlice(runs, 2, 7), fromJSON(t, str, `["a",null,null,"b","b"]`)},
		"no runs":                 {array.NewSlice(runs, 0, 0), fromJSON(t, str, `[]`)},
		"date64 before 1970":      {date64.NewArray(), fromJSON(t, arrow.FixedWidthTypes.Date32, `[-1,0,-1,-2,0]`)},
		"extension, sliced":       {array.NewSlice(uuids.NewArray(), 1, 3), bytes16},
		"dictionary of no values": {noValues, fromJSON(t, str, `[null,null]`)},
		"fixed-size list with null": {
			array.NewSlice(fromJSON(t, arrow.FixedSizeListOf(2, i8), `[[1,2],null,[3,null],[5,6]]`), 1, 4),
			fromJSON(t, arrow.ListOf(i8), `[null,[3,null],[5,6]]`)},
		"list views that overlap": {
			array.MakeFromData(array.NewData(arrow.ListViewOf(arrow.BinaryTypes.LargeString), 3, []*memory.Buffer{nil,
				memory.NewBufferBytes(arrow.Int32Traits.CastToBytes([]int32{1, 0, 1})), memory.NewBufferBytes(arrow.Int32Traits.CastToBytes([]int32{2, 2, 0}))},
				[]arrow.ArrayData{fromJSON(t, arrow.BinaryTypes.LargeString, `["a","b","c"]`).Data()}, 0, 0)),
			fromJSON(t, arrow.ListOf(str), `[["b","c"],["a","b"],[]]`)},
	} {
		t.Run(name, func(t *testing.T) { checkCanonical(t, c.in, c.want) })
	}
}

func TestCanonicalizeRefuses(t *testing.T) {
	i8, str := arrow.PrimitiveTypes.Int8, arrow.BinaryTypes.String
	far := array.NewDate64Builder(mem)
	far.AppendValues([]arrow.Date64{0, math.MaxInt64}, nil)
	dictionary := func(values arrow.Array, n int, index int8) arrow.Array {
		b := array.NewInt8Builder(mem)
		for range n {
			b.Append(index)
		}
		typ := &arrow.DictionaryType{IndexType: i8, ValueType: values.DataType()}
		return array.MakeFromData(array.NewDataWithDictionary(typ, n, b.NewArray().Data().Buffers(), 0, 0, values.Data().(*array.Data)))
	}
	mib := array.NewStringBuilder(mem)
	mib.Append(strings.Repeat("x", 1<<20))
	big := mib.NewArray()
	for name, c := range map[string]struct {
		in   arrow.Array
		want string
	}{
		"index outside":              {dictionary(fromJSON(t, str, `["a"]`), 1, 1), "outside the 1 values"},
		"index below zero":           {dictionary(fromJSON(t, str, `["a"]`), 1, -1), "outside"},
		"index into nothing":         {dictionary(fromJSON(t, str, `[]`), 1, 0), "outside the 0 values"},
		"2 GiB from 1 MiB":           {dictionary(big, 2048, 0), "2 GiB"},
		"2 GiB in a struct":          {dictionary(structOf(big), 2048, 0), "2 GiB"},
		"far date":                   {far.NewArray(), "does not fit"},
		"interval":                   {array.MakeArrayOfNull(mem, arrow.FixedWidthTypes.MonthInterval, 1), "not stored"},
		"interval inside":            {array.MakeArrayOfNull(mem, arrow.ListOf(arrow.FixedWidthTypes.MonthInterval), 1), "list element"},
		"2^31 elements of one value": {overlappingViews(1<<20, 2048), "2^31 list elements"},
		"2 GiB of string views":      {sameView(1<<20, 2048), "2 GiB"},
	} {
		if got, err := schema.Canonicalize(mem, c.in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, error %v; want one with %q", name, got != nil, err, c.want)
		}
	}
	if got, err := schema.Canonicalize(mem, dictionary(big, 3, 0)); err != nil || len(got.(*array.String).Value(2)) != 1<<20 {
		t.Errorf("3 MiB from 1 MiB: %v", err)
	}
}

func structOf(a arrow.Array) arrow.Array {
	typ := arrow.StructOf(arrow.Field{Name: "a", Type: a.DataType(), Nullable: true})
	return array.MakeFromData(array.NewData(typ, a.Len(), []*memory.Buffer{nil}, []arrow.ArrayData{a.Data()}, 0, 0))
}

// overlappingViews is n lists of the same elements.
func overlappingViews(elems, n int) arrow.Array {
	sizes := make([]int32, n)
	for i := range sizes {
		sizes[i] = int32(elems)
	}
	child := array.MakeArrayOfNull(mem, arrow.PrimitiveTypes.Int8, elems)
	bufs := []*memory.Buffer{nil, memory.NewBufferBytes(make([]byte, 4*n)), memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(sizes))}
	return array.MakeFromData(array.NewData(arrow.ListViewOf(arrow.PrimitiveTypes.Int8), n, bufs, []arrow.ArrayData{child.Data()}, 0, 0))
}

// sameView is n strings in the same bytes.
func sameView(bytes, n int) arrow.Array {
	b := array.NewStringViewBuilder(mem)
	b.Append(strings.Repeat("x", bytes))
	one := b.NewArray().Data().Buffers()
	headers := strings.Repeat(string(one[1].Bytes()[:arrow.ViewHeaderSizeBytes]), n)
	bufs := append([]*memory.Buffer{nil, memory.NewBufferBytes([]byte(headers))}, one[2:]...)
	return array.MakeFromData(array.NewData(arrow.BinaryTypes.StringView, n, bufs, nil, 0, 0))
}

func TestCanonicalTypes(t *testing.T) {
	for _, bad := range []arrow.DataType{
		arrow.FixedWidthTypes.MonthInterval, arrow.FixedWidthTypes.DayTimeInterval, &arrow.Decimal256Type{Precision: 5},
		arrow.DenseUnionOf(nil, nil), arrow.StructOf(), &arrow.FixedSizeBinaryType{}, &arrow.Decimal128Type{Precision: 5, Scale: 6},
		&arrow.Decimal32Type{Precision: 0}, &arrow.Decimal64Type{Precision: 5, Scale: 7}, &arrow.Decimal128Type{Precision: 39},
		&arrow.Time32Type{Unit: arrow.Nanosecond}, &arrow.Time64Type{Unit: arrow.Second}, &arrow.TimestampType{TimeZone: "a]b"},
		arrow.MapOf(&arrow.Decimal256Type{}, arrow.PrimitiveTypes.Int8), arrow.MapOf(arrow.PrimitiveTypes.Int8, &arrow.Decimal256Type{}),
		&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: &arrow.Decimal256Type{}},
		arrow.StructOf(arrow.Field{Name: "a", Type: arrow.Null}, arrow.Field{Name: "a", Type: arrow.Null}), arrow.StructOf(arrow.Field{Type: arrow.Null}),
		nil, nested(33),
	} {
		if got, err := schema.Canonical(bad); err == nil {
			t.Errorf("Canonical(%v): got %v; want an error", bad, got)
		}
	}
	if _, err := schema.Canonical(nested(32)); err != nil {
		t.Errorf("32 lists in each other: %v", err)
	}
}

func nested(n int) arrow.DataType {
	typ := arrow.DataType(arrow.PrimitiveTypes.Int8)
	for range n {
		typ = arrow.LargeListOf(typ)
	}
	return typ
}
