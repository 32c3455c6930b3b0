package sql

import (
	"fmt"
	"strings"
	"time"

	"github.com/tarnlake/tarn/expr"
)

// Format returns q as SQL text that Parse reads back as an equal query.
// Query.Segments has no SQL and is left out.
func Format(q *expr.Query) string {
	var b strings.Builder
	fmt.Fprintf(&b, "SELECT %s FROM %s", orStar(FormatItems(q.Select)), expr.Col(q.Table))
	switch {
	case q.At.Version != 0:
		fmt.Fprintf(&b, " AS OF VERSION %d", q.At.Version)
	case !q.At.Time.IsZero():
		fmt.Fprintf(&b, " AS OF TIMESTAMP '%s'", q.At.Time.UTC().Format(time.RFC3339Nano))
	}
	if q.Where != nil {
		b.WriteString(" WHERE " + FormatExpr(q.Where))
	}
	if len(q.GroupBy) > 0 {
		b.WriteString(" GROUP BY " + join(q.GroupBy, func(e *expr.Expr) string { return groupText(q, e) }))
	}
	if q.Having != nil {
		b.WriteString(" HAVING " + FormatExpr(q.Having))
	}
	if len(q.OrderBy) > 0 {
		b.WriteString(" ORDER BY " + join(q.OrderBy, orderText))
	}
	if q.Limit != nil {
		fmt.Fprintf(&b, " LIMIT %d", *q.Limit)
	}
	if q.Offset != 0 {
		fmt.Fprintf(&b, " OFFSET %d", q.Offset)
	}
	return b.String()
}

// FormatExpr returns e as SQL text that ParseExpr (or, with aggregates,
// ParseItems) reads back as an equal tree.
func FormatExpr(e *expr.Expr) string { return e.String() }

// FormatItems returns a select list as SQL text; the empty list is "".
func FormatItems(items []expr.Item) string { return join(items, itemText) }

func orStar(items string) string {
	if items == "" {
		return "*"
	}
	return items
}

func itemText(item expr.Item) string {
	if item.As == "" {
		return FormatExpr(item.Expr)
	}
	return FormatExpr(item.Expr) + " AS " + expr.Col(item.As).String()
}

// groupText writes a key so that it is neither taken for an output column's
// position nor for its name.
func groupText(q *expr.Query, e *expr.Expr) string {
	switch e.Op {
	case expr.Literal:
		return "(" + FormatExpr(e) + ")"
	case expr.Column:
		for _, item := range q.Select {
			if strings.EqualFold(item.As, e.Name) {
				return expr.Col(q.Table).String() + "." + FormatExpr(e)
			}
		}
	}
	return FormatExpr(e)
}

func orderText(o expr.Order) string {
	text := FormatExpr(o.Expr)
	if o.Desc {
		text += " DESC"
	}
	if o.NullsFirst {
		text += " NULLS FIRST"
	}
	return text
}

func join[T any](list []T, text func(T) string) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = text(v)
	}
	return strings.Join(parts, ", ")
}
