package daemon

import (
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/repair"
)

// costsRows refuses a command that gives up disks when rows would go with
// them that are there, or may come back, as it is: it looks at what would be.
func costsRows(view *catalog.State, cmd catalog.Command, hint string) error {
	after, r := view.Apply(cmd, view.Index()+1)
	if r.Err != nil {
		return nil // who proposes it is told
	}
	now, then := repair.HealthOf(view).Gone, repair.HealthOf(after).Gone
	if then <= now {
		return nil
	}
	return wire.Errorf(wire.Conflict, "%d stripes would have lost more members than can be rebuilt: their rows would be gone for good", then-now).
		WithHint("bring it back, or wait until what is on its way has arrived (tarn status); to lose those rows: %s --force", hint)
}
