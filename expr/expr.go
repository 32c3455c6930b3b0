// Package expr holds expressions and queries over one table as plain data:
// what a filter, a computed column or an aggregate says, not how it is run.
// A tree travels unchanged from the parser through the wire to the scan; its
// JSON form is part of the wire format.
package expr

// Op names what a node does. The values are part of the wire format: never
// change one, add new ones.
type Op string

// Leaves.
const (
	Column  Op = "col"  // Name is the column
	Literal Op = "lit"  // Lit is the value
	Star    Op = "star" // the argument of count(*), and nothing else
)

// Predicates. Three-valued, as in SQL: an unknown operand makes an unknown
// result, and a filter keeps a row only where the result is true. Floats
// compare in total order: NaN equals itself and is above every number, and
// -0 equals 0 (as in DuckDB and PostgreSQL).
const (
	Eq      Op = "="
	Ne      Op = "!="
	Lt      Op = "<"
	Le      Op = "<="
	Gt      Op = ">"
	Ge      Op = ">="
	In      Op = "in"      // Args[0] IN (Args[1:]…), all literals
	Between Op = "between" // Args[0] BETWEEN Args[1] AND Args[2]
	IsNull  Op = "isnull"
	Like    Op = "like"  // Args[0] LIKE Args[1]; % and _, backslash escapes
	ILike   Op = "ilike" // the same without regard to case
	And     Op = "and"   // two or more Args
	Or      Op = "or"    // two or more Args
	Not     Op = "not"
)

// Scalar arithmetic and functions.
const (
	Add  Op = "+"
	Sub  Op = "-"
	Mul  Op = "*"
	Div  Op = "/"
	Mod  Op = "%"
	Neg  Op = "neg"
	Cast Op = "cast" // Name is the text of the target type
	Call Op = "call" // Name is a function of Functions, in lower case
)

// Aggregates. Sum of integers and decimals is exact. All but count(*) pass
// over nulls; over no rows count is 0 and the rest are null.
const (
	Count Op = "count" // Args[0] is Star or an expression; Distinct allowed
	Sum   Op = "sum"
	Min   Op = "min"
	Max   Op = "max"
	Avg   Op = "avg"
)

// Expr is one node of an expression tree. Which of the other fields count is
// told by Op. A tree is never changed once it is built.
type Expr struct {
	Op       Op      `json:"op"`
	Name     string  `json:"name,omitempty"`
	Lit      *Value  `json:"lit,omitempty"`
	Args     []*Expr `json:"args,omitempty"`
	Distinct bool    `json:"distinct,omitempty"`
}

// Kind says how a literal was written; its type is settled when it meets a
// column.
type Kind string

// Literal kinds (part of the wire format).
const (
	Null      Kind = "null"
	Bool      Kind = "bool"      // Text is true or false
	Number    Kind = "number"    // Text is the number as written: no float in between
	String    Kind = "string"    // Text is the string; also reads as a date, time or timestamp
	Date      Kind = "date"      // Text is 2006-01-02
	Timestamp Kind = "timestamp" // Text is 2006-01-02 15:04:05[.fraction][zone]
	Bytes     Kind = "bytes"     // Text is hexadecimal
)

// Value is a literal as text, so that a decimal never passes through a float.
type Value struct {
	Kind Kind   `json:"kind"`
	Text string `json:"text,omitempty"`
}

// Functions lists the scalar functions that a scan knows, with the number of
// arguments. Date parts of timestamps with a zone are taken in that zone.
var Functions = map[string]int{
	"year": 1, "month": 1, "day": 1, "hour": 1, // parts of a date or timestamp, as int64
	"date":  1,                          // the day of a timestamp, as date
	"lower": 1, "upper": 1, "length": 1, // length counts characters
	"abs": 1, "coalesce": 2,
	"has_token": 2, // whether a text has a word, which is a string literal
}

// Col, Lit, N and New build trees by hand.
func Col(name string) *Expr { return &Expr{Op: Column, Name: name} }

// Lit returns a literal of that kind.
func Lit(kind Kind, text string) *Expr {
	return &Expr{Op: Literal, Lit: &Value{Kind: kind, Text: text}}
}

// Num returns a number literal.
func Num(text string) *Expr { return Lit(Number, text) }

// Str returns a string literal.
func Str(text string) *Expr { return Lit(String, text) }

// New returns a node of op over args.
func New(op Op, args ...*Expr) *Expr { return &Expr{Op: op, Args: args} }

// IsAggregate reports whether op is an aggregate.
func (op Op) IsAggregate() bool {
	switch op {
	case Count, Sum, Min, Max, Avg:
		return true
	}
	return false
}

// Walk calls f for e and everything below it, parents first, until f returns
// false, which prunes the walk below that node. A nil tree is empty.
func Walk(e *Expr, f func(*Expr) bool) {
	if e == nil || !f(e) {
		return
	}
	for _, a := range e.Args {
		Walk(a, f)
	}
}
