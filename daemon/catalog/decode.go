package catalog

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/tarnlake/tarn/schema"
	"github.com/zeebo/xxh3"
)

// DecodeState reads what Encode wrote. Anything else is an error, and so is a
// state that contradicts itself. Memory is bounded by what the records hold.
func DecodeState(r io.Reader) (*State, error) {
	magic := make([]byte, len(stateMagic))
	if _, err := io.ReadFull(r, magic); err != nil {
		return nil, fmt.Errorf("catalog snapshot: %w", err)
	}
	if string(magic) != stateMagic {
		return nil, fmt.Errorf("catalog snapshot: it begins with %q; this build knows %q", magic, stateMagic)
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindowBytes))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return decodeRecords(z)
}

// decodeRecords reads the lines of a snapshot.
func decodeRecords(r io.Reader) (*State, error) {
	d := &decoder{s: NewState(), hash: xxh3.New()}
	if err := d.read(r); err != nil {
		return nil, fmt.Errorf("catalog snapshot: record %d: %w", d.records+1, err)
	}
	return d.s, nil
}

// maxWindowBytes bounds what the zstd stream may ask for; Encode uses less.
const maxWindowBytes = 64 << 20

// decoder builds a state from records.
type decoder struct {
	s       *State
	hash    *xxh3.Hasher
	records int64
	ended   bool

	proposed uint64 // position of the last proposal

	epoch   *epoch // that txns belong to
	table   *table // that what follows belongs to; not in s before it is whole
	commits []Commit
	all     []*Segment
}

func (d *decoder) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 1<<16), maxRecordBytes)
	for lines.Scan() {
		if d.ended {
			return errors.New("there is something behind the end")
		}
		var rec record
		if err := strictJSON(lines.Bytes(), &rec); err != nil {
			return err
		}
		if err := d.take(rec); err != nil {
			return err
		}
		d.hash.Write(lines.Bytes())
		d.hash.Write([]byte{'\n'})
		d.records++
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if !d.ended {
		return io.ErrUnexpectedEOF
	}
	return nil
}

func (d *decoder) take(r record) error {
	if (d.records == 0) != (r.Meta != nil) {
		return errors.New("the first record, and only that, is meta")
	}
	switch {
	case r.Meta != nil:
		d.s.index, d.s.time, d.s.lastEpoch, d.s.lastTable = r.Meta.Index, r.Meta.Time, r.Meta.LastEpoch, r.Meta.LastTable
		d.s.protocol = r.Meta.Protocol
		return d.takeRecovery(r.Meta.Recovery)
	case r.Proposal != nil:
		return d.takeProposal(*r.Proposal)
	case r.Epoch != nil:
		return d.takeEpoch(*r.Epoch)
	case r.Txn != nil:
		return d.takeTxn(*r.Txn)
	case r.Trust != nil, r.Join != nil, r.Token != nil, r.Certificate != nil:
		return d.takeTrust(r)
	case r.Table != nil:
		return d.takeTable(*r.Table)
	case r.End != nil:
		return d.takeEnd(*r.End)
	case r.Node != nil, r.Disk != nil, r.Group != nil, r.Stripe != nil, r.Garbage != nil:
		return d.takeStorage(r)
	case d.table == nil:
		return errors.New("no table before what belongs to one")
	}
	return d.takePart(r)
}

// takePart takes a record that belongs to the table.
func (d *decoder) takePart(r record) error {
	switch {
	case r.Commit != nil:
		return d.takeCommit(*r.Commit)
	case r.Segment != nil:
		return d.takeSegment(r.Segment)
	case r.Producer != nil:
		return takeEntry(d.table.producers, r.Producer.ID, producer{r.Producer.Seq, r.Producer.Version, r.Producer.At})
	case r.Key != nil:
		return takeEntry(d.table.keys, r.Key.Key, r.Key.Version)
	}
	return errors.New("it is empty")
}

func takeEntry[V any](w window[V], key string, value V) error {
	if _, there := w.get(key); there || key == "" {
		return fmt.Errorf("entry %q is empty or there twice", key)
	}
	w.put(key, value)
	return nil
}

func (d *decoder) takeProposal(r proposalRecord) error {
	if r.Index <= d.proposed || r.Index > d.s.index || d.s.index-r.Index >= proposalWindow || len(r.ID) > maxIDBytes {
		return fmt.Errorf("proposal %q at position %d of %d is impossible", r.ID, r.Index, d.s.index)
	}
	d.proposed = r.Index
	return takeEntry(d.s.proposals, r.ID, r.Index)
}

func (d *decoder) takeEpoch(r epochRecord) error {
	if _, there := d.s.open.Get(r.ID); there || r.ID == 0 || r.ID > d.s.lastEpoch || r.Node == "" {
		return fmt.Errorf("epoch %d of node %q is impossible or there twice", r.ID, r.Node)
	}
	d.epoch = &epoch{r.Node, newWindow[txn]()}
	d.s.open.Set(r.ID, d.epoch)
	return nil
}

