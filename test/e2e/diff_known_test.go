package e2e

import "regexp"

// knownDifferences are those of docs/sql.md that make one engine fail where
// the other answers: how the one that fails says so.
var knownDifferences = []struct {
	name string
	tarn *regexp.Regexp // nil: Tarn answers
	duck *regexp.Regexp
	only *regexp.Regexp // what the query looks like; nil: anything
}{
	{name: "sums of integers are int64 or uint64, of decimals 38 digits", tarn: regexp.MustCompile(`sum\(.*\) overflows (int64|uint64|decimal)`)},
	{name: "a row that LIMIT cuts off may still fail", tarn: regexp.MustCompile(`overflows|cannot be cast`), only: regexp.MustCompile(`LIMIT`)},
	{name: "a row that LIMIT cuts off may still fail", duck: regexp.MustCompile(`Overflow|out of range`), only: regexp.MustCompile(`LIMIT`)},
	{name: "a literal is put into the column's type", duck: regexp.MustCompile(`to type DECIMAL\(38,\d+\) failed: value is out of range! when casting from source column d38`)},
	{name: "an average does not overflow", duck: regexp.MustCompile(`Overflow in HUGEINT addition`), only: regexp.MustCompile(`avg\(`)},
	{name: "integers are worked on in 64 bits", duck: regexp.MustCompile(`Overflow in \w+ of U?INT(8|16|32)|Overflow on abs|Overflow in negation`)},
	{name: "a product of decimals has the digits of both", duck: regexp.MustCompile(`Overflow in multiplication of DECIMAL\(18\)`)},
}

// knownDifference names the difference that makes one engine fail where the
// other answers, or "".
func knownDifference(query string, tarn, duck error) string {
	for _, d := range knownDifferences {
		if matches(d.tarn, tarn) && matches(d.duck, duck) && (d.only == nil || d.only.MatchString(query)) {
			return d.name
		}
	}
	return ""
}

func matches(re *regexp.Regexp, err error) bool {
	if re == nil || err == nil {
		return re == nil && err == nil
	}
	return re.MatchString(err.Error())
}
