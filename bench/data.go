package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// dataSet is real input with questions that both systems understand.
type dataSet struct {
	name      string
	fetch     func(cache string) (file string, err error)
	types     string // of columns that a sample of the file shows wrongly, as tarn ingest --types takes them
	questions []question
}

type question struct{ name, sql string }

var dataSets = []dataSet{
	{"flights", fetchFlights, "", []question{
		{"count all", `SELECT count(*) FROM flights`},
		{"sum over a range of dates", `SELECT count(*), sum(distance) FROM flights WHERE date >= TIMESTAMP '2001-03-01 00:00:00' AND date < TIMESTAMP '2001-04-01 00:00:00'`},
		{"two filters", `SELECT count(*), min(delay), max(delay) FROM flights WHERE origin = 'ATL' AND delay > 30`},
		{"group by origin", `SELECT origin, count(*), sum(distance) FROM flights GROUP BY origin ORDER BY origin`},
		{"top 10", `SELECT delay, distance, origin, destination FROM flights ORDER BY delay DESC, distance DESC, origin, destination LIMIT 10`},
	}},
	// sha is whole numbers for the first 300,000 rows, and then it is not.
	{"cremona", fetchCremona, "om=float64,reg=float64,sha=float64", []question{
		{"count all", `SELECT count(*) FROM cremona`},
		{"sum", `SELECT sum(tors), max(tors) FROM cremona`},
		{"distinct classes", `SELECT count(distinct class) FROM cremona`},
		{"group by torsion", `SELECT tors, count(*) FROM cremona GROUP BY tors ORDER BY tors`},
		{"LIKE", `SELECT count(*) FROM cremona WHERE class LIKE '%abc%'`},
	}},
}

// fetchFlights gets 3,000,000 flights as Parquet out of an npm package.
func fetchFlights(cache string) (string, error) {
	dir := filepath.Join(cache, "vega-datasets-3.2.1")
	file := filepath.Join(dir, "package", "data", "flights-3m.parquet")
	return file, once(file, dir, `npm pack --silent vega-datasets@3.2.1 && tar xzf *.tgz package/data/flights-3m.parquet`)
}

// fetchCremona gets 3,064,705 elliptic curves as CSV out of a Debian package.
func fetchCremona(cache string) (string, error) {
	dir := filepath.Join(cache, "cremona")
	file := filepath.Join(dir, "cremona.csv")
	return file, once(file, dir, `set -e
		command -v sqlite3 >/dev/null || { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq sqlite3 >/dev/null; }
		apt-get download -qq sagemath-database-cremona-elliptic-curves
		dpkg -x *.deb unpacked
		sqlite3 -header -csv "$(find unpacked -name '*.db' -size +100M | head -1)" 'select * from t_curve' > cremona.csv.tmp
		mv cremona.csv.tmp cremona.csv
		rm -rf unpacked *.deb`)
}

// once runs a script in dir unless file is there already.
func once(file, dir, script string) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fetching into %s: %w: %s", dir, err, out)
	}
	_, err := os.Stat(file)
	return err
}
