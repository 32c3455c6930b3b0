package daemon

import (
	"os"
	"path/filepath"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/repair"
	"github.com/tarnlake/tarn/tiering"
)

// healthMetrics tells Prometheus what tarn status tells people. Everything is
// read off the node when somebody asks.
type healthMetrics struct {
	n *Node

	survives, stripes, stripeRows, stripeBytes    *prometheus.Desc
	missing, missingBytes, parked, repaired       *prometheus.Desc
	nodes, disks, voters                          *prometheus.Desc
	leads, term, committed, applied, lag, catalog *prometheus.Desc
	size, free, suspect                           *prometheus.Desc
	scrubbing, scrubRead, scrubLeft               *prometheus.Desc
	scrubBad, scrubStuck, scrubEnded              *prometheus.Desc
	refused                                       *prometheus.Desc
}

func newHealthMetrics(n *Node) *healthMetrics {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &healthMetrics{
		n:            n,
		survives:     d("tarn_survives", "How many of a kind (disk, node, zone) may be lost now, whichever they are, with every row still there.", "kind"),
		stripes:      d("tarn_stripes", "Stripes, by how many members they can lose now; negative: they cannot be read.", "spare"),
		stripeRows:   d("tarn_stripe_rows", "Rows of the newest versions, by how many members their stripe can lose now.", "spare"),
		stripeBytes:  d("tarn_stripe_bytes", "Bytes of segments of all versions, by how many members their stripe can lose now.", "spare"),
		missing:      d("tarn_members_missing", "Members that are not where they belong and on their way, by why and by how many their stripe can lose now.", "kind", "spare"),
		missingBytes: d("tarn_members_missing_bytes", "Bytes of members that are not where they belong and on their way: what is left to repair.", "kind", "spare"),
		parked:       d("tarn_members_parked", "Members that could not be rebuilt and were set aside."),
		repaired:     d("tarn_repaired_bytes_total", "Bytes of members that this node has rebuilt, copied or moved to its disks."),
		nodes:        d("tarn_nodes", "Nodes of the cluster, by state.", "state"),
		disks:        d("tarn_disks", "Disks of the cluster, by state.", "state"),
		voters:       d("tarn_raft_voters", "Nodes that have a vote."),
		leads:        d("tarn_raft_leader", "1 on the node that leads, 0 on others."),
		term:         d("tarn_raft_term", "Newest term that this node knows; one that rises means elections."),
		committed:    d("tarn_raft_committed_index", "Index up to which this node knows that the catalog is agreed on."),
		applied:      d("tarn_raft_applied_index", "Index up to which this node has applied the catalog."),
		lag:          d("tarn_raft_lag_entries", "Entries that are agreed on and not applied here yet."),
		catalog:      d("tarn_catalog_bytes", "Bytes of the catalog's log and snapshots on this node."),
		size:         d("tarn_disk_size_bytes", "Size of the filesystem of a disk of this node.", "disk"),
		free:         d("tarn_disk_free_bytes", "Free bytes of a disk of this node; -1 if it does not say.", "disk"),
		suspect:      d("tarn_disk_suspect", "1 for a disk of this node that has failed and takes nothing new.", "disk"),
		scrubbing:    d("tarn_scrub_running", "1 while a pass over a disk of this node is under way.", "disk"),
		scrubRead:    d("tarn_scrub_read_bytes", "Bytes that the pass under way has read back.", "disk"),
		scrubLeft:    d("tarn_scrub_left_bytes", "Bytes that the pass under way has still to read back.", "disk"),
		scrubBad:     d("tarn_scrub_bad_members", "Members that the pass under way, or else the last one, has found to be wrong or gone.", "disk"),
		scrubStuck:   d("tarn_scrub_stuck_members", "Of the bad members those that there was nothing to rebuild from.", "disk"),
		scrubEnded:   d("tarn_scrub_ended_timestamp_seconds", "When the last pass over a disk ended; 0: never.", "disk"),
		refused:      d("tarn_refused_total", "Connections and calls that were refused: no certificate or token, a wrong one, or too small a role."),
	}
}

// Describe lists what there is.
func (m *healthMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		m.survives, m.stripes, m.stripeRows, m.stripeBytes, m.missing, m.missingBytes, m.parked, m.repaired,
		m.nodes, m.disks, m.voters, m.leads, m.term, m.committed, m.applied, m.lag, m.catalog,
		m.size, m.free, m.suspect, m.scrubbing, m.scrubRead, m.scrubLeft, m.scrubBad, m.scrubStuck, m.scrubEnded, m.refused,
	} {
		out <- d
	}
}

// emit is one scrape under way.
type emit chan<- prometheus.Metric

