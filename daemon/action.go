package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/tarnlake/tarn/client/sql"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
)

// action is one entry of the table of actions: what it is for, and how its
// body becomes its answer.
type action struct {
	name, about string
	run         func(ctx context.Context, body []byte) (any, error)
}

func (s *service) actions() []action {
	return []action{
		{wire.ActionCreateTable, "make a table", handler(s.createTable)},
		{wire.ActionListTables, "list tables", handler(s.listTables)},
		{wire.ActionGetTable, "describe a table", handler(s.getTable)},
		{wire.ActionHistory, "list a table's versions", handler(s.history)},
		{wire.ActionAlterTable, "change a table's schema or options", handler(s.alterTable)},
		{wire.ActionDropTable, "drop a table", handler(s.dropTable)},
		{wire.ActionSegments, "list a table's segments", handler(s.segments)},
		{wire.ActionSegment, "read segments back and check every byte", handler(s.verify)},
		{wire.ActionExplain, "tell what a query would read", handler(s.explain)},
		{wire.ActionStatus, "tell how the node is", handler(s.status)},
		{wire.ActionDisks, "list disks", handler(s.disks)},
		{wire.ActionSetDisk, "change what becomes of a disk", handler(s.setDisk)},
		{wire.ActionScrubDisk, "read a disk back and check every member", handler(s.scrubDisk)},
		{wire.ActionAddDisk, "make a directory a disk of a node", handler(s.addDisk)},
		{wire.ActionReplaceDisk, "give the places of a disk to another", handler(s.replaceDisk)},
		{wire.ActionReplaceNode, "give the places of a node's disks to those of another", handler(s.replaceNode)},
		{wire.ActionStripes, "tell where members of stripes are", handler(s.stripes)},
		{wire.ActionRetry, "try again what could not be rebuilt", handler(s.retryParked)},
		{wire.ActionNodes, "list nodes", handler(s.nodes)},
		{wire.ActionDrainNode, "move what a node holds to others", handler(s.drainNode)},
		{wire.ActionLoseNode, "give a node up that will not come back", handler(s.loseNode)},
		{wire.ActionRemoveNode, "forget a node", handler(s.removeNode)},
		{wire.ActionJoinToken, "make a token for nodes to join with", handler(s.joinToken)},
		{wire.ActionCreateToken, "make an access token", handler(s.createToken)},
		{wire.ActionListTokens, "list access tokens", handler(s.tokens)},
		{wire.ActionRevokeToken, "take an access token back", handler(s.revokeToken)},
		{wire.ActionIssueCert, "issue a client's certificate", handler(s.issueCertificate)},
		{wire.ActionListCerts, "list clients' certificates", handler(s.certificates)},
		{wire.ActionRevokeCert, "take a client's certificate back", handler(s.revokeCertificate)},
	}
}

// handler gives a typed function the shape of an action.
func handler[Req, Res any](f func(context.Context, Req) (Res, error)) func(context.Context, []byte) (any, error) {
	return func(ctx context.Context, body []byte) (any, error) {
		var req Req
		if err := json.Unmarshal(body, &req); err != nil {
			return nil, wire.Errorf(wire.InvalidArgument, "the request does not parse: %w", err)
		}
		return f(ctx, req)
	}
}

// ListActions lists the actions of the node.
func (s *service) ListActions(_ *flight.Empty, stream flight.FlightService_ListActionsServer) error {
	for _, a := range s.actions() {
		if err := stream.Send(&flight.ActionType{Type: a.name, Description: a.about}); err != nil {
			return err
		}
	}
	return nil
}

// DoAction runs one action.
func (s *service) DoAction(req *flight.Action, stream flight.FlightService_DoActionServer) error {
	var known []string
	for _, a := range s.actions() {
		if a.name != req.GetType() {
			known = append(known, a.name)
			continue
		}
		res, err := a.run(stream.Context(), req.GetBody())
		if err != nil {
			return err
		}
		body, err := json.Marshal(res)
		if err != nil {
			return err
		}
		return stream.Send(&flight.Result{Body: body})
	}
	return wire.Errorf(wire.Unsupported, "no action %q; known: %s", req.GetType(), strings.Join(known, ", "))
}

// checkZones refuses time zones that this machine does not know. The catalog
// itself takes them: what is in it was checked when it came, and must open on
// a machine that knows fewer.
func checkZones(fields ...schema.Field) error {
	for _, f := range fields {
		if err := schema.CheckZones(f.Type); err != nil {
			return wire.Errorf(wire.InvalidArgument, "column %q: %w", f.Name, err).
				WithHint("name a zone as in timestamp[us, Europe/Rome], timestamp[us, +02:00] or timestamp[us, UTC]")
		}
	}
	return nil
}

func (s *service) createTable(ctx context.Context, req wire.CreateTable) (wire.TableInfo, error) {
	if err := checkZones(req.Fields...); err != nil {
		return wire.TableInfo{}, err
	}
	r, err := s.n.propose(ctx, catalog.Command{CreateTable: &req})
	if err != nil {
		return wire.TableInfo{}, err
	}
	return tableInfo(r.Table), nil
}

