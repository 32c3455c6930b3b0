package catalog

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/cluster/trust"
	"github.com/tarnlake/tarn/schema"
	"github.com/zeebo/xxh3"
)

// A state on disk (a Raft snapshot) is the eight bytes stateMagic and then one
// zstd stream of JSON records, one a line, in this order:
//
//	meta
//	{proposal}
//	{epoch {txn}}
//	trust {join} {token} {certificate}
//	{node} {disk} {group}
//	{table {commit} {segment} {producer} {key}}
//	{stripe} {garbage}
//	end
//
// Windows go from the oldest entry to the newest; all else in order of ids.
// The same state always has the same bytes. The end holds the number and the
// hash of the records before it, so that no cut and no damage goes unseen.

// stateMagic ends in the version of the format.
const stateMagic = "TARNCAT\x01"

// maxRecordBytes bounds one record. A record is part of a command, and those
// have MaxCommandBytes.
const maxRecordBytes = 2 * MaxCommandBytes

// record is one line: exactly one of the pointers is set. It reaches disk:
// names may be added, never changed.
type record struct {
	Meta     *metaRecord     `json:"meta,omitempty"`
	Proposal *proposalRecord `json:"proposal,omitempty"`
	Epoch    *epochRecord    `json:"epoch,omitempty"`
	Txn      *txnRecord      `json:"txn,omitempty"`
	Table    *tableRecord    `json:"table,omitempty"`
	Commit   *Commit         `json:"commit,omitempty"`
	Segment  *Segment        `json:"segment,omitempty"`
	Producer *producerRecord `json:"producer,omitempty"`
	Key      *keyRecord      `json:"key,omitempty"`
	Node     *Node           `json:"node,omitempty"`
	Disk     *Disk           `json:"disk,omitempty"`
	Group    *Group          `json:"group,omitempty"`
	Stripe   *stripeRecord   `json:"stripe,omitempty"`
	Garbage  *garbageRecord  `json:"garbage,omitempty"`
	End      *endRecord      `json:"end,omitempty"`

	Trust       *trustRecord       `json:"trust,omitempty"`
	Join        *trust.JoinSecret  `json:"join,omitempty"`
	Token       *trust.AccessToken `json:"token,omitempty"`
	Certificate *trust.Certificate `json:"certificate,omitempty"`
}

type metaRecord struct {
	Index     uint64    `json:"index"`
	Time      time.Time `json:"time,omitzero"`
	LastEpoch Epoch     `json:"last_epoch"`
	LastTable TableID   `json:"last_table"`
	Recovery  *Recovery `json:"recovery,omitempty"` // nil: none
	Protocol  Protocol  `json:"protocol,omitempty"`
}

type proposalRecord struct {
	ID    string `json:"id"`
	Index uint64 `json:"index"`
}

type epochRecord struct {
	ID   Epoch  `json:"id"`
	Node string `json:"node"`
}

type txnRecord struct {
	ID      string  `json:"id"`
	Index   uint64  `json:"index"`
	Table   TableID `json:"table"`
	Version Version `json:"version"`
}

type tableRecord struct {
	ID          TableID            `json:"id"`
	Name        string             `json:"name"`
	Options     wire.TableOptions  `json:"options,omitzero"`
	LastField   int32              `json:"last_field"`
	Schemas     []wire.SchemaInfo  `json:"schemas"`
	PartitionBy []schema.Transform `json:"partition_by,omitempty"`
	SortBy      []schema.SortKey   `json:"sort_by,omitempty"`
	Forgot      time.Time          `json:"forgot,omitzero"`
}

type producerRecord struct {
	ID      string    `json:"id"`
	Seq     int64     `json:"seq"`
	Version Version   `json:"version"`
	At      time.Time `json:"at"`
}

type keyRecord struct {
	Key     string  `json:"key"`
	Version Version `json:"version"`
}

type stripeRecord struct {
	Stripe
	Missing Slots    `json:"missing,omitempty"`
	Gone    Slots    `json:"gone,omitempty"`
	Parked  []Parked `json:"parked,omitempty"`
}

