package fuse

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/tarnlake/tarn/client/wire"
	"golang.org/x/sys/unix"
)

// shopLake has a partitioned table of two countries, an unpartitioned one and
// an empty one.
func shopLake() *fakeLake {
	l := newFakeLake()
	l.create("orders", []string{"country"}, "id int64", "country string", "note string")
	l.add("orders", 3000, val("SE"))
	l.add("orders", 5000, val("DE"))
	l.create("log", nil, "at int64", "line string")
	l.add("log", 1)
	l.create("empty", nil, "a int64")
	return l
}

const (
	sePart  = "orders/country=SE/part-00000001-00000001"
	dePart  = "orders/country=DE/part-00000001-00000002"
	logPart = "log/part-00000001-00000001"
)

// files are the shopLake's parts in every tree.
func files(dir string) []string {
	var all []string
	for _, p := range []string{sePart, dePart, logPart} {
		all = append(all, filepath.Join(dir, p+".parquet"), filepath.Join(dir, ".csv", p+".csv"), filepath.Join(dir, ".arrow", p+".arrow"))
	}
	return all
}

func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestLayout(t *testing.T) {
	l := shopLake()
	dir := mountLake(t, l, Options{})
	for path, want := range map[string][]string{
		"":                         {".arrow", ".csv", "empty", "log", "orders"},
		".csv":                     {"empty", "log", "orders"},
		"empty":                    nil,
		"log":                      {"part-00000001-00000001.parquet"},
		"orders":                   {"country=DE", "country=SE"},
		".arrow/orders/country=SE": {"part-00000001-00000001.arrow"},
	} {
		if got := names(t, filepath.Join(dir, path)); !slices.Equal(got, want) {
			t.Errorf("%q lists %q; want %q", path, got, want)
		}
	}
	if n := l.scans.Load(); n != 0 {
		t.Errorf("listing rendered %d parts; want none", n)
	}
	for _, missing := range []string{
		"none", "orders/country=FI", "log/part-00000001-00000001", "log/part-00000001-00000001.csv", "orders/.csv", ".csv/.arrow", "..csv",
	} {
		if _, err := os.Stat(filepath.Join(dir, missing)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("stat %s: %v; want that it is not there", missing, err)
		}
	}
}

func TestAttributes(t *testing.T) {
	l := shopLake()
	dir := mountLake(t, l, Options{})
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(dir, sePart+".parquet"), &st); err != nil {
		t.Fatal(err)
	}
	if want := epoch.Add(2e9); st.Mtim.Nano() != want.UnixNano() || st.Ctim.Nano() != want.UnixNano() {
		t.Errorf("mtime %d; want that of the commit, %d", st.Mtim.Nano(), want.UnixNano())
	}
	if st.Mode != syscall.S_IFREG|0o444 || st.Nlink != 1 || st.Blocks == 0 {
		t.Errorf("mode %o, %d links, %d blocks; want 100444, 1 and some", st.Mode, st.Nlink, st.Blocks)
	}
	ino := st.Ino
	if err := unix.Stat(filepath.Join(dir, "orders"), &st); err != nil {
		t.Fatal(err)
	}
	if st.Mode != syscall.S_IFDIR|0o555 || st.Mtim.Nano() != epoch.Add(3e9).UnixNano() {
		t.Errorf("directory has mode %o and time %d", st.Mode, st.Mtim.Nano())
	}
	again := mountLake(t, l, Options{})
	if err := unix.Stat(filepath.Join(again, sePart+".parquet"), &st); err != nil {
		t.Fatal(err)
	}
	if st.Ino != ino {
		t.Errorf("inode %d in another mount; want %d", st.Ino, ino)
	}
	var vfs unix.Statfs_t
	if err := unix.Statfs(dir, &vfs); err != nil {
		t.Fatal(err)
	}
	if vfs.Bsize != 4096 || vfs.Namelen != 255 || vfs.Bavail != 0 {
		t.Errorf("statfs says %+v", vfs)
	}
}

