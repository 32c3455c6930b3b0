package tiering

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/zeebo/xxh3"
)

// header is medium.json. It reaches disk: names may be added, never changed.
// Checksum is the xxh3-128 of the same JSON with an empty checksum.
type header struct {
	Format   string `json:"format"`  // headerFormat
	Version  int    `json:"version"` // headerVersion
	Medium   string `json:"medium"`  // UUID
	Cluster  string `json:"cluster"` // UUID
	Checksum string `json:"checksum"`
}

const (
	headerFormat   = "tarn medium"
	headerVersion  = 1
	maxHeaderBytes = 4096
)

func (h header) sum() string {
	h.Checksum = ""
	b, _ := json.Marshal(h) // strings and a number: cannot fail
	return hashText(xxh3.Hash128(b))
}

func hashText(sum xxh3.Uint128) string {
	b := sum.Bytes()
	return hex.EncodeToString(b[:])
}

// Format makes dir the medium id of a cluster. The directory may exist; it is
// refused when it is a medium already or holds anything but what a Format
// that was cut off left behind. The header is written last, so that a medium
// is whole or none.
func Format(fsys FS, dir, cluster, id string) error {
	if cluster == "" || id == "" {
		return fmt.Errorf("format %s: a medium needs its own id and that of its cluster", dir)
	}
	if err := mkdir(fsys, dir); err != nil {
		return err
	}
	if err := checkVirgin(fsys, dir); err != nil {
		return err
	}
	if err := makeDirs(fsys, dir); err != nil {
		return err
	}
	return writeHeader(fsys, dir, header{Format: headerFormat, Version: headerVersion, Medium: id, Cluster: cluster})
}

// checkVirgin refuses a directory that somebody may miss.
func checkVirgin(fsys FS, dir string) error {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == headerName }) {
		return fmt.Errorf("format %s: it is a medium already (it holds %s)", dir, headerName)
	}
	for _, e := range entries {
		switch e.Name() {
		case dataDir, tmpDir, trashDir, checkpointDir:
			err = checkNoFiles(fsys, filepath.Join(dir, e.Name()))
		case headerName + ".tmp", "lost+found":
		default:
			err = fmt.Errorf("format %s: it is not empty (it holds %q); choose an empty directory", dir, e.Name())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func checkNoFiles(fsys FS, dir string) error {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		at := filepath.Join(dir, e.Name())
		if !e.IsDir() {
			return fmt.Errorf("format: there are files of a medium that has lost its %s, such as %s; nothing was touched", headerName, at)
		}
		if err := checkNoFiles(fsys, at); err != nil {
			return err
		}
	}
	return nil
}

func makeDirs(fsys FS, dir string) error {
	for _, name := range []string{tmpDir, trashDir, dataDir} {
		if err := mkdir(fsys, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	data := filepath.Join(dir, dataDir)
	for i := range fanCount {
		if err := mkdir(fsys, filepath.Join(data, fanName(byte(i)))); err != nil {
			return err
		}
	}
	return fsys.SyncDir(data)
}

func mkdir(fsys FS, dir string) error {
	if err := fsys.Mkdir(dir, modeDir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func writeHeader(fsys FS, dir string, h header) error {
	h.Checksum = h.sum()
	b, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return err
	}
	at := filepath.Join(dir, headerName)
	if err := fsys.Remove(at + ".tmp"); err != nil && !IsNotExist(err) {
		return err
	}
	f, err := fsys.Create(at+".tmp", modeMember)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(at+".tmp", at); err != nil {
		return err
	}
	return errors.Join(fsys.SyncDir(dir), fsys.SyncDir(filepath.Dir(dir)))
}

// Mount opens the medium in dir. It refuses a directory without a header (a
// disk that is not mounted looks like that), a damaged header, a medium of
// another cluster and a newer format. It changes nothing on the disk.
func Mount(fsys FS, dir, cluster string) (*Medium, error) {
	h, err := readHeader(fsys, dir)
	if err != nil {
		return nil, err
	}
	if h.Cluster != cluster {
		return nil, fmt.Errorf("mount %s: the medium belongs to cluster %s, not to %s", dir, h.Cluster, cluster)
	}
	if err := checkDirs(fsys, dir); err != nil {
		return nil, err
	}
	m := &Medium{fs: fsys, dir: dir, header: h}
	m.SetReserve(-1)
	return m, nil
}

// ClusterOf returns the cluster that the medium in dir was formatted for.
func ClusterOf(fsys FS, dir string) (string, error) {
	h, err := readHeader(fsys, dir)
	return h.Cluster, err
}

func readHeader(fsys FS, dir string) (header, error) {
	at := filepath.Join(dir, headerName)
	f, err := fsys.Open(at)
	if IsNotExist(err) {
		return header{}, fmt.Errorf("mount %s: there is no %s: the directory is not a medium, or its disk is not mounted: %w", dir, headerName, err)
	}
	if err != nil {
		return header{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, maxHeaderBytes))
	if err != nil {
		return header{}, fmt.Errorf("read %s: %w", at, err)
	}
	h, err := parseHeader(b)
	if err != nil {
		return h, fmt.Errorf("mount %s: %s %w", dir, headerName, err)
	}
	return h, nil
}

// parseHeader reads and checks the bytes of a header.
func parseHeader(b []byte) (header, error) {
	var h header
	if err := json.Unmarshal(b, &h); err != nil {
		return h, fmt.Errorf("is damaged: %w", err)
	}
	switch {
	case h.Format != headerFormat:
		return h, fmt.Errorf("has the format %.40q, not %q", h.Format, headerFormat)
	case h.Version > headerVersion: // before the checksum, whose rule may have changed
		return h, fmt.Errorf("has version %d; this build knows %d: use a newer build", h.Version, headerVersion)
	case h.Version < 1 || h.Checksum != h.sum():
		return h, errors.New("is damaged: its checksum does not match")
	}
	return h, nil
}

func checkDirs(fsys FS, dir string) error {
	for _, name := range []string{tmpDir, trashDir} {
		if _, err := fsys.ReadDir(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	entries, err := fsys.ReadDir(filepath.Join(dir, dataDir))
	if err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	there := map[string]bool{}
	for _, e := range entries {
		there[e.Name()] = e.IsDir()
	}
	for i := range fanCount {
		if name := fanName(byte(i)); !there[name] {
			return fmt.Errorf("mount %s: directory %s/%s is missing: the filesystem is damaged", dir, dataDir, name)
		}
	}
	return nil
}
