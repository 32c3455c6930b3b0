package expr

import "time"

// Query is one scan of one table: what `tarn query` parses, what a Flight
// ticket carries, what the scan plans.
type Query struct {
	Table   string  `json:"table"`
	At      At      `json:"at,omitzero"`
	Select  []Item  `json:"select,omitempty"` // empty: every column
	Where   *Expr   `json:"where,omitempty"`
	GroupBy []*Expr `json:"group_by,omitempty"`
	Having  *Expr   `json:"having,omitempty"`
	OrderBy []Order `json:"order_by,omitempty"`
	Limit   *int64  `json:"limit,omitempty"`
	Offset  int64   `json:"offset,omitempty"`

	// Segments, where set, narrows the scan to these segments. The mount uses
	// it to show one segment as one file. A segment that is not part of the
	// snapshot is an error.
	Segments []string `json:"segments,omitempty"`
}

// Item is one output column. An empty As takes the column's name or the text
// of the expression.
type Item struct {
	Expr *Expr  `json:"expr"`
	As   string `json:"as,omitempty"`
}

// Order is one ORDER BY key. It may name an output column, give its 1-based
// position as a number literal, or be any expression over the input. Nulls
// come last unless NullsFirst.
type Order struct {
	Expr       *Expr `json:"expr"`
	Desc       bool  `json:"desc,omitempty"`
	NullsFirst bool  `json:"nulls_first,omitempty"`
}

// At picks the snapshot: a version, or the newest version at a time, or (the
// zero value) the newest of all.
type At struct {
	Version int64     `json:"version,omitempty"`
	Time    time.Time `json:"time,omitzero"`
}
