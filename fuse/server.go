package fuse

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/tarnlake/tarn/client/wire"
)

// Server is one mount. It is safe for concurrent use.
type Server struct {
	dir    string
	source string
	kernel *fuse.Server
	cache  *cache
	stop   context.CancelFunc // ends what is under way
	ending sync.Once
	gone   chan struct{} // closed when everything has ended

	mu        sync.Mutex
	unmounted bool
	err       error // of Unmount
}

// Mount shows lake at dir until Unmount is called, ctx is done, or somebody
// unmounts dir from outside. dir is made if it is not there; it must be empty.
// A mount that a dead process has left there is cleared away.
//
// It fails with wire.InvalidArgument for a directory that will not do, with
// wire.Unsupported where this machine or user cannot mount, and with the
// lake's own error if that does not answer.
func Mount(ctx context.Context, dir string, lake Lake, opts Options) (*Server, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := canMount(); err != nil {
		return nil, err
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	s, err := mount(ctx, life, dir, lake, opts)
	if err != nil {
		stop()
		return nil, err
	}
	s.stop = stop
	go s.serveToEnd()
	unwatch := context.AfterFunc(ctx, func() { s.Unmount() })
	go func() {
		<-s.gone
		unwatch()
	}()
	return s, nil
}

func mount(ctx, life context.Context, dir string, lake Lake, opts Options) (*Server, error) {
	catalog := newCatalog(life, lake, opts.Refresh/2, time.Now) // the kernel may add the other half
	if _, err := catalog.list(ctx); err != nil {
		return nil, err
	}
	point, err := prepare(dir)
	if err != nil {
		return nil, err
	}
	cache, err := openCache(life, opts.CacheDir, opts.CacheBytes, opts.Logger)
	if err != nil {
		return nil, err
	}
	m := &lakeFS{
		catalog: catalog, cache: cache, log: opts.Logger, started: time.Now(), dirTimeout: opts.Refresh / 2,
		owner: fuse.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())},
	}
	source := sourceName()
	kernel, err := m.serve(point, opts, source)
	if err != nil {
		cache.close()
		return nil, wire.Errorf(wire.Unsupported, "mount %s: %w", point, err)
	}
	return &Server{dir: point, source: source, kernel: kernel, cache: cache, gone: make(chan struct{})}, nil
}

// serve mounts and starts to answer the kernel. How files are read is settled
// in between, before anybody can open one.
func (m *lakeFS) serve(point string, opts Options, source string) (*fuse.Server, error) {
	o := mountOptions(opts, source)
	root := fs.NewNodeFS(&dirNode{m: m, format: formatParquet}, o)
	kernel, err := fuse.NewServer(root, point, &o.MountOptions)
	if err != nil {
		return nil, err
	}
	m.passthrough = !opts.plain && passesThrough(kernel, opts.CacheDir, opts.Logger)
	go kernel.Serve()
	if err := kernel.WaitMount(); err != nil {
		return nil, errors.Join(err, unmountOnce(point, true))
	}
	return kernel, nil
}

// canMount says in plain words what is missing.
func canMount() error {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		return wire.Errorf(wire.Unsupported, "this machine has no /dev/fuse: %w", err).WithHint("modprobe fuse   (in a container: run it with --device /dev/fuse --cap-add SYS_ADMIN)")
	}
	if os.Geteuid() == 0 {
		return nil
	}
	if _, err := exec.LookPath(fusermount); err != nil {
		return wire.Errorf(wire.Unsupported, "mounting as a user other than root needs %s: %w", fusermount, err).WithHint("sudo apt-get install fuse3")
	}
	return nil
}

func mountOptions(opts Options, source string) *fs.Options {
	o := &fs.Options{NullPermissions: true, Logger: logTo(opts.Logger)}
	o.FsName, o.Name, o.AllowOther = source, fsType, opts.AllowOther
	o.Options = []string{"default_permissions"}
	o.MaxWrite, o.MaxBackground, o.MaxInflightRequestBytes = 1<<20, 64, 256<<20
	o.DisableReadDirPlus = true // a listing must not render every part for its size
	o.DisableSplice = true      // slower than a plain copy for random reads
	o.MountOptions.Logger = o.Logger
	if os.Geteuid() == 0 {
		o.DirectMountStrict = true
		o.DirectMountFlags = syscall.MS_NOSUID | syscall.MS_NODEV
		if !opts.writable {
			o.DirectMountFlags |= syscall.MS_RDONLY
		}
	} else if !opts.writable {
		o.Options = append(o.Options, "ro")
	}
	return o
}

func logTo(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelWarn) }

// passesThrough tries once whether the kernel will read cached files without
// us. It needs Linux 6.9 and CAP_SYS_ADMIN, and a cache that does not lie on a
// stacked filesystem. go-fuse would find out at the first open, and change the
// kind of open in the middle.
func passesThrough(kernel *fuse.Server, cacheDir string, log *slog.Logger) bool {
	probe, err := os.Open(filepath.Join(cacheDir, lockFile))
	if err != nil {
		return false
	}
	defer probe.Close()
	id, no := kernel.RegisterBackingFd(&fuse.BackingMap{Fd: int32(probe.Fd())})
	if no != 0 {
		log.Info("mount: no passthrough reads; reading through this process", "cause", no.Error())
		return false
	}
	kernel.UnregisterBackingFd(id)
	return true
}

// Dir returns where the lake is mounted, as an absolute path.
func (s *Server) Dir() string { return s.dir }

// serveToEnd cleans up once the kernel has let go of the mount, whoever
// unmounted it.
func (s *Server) serveToEnd() {
	s.kernel.Wait()
	s.finish()
}

// finish ends what is under way, once.
func (s *Server) finish() {
	s.ending.Do(func() {
		s.stop()
		if err := s.leaveNothing(); err != nil {
			s.cache.log.Error("mount: could not clean up", "dir", s.dir, "cause", err)
		}
		s.cache.close()
		close(s.gone)
	})
}

// leaveNothing takes away the mount of a connection that was aborted.
func (s *Server) leaveNothing() error {
	mounts, err := ourMounts()
	if err != nil {
		return err
	}
	for _, m := range mounts {
		if m.point == s.dir && m.source == s.source {
			return unmountOnce(s.dir, true)
		}
	}
	return nil
}

// Wait returns when the lake is no longer mounted and nothing is being
// rendered any more. The error is that of Unmount, if that was called.
func (s *Server) Wait() error {
	<-s.gone
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Unmount ends the mount. If files are still open in it, it disappears from
// the tree at once, and those files stay readable while this process lives.
// Later calls do nothing and return the same.
func (s *Server) Unmount() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unmounted {
		return s.err
	}
	s.unmounted = true
	select {
	case <-s.gone:
		return nil
	default:
	}
	busy, err := unmountPoint(s.dir)
	if s.err = err; err != nil {
		return err
	}
	if busy {
		s.finish()
	}
	<-s.gone
	return nil
}
