package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/tarnlake/tarn/bench/engine"
	"github.com/tarnlake/tarn/bench/result"
)

// work is one thing to measure.
type work struct {
	name, title string
	run         func(context.Context, *bench, work) (*result.Work, error)
}

// unavailable says that a work cannot be run here, through no fault of ours.
type unavailable struct{ reason error }

func (u *unavailable) Error() string { return u.reason.Error() }

func asUnavailable(err error, into **unavailable) bool { return errors.As(err, into) }

// question is a work that all engines can be asked in SQL.
type question struct {
	data      string
	sql       string
	keyColumn string // instead of sql: look random keys of this column up, others in each round
	ordered   bool   // the order of the rows is part of the answer
	topN      bool   // rows that tie with the last one may be others; tie is the column
	tie       int
	threads   int                           // 0: as the bench is told
	promise   []promise                     // in times of a peer
	figure    func(*result.Work, *prepared) // adds what else follows from the times
}

// promise is what the ratio to a peer shall be.
type promise struct {
	peer       engine.Kind
	least, aim float64
}

func (q question) run(ctx context.Context, b *bench, w work) (*result.Work, error) {
	p, err := b.prepare(ctx, q.data, b.rows)
	if err != nil {
		return nil, err
	}
	if q.keyColumn != "" {
		if err := p.sampleKeys(q.keyColumn); err != nil {
			return nil, err
		}
	}
	place := p.place
	if q.threads > 0 {
		place.Threads = q.threads
	}
	m := &measurement{bench: b, question: q, on: p, place: place, kinds: b.peersOf()}
	if err := m.warm(ctx, w.name); err != nil {
		return nil, err
	}
	if err := m.coldRuns(ctx); err != nil {
		return nil, err
	}
	return m.result(), nil
}

// ask returns what to ask in a round: one query, or a number of lookups.
func (q question) ask(p *prepared, round, lookups int) []string {
	if q.keyColumn == "" {
		return []string{q.sql}
	}
	keys := p.keys[q.keyColumn]
	sql := make([]string, lookups)
	for i := range sql {
		key := keys[(round*lookups+i)%len(keys)]
		sql[i] = fmt.Sprintf("SELECT * FROM %s WHERE %s = %d", q.data, q.keyColumn, key)
	}
	return sql
}

// A round of lookups asks for a few keys to begin with, and then for as many
// as it should, or as fit into a long round if an engine is slow.
const (
	fewLookups = 10
	longRound  = 20 * time.Second
)

// lookups is how many keys a round should ask for.
func (b *bench) lookups() int { return max(b.keys/b.runs, 1) }

// peersOf returns the engines that answer SQL, ours first.
func (b *bench) peersOf() []engine.Kind {
	kinds := []engine.Kind{engine.Tarn, engine.TarnFlight, engine.DuckDB, engine.DuckParquet}
	if b.modules != "" {
		kinds = append(kinds, engine.ClickHouse)
	}
	return kinds
}

// measurement is the times of one question.
type measurement struct {
	bench    *bench
	question question
	on       *prepared
	place    engine.Place
	kinds    []engine.Kind

	times, cold map[engine.Kind][]float64 // ms of one query
	wasCold     bool
	read        int64 // bytes of files that ours reads for one query
	lookups     int   // keys that a round asks for
}

// warm asks all engines in turn, round after round. The first round warms
// them and does not count.
func (m *measurement) warm(ctx context.Context, name string) error {
	m.times = map[engine.Kind][]float64{}
	m.lookups = min(fewLookups, m.bench.lookups())
	var running []*engine.Engine
	defer func() {
		for _, e := range running {
			e.Stop()
		}
	}()
	for _, k := range m.kinds {
		e, err := engine.Start(ctx, k, m.place)
		if err != nil {
			return err
		}
		running = append(running, e)
	}
	for round := range m.bench.runs + 1 {
		if round == 1 {
			if err := m.profile(running[0], name); err != nil {
				return err
			}
		}
		if err := m.round(running, round); err != nil {
			return err
		}
	}
	return nil
}

func (m *measurement) profile(ours *engine.Engine, name string) error {
	if m.bench.profiles == "" {
		return nil
	}
	file, err := filepath.Abs(filepath.Join(m.bench.profiles, name+".cpu"))
	if err != nil {
		return err
	}
	_, err = ours.Do(engine.Request{Profile: file})
	return err
}