func (d *decoder) takeTxn(r txnRecord) error {
	if d.epoch == nil {
		return errors.New("no epoch before a transaction")
	}
	return takeEntry(d.epoch.txns, r.ID, txn{r.Index, r.Table, r.Version})
}

func (d *decoder) takeTable(r tableRecord) error {
	if err := d.finishTable(); err != nil {
		return err
	}
	_, idThere := d.s.tables.Get(r.ID)
	_, nameThere := d.s.names.Get(r.Name)
	if idThere || nameThere || r.ID <= 0 || r.ID > d.s.lastTable {
		return fmt.Errorf("table %d, %q, is impossible or there twice", r.ID, r.Name)
	}
	t := &table{
		id: r.ID, name: r.Name, options: r.Options, lastField: r.LastField,
		schemas: map[int]*schema.Schema{}, partition: r.PartitionBy, sort: r.SortBy,
		producers: newWindow[producer](), keys: newWindow[Version](), forgot: r.Forgot,
	}
	for _, info := range r.Schemas {
		s := info.Schema()
		if t.schemas[s.ID] != nil {
			return fmt.Errorf("table %q: schema %d is there twice", r.Name, s.ID)
		}
		if err := s.Validate(); err != nil {
			return fmt.Errorf("table %q: schema %d: %w", r.Name, s.ID, err)
		}
		for _, f := range s.Fields {
			if f.ID > t.lastField {
				return fmt.Errorf("table %q: field id %d was never given out", r.Name, f.ID)
			}
		}
		t.schemas[s.ID] = s
	}
	d.table, d.commits, d.all = t, nil, nil
	return errors.Join(checkTableName(r.Name), checkOptions(r.Options))
}

func (d *decoder) takeCommit(c Commit) error {
	if c.Version < 1 || d.table.schemas[c.SchemaID] == nil {
		return fmt.Errorf("version %d under schema %d is impossible", c.Version, c.SchemaID)
	}
	if n := len(d.commits); n > 0 {
		if last := d.commits[n-1]; c.Version != last.Version+1 || c.Time.Before(last.Time) {
			return fmt.Errorf("version %d does not follow version %d", c.Version, last.Version)
		}
	}
	d.commits = append(d.commits, c)
	return nil
}

func (d *decoder) takeSegment(s *Segment) error {
	newest := Version(0)
	if n := len(d.commits); n > 0 {
		newest = d.commits[n-1].Version
	}
	switch {
	case s.Added < 1 || s.Added > newest,
		s.Removed != 0 && (s.Removed <= s.Added || s.Removed > newest),
		d.table.schemas[s.SchemaID] == nil,
		len(s.Partition) != len(d.table.partition):
		return fmt.Errorf("segment %s does not fit its table", s.ID)
	}
	if n := len(d.all); n > 0 {
		last := d.all[n-1]
		if cmp.Or(cmp.Compare(last.Added, s.Added), cmp.Compare(last.ID, s.ID)) >= 0 {
			return fmt.Errorf("segment %s does not follow segment %s", s.ID, last.ID)
		}
	}
	if _, twice := d.s.segments.Set(s.ID, segmentRef{d.table.id, s.Added}); twice {
		return fmt.Errorf("segment %s is there twice", s.ID)
	}
	d.all = append(d.all, s)
	return nil
}

// finishTable puts the table before the current record in place.
func (d *decoder) finishTable() error {
	t := d.table
	if t == nil {
		return nil
	}
	d.table = nil
	if len(d.commits) == 0 {
		return fmt.Errorf("table %q has no version", t.name)
	}
	var live []*Segment
	for _, s := range d.all {
		if s.Removed == 0 {
			live = append(live, s)
		}
	}
	t.commits, t.all, t.live = list[Commit]{items: d.commits}, list[*Segment]{items: d.all}, list[*Segment]{items: live}
	t.publish()
	if err := t.checkFieldsOf(t.newest.Schema); err != nil {
		return err
	}
	d.s.tables.Set(t.id, t)
	d.s.names.Set(t.name, t.id)
	return nil
}

// checkFieldsOf asks a schema for the fields that the table needs.
func (t *table) checkFieldsOf(s *schema.Schema) error {
	var ids []int32
	for _, p := range t.partition {
		ids = append(ids, p.FieldID)
	}
	for _, k := range t.sort {
		ids = append(ids, k.FieldID)
	}
	for _, id := range ids {
		if s.ByID(id) < 0 {
			return fmt.Errorf("table %q: field %d of its partition expressions or sort key is not there", t.name, id)
		}
	}
	return nil
}

func (d *decoder) takeEnd(r endRecord) error {
	if r.Records != d.records || r.Hash != hashText(d.hash) {
		return errors.New("number or hash of the records does not match: the snapshot is damaged")
	}
	d.ended = true
	return errors.Join(d.finishTable(), d.checkMembers())
}
