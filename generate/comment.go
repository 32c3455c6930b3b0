package generate

// Free text for wholesale lines: one or two short clauses over a small
// vocabulary, in which a search finds what it is known to find.

// Words whose frequency is known, for searches in comments.
const (
	CommonWord = "quietly"  // in about one comment of 26
	RareWord   = "zeppelin" // in about one comment of 10,000
)

var (
	manners  = []string{"quietly", "slowly", "gladly", "rarely", "at night", "by hand", "in haste", "with care", "twice", "never", "at once", "mostly", "as agreed", "late", "early", "again"}
	looks    = []string{"green", "heavy", "dented", "sealed", "wet", "fragile", "spare", "second", "empty", "mixed", "labelled", "broken", "steel", "tall", "narrow", "last"}
	objects  = []string{"crates", "pallets", "drums", "invoices", "labels", "bolts", "cartons", "samples", "barrels", "hinges", "sacks", "valves", "papers", "ladders", "lamps", "cables"}
	doings   = []string{"wait", "went missing", "arrived", "were counted", "need signing", "are held", "returned", "were swapped", "lean", "fit", "were checked", "move on", "are short", "are due", "stay dry", "were split"}
	places   = []string{"behind the gate", "at the dock", "in bay nine", "under cover", "near the ramp", "by the office", "on the upper floor", "at the border", "in transit", "with the driver"}
	articles = []string{"the ", "all ", "some ", "our ", "their ", "no "}
)

// appendComment appends what the random numbers of r say.
func appendComment(b []byte, r random) []byte {
	if r.below(10_000) == 0 {
		b = append(b, RareWord...)
		b = append(b, ' ')
	}
	b = appendClause(b, &r)
	if r.chance(200) {
		b = append(b, "; "...)
		b = appendClause(b, &r)
	}
	return b
}

// appendClause takes one random number apart: there are many clauses.
func appendClause(b []byte, r *random) []byte {
	bits := r.next()
	die := func(n int) int {
		roll := bits % uint64(n)
		bits /= uint64(n)
		return int(roll)
	}
	take := func(words []string) string { return words[die(len(words))] }
	b = append(b, take(articles)...)
	b = append(b, take(looks)...)
	b = append(b, ' ')
	b = append(b, take(objects)...)
	b = append(b, ' ')
	b = append(b, take(doings)...)
	if die(2) == 0 {
		b = append(b, ' ')
		b = append(b, take(manners)...)
	}
	if die(4) == 0 {
		b = append(b, ' ')
		b = append(b, take(places)...)
	}
	return b
}
