package fuse

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// helperVerb makes the test binary a helper process instead: a reader that a
// blocked mount may hang, or a server that a test may kill.
const helperVerb = "TARN_FUSE_TEST_HELPER"

func TestMain(m *testing.M) {
	// A test that touches the mount that its own process serves needs a thread
	// for each side.
	runtime.GOMAXPROCS(max(4, runtime.NumCPU()))
	if verb := os.Getenv(helperVerb); verb != "" {
		if err := helpers[verb](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	mounts, err := ourMounts()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	for _, at := range mounts {
		if strings.HasPrefix(at.point, os.TempDir()) && at.source == sourceName() {
			fmt.Fprintln(os.Stderr, "leaked mount:", at)
			code = 1
		}
	}
	os.Exit(code)
}

var helpers map[string]func(args []string) error

func init() {
	helpers = map[string]func([]string) error{"read": helperRead, "serve": helperServe}
}

func helper(verb string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), helperVerb+"="+verb)
	cmd.Stderr = os.Stderr
	return cmd
}

// readPatterns are the ways in which programs read files.
var readPatterns = []string{"whole", "bytes", "random", "mmap", "direct"}

// helperRead prints size and hash of files, read by every pattern.
func helperRead(files []string) error {
	for _, name := range files {
		for _, pattern := range readPatterns {
			data, err := readBy(pattern, name)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", pattern, name, err)
			}
			info, err := os.Stat(name)
			if err != nil {
				return err
			}
			fmt.Printf("%d %d %x\n", info.Size(), len(data), sha256.Sum256(data))
		}
	}
	return nil
}

func readBy(pattern, name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	switch pattern {
	case "bytes":
		var data []byte
		one := make([]byte, 1)
		for range min(size, 20_000) { // the head byte by byte, then the rest
			if _, err := io.ReadFull(f, one); err != nil {
				return nil, err
			}
			data = append(data, one[0])
		}
		rest, err := io.ReadAll(f)
		return append(data, rest...), err
	case "random":
		return readRandom(f, size)
	case "mmap":
		mapped, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			return nil, err
		}
		defer unix.Munmap(mapped)
		return append([]byte{}, mapped...), nil
	case "direct":
		d, err := os.OpenFile(name, os.O_RDONLY|unix.O_DIRECT, 0)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		aligned, err := unix.Mmap(-1, 0, int(size+8192)&^4095, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err != nil {
			return nil, err
		}
		n, err := io.ReadFull(d, aligned)
		if err != io.ErrUnexpectedEOF {
			return nil, fmt.Errorf("read %d of %d bytes: %v", n, size, err)
		}
		return aligned[:n], nil
	}
	return io.ReadAll(f)
}

// readRandom reads pieces in random order, some of them past the end.
func readRandom(f *os.File, size int64) ([]byte, error) {
	data := make([]byte, size)
	const piece = 4099
	rng := rand.New(rand.NewPCG(1, 2))
	for _, i := range rng.Perm(int(size/piece) + 1) {
		off := int64(i) * piece
		want := min(piece, size-off)
		buf := make([]byte, piece)
		n, err := f.ReadAt(buf, off)
		if int64(n) != want || err != nil && err != io.EOF {
			return nil, fmt.Errorf("pread at %d: %d bytes, %v; want %d", off, n, err, want)
		}
		copy(data[off:], buf[:n])
	}
	return data, nil
}

// helperServe mounts a lake of one table at args[0] until it is killed.
func helperServe(args []string) error {
	lake := newFakeLake()
	lake.create("t", nil, "a int64")
	lake.add("t", 1000)
	if _, err := Mount(context.Background(), args[0], lake, Options{CacheDir: args[1], Logger: quiet}); err != nil {
		return err
	}
	fmt.Println("mounted")
	select {}
}

var quiet = slog.New(slog.DiscardHandler)

// needMount skips where nothing can be mounted.
func needMount(t testing.TB) {
	t.Helper()
	if err := canMount(); err != nil {
		t.Skip("cannot mount here:", err)
	}
	dev, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skip("cannot mount here:", err)
	}
	dev.Close()
}

// mountLake mounts l for the length of the test.
func mountLake(t testing.TB, l Lake, opts Options) string {
	t.Helper()
	needMount(t)
	if opts.CacheDir == "" {
		opts.CacheDir = t.TempDir()
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	if opts.Refresh == 0 {
		opts.Refresh = 2 * time.Nanosecond // every question is asked anew
	}
	dir := filepath.Join(t.TempDir(), "mnt")
	s, err := Mount(context.Background(), dir, l, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Unmount(); err != nil {
			t.Error(err)
		}
		if err := s.Wait(); err != nil {
			t.Error(err)
		}
	})
	return s.Dir()
}

// startServer starts helperServe and returns once it has mounted.
func startServer(t *testing.T, dir, cache string) *exec.Cmd {
	t.Helper()
	cmd := helper("serve", dir, cache)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "mounted\n" {
		t.Fatalf("server said %q, %v", line, err)
	}
	return cmd
}

// treeOf lists everything below dir: path, mode, size and time.
func treeOf(t testing.TB, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		all = append(all, fmt.Sprintf("%s %s %d %s", strings.TrimPrefix(path, dir), info.Mode(), info.Size(), info.ModTime().UTC()))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
