// Package scan answers a query over one snapshot of one table: it binds names
// and types, leaves out what partitions and zone maps rule out, reads the
// rest block by block in parallel, and merges the partial results in the
// order of the table.
//
// Words: a lane is the shape in which values are worked on (lane); a vec is
// the values of one expression; a node is a bound expression; a task is one
// block to read; a piece is what a task leaves of it.
//
// Rows have an order: that of the snapshot's segments, and of the rows in
// them. A query without ORDER BY gives rows in that order, and groups in the
// order in which they first come; ORDER BY keeps it among equal keys. The
// result of a query does not depend on how many workers there are, not even
// in the last digit of a sum of floats.
//
// The package knows nothing of where bytes are (Opener does) and of SQL text.
package scan

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

// Opener gives the bytes of a segment. It may hand out the same reader many
// times; the scan does not close readers. It is safe for concurrent use.
type Opener interface {
	OpenSegment(ctx context.Context, seg *catalog.Segment) (*format.Reader, error)
}

// Options are the limits of one query. Zero means the default.
type Options struct {
	MemoryBytes int64 // what the query may hold; default 256 MiB
	Pool        *Pool // what all queries share; default: one without a limit, a worker for each CPU
	BatchRows   int   // most rows of a batch of the result; default 16,384
	NoPrune     bool  // read every block and use no zone: to test pruning against
}

const (
	defaultMemoryBytes = 256 << 20
	defaultBatchRows   = 16 << 10
)

func (o Options) withDefaults() Options {
	if o.Pool == nil {
		o.Pool = NewPool(math.MaxInt64, runtime.GOMAXPROCS(0))
	}
	if o.MemoryBytes <= 0 {
		o.MemoryBytes = defaultMemoryBytes
	}
	if o.BatchRows <= 0 {
		o.BatchRows = defaultBatchRows
	}
	return o
}

// Plan is a query bound to a snapshot. It is immutable and may be run many
// times and from many goroutines.
type Plan struct {
	snap *catalog.Snapshot
	q    *expr.Query
	opts Options

	inputs    []input                // the columns of the table that are read, by slot
	fields    [forOutput + 1][]int32 // the ids of those that are needed up to each step
	filter    node                   // nil: all rows
	conjuncts []*conjunct            // of the filter
	pred      *index.Pred            // what zones know of filter

	grouped  bool
	keys     []node // of the groups, over the inputs
	aggs     []*aggSpec
	tallies  *tallyPlan // nil: none
	having   node       // over keys and aggregates
	items    []node     // over the inputs, or over keys and aggregates
	labels   []string   // of keys and aggregates, for Explain
	order    []orderKey
	orderBy  []string // the same as text
	topKey   *topKey  // see topKeyOf
	limit    int64    // math.MaxInt64: none
	offset   int64
	schema   *arrow.Schema
	segments []*catalog.Segment // left after pruning by the catalog
	pruned   pruneCount
}

// input is a column that the query reads, and the first step that needs it.
type input struct {
	field schema.Field
	step  step
	bare  bool // it goes into the result as it is, and is needed for nothing else
}

// step orders when a column is read: a block whose rows have all been thrown
// out before a step is not read for it.
type step uint8

const (
	forFilter step = iota
	forOrder
	forOutput
)

// orderKey is one key of ORDER BY.
type orderKey struct {
	n                node
	desc, nullsFirst bool
}

// New binds q to snap and prunes by what the catalog knows. It does no I/O.
// It fails with COLUMN_NOT_FOUND, INVALID_ARGUMENT (a query that means
// nothing) or UNSUPPORTED (one that Tarn does not do).
func New(snap *catalog.Snapshot, q *expr.Query, opts Options) (*Plan, error) {
	if err := expr.Check(q); err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "malformed query: %w", err)
	}
	p := &Plan{snap: snap, q: q, opts: opts.withDefaults(), limit: math.MaxInt64, offset: q.Offset}
	if q.Limit != nil {
		p.limit = *q.Limit
	}
	c := &compiler{p: p, names: namer{table: snap.Name, schema: snap.Schema}, slots: map[string]int{}}
	if err := c.compile(q); err != nil {
		return nil, err
	}
	return p, p.choose()
}