type garbageRecord struct {
	Stripe
	Slots Slots `json:"slots"`
}

type endRecord struct {
	Records int64  `json:"records"`
	Hash    string `json:"hash"` // xxh3-128 of the lines before, hexadecimal
}

// Encode writes the state. It runs beside Apply: s does not change.
func (s *State) Encode(w io.Writer) error {
	if _, err := io.WriteString(w, stateMagic); err != nil {
		return err
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)) // one: the same bytes every time
	if err != nil {
		return err
	}
	e := newEncoder(z)
	e.state(s)
	e.end()
	return errors.Join(e.err, z.Close())
}

// encoder writes records and keeps the first error.
type encoder struct {
	out     *bufio.Writer
	hash    *xxh3.Hasher
	records int64
	err     error
}

func newEncoder(w io.Writer) *encoder {
	return &encoder{out: bufio.NewWriterSize(w, 1<<16), hash: xxh3.New()}
}

func (e *encoder) put(r record) {
	line, err := json.Marshal(r)
	if e.err == nil {
		e.err = err
	}
	e.line(append(line, '\n'))
}

func (e *encoder) line(b []byte) {
	e.hash.Write(b)
	e.records++
	if e.err == nil {
		_, e.err = e.out.Write(b)
	}
}

// end closes the records.
func (e *encoder) end() {
	e.put(record{End: &endRecord{e.records, hashText(e.hash)}})
	if e.err == nil {
		e.err = e.out.Flush()
	}
}

func (e *encoder) state(s *State) {
	meta := metaRecord{s.index, s.time, s.lastEpoch, s.lastTable, nil, s.protocol}
	if s.recovery.Number > 0 {
		meta.Recovery = &s.recovery
	}
	e.put(record{Meta: &meta})
	s.proposals.each(func(id string, index uint64) { e.put(record{Proposal: &proposalRecord{id, index}}) })
	s.open.Scan(func(id Epoch, o *epoch) bool {
		e.put(record{Epoch: &epochRecord{id, o.node}})
		o.txns.each(func(name string, x txn) {
			e.put(record{Txn: &txnRecord{name, x.index, x.table, x.version}})
		})
		return e.err == nil
	})
	e.trust(s.trust)
	e.storage(s)
	s.tables.Scan(func(_ TableID, t *table) bool {
		e.table(t)
		return e.err == nil
	})
	s.stripes.Scan(func(_ SegmentID, st *stripe) bool {
		e.put(record{Stripe: &stripeRecord{st.Stripe, st.missing, st.gone, st.parked}})
		return e.err == nil
	})
	s.garbage.Scan(func(_ SegmentID, d *dead) bool {
		e.put(record{Garbage: &garbageRecord{d.Stripe, d.slots}})
		return e.err == nil
	})
}

func (e *encoder) storage(s *State) {
	for _, n := range s.Nodes() {
		e.put(record{Node: n})
	}
	for _, d := range s.Disks() {
		e.put(record{Disk: d})
	}
	for _, g := range s.Groups() {
		e.put(record{Group: &g})
	}
}

func (e *encoder) table(t *table) {
	r := tableRecord{ID: t.id, Name: t.name, Options: t.options, LastField: t.lastField, PartitionBy: t.partition, SortBy: t.sort, Forgot: t.forgot}
	for _, id := range slices.Sorted(maps.Keys(t.schemas)) {
		r.Schemas = append(r.Schemas, wire.SchemaInfo{ID: id, Fields: t.schemas[id].Fields})
	}
	e.put(record{Table: &r})
	for _, c := range t.commits.items {
		e.put(record{Commit: &c})
	}
	for _, s := range t.all.items {
		e.put(record{Segment: s})
	}
	t.producers.each(func(id string, p producer) { e.put(record{Producer: &producerRecord{id, p.seq, p.version, p.at}}) })
	t.keys.each(func(key string, v Version) { e.put(record{Key: &keyRecord{key, v}}) })
}

func hashText(h *xxh3.Hasher) string {
	b := h.Sum128().Bytes()
	return fmt.Sprintf("%x", b)
}
