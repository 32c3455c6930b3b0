package schema

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// Transform is one partition expression: it maps the value of one column to
// the value that names a partition. Rows with equal values of all of a
// table's transforms form a partition.
type Transform struct {
	Kind    TransformKind `json:"kind"`
	FieldID int32         `json:"field"`
	N       int64         `json:"n,omitempty"` // bucket count, or width of truncate
}

// TransformKind names a partition expression. Part of the disk format.
type TransformKind string

// The partition expressions. A null maps to null under each of them.
const (
	Identity TransformKind = "identity" // the value itself; not for floats, binary and nested types
	Year     TransformKind = "year"     // of a date or timestamp; of the UTC instant where the column has a zone
	Month    TransformKind = "month"
	Day      TransformKind = "day"
	Hour     TransformKind = "hour"     // timestamps only
	Bucket   TransformKind = "bucket"   // xxh3 of the value's canonical bytes, modulo N
	Truncate TransformKind = "truncate" // integers and decimals: down to a multiple of N (of N units of the last place at a negative scale); strings: the first N characters
)

// ParseTransform reads one partition expression over the fields of s, such as
// `country`, `day(ts)`, `bucket(16, id)` or `truncate(100, price)`.
func ParseTransform(s *Schema, text string) (Transform, error) {
	t := Transform{Kind: Identity}
	column := strings.TrimSpace(text)
	call, args, isCall := strings.Cut(column, "(")
	if isCall && !strings.HasPrefix(column, `"`) {
		if !strings.HasSuffix(args, ")") {
			return t, fmt.Errorf("partition expression %q: missing closing parenthesis", text)
		}
		t.Kind, column = TransformKind(strings.ToLower(strings.TrimSpace(call))), strings.TrimSpace(strings.TrimSuffix(args, ")"))
		if t.Kind == Bucket || t.Kind == Truncate {
			n, col, ok := strings.Cut(column, ",")
			var err error
			if t.N, err = strconv.ParseInt(strings.TrimSpace(n), 10, 64); err != nil || !ok || t.N < 1 {
				return t, fmt.Errorf("partition expression %q: want %s(N, column) with N at least 1", text, t.Kind)
			}
			column = strings.TrimSpace(col)
		}
	}
	column = unquoteName(column)
	i := s.Index(column)
	if i < 0 {
		return t, fmt.Errorf("partition expression %q: no column %q; columns are %s", text, column, strings.Join(s.Names(), ", "))
	}
	t.FieldID = s.Fields[i].ID
	if err := t.check(s.Fields[i].Type); err != nil {
		return t, fmt.Errorf("partition expression %q: column %q: %w", text, s.Fields[i].Name, err)
	}
	return t, nil
}

// unquoteName reads a name in double quotes, with Go escapes or, as SQL has
// it, with doubled quotes.
func unquoteName(text string) string {
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return text
	}
	if name, err := strconv.Unquote(text); err == nil {
		return name
	}
	return strings.ReplaceAll(text[1:len(text)-1], `""`, `"`)
}

func (t Transform) check(dt arrow.DataType) error {
	if (t.Kind == Bucket || t.Kind == Truncate) && t.N < 1 {
		return fmt.Errorf("%s(%d): want at least 1", t.Kind, t.N)
	}
	ok := false
	switch t.Kind {
	case Identity:
		ok = isInteger(dt) || dt.ID() == arrow.STRING || dt.ID() == arrow.BOOL || dt.ID() == arrow.DECIMAL128 || isDateOrTimestamp(dt)
	case Bucket:
		ok = isInteger(dt) || dt.ID() == arrow.STRING || dt.ID() == arrow.BINARY || dt.ID() == arrow.FIXED_SIZE_BINARY || dt.ID() == arrow.DECIMAL128 || isDateOrTimestamp(dt)
		if t.N > 1<<16 {
			return fmt.Errorf("more than %d buckets", 1<<16)
		}
	case Year, Month, Day:
		ok = isDateOrTimestamp(dt)
	case Hour:
		ok = dt.ID() == arrow.TIMESTAMP
	case Truncate:
		ok = isInteger(dt) || dt.ID() == arrow.STRING || dt.ID() == arrow.DECIMAL128
		if d, isDecimal := dt.(*arrow.Decimal128Type); isDecimal && int32(len(strconv.FormatInt(t.N, 10)))+max(d.Scale, 0) > 38 {
			return fmt.Errorf("truncate(%d) needs more than 38 digits at scale %d", t.N, d.Scale)
		}
	default:
		return fmt.Errorf("unknown function %q; known: year, month, day, hour, bucket(n, col), truncate(n, col), or a column alone", t.Kind)
	}
	if !ok {
		return fmt.Errorf("%s does not take type %s", t.Kind, TypeText(dt))
	}
	return nil
}

func isInteger(dt arrow.DataType) bool { return arrow.IsInteger(dt.ID()) }

func isDateOrTimestamp(dt arrow.DataType) bool {
	return dt.ID() == arrow.DATE32 || dt.ID() == arrow.TIMESTAMP
}

// Text returns the expression as ParseTransform reads it. A column name that
// is not a plain identifier stands in double quotes, with Go escapes.
func (t Transform) Text(s *Schema) string {
	name := quoteName(t.column(s))
	switch t.Kind {
	case Identity:
		return name
	case Bucket, Truncate:
		return fmt.Sprintf("%s(%d, %s)", t.Kind, t.N, name)
	}
	return fmt.Sprintf("%s(%s)", t.Kind, name)
}

// Name returns the key of the transform in a partition directory: the column
// itself for identity, `ts_day` for day(ts).
func (t Transform) Name(s *Schema) string {
	if t.Kind == Identity {
		return t.column(s)
	}
	return t.column(s) + "_" + string(t.Kind)
}

func (t Transform) column(s *Schema) string {
	if i := s.ByID(t.FieldID); i >= 0 {
		return s.Fields[i].Name
	}
	return fmt.Sprintf("#%d", t.FieldID)
}

// PartitionValue is the value of one transform: a text that is the same for
// equal values and only for them, or null.
type PartitionValue struct {
	Text string `json:"text,omitempty"`
	Null bool   `json:"null,omitempty"`
}

// SortKey is one column of a table's sort order.
type SortKey struct {
	FieldID int32 `json:"field"`
	Desc    bool  `json:"desc,omitempty"`
}