// Schema returns the schema of the batches that Run yields.
func (p *Plan) Schema() *arrow.Schema { return p.schema }

// compiler fills a Plan from a query.
type compiler struct {
	p     *Plan
	names namer
	slots map[string]int

	items   []*expr.Expr // the select list, with exact names
	as      []string
	groupBy []*expr.Expr
}

func (c *compiler) compile(q *expr.Query) error {
	if err := c.where(q.Where); err != nil {
		return err
	}
	if err := c.selectList(q); err != nil {
		return err
	}
	if len(q.GroupBy) > 0 || len(q.OrderBy) > 0 || q.Having != nil { // nothing else may name output columns
		c.alias()
	}
	if err := c.groupKeys(q.GroupBy); err != nil {
		return err
	}
	having, err := c.names.resolve(q.Having)
	if err != nil {
		return err
	}
	order, err := c.orderExprs(q.OrderBy)
	if err != nil {
		return err
	}
	all := append(append(slices.Clone(c.items), order...), having)
	if len(c.groupBy) > 0 || slices.ContainsFunc(all, hasAggregate) {
		return c.groupedQuery(all, order, having)
	}
	if having != nil {
		return wire.Errorf(wire.InvalidArgument, "HAVING %s without GROUP BY", having).WithHint("filter rows with WHERE")
	}
	return c.plainQuery(order)
}

func hasAggregate(e *expr.Expr) bool {
	found := false
	expr.Walk(e, func(e *expr.Expr) bool {
		found = found || e.Op.IsAggregate()
		return !found
	})
	return found
}

// input returns the binder of the table's columns, for the step at hand.
func (c *compiler) input(s step) *binder {
	return &binder{column: func(name string) (*colNode, error) {
		f := c.p.snap.Schema.Fields[c.p.snap.Schema.Index(name)] // names are resolved
		slot, ok := c.slots[name]
		if !ok {
			slot = len(c.p.inputs)
			c.slots[name] = slot
			c.p.inputs = append(c.p.inputs, input{field: f, step: s})
		}
		return &colNode{t: f.Type, slot: slot, field: f.ID}, nil
	}}
}

func (c *compiler) where(e *expr.Expr) error {
	e, err := c.names.resolve(e)
	if e == nil || err != nil {
		return err
	}
	if c.p.filter, err = c.input(forFilter).condition(e); err != nil {
		return err
	}
	c.p.conjuncts = conjuncts(c.p.filter, slotsOf)
	c.p.pred = predOf(c.p.filter)
	return nil
}

// selectList settles the output columns; an empty list is every column, or
// every key of the groups.
func (c *compiler) selectList(q *expr.Query) error {
	list := q.Select
	if len(list) == 0 && len(q.GroupBy) > 0 {
		for _, e := range q.GroupBy {
			list = append(list, expr.Item{Expr: e})
		}
	}
	if len(list) == 0 {
		c.everyColumn()
	}
	for _, item := range list {
		e, err := c.names.resolve(item.Expr)
		if err != nil {
			return err
		}
		c.items = append(c.items, e)
		c.as = append(c.as, outputName(item.As, e))
	}
	return nil
}

// everyColumn makes the columns of the table the output.
func (c *compiler) everyColumn() {
	fields := c.p.snap.Schema.Fields
	c.items, c.as = make([]*expr.Expr, len(fields)), make([]string, len(fields))
	for i, f := range fields {
		c.items[i], c.as[i] = expr.Col(f.Name), f.Name
	}
	c.p.inputs = slices.Grow(c.p.inputs, len(fields))
}

func outputName(as string, e *expr.Expr) string {
	switch {
	case as != "":
		return as
	case e.Op == expr.Column:
		return e.Name
	}
	return e.String()
}

