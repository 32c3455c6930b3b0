package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/tarnlake/tarn/client/source"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// meter shows on a terminal how far an ingest is. Elsewhere it prints only
// the lines that it is given.
type meter struct {
	app     *app
	bars    *mpb.Progress
	bar     *mpb.Bar
	started time.Time
	ticks   *time.Ticker
	quit    chan struct{}
	wg      sync.WaitGroup

	mu    sync.Mutex
	path  string
	src   *source.Source // being read; nil between files
	rows  int64          // of the files before
	bytes int64
	index int
	files int
}

const redraw = 100 * time.Millisecond

func (a *app) startMeter(files []string) *meter {
	m := &meter{app: a, started: time.Now(), files: len(files), quit: make(chan struct{})}
	if !a.errTerminal {
		return m
	}
	m.bars = mpb.New(mpb.WithOutput(a.streams.err), mpb.WithAutoRefresh(), mpb.WithWidth(40))
	m.bar = m.bars.AddBar(totalSize(files),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return m.label() })),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return m.speed() })),
		mpb.BarRemoveOnComplete())
	m.ticks = time.NewTicker(redraw)
	m.wg.Go(m.follow)
	return m
}

// totalSize adds up what is known of the files' sizes.
func totalSize(files []string) (total int64) {
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			total += info.Size()
		}
	}
	return total
}

func (m *meter) follow() {
	for {
		select {
		case <-m.quit:
			return
		case <-m.ticks.C:
			_, bytes := m.sums()
			m.bar.SetCurrent(bytes)
		}
	}
}

// sums returns rows and bytes of all files so far.
func (m *meter) sums() (rows, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rows, bytes = m.rows, m.bytes
	if m.src != nil {
		r, b, _ := m.src.Progress()
		rows, bytes = rows+r, bytes+b
	}
	return rows, bytes
}

func (m *meter) label() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fmt.Sprintf("%d/%d %s ", m.index, m.files, m.path)
}

func (m *meter) speed() string {
	rows, bytes := m.sums()
	seconds := max(time.Since(m.started).Seconds(), 0.001)
	return fmt.Sprintf(" %d rows  %.0f rows/s  %.1f MB/s", rows, float64(rows)/seconds, float64(bytes)/1e6/seconds)
}

// watch shows the progress of src until finish.
func (m *meter) watch(path string, src *source.Source) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.path, m.src = path, src
	m.index++
}

func (m *meter) finish(src *source.Source) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rows, bytes, _ := src.Progress()
	m.rows, m.bytes, m.src = m.rows+rows, m.bytes+bytes, nil
}

// print writes a line of output, past the bar if there is one.
func (m *meter) print(format string, args ...any) {
	if m.bars != nil && m.app.outTerminal {
		fmt.Fprintf(m.bars, format+"\n", args...)
		return
	}
	fmt.Fprintf(m.app.out, format+"\n", args...)
}

// stop takes the bar away.
func (m *meter) stop() {
	if m.bars == nil {
		return
	}
	close(m.quit)
	m.wg.Wait()
	m.ticks.Stop()
	m.bar.Abort(true)
	m.bars.Wait()
}