func TestXattrs(t *testing.T) {
	dir := mountLake(t, shopLake(), Options{})
	name := filepath.Join(dir, dePart+".parquet")
	buf := make([]byte, 1000)
	n, err := unix.Listxattr(name, buf)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(buf[:n]), "user.tarn.table\x00user.tarn.segment\x00user.tarn.rows\x00user.tarn.version\x00user.tarn.checksum\x00"; got != want {
		t.Errorf("attributes %q; want %q", got, want)
	}
	for attr, want := range map[string]string{
		"user.tarn.table": "orders", "user.tarn.segment": "00000001-00000002", "user.tarn.rows": "5000",
		"user.tarn.version": "3", "user.tarn.checksum": fmt.Sprintf("%032x", 8000),
	} {
		n, err := unix.Getxattr(name, attr, buf)
		if err != nil || string(buf[:n]) != want {
			t.Errorf("%s = %q, %v; want %q", attr, buf[:max(n, 0)], err, want)
		}
	}
	if n, err := unix.Getxattr(name, "user.tarn.table", nil); n != len("orders") || err != nil {
		t.Errorf("size of user.tarn.table = %d, %v; want 6", n, err)
	}
	if _, err := unix.Getxattr(name, "user.tarn.table", buf[:2]); err != unix.ERANGE {
		t.Errorf("into 2 bytes: %v; want ERANGE", err)
	}
	if _, err := unix.Getxattr(name, "user.other", buf); err != unix.ENODATA {
		t.Errorf("user.other: %v; want ENODATA", err)
	}
}

// TestSizesAreExact reads every file by every pattern, through the kernel
// alone and through this process.
func TestSizesAreExact(t *testing.T) {
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("plain=%t", plain), func(t *testing.T) {
			dir := mountLake(t, shopLake(), Options{plain: plain})
			text, err := helper("read", files(dir)...).Output()
			if err != nil {
				t.Fatal(err)
			}
			out := strings.NewReader(string(text))
			for _, name := range files(dir) {
				want := ""
				for _, pattern := range readPatterns {
					var size, n int64
					var sum string
					if _, err := fmt.Fscanln(out, &size, &n, &sum); err != nil {
						t.Fatal(err)
					}
					if size != n || size == 0 {
						t.Errorf("%s: %s: stat says %d bytes; read %d", name, pattern, size, n)
					}
					if want == "" {
						want = sum
					}
					if sum != want {
						t.Errorf("%s: %s reads other bytes", name, pattern)
					}
				}
			}
		})
	}
}

// TestOverlappingOpens: the kernel wants all opens of an inode to be of one
// kind, and answers EIO otherwise.
func TestOverlappingOpens(t *testing.T) {
	for _, plain := range []bool{false, true} {
		name := filepath.Join(mountLake(t, shopLake(), Options{plain: plain, CacheBytes: 1}), dePart+".parquet")
		var open []*os.File
		for i := range 6 {
			f, err := os.Open(name)
			if err != nil {
				t.Fatalf("plain=%t: open %d: %v", plain, i, err)
			}
			open = append(open, f)
			if i%2 == 1 { // one of two stays open, then none
				open[0].Close()
				open = open[1:]
			}
			if _, err := open[0].ReadAt(make([]byte, 10), 0); err != nil {
				t.Errorf("plain=%t: read %d: %v", plain, i, err)
			}
		}
		for _, f := range open {
			f.Close()
		}
	}
}