// alias lets what is resolved from here on name output columns.
func (c *compiler) alias() {
	c.names.alias = map[string]*expr.Expr{}
	for i, name := range c.as {
		c.names.alias[strings.ToLower(name)] = c.items[i]
	}
}

func (c *compiler) groupKeys(list []*expr.Expr) error {
	for _, e := range list {
		e, err := c.position(e, "GROUP BY")
		if err != nil {
			return err
		}
		if hasAggregate(e) {
			return wire.Errorf(wire.InvalidArgument, "GROUP BY %s: an aggregate is not a key", e)
		}
		c.groupBy = append(c.groupBy, e)
	}
	return nil
}

// position resolves a key that may be the number of an output column.
func (c *compiler) position(e *expr.Expr, clause string) (*expr.Expr, error) {
	if e.Op != expr.Literal || e.Lit.Kind != expr.Number {
		return c.names.resolve(e)
	}
	n, ok := parseNumber(e.Lit.Text)
	if ok && n.exp == 0 && n.digits.IsInt64() {
		if i := n.digits.Int64(); i >= 1 && i <= int64(len(c.items)) {
			return c.items[i-1], nil
		}
	}
	return nil, wire.Errorf(wire.InvalidArgument, "%s %s: the output has columns 1 to %d", clause, e, len(c.items))
}

