package trust

import (
	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

const (
	flightService = "/arrow.flight.protocol.FlightService/"
	doAction      = flightService + "DoAction"
	peerService   = "/tarn.peer.v1.Peer/"
)

// calls is the least role of each call of gRPC. What is not here is refused to
// everybody. Of DoAction it is the least of any action; actions has the rest.
var calls = map[string]Role{
	flightService + "Handshake":      Reader,
	flightService + "ListFlights":    Reader,
	flightService + "GetFlightInfo":  Reader,
	flightService + "PollFlightInfo": Reader,
	flightService + "GetSchema":      Reader,
	flightService + "DoGet":          Reader,
	flightService + "DoPut":          Writer,
	flightService + "DoExchange":     Writer,
	doAction:                         Reader,
	flightService + "ListActions":    Reader,

	peerService + "Ping":         Node,
	peerService + "Propose":      Node,
	peerService + "ReadIndex":    Node,
	peerService + "StatMember":   Node,
	peerService + "HashMember":   Node,
	peerService + "TrashMember":  Node,
	peerService + "CreateMember": Node,
	peerService + "ReadMember":   Node,
	peerService + "Scan":         Node,
	peerService + "Report":       Node,
	peerService + "ScrubDisk":    Node,
	peerService + "PlugDisk":     Node,
}

// actions is the least role of each action.
var actions = map[string]Role{
	wire.ActionCreateTable: Writer,
	wire.ActionListTables:  Reader,
	wire.ActionGetTable:    Reader,
	wire.ActionHistory:     Reader,
	wire.ActionAlterTable:  Writer,
	wire.ActionDropTable:   Writer,
	wire.ActionSegments:    Reader,
	wire.ActionSegment:     Reader, // reads what a scan reads
	wire.ActionExplain:     Reader,
	wire.ActionStatus:      Reader,
	wire.ActionDisks:       Reader,
	wire.ActionSetDisk:     Admin,
	wire.ActionScrubDisk:   Admin,
	wire.ActionAddDisk:     Admin,
	wire.ActionReplaceDisk: Admin,
	wire.ActionReplaceNode: Admin,
	wire.ActionStripes:     Reader,
	wire.ActionRetry:       Admin,
	wire.ActionNodes:       Reader,
	wire.ActionDrainNode:   Admin,
	wire.ActionLoseNode:    Admin,
	wire.ActionRemoveNode:  Admin,
	wire.ActionJoinToken:   Admin,
	wire.ActionCreateToken: Admin,
	wire.ActionListTokens:  Admin,
	wire.ActionRevokeToken: Admin,
	wire.ActionIssueCert:   Admin,
	wire.ActionListCerts:   Admin,
	wire.ActionRevokeCert:  Admin,
}

// allow refuses p what only others may do, by the table rules.
func allow(p Principal, rules map[string]Role, what string) error {
	least, listed := rules[what]
	if !listed {
		return wire.Errorf(wire.PermissionDenied, "nobody may call %s here", credential.Quote(what))
	}
	if p.Role.May(least) {
		return nil
	}
	return wire.Errorf(wire.PermissionDenied, "%s is a %s; to call %s takes a %s", p.Name, p.Role, what, least).
		WithHint("an admin can make a token of that role: tarn token create NAME --role %s", least)
}
