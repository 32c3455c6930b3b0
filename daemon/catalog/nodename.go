package catalog

import (
	"regexp"

	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

// spoken is what nodes and zones may be called: these words are typed into
// commands, and stand in hints, tables and logs.
var spoken = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

// CheckNodeNames tells whether a node may have that name and zone; no zone is
// one, too. The error is wire.InvalidArgument.
func CheckNodeNames(name, zone string) error {
	if !spoken.MatchString(name) {
		return misnamed("node", "--name", name)
	}
	if zone != "" && !spoken.MatchString(zone) {
		return misnamed("zone", "--zone", zone)
	}
	return nil
}

func misnamed(what, flag, name string) error {
	return wire.Errorf(wire.InvalidArgument, "%s cannot be the name of a %s", credential.Quote(name), what).
		WithHint("1 to 64 letters, digits and . _ @ -, beginning with a letter or digit: %s %s1", flag, what)
}
