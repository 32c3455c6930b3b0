package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tarnlake/tarn/bench/engine"
	"github.com/tarnlake/tarn/generate"
	"golang.org/x/sys/unix"
)

// prepared is a data set that all engines can read.
type prepared struct {
	set   dataSet
	rows  int64
	files []string
	place engine.Place
	keys  map[string][]int64 // samples of columns
}

// sampledKeys is more than all rounds ask for.
const sampledKeys = 4000

// sampleKeys picks keys that are there, the same ones in every run.
func (p *prepared) sampleKeys(column string) error {
	if p.keys[column] != nil {
		return nil
	}
	db, err := engine.OpenDuckDB(p.place.Duck+"?access_mode=read_only", p.place.Threads)
	if err != nil {
		return err
	}
	defer db.Close()
	keys, err := db.Integers(fmt.Sprintf("SELECT DISTINCT %s AS k FROM %s ORDER BY hash(k) LIMIT %d", column, p.set.name, sampledKeys))
	p.keys[column] = keys
	return err
}

// prepare makes a data set readable for all engines. What the peers read is
// kept from run to run; Tarn's lake is made anew, because its format is what
// is being worked on, unless -reuse says that it is the same.
func (b *bench) prepare(ctx context.Context, name string, rows int64) (*prepared, error) {
	d := dataSets[name]
	if d.rows > 0 {
		d.times = int(max(1, int64(d.times)*rows/generate.WholesaleRows))
		rows = d.rows * int64(d.times)
	}
	key := fmt.Sprintf("%s-%d", name, rows)
	if p := b.ready[key]; p != nil {
		return p, nil
	}
	dir := filepath.Join(b.cache, key)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	files, err := d.files(b, rows)
	if err != nil {
		return nil, &unavailable{err}
	}
	p := &prepared{keys: map[string][]int64{}, set: d, rows: rows, files: files, place: engine.Place{
		Table: name, Lake: filepath.Join(dir, "lake"), Duck: filepath.Join(dir, "duck.db"), Parquet: filepath.Join(dir, "rows.parquet"),
		Threads: b.threads, TarnBin: b.bin, Modules: b.modules,
	}}
	if err := p.fill(ctx, b, key); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	b.ready[key] = p
	return p, nil
}

func (p *prepared) fill(ctx context.Context, b *bench, key string) error {
	if !b.reuse || !there(p.place.Lake+".state") {
		b.say("%s: %d rows into Tarn", p.set.name, p.rows)
		if err := os.RemoveAll(p.place.Lake + ".state"); err != nil { // until the new lake is whole
			return err
		}
		rows, err := p.set.load(ctx, b, p.files, p.place.Lake)
		if err != nil {
			return err
		}
		if rows != p.rows {
			return fmt.Errorf("%d rows were loaded; want %d", rows, p.rows)
		}
		if err := engine.SaveState(ctx, p.place.Lake); err != nil {
			return err
		}
	}
	stamp := filepath.Join(filepath.Dir(p.place.Duck), "filled by DuckDB "+b.duckVersion)
	if there(stamp) {
		return nil
	}
	b.say("%s: %d rows into DuckDB and Parquet", p.set.name, p.rows)
	if err := p.set.fillDuck(p.files, p.place.Duck, p.place.Parquet, b.threads); err != nil {
		return err
	}
	return os.WriteFile(stamp, nil, 0o644)
}

func there(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// bytesBelow adds up the sizes of the files at or below a path.
func bytesBelow(path string) (sum int64, err error) {
	err = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}

// lock keeps other runs out of the cache, whose lakes this one remakes, and
// off the cores. It goes with the process.
func (b *bench) lock() error {
	f, err := os.OpenFile(filepath.Join(b.cache, "LOCK"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	b.locked = f
	if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
		return nil
	}
	b.say("another run uses %s; waiting for its end (TARN_BENCH_CACHE names another folder)", b.cache)
	return unix.Flock(int(f.Fd()), unix.LOCK_EX)
}
