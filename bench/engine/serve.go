package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"time"
)

// An asker answers queries within this process.
type asker interface {
	version() string
	read() int64                                         // bytes of files since it was opened, 0 if not known
	ask(ctx context.Context, sql string) (result, error) // what is timed
	close() error
}

// A result is rows that an engine has handed over completely, in whatever
// shape it does. Reading them is not timed.
type result interface {
	answer() (Answer, error)
	size() (rows, bytes int64)
}

// Serve is an engine process: it opens the place, answers requests until
// standard input ends, and returns.
func Serve(ctx context.Context, k Kind, place string) error {
	var p Place
	if err := json.Unmarshal([]byte(place), &p); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	a, err := open(ctx, k, p)
	if err != nil {
		return out.Encode(Reply{Error: err.Error()})
	}
	if err := out.Encode(Reply{Version: a.version()}); err != nil {
		return err
	}
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			pprof.StopCPUProfile()
			return a.close()
		}
		if err != nil {
			return errors.Join(err, a.close())
		}
		if err := out.Encode(handle(ctx, a, line)); err != nil {
			return err
		}
	}
}

func open(ctx context.Context, k Kind, p Place) (asker, error) {
	switch k {
	case Tarn:
		return openTarn(p)
	case TarnFlight:
		return openFlight(ctx, p)
	case DuckDB, DuckParquet:
		return openDuck(k, p)
	}
	return nil, fmt.Errorf("no engine is called %q", k)
}

func handle(ctx context.Context, a asker, line []byte) (out Reply) {
	var r Request
	if err := json.Unmarshal(line, &r); err != nil {
		return Reply{Error: err.Error()}
	}
	if r.Profile != "" {
		if err := profile(r.Profile); err != nil {
			return Reply{Error: err.Error()}
		}
	}
	var results []result
	before := a.read()
	for _, sql := range r.SQL {
		start := time.Now()
		res, err := a.ask(ctx, sql)
		out.Nanos += time.Since(start).Nanoseconds()
		if err != nil {
			return Reply{Error: fmt.Sprintf("%v, asked %s", err, sql)}
		}
		results = append(results, res)
	}
	out.Read = a.read() - before
	return out.with(results, r.Count)
}

func (out Reply) with(results []result, count bool) Reply {
	for _, res := range results {
		rows, bytes := res.size()
		out.Rows, out.Bytes = out.Rows+rows, out.Bytes+bytes
		if count {
			continue
		}
		a, err := res.answer()
		if err != nil {
			return Reply{Error: err.Error()}
		}
		out.Answers = append(out.Answers, a)
	}
	return out
}

// profile starts a CPU profile into a file, or ends the one under way.
func profile(file string) error {
	pprof.StopCPUProfile()
	if file == "-" {
		return nil
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(f)
}
