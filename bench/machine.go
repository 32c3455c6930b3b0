package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tarnlake/tarn/bench/result"
)

// describe says what machine this is, and measures how fast its memory is.
func describe(threads int) result.Machine {
	m := result.Machine{CPU: fromFile("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU()}
	if kib, _, ok := strings.Cut(fromFile("/proc/meminfo", "MemTotal"), " "); ok {
		n, _ := strconv.ParseFloat(kib, 64)
		m.MemoryGB = float64(int(n*1024/1e8)) / 10
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel, _, _ = strings.Cut(strings.TrimSpace(string(b)), "-")
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		fmt.Sscan(string(b), &m.LoadAverage)
	}
	m.ReadGBs1, m.ReadGBs = readBandwidth(1), readBandwidth(threads)
	return m
}

// fromFile returns what follows the colon of the first line with that key.
func fromFile(file, key string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// probeWords is larger than any cache: 256 MiB.
const probeWords = 32 << 20

// readBandwidth sums a large slice, a part in each thread, and returns the
// best of five in GB/s: no scan that reads its data from memory can be faster
// than its bytes divided by this.
func readBandwidth(threads int) float64 {
	words := make([]uint64, probeWords)
	for i := range words {
		words[i] = uint64(i)
	}
	best := time.Duration(1<<63 - 1)
	for range 5 {
		best = min(best, timeSums(words, threads))
	}
	return float64(8*len(words)) / best.Seconds() / 1e9
}

func timeSums(words []uint64, threads int) time.Duration {
	part := len(words) / threads
	sums := make([]uint64, threads)
	start := time.Now()
	var wg sync.WaitGroup
	for t := range threads {
		wg.Go(func() { sums[t] = sum(words[t*part : (t+1)*part]) })
	}
	wg.Wait()
	took := time.Since(start)
	runtime.KeepAlive(sums)
	return took
}

// sum has eight sums under way, so that memory is what it waits for.
func sum(words []uint64) uint64 {
	var a, b, c, d, e, f, g, h uint64
	for ; len(words) >= 8; words = words[8:] {
		a, b, c, d = a+words[0], b+words[1], c+words[2], d+words[3]
		e, f, g, h = e+words[4], f+words[5], g+words[6], h+words[7]
	}
	return a + b + c + d + e + f + g + h
}
