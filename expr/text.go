package expr

import "strings"

// String returns e as SQL text: the name of an output column without an
// alias, and what error messages and plans call an expression. Operands that
// are themselves operations stand in parentheses, so the text reads back as
// the same tree.
func (e *Expr) String() string {
	switch e.Op {
	case Column:
		return quoteName(e.Name)
	case Literal:
		return e.Lit.String()
	case Star:
		return "*"
	case In:
		return e.operand(0) + " IN (" + e.list(1, ", ") + ")"
	case Between:
		return e.operand(0) + " BETWEEN " + e.operand(1) + " AND " + e.operand(2)
	case IsNull:
		return e.operand(0) + " IS NULL"
	case Not:
		return e.notText()
	case Neg:
		if e.Args[0].Op == Literal { // -5 is a literal of its own
			return "-(" + e.Args[0].String() + ")"
		}
		return "-" + e.operand(0)
	case Cast:
		return "CAST(" + e.list(0, ", ") + " AS " + e.Name + ")"
	case Call:
		return e.Name + "(" + e.list(0, ", ") + ")"
	}
	if e.Op.IsAggregate() {
		return e.aggregateText()
	}
	parts := make([]string, len(e.Args))
	for i := range parts {
		parts[i] = e.operand(i)
	}
	return strings.Join(parts, " "+strings.ToUpper(string(e.Op))+" ")
}

// notText writes the negation of a predicate as SQL does: a IS NOT NULL.
func (e *Expr) notText() string {
	p := e.Args[0]
	switch p.Op {
	case In:
		return p.operand(0) + " NOT IN (" + p.list(1, ", ") + ")"
	case Between:
		return p.operand(0) + " NOT BETWEEN " + p.operand(1) + " AND " + p.operand(2)
	case IsNull:
		return p.operand(0) + " IS NOT NULL"
	case Like, ILike:
		return p.operand(0) + " NOT " + strings.ToUpper(string(p.Op)) + " " + p.operand(1)
	}
	return "NOT " + e.operand(0)
}

func (e *Expr) aggregateText() string {
	if e.Distinct {
		return string(e.Op) + "(DISTINCT " + e.list(0, ", ") + ")"
	}
	return string(e.Op) + "(" + e.list(0, ", ") + ")"
}

// operand returns argument i, in parentheses where it is an operation.
func (e *Expr) operand(i int) string {
	a := e.Args[i]
	switch a.Op {
	case Column, Literal, Star, Call, Cast:
		return a.String()
	}
	if a.Op.IsAggregate() {
		return a.String()
	}
	return "(" + a.String() + ")"
}

func (e *Expr) list(from int, sep string) string {
	parts := make([]string, 0, len(e.Args))
	for _, a := range e.Args[from:] {
		parts = append(parts, a.String())
	}
	return strings.Join(parts, sep)
}

// String returns v as an SQL literal.
func (v *Value) String() string {
	switch v.Kind {
	case Null:
		return "NULL"
	case Number, Bool:
		return v.Text
	case Date, Timestamp:
		return strings.ToUpper(string(v.Kind)) + " " + quoteText(v.Text)
	case Bytes:
		return "x" + quoteText(v.Text)
	}
	return quoteText(v.Text)
}

func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// quoteName returns a column name, in double quotes unless it is a plain word
// that is no keyword.
func quoteName(s string) string {
	if s == "" || IsKeyword(s) {
		return `"` + s + `"`
	}
	for i, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
		}
	}
	return s
}