func (to emit) gauge(d *prometheus.Desc, v float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (to emit) counter(d *prometheus.Desc, v float64) {
	to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
}

// Collect reads it off the node.
func (m *healthMetrics) Collect(out chan<- prometheus.Metric) {
	to, view := emit(out), m.n.catalog.View()
	m.rows(to, m.n.judged.of(view, m.n.unheard(view)))
	m.members(to, view)
	m.agreement(to)
	for _, medium := range m.n.members.Media() {
		m.disk(to, medium)
	}
	to.counter(m.repaired, float64(m.n.rebuilt.Total()))
	refused := uint64(0)
	if w := m.n.network; w != nil {
		refused = w.refusals.Total()
	}
	to.counter(m.refused, float64(refused))
}

func (m *healthMetrics) rows(to emit, h repair.Health) {
	to.gauge(m.survives, float64(h.Spare.Disks), "disk")
	to.gauge(m.survives, float64(h.Spare.Nodes), "node")
	to.gauge(m.survives, float64(h.Spare.Zones), "zone")
	for _, c := range h.Classes {
		spare := strconv.Itoa(c.Spare)
		to.gauge(m.stripes, float64(c.Stripes), spare)
		to.gauge(m.stripeRows, float64(c.Rows), spare)
		to.gauge(m.stripeBytes, float64(c.Bytes), spare)
	}
	type way struct {
		kind  repair.Kind
		spare int
	}
	members, bytes := map[way]int{}, map[way]int64{}
	for _, l := range h.Left {
		w := way{l.Kind, l.Spare}
		members[w], bytes[w] = members[w]+l.Members, bytes[w]+l.Bytes
	}
	for w, n := range members {
		to.gauge(m.missing, float64(n), string(w.kind), strconv.Itoa(w.spare))
		to.gauge(m.missingBytes, float64(bytes[w]), string(w.kind), strconv.Itoa(w.spare))
	}
	to.gauge(m.parked, float64(h.Parked))
}

// members counts nodes and disks. States that nothing is in are there, too, so
// that an alarm on them works.
func (m *healthMetrics) members(to emit, view *catalog.State) {
	nodes := map[catalog.NodeState]int{catalog.NodeUp: 0, catalog.NodeDown: 0, catalog.NodeLost: 0}
	for _, n := range view.Nodes() {
		nodes[n.State]++
	}
	for state, n := range nodes {
		to.gauge(m.nodes, float64(n), string(state))
	}
	disks := map[catalog.DiskState]int{catalog.DiskUp: 0, catalog.DiskSuspect: 0, catalog.DiskDown: 0, catalog.DiskDraining: 0, catalog.DiskLost: 0}
	for _, d := range view.Disks() {
		disks[d.State]++
	}
	for state, n := range disks {
		to.gauge(m.disks, float64(n), string(state))
	}
}

func (m *healthMetrics) agreement(to emit) {
	voters := 0
	for _, s := range m.n.catalog.Servers() {
		voters += flag(s.Voter)
	}
	p := m.n.catalog.Progress()
	to.gauge(m.voters, float64(voters))
	to.gauge(m.leads, float64(flag(m.n.catalog.Leads())))
	to.gauge(m.term, float64(p.Term))
	to.gauge(m.committed, float64(p.Committed))
	to.gauge(m.applied, float64(p.Applied))
	to.gauge(m.lag, float64(max(p.Committed, p.Applied)-p.Applied))
	to.gauge(m.catalog, float64(sizeOf(raftDir(m.n.cfg.Dir))))
}

func (m *healthMetrics) disk(to emit, medium *tiering.Medium) {
	id := medium.ID()
	free, size := -1.0, 0.0
	if space, err := medium.Space(); err == nil {
		free, size = float64(space.Free), float64(space.Total)
	}
	to.gauge(m.free, free, id)
	to.gauge(m.size, size, id)
	to.gauge(m.suspect, float64(flag(medium.Suspect() != nil)), id)
	scrub, here := m.n.scrubOf(id)
	if !here {
		return
	}
	s := scrubInfo(scrub)
	bad, stuck, ended := s.LastBad, s.LastStuck, int64(0)
	if s.Running {
		bad, stuck = s.Bad, s.Stuck
	}
	if !s.Last.IsZero() {
		ended = s.Last.Unix()
	}
	to.gauge(m.scrubbing, float64(flag(s.Running)), id)
	to.gauge(m.scrubRead, float64(s.Bytes), id)
	to.gauge(m.scrubLeft, float64(s.Left), id)
	to.gauge(m.scrubBad, float64(bad), id)
	to.gauge(m.scrubStuck, float64(stuck), id)
	to.gauge(m.scrubEnded, float64(ended), id)
}

func flag(is bool) int {
	if is {
		return 1
	}
	return 0
}

// sizeOf adds up the files of a directory. What goes away meanwhile does not count.
func sizeOf(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}