func (s *service) alterTable(ctx context.Context, req wire.AlterTable) (wire.TableInfo, error) {
	if req.Add != nil {
		if err := checkZones(*req.Add); err != nil {
			return wire.TableInfo{}, err
		}
	}
	r, err := s.n.propose(ctx, catalog.Command{AlterTable: &req})
	if err != nil {
		return wire.TableInfo{}, err
	}
	return tableInfo(r.Table), nil
}

func (s *service) dropTable(ctx context.Context, req wire.DropTable) (struct{}, error) {
	drop := catalog.DropTable{Name: req.Name, IfVersion: catalog.Version(req.IfVersion)}
	if req.IfVersion != 0 {
		id, err := strconv.ParseInt(req.ID, 10, 64)
		if err != nil {
			return struct{}{}, wire.Errorf(wire.InvalidArgument, "table id %q is no number", req.ID)
		}
		drop.ID = catalog.TableID(id)
	}
	_, err := s.n.propose(ctx, catalog.Command{DropTable: &drop})
	if err == nil {
		s.n.sweeper.Sweep(context.WithoutCancel(ctx), s.n.catalog.View())
	}
	return struct{}{}, err
}

func (s *service) snapshot(ctx context.Context, name string, at expr.At) (*catalog.Snapshot, error) {
	view, err := s.n.catalog.Read(ctx)
	if err != nil {
		return nil, err
	}
	return view.Snapshot(name, at)
}

func (s *service) getTable(ctx context.Context, req wire.GetTable) (wire.TableInfo, error) {
	t, err := s.snapshot(ctx, req.Name, req.At)
	if err != nil {
		return wire.TableInfo{}, err
	}
	return tableInfo(t), nil
}

func (s *service) listTables(ctx context.Context, _ struct{}) (wire.TableList, error) {
	view, err := s.n.catalog.Read(ctx)
	if err != nil {
		return wire.TableList{}, err
	}
	var list wire.TableList
	for _, t := range view.Tables() {
		list.Tables = append(list.Tables, tableInfo(t))
	}
	return list, nil
}

func tableInfo(t *catalog.Snapshot) wire.TableInfo {
	partitions := map[string]bool{}
	for _, seg := range t.Segments {
		partitions[fmt.Sprint(seg.Partition)] = true
	}
	return wire.TableInfo{
		Name: t.Name, ID: fmt.Sprint(t.ID),
		Schema:      wire.SchemaInfo{ID: t.Schema.ID, Fields: t.Schema.Fields},
		PartitionBy: t.PartitionBy, SortBy: t.SortBy, Options: t.Options,
		Version: int64(t.Version), Committed: t.Commit.Time,
		Rows: t.Commit.TotalRows, Bytes: bytesOf(t), Segments: len(t.Segments), Partitions: len(partitions),
	}
}

func (s *service) history(ctx context.Context, req wire.GetTable) (wire.History, error) {
	view, err := s.n.catalog.Read(ctx)
	if err != nil {
		return wire.History{}, err
	}
	commits, err := view.History(req.Name)
	if err != nil {
		return wire.History{}, err
	}
	h := wire.History{Commits: make([]wire.Commit, len(commits))}
	for i, c := range commits {
		h.Commits[i] = wire.Commit{
			Version: int64(c.Version), Time: c.Time, Operation: c.Operation, Detail: c.Detail,
			Rows: c.Rows, Bytes: c.Bytes, Segments: c.Segments, TotalRows: c.TotalRows, SchemaID: c.SchemaID, Key: c.Key,
		}
	}
	return h, nil
}

func (s *service) segments(ctx context.Context, req wire.GetTable) (wire.SegmentList, error) {
	view, err := s.n.catalog.Read(ctx)
	if err != nil {
		return wire.SegmentList{}, err
	}
	t, err := view.Snapshot(req.Name, req.At)
	if err != nil {
		return wire.SegmentList{}, err
	}
	commits, err := view.History(req.Name)
	if err != nil {
		return wire.SegmentList{}, err
	}
	times := map[catalog.Version]time.Time{}
	for _, c := range commits {
		times[c.Version] = c.Time
	}
	list := wire.SegmentList{Version: int64(t.Version)}
	for _, seg := range t.Segments {
		list.Segments = append(list.Segments, wire.Segment{
			ID: seg.ID.String(), Partition: seg.Partition, Rows: seg.Rows, Bytes: seg.Bytes, Level: seg.Level,
			SchemaID: seg.SchemaID, Added: int64(seg.Added), Committed: times[seg.Added], Hash: seg.Hash,
			Path: s.n.members.Path(view, seg.ID),
		})
	}
	return list, nil
}

func (s *service) explain(ctx context.Context, q expr.Query) (wire.Explanation, error) {
	p, settled, err := s.plan(ctx, &q)
	if err != nil {
		return wire.Explanation{}, err
	}
	e, err := p.Explain(ctx, s.n.readers, s.n.spread())
	e.Query, e.Version = sql.Format(settled), settled.At.Version
	return e, err
}
