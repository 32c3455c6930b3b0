package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
	"github.com/tarnlake/tarn/tiering"
)

// synthetic is a catalog filled by commands, as a cluster would fill it. What
// varies in a real one (ids, hashes, bounds of columns) is random here, so
// that it compresses no better. The first error stays.
type synthetic struct {
	state   *catalog.State
	rng     *rand.Rand
	columns int
	disks   []string
	groups  []catalog.NewStripe // without stripes: the group and where its slots are
	scheme  tiering.Scheme
	epoch   catalog.Epoch
	table   *catalog.Snapshot
	ids     uint32
	err     error
}

// newSynthetic makes nodes of one disk each, groups of a scheme on them, and a
// table.
func newSynthetic(s tiering.Scheme, nodes, groups, columns int) *synthetic {
	c := &synthetic{state: catalog.NewState(), rng: rand.New(rand.NewPCG(1, 2)), columns: columns, scheme: s}
	node := ""
	for n := range nodes {
		node = c.uuid()
		c.disks = append(c.disks, c.uuid())
		c.apply(catalog.Command{RegisterNode: &catalog.RegisterNode{
			Node: node, Name: fmt.Sprint("node-", n), Address: fmt.Sprintf("10.0.%d.%d:7460", n/256, n%256), Zone: "zone-1",
			Disks: []catalog.DiskFacts{{ID: c.disks[n], Tier: "hot", Bytes: diskBytes}},
		}})
	}
	for g := range groups {
		c.addGroup(catalog.GroupID(g + 1))
	}
	c.epoch = c.apply(catalog.Command{OpenEpoch: &catalog.OpenEpoch{Node: node}}).Epoch
	create := &wire.CreateTable{Name: "events", PartitionBy: []string{"c0"}}
	for i := range max(columns, 1) {
		create.Fields = append(create.Fields, schema.Field{Name: fmt.Sprint("c", i), Type: arrow.PrimitiveTypes.Int64})
	}
	c.table = c.apply(catalog.Command{CreateTable: create}).Table
	return c
}

func (c *synthetic) apply(cmd catalog.Command) catalog.Result {
	at := c.state.Index() + 1
	cmd.Time = time.Unix(1_800_000_000+int64(at), c.rng.Int64N(1e9)).UTC()
	if c.err != nil {
		return catalog.Result{}
	}
	next, r := c.state.Apply(cmd, at)
	c.state = next
	if r.Err != nil {
		c.err = r.Err
	}
	return r
}

func (c *synthetic) addGroup(id catalog.GroupID) {
	var disks []string
	for _, d := range c.rng.Perm(len(c.disks))[:c.scheme.Width()] {
		disks = append(disks, c.disks[d])
	}
	c.groups = append(c.groups, catalog.NewStripe{Stripe: catalog.Stripe{Group: id}, Placed: disks})
	c.apply(catalog.Command{SetGroup: &catalog.SetGroup{ID: id, Tier: "hot", Scheme: c.scheme, Disks: disks}})
}

// commit makes a version of so many stripes, each as full as can be.
func (c *synthetic) commit(stripes int) {
	cmd := &catalog.CommitSegments{Txn: c.uuid(), Epoch: c.epoch, Table: c.table.ID, SchemaID: c.table.Schema.ID, Operation: "merge"}
	for range stripes {
		st := c.groups[c.rng.IntN(len(c.groups))]
		for range c.scheme.Data {
			seg := c.segment()
			cmd.Segments = append(cmd.Segments, seg)
			st.Data = append(st.Data, catalog.Member{Segment: seg.ID, Bytes: seg.Bytes, Hash: seg.Hash})
		}
		for range c.scheme.Parity {
			if !c.scheme.Copies() {
				st.Parity = append(st.Parity, catalog.Member{Bytes: st.Data[0].Bytes, Hash: c.hash()})
			}
		}
		st.ID = st.Data[0].Segment
		cmd.Stripes = append(cmd.Stripes, st)
	}
	c.apply(catalog.Command{CommitSegments: cmd})
}

func (c *synthetic) segment() catalog.Segment {
	c.ids++
	seg := catalog.Segment{
		ID: catalog.NewSegmentID(c.epoch, c.ids), SchemaID: c.table.Schema.ID, Hash: c.hash(), Level: 9,
		Rows: 1e6 + c.rng.Int64N(1e6), Bytes: memberBytes - c.rng.Int64N(1<<23),
		Partition: []schema.PartitionValue{{Text: fmt.Sprintf("2026-%02d-%02d", 1+c.rng.IntN(12), 1+c.rng.IntN(28))}},
		Zones:     map[int32]index.Zone{},
	}
	for f := range c.columns {
		seg.Zones[int32(f+1)] = index.Zone{Rows: seg.Rows, Min: c.bytes(8), Max: c.bytes(8), MinExact: true, MaxExact: true}
	}
	return seg
}

func (c *synthetic) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(c.rng.Uint32())
	}
	return b
}

func (c *synthetic) hash() string { return fmt.Sprintf("%x", c.bytes(16)) }

func (c *synthetic) uuid() string {
	b := c.bytes(16)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
