package catalog

import (
	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

// CheckNodeNames tells whether a node may have that name and zone; no zone is
// one, too. The error is wire.InvalidArgument.
func CheckNodeNames(name, zone string) error {
	if !credential.IsName(name) {
		return misnamed("node", "--name", name)
	}
	if zone != "" && !credential.IsName(zone) {
		return misnamed("zone", "--zone", zone)
	}
	return nil
}

func misnamed(what, flag, name string) error {
	return wire.Errorf(wire.InvalidArgument, "%s cannot be the name of a %s", credential.Quote(name), what).
		WithHint("%s: %s %s1", credential.NameRule, flag, what)
}