func TestRowsAreThoseOfTheSegment(t *testing.T) {
	l := shopLake()
	dir := mountLake(t, l, Options{})
	want := l.tables["orders"].segments[1].rows
	parquetFile, err := file.OpenParquetFile(filepath.Join(dir, dePart+".parquet"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer parquetFile.Close()
	r, err := pqarrow.NewFileReader(parquetFile, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	table, err := r.ReadTable(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	wantTable := array.NewTableFromRecords(want.Schema(), []arrow.RecordBatch{want})
	sameTable(t, "parquet", table, wantTable)

	f, err := os.Open(filepath.Join(dir, ".arrow", dePart+".arrow"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	arrowFile, err := ipc.NewFileReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer arrowFile.Close()
	var batches []arrow.RecordBatch
	for i := range arrowFile.NumRecords() {
		b, err := arrowFile.RecordBatchAt(i)
		if err != nil {
			t.Fatal(err)
		}
		batches = append(batches, b)
	}
	sameTable(t, "arrow", array.NewTableFromRecords(arrowFile.Schema(), batches), wantTable)

	text, err := os.ReadFile(filepath.Join(dir, ".csv", dePart+".csv"))
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(lines), int(want.NumRows())+1; got != want {
		t.Errorf("csv has %d lines; want %d", got, want)
	}
	if got, want := lines[0], []string{"id", "country", "note"}; !slices.Equal(got, want) {
		t.Errorf("csv begins with %q; want %q", got, want)
	}
	if got, want := lines[2][0], fmt.Sprint(want.Column(0).(*array.Int64).Value(1)); got != want {
		t.Errorf("csv says id %s in the second row; want %s", got, want)
	}
}

func sameTable(t *testing.T, what string, got, want arrow.Table) {
	t.Helper()
	if got.NumRows() != want.NumRows() || got.NumCols() != want.NumCols() {
		t.Fatalf("%s has %d rows of %d columns; want %d of %d", what, got.NumRows(), got.NumCols(), want.NumRows(), want.NumCols())
	}
	for i := range int(want.NumCols()) {
		g, err1 := array.Concatenate(got.Column(i).Data().Chunks(), memory.DefaultAllocator)
		w, err2 := array.Concatenate(want.Column(i).Data().Chunks(), memory.DefaultAllocator)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if !array.Equal(g, w) {
			t.Errorf("%s: column %d differs", what, i)
		}
	}
}

func TestNewCommitsShow(t *testing.T) {
	l := shopLake()
	dir := mountLake(t, l, Options{})
	open, err := os.Open(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if _, err := open.Readdirnames(1); err != nil { // the listing is taken here
		t.Fatal(err)
	}
	l.add("log", 10)
	l.create("another", nil, "a int64")
	if got, want := names(t, filepath.Join(dir, "log")), []string{"part-00000001-00000001.parquet", "part-00000001-00000002.parquet"}; !slices.Equal(got, want) {
		t.Errorf("after a commit log lists %q; want %q", got, want)
	}
	if got := names(t, dir); !slices.Contains(got, "another") {
		t.Errorf("a new table is not among %q", got)
	}
	if more, _ := open.Readdirnames(10); len(more) != 0 {
		t.Errorf("an open listing grew by %q", more)
	}
}

// TestEvolvedSchemaIsAnotherFile: files of one directory have one schema, and
// a file that somebody knows keeps the old one.
func TestEvolvedSchemaIsAnotherFile(t *testing.T) {
	l := shopLake()
	dir := mountLake(t, l, Options{})
	old := filepath.Join(dir, ".csv", logPart+".csv")
	before, err := os.ReadFile(old)
	if err != nil {
		t.Fatal(err)
	}
	l.addColumn("log", "level", arrow.PrimitiveTypes.Int64)
	l.add("log", 2)
	if got, want := names(t, filepath.Join(dir, ".csv/log")), []string{"part-00000001-00000001-s2.csv", "part-00000001-00000002.csv"}; !slices.Equal(got, want) {
		t.Errorf("log lists %q; want %q", got, want)
	}
	if after, err := os.ReadFile(old); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the old file now reads %q, %v; want %q", after, err, before)
	}
	after, err := os.ReadFile(filepath.Join(dir, ".csv/log/part-00000001-00000001-s2.csv"))
	if err != nil || !strings.HasPrefix(string(after), "at,line,level\n") {
		t.Errorf("the new file reads %q, %v", after, err)
	}
}

// TestGoneFromTheListingStaysReadable: engines list first and open later.
func TestGoneFromTheListingStaysReadable(t *testing.T) {
	l := shopLake()
	dir := mountLake(t, l, Options{})
	se, de := filepath.Join(dir, sePart+".csv"), filepath.Join(dir, dePart+".parquet")
	se = strings.Replace(se, dir, dir+"/.csv", 1)
	names(t, filepath.Join(dir, "orders"))
	l.remove("orders", "00000001-00000001", "00000001-00000002")
	if got := names(t, filepath.Join(dir, "orders")); len(got) != 0 {
		t.Errorf("orders lists %q after all was removed", got)
	}
	if _, err := os.ReadFile(se); err != nil {
		t.Errorf("a part that was listed a moment ago: %v", err)
	}
	if err := os.WriteFile(de, nil, 0o644); !errors.Is(err, syscall.EROFS) {
		t.Errorf("write to it: %v; want EROFS", err)
	}
	known := filepath.Join(dir, logPart+".parquet")
	before, err := os.ReadFile(known)
	if err != nil {
		t.Fatal(err)
	}
	l.drop("log")
	if got := names(t, dir); slices.Contains(got, "log") {
		t.Errorf("a dropped table is still listed: %q", got)
	}
	if after, err := os.ReadFile(known); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a file of a dropped table: %d bytes, %v; want the %d of before", len(after), err, len(before))
	}
	if _, err := os.Stat(filepath.Join(dir, "log/part-00000001-00000009.parquet")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that never was: %v", err)
	}
}

func TestLakeDown(t *testing.T) {
	l := shopLake()
	dir := mountLake(t, l, Options{})
	known := filepath.Join(dir, logPart+".parquet")
	before, err := os.ReadFile(known)
	if err != nil {
		t.Fatal(err)
	}
	l.setDown(wire.Errorf(wire.Unavailable, "no node"))
	if _, err := os.ReadDir(filepath.Join(dir, "orders")); !errors.Is(err, syscall.EIO) {
		t.Errorf("listing without a node: %v; want EIO", err)
	}
	if after, err := os.ReadFile(known); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a file that is cached: %d bytes, %v; want the %d of before", len(after), err, len(before))
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("the mount itself: %v", err)
	}
	l.setDown(nil)
	if got := names(t, filepath.Join(dir, "orders")); len(got) != 2 {
		t.Errorf("after the node came back: %q", got)
	}
}

func TestWrongRowsAreAnError(t *testing.T) {
	l := shopLake()
	l.extra.Store(1)
	dir := mountLake(t, l, Options{})
	if _, err := os.Stat(filepath.Join(dir, logPart+".parquet")); !errors.Is(err, syscall.EIO) {
		t.Errorf("a scan with too many rows: %v; want EIO", err)
	}
	l.extra.Store(0)
	if _, err := os.Stat(filepath.Join(dir, logPart+".parquet")); err != nil {
		t.Errorf("the next try: %v", err)
	}
}

func TestConcurrentReaders(t *testing.T) {
	l := shopLake()
	dir := mountLake(t, l, Options{plain: true, CacheBytes: 1}) // everything evicts everything
	sums := sync.Map{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				for _, name := range files(dir) {
					data, err := os.ReadFile(name)
					if err != nil {
						t.Error(err)
						continue
					}
					sum := sha256.Sum256(data)
					if first, loaded := sums.LoadOrStore(name, sum); loaded && first != sum {
						t.Errorf("%s changed", name)
					}
				}
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			l.add("log", 5)
			if _, err := os.ReadDir(filepath.Join(dir, "log")); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}

// TestOneRenderForAll: a killed reader neither hangs nor takes the render of
// the others away.
func TestOneRenderForAll(t *testing.T) {
	l := shopLake()
	l.started, l.hold = make(chan string, 10), make(chan struct{})
	dir := mountLake(t, l, Options{})
	name := filepath.Join(dir, logPart+".parquet")
	killed := exec.Command("stat", name)
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	<-l.started
	patient := exec.Command("stat", name)
	if err := patient.Start(); err != nil {
		t.Fatal(err)
	}
	killed.Process.Kill()
	killed.Wait() // returns only if the mount lets the caller go
	close(l.hold)
	if err := patient.Wait(); err != nil {
		t.Errorf("the patient reader: %v", err)
	}
	if n := l.scans.Load(); n != 1 {
		t.Errorf("%d scans; want 1", n)
	}
}

func TestRenderAhead(t *testing.T) {
	l := newFakeLake()
	l.create("t", nil, "a int64")
	for range 8 {
		l.add("t", 10)
	}
	l.started = make(chan string, 100)
	dir := mountLake(t, l, Options{})
	parts := names(t, filepath.Join(dir, "t"))
	for _, name := range parts[:2] {
		if _, err := os.Stat(filepath.Join(dir, "t", name)); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for len(seen) < 3 { // two asked for, at least one ahead
		seen[<-l.started] = true
	}
}

func TestLocksAreLocal(t *testing.T) {
	dir := mountLake(t, shopLake(), Options{})
	f, err := os.Open(filepath.Join(dir, logPart+".parquet"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g, err := os.Open(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Errorf("flock: %v", err)
	}
	if err := unix.Flock(int(g.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != unix.EWOULDBLOCK {
		t.Errorf("second flock: %v; want EWOULDBLOCK", err)
	}
	lock := unix.Flock_t{Type: unix.F_RDLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock); err != nil {
		t.Errorf("fcntl lock: %v", err)
	}
}