// orderExprs resolves the keys of ORDER BY. A bare name is first of all that
// of an output column.
func (c *compiler) orderExprs(list []expr.Order) ([]*expr.Expr, error) {
	out := make([]*expr.Expr, len(list))
	for i, o := range list {
		if item, ok := c.names.alias[strings.ToLower(o.Expr.Name)]; ok && o.Expr.Op == expr.Column {
			out[i] = item
			continue
		}
		var err error
		if out[i], err = c.position(o.Expr, "ORDER BY"); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *compiler) plainQuery(order []*expr.Expr) error {
	if err := c.orderKeys(c.input(forOrder), order); err != nil {
		return err
	}
	return c.output(c.input(forOutput))
}

func (c *compiler) groupedQuery(all, order []*expr.Expr, having *expr.Expr) error {
	c.p.grouped = true
	outer, err := c.outer(all)
	if err != nil {
		return err
	}
	if having != nil {
		if c.p.having, err = outer.condition(having); err != nil {
			return err
		}
	}
	if err := c.orderKeys(outer, order); err != nil {
		return err
	}
	return c.output(outer)
}

// outer binds keys and aggregates, and returns the binder of what stands
// around them: its batch has a column a key, then a column an aggregate.
func (c *compiler) outer(all []*expr.Expr) (*binder, error) {
	inner := c.input(forOutput)
	outer := &binder{known: map[string]*colNode{}}
	outer.column = func(name string) (*colNode, error) {
		return nil, wire.Errorf(wire.InvalidArgument, "column %s is neither in GROUP BY nor inside an aggregate", name).
			WithHint("GROUP BY %s, or take min(%s)", name, name)
	}
	for _, e := range c.groupBy {
		n, err := inner.bind(e)
		if err != nil {
			return nil, err
		}
		if !index.Bounded(n.typ()) {
			return nil, wire.Errorf(wire.Unsupported, "GROUP BY or DISTINCT over %s: values of type %s are not compared", e, schema.TypeText(n.typ()))
		}
		outer.known[e.String()] = &colNode{t: n.typ(), slot: len(c.p.keys)}
		c.p.keys = append(c.p.keys, n)
		c.p.labels = append(c.p.labels, e.String())
	}
	for _, e := range aggregatesIn(all) {
		if outer.known[e.String()] != nil {
			continue
		}
		s, err := bindAggregate(e, inner)
		if err != nil {
			return nil, err
		}
		outer.known[s.text] = &colNode{t: s.out, slot: len(c.p.keys) + len(c.p.aggs)}
		c.p.aggs = append(c.p.aggs, s)
		c.p.labels = append(c.p.labels, s.text)
	}
	return outer, nil
}

func aggregatesIn(all []*expr.Expr) []*expr.Expr {
	var out []*expr.Expr
	for _, e := range all {
		expr.Walk(e, func(e *expr.Expr) bool {
			if e.Op.IsAggregate() {
				out = append(out, e)
			}
			return !e.Op.IsAggregate()
		})
	}
	return out
}

func (c *compiler) orderKeys(b *binder, order []*expr.Expr) error {
	for i, e := range order {
		n, err := b.bind(e)
		if err != nil {
			return err
		}
		if !index.Bounded(n.typ()) {
			return wire.Errorf(wire.Unsupported, "ORDER BY %s: values of type %s are not compared", e, schema.TypeText(n.typ()))
		}
		o := c.p.q.OrderBy[i]
		c.p.order = append(c.p.order, orderKey{n, o.Desc, o.NullsFirst})
		c.p.orderBy = append(c.p.orderBy, orderText(e, o))
	}
	return nil
}

func orderText(e *expr.Expr, o expr.Order) string {
	s := e.String()
	if o.Desc {
		s += " DESC"
	}
	if o.NullsFirst {
		s += " NULLS FIRST"
	}
	return s
}

func (c *compiler) output(b *binder) error {
	fields := make([]arrow.Field, len(c.items))
	names := unique(c.as)
	for i, e := range c.items {
		n, err := b.bind(e)
		if err != nil {
			return err
		}
		c.p.items = append(c.p.items, n)
		fields[i] = arrow.Field{Name: names[i], Type: n.typ(), Nullable: true}
		if col, ok := n.(*colNode); ok && col.field != 0 {
			f := c.p.snap.Schema.Fields[c.p.snap.Schema.ByID(col.field)]
			fields[i].Nullable = f.Nullable
		}
	}
	if c.p.grouped {
		c.p.tallies = c.p.tallyPlanOf()
	} else {
		c.p.markBare()
	}
	c.p.schema = arrow.NewSchema(fields, nil)
	c.p.listFields()
	c.p.topKey = c.p.topKeyOf()
	return nil
}

// unique returns names with a number behind those that were there before, in
// whatever case: of two columns of one name most readers keep one.
func unique(names []string) []string {
	taken := make(map[string]bool, len(names))
	for _, name := range names {
		taken[strings.ToLower(name)] = true
	}
	if len(taken) == len(names) {
		return names
	}
	out := make([]string, len(names))
	seen := map[string]int{}
	for i, name := range names {
		key := strings.ToLower(name)
		out[i] = name
		for seen[key]++; seen[key] > 1; seen[key]++ {
			out[i] = fmt.Sprintf("%s_%d", name, seen[key])
			if low := strings.ToLower(out[i]); !taken[low] {
				taken[low] = true
				break
			}
		}
	}
	return out
}

// shown reports whether a column is needed for the output itself.
func (p *Plan) shown(slot int) bool {
	return slices.ContainsFunc(p.items, func(n node) bool { return slices.Contains(slotsOf(n), slot) })
}

// markBare finds the columns that only pass through.
func (p *Plan) markBare() {
	worked := map[int]bool{}
	for _, n := range p.items {
		if _, bare := n.(*colNode); !bare {
			for _, slot := range slotsOf(n) {
				worked[slot] = true
			}
		}
	}
	for i, in := range p.inputs {
		p.inputs[i].bare = in.step == forOutput && !worked[i]
	}
}

// listFields sets the fields that each step needs.
func (p *Plan) listFields() {
	for _, in := range p.inputs {
		for s := in.step; s <= forOutput; s++ {
			p.fields[s] = append(p.fields[s], in.field.ID)
		}
	}
}

func fieldNames(s *arrow.Schema) []string {
	out := make([]string, s.NumFields())
	for i, f := range s.Fields() {
		out[i] = f.Name
	}
	return out
}