// round asks each engine once. Another one begins in each round, so that no
// engine always comes after the same neighbour.
func (m *measurement) round(running []*engine.Engine, round int) error {
	sql := m.question.ask(m.on, round, m.lookups)
	answers, nanos := make([][]engine.Answer, len(running)), int64(0)
	for i := range running {
		turn := (i + round) % len(running)
		e := running[turn]
		reply, err := e.Do(engine.Request{SQL: sql})
		if err != nil {
			return err
		}
		answers[turn], nanos = reply.Answers, nanos+reply.Nanos
		m.read = max(m.read, reply.Read/int64(len(sql)))
		if round > 0 {
			m.times[e.Kind] = append(m.times[e.Kind], float64(reply.Nanos)/1e6/float64(len(sql)))
		}
	}
	if round == 0 { // now it is known how long a key takes
		m.lookups = max(m.lookups, min(m.bench.lookups(), int(int64(longRound)*int64(len(sql))/nanos)))
	}
	for i, e := range running[1:] {
		if err := m.same(running[0], e, sql, answers[0], answers[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (m *measurement) same(a, b *engine.Engine, sql []string, first, other []engine.Answer) error {
	tie := -1
	if m.question.topN {
		tie = m.question.tie
	}
	for i := range sql {
		if err := engine.Same(first[i], other[i], m.question.ordered, tie); err != nil {
			return fmt.Errorf("%s and %s answer differently to %s: %w", a.Kind, b.Kind, sql[i], err)
		}
	}
	return nil
}

// coldQueries bounds how many queries of a round are asked cold, each of them
// after the page cache was dropped.
const coldQueries = 5

// coldRuns asks engines that have just been started, with their files out of
// the page cache.
func (m *measurement) coldRuns(ctx context.Context) error {
	m.cold, m.wasCold = map[engine.Kind][]float64{}, m.bench.cold > 0
	for run := range m.bench.cold {
		for _, k := range m.kinds {
			if k == engine.TarnFlight {
				continue // the same files by the same scan
			}
			if err := m.coldRun(ctx, k, m.bench.runs+1+run); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *measurement) coldRun(ctx context.Context, k engine.Kind, round int) error {
	e, err := engine.Start(ctx, k, m.place)
	if err != nil {
		return err
	}
	defer e.Stop()
	sql := m.question.ask(m.on, round, m.lookups)
	sql = sql[:min(len(sql), coldQueries)]
	total := time.Duration(0)
	for _, s := range sql {
		left, err := dropFromCache(k.Files(m.place))
		if err != nil {
			return err
		}
		m.wasCold = m.wasCold && left < 0.05
		took, _, err := e.Ask(s)
		if err != nil {
			return err
		}
		total += took
	}
	m.cold[k] = append(m.cold[k], millis(total)/float64(len(sql)))
	return nil
}

func millis(d time.Duration) float64 { return d.Seconds() * 1000 }

// result turns times into figures, ratios and targets.
func (m *measurement) result() *result.Work {
	q := m.question
	w := &result.Work{Data: q.data, Rows: m.on.rows, Threads: m.place.Threads, Unit: "ms", SQL: q.ask(m.on, 0, 1)[0]}
	for _, k := range m.kinds {
		f := result.Figure{Engine: string(k), Median: result.Median(m.times[k]), Runs: m.times[k], Cold: result.Median(m.cold[k]), ColdRuns: m.cold[k]}
		if k == engine.Tarn {
			w.Ours = f
		} else {
			w.Peers = append(w.Peers, f)
		}
	}
	w.Compare()
	w.Notes = append(w.Notes, m.limit(w)...)
	if q.keyColumn != "" {
		w.Notes = append(w.Notes, fmt.Sprintf("ms are of one lookup; %d random keys were asked for in the %d runs", m.lookups*m.bench.runs, m.bench.runs))
	}
	m.bench.run.Machine.ColdReally = m.wasCold
	if m.bench.cold > 0 && !m.wasCold {
		w.Notes = append(w.Notes, "the kernel did not let go of all pages: cold is not quite cold")
	}
	for _, t := range q.promise {
		if peer, ok := w.Peer(string(t.peer)); ok {
			w.Targets = append(w.Targets, result.Against(string(t.peer), peer.Ratio, t.least, t.aim))
		}
	}
	w.Targets = append(w.Targets, flightTarget(w)...)
	if q.figure != nil {
		q.figure(w, m.on)
	}
	return w
}

// limit tells how far ours is from the time that memory alone needs to hand
// over the bytes that the scan reads. Files that are read at all are in the
// page cache, so this is memory and not the disk.
func (m *measurement) limit(w *result.Work) []string {
	if m.read == 0 {
		return nil
	}
	bandwidth := m.bench.run.Machine.ReadGBs
	if w.Threads == 1 {
		bandwidth = m.bench.run.Machine.ReadGBs1
	}
	least := float64(m.read) / bandwidth / 1e6
	return []string{fmt.Sprintf("reads %.3f MB, which memory hands over in %.3f ms: %.0f%% of the limit", float64(m.read)/1e6, least, 100*least/w.Ours.Median)}
}

// flightTarget: through Flight a scan may take 1.3 times as long as in
// process, and a millisecond.
func flightTarget(w *result.Work) []result.Target {
	f, ok := w.Peer(string(engine.TarnFlight))
	if !ok || f.Median == 0 {
		return nil
	}
	return []result.Target{result.Against("1.3 × in process + 1 ms, through Flight", (1.3*w.Ours.Median+1)/f.Median, 1, 0)}
}
