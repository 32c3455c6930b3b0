package catalog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/tarnlake/tarn/client/wire"
	"golang.org/x/sys/unix"
)

// bbolt maps its file and believes it: one wrong pointer in a page is a fault of
// the whole process, in goroutines of its own. So all pages that its newest meta
// reaches are read before it opens the file: kinds, bounds, order of keys, and
// that no page is reached twice.

// boltPages is one look at all pages.
type boltPages struct {
	f        io.ReaderAt
	pageSize uint64
	pages    uint64 // of the file that are in use or free; those behind were never used
	reached  map[uint64]bool
}

const (
	boltElement    = 16 // of a branch or leaf page, before the keys
	boltBucketHead = 16 // root and sequence
	boltDepth      = 32 // more than any tree has
	boltBranch     = 1  // flags of pages
	boltLeaf       = 2
	boltIsBucket   = 1 // flag of a leaf element
	boltNoFreelist = 1<<64 - 1
)

var le = binary.LittleEndian

// checkLog refuses a log that is damaged, or that another process writes
// (wire.Conflict). One that is not there is bbolt's to make.
func checkLog(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err // made and never written to
	}
	size, err := checkMetas(f)
	if err != nil {
		return damagedLog(path, err)
	}
	err = walkPages(f, info.Size(), size)
	if err != nil && errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK) {
		return inUse(path) // it changes while it is read
	}
	if err != nil {
		return damagedLog(path, err)
	}
	return nil
}

func inUse(path string) error {
	return wire.Errorf(wire.Conflict, "the catalog's log %s is in use by another process", path).
		WithHint("stop the other server, or give this one another directory")
}

func walkPages(f io.ReaderAt, bytes, size int64) error {
	meta, err := newestMeta(f, size)
	if err != nil {
		return err
	}
	w := &boltPages{f: f, pageSize: uint64(size), pages: le.Uint64(meta[40:]), reached: map[uint64]bool{0: true, 1: true}}
	if size < 512 || w.pages > uint64(bytes)/w.pageSize {
		return fmt.Errorf("its %d pages of %d bytes do not fit into %d bytes", w.pages, size, bytes)
	}
	if le.Uint64(meta[32:]) != boltNoFreelist {
		return errors.New("it has a list of free pages, which no log of Tarn's has")
	}
	return w.root(le.Uint64(meta[16:]))
}

// newestMeta returns the content of the meta page that bbolt goes by.
func newestMeta(f io.ReaderAt, pageSize int64) ([]byte, error) {
	var metas [2][boltMetaSize]byte
	for i := range metas {
		if _, err := f.ReadAt(metas[i][:], int64(i)*pageSize+boltPageHead); err != nil {
			return nil, err
		}
	}
	if le.Uint64(metas[1][48:]) > le.Uint64(metas[0][48:]) {
		return metas[1][:], nil
	}
	return metas[0][:], nil
}

// root checks the buckets that raft's store has. One that is not there would be
// made anew, without what was in it.
func (w *boltPages) root(id uint64) error {
	buckets := map[string]bool{}
	err := w.tree(id, nil, nil, 0, func(key, _ []byte, bucket bool) error {
		buckets[string(key)] = bucket
		return nil
	})
	if err == nil && !(len(buckets) == 2 && buckets["logs"] && buckets["conf"]) {
		err = errors.New("it does not have the parts that it should")
	}
	return err
}

// page reads a page with all that hangs over.
func (w *boltPages) page(id uint64) ([]byte, error) {
	if id < 2 || id >= w.pages {
		return nil, fmt.Errorf("there is no page %d", id)
	}
	head := make([]byte, boltPageHead)
	if _, err := w.f.ReadAt(head, int64(id*w.pageSize)); err != nil {
		return nil, err
	}
	over := uint64(le.Uint32(head[12:]))
	if le.Uint64(head) != id || over >= w.pages-id {
		return nil, fmt.Errorf("page %d does not say that it is it, or goes past the end", id)
	}
	for i := id; i <= id+over; i++ {
		if w.reached[i] {
			return nil, fmt.Errorf("page %d is used twice", i)
		}
		w.reached[i] = true
	}
	b := make([]byte, (over+1)*w.pageSize)
	_, err := w.f.ReadAt(b, int64(id*w.pageSize))
	return b, err
}

// tree checks a page and those below it. Its keys are from low on, and below
// high if that is not nil.
func (w *boltPages) tree(id uint64, low, high []byte, depth int, each func(key, value []byte, bucket bool) error) error {
	b, err := w.page(id)
	if err != nil {
		return err
	}
	switch flags := le.Uint16(b[8:]); {
	case depth > boltDepth:
		return fmt.Errorf("page %d is too deep", id)
	case flags == boltBranch:
		err = w.branch(b, low, high, depth, each)
	case flags == boltLeaf:
		err = w.leaf(b, low, high, each)
	default:
		err = fmt.Errorf("it is of no known kind (%#x)", flags)
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

// element returns where element i points to: n bytes from it on.
func element(b []byte, i int, at, n uint64) ([]byte, error) {
	from := boltPageHead + uint64(i)*boltElement + at
	if count := uint64(le.Uint16(b[10:])); from < boltPageHead+count*boltElement || from > uint64(len(b)) || n > uint64(len(b))-from {
		return nil, fmt.Errorf("element %d is not within it", i)
	}
	return b[from : from+n : from+n], nil
}

// elements returns those of a page, each of 16 bytes.
func elements(b []byte) ([][]byte, error) {
	all := make([][]byte, le.Uint16(b[10:]))
	for i := range all {
		from := boltPageHead + i*boltElement
		if from+boltElement > len(b) {
			return nil, fmt.Errorf("its %d elements are not within it", len(all))
		}
		all[i] = b[from : from+boltElement]
	}
	return all, nil
}

func (w *boltPages) branch(b, low, high []byte, depth int, each func(key, value []byte, bucket bool) error) error {
	all, err := elements(b)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return errors.New("it branches to nothing")
	}
	keys := make([][]byte, len(all))
	for i, e := range all {
		if keys[i], err = element(b, i, uint64(le.Uint32(e)), uint64(le.Uint32(e[4:]))); err != nil {
			return err
		}
	}
	if err := ordered(keys, low, high); err != nil {
		return err
	}
	for i, e := range all {
		next := high
		if i+1 < len(keys) {
			next = keys[i+1]
		}
		if err := w.tree(le.Uint64(e[8:]), keys[i], next, depth+1, each); err != nil {
			return err
		}
	}
	return nil
}

func (w *boltPages) leaf(b, low, high []byte, each func(key, value []byte, bucket bool) error) error {
	all, err := elements(b)
	if err != nil {
		return err
	}
	keys := make([][]byte, len(all))
	for i, e := range all {
		ksize, vsize := uint64(le.Uint32(e[8:])), uint64(le.Uint32(e[12:]))
		pair, err := element(b, i, uint64(le.Uint32(e[4:])), ksize+vsize)
		if err != nil {
			return err
		}
		keys[i] = pair[:ksize]
		bucket := le.Uint32(e) == boltIsBucket
		if !bucket && le.Uint32(e) != 0 {
			return fmt.Errorf("element %d is of no known kind", i)
		}
		if bucket {
			if err := w.bucket(pair[ksize:]); err != nil {
				return err
			}
		}
		if err := each(keys[i], pair[ksize:], bucket); err != nil {
			return err
		}
	}
	return ordered(keys, low, high)
}

// bucket checks what an element says of a bucket: its root, or all of it where
// it is small. There are none in it.
func (w *boltPages) bucket(b []byte) error {
	if len(b) < boltBucketHead {
		return errors.New("a bucket ends early")
	}
	plain := func(_, _ []byte, bucket bool) error {
		if bucket {
			return errors.New("there is a bucket in a bucket")
		}
		return nil
	}
	if root := le.Uint64(b); root != 0 {
		return w.tree(root, nil, nil, 0, plain)
	}
	if b = b[boltBucketHead:]; len(b) < boltPageHead || le.Uint16(b[8:]) != boltLeaf {
		return errors.New("a bucket has no page")
	}
	return w.leaf(b, nil, nil, plain)
}

func ordered(keys [][]byte, low, high []byte) error {
	for i, k := range keys {
		if i > 0 && bytes.Compare(keys[i-1], k) >= 0 || bytes.Compare(k, low) < 0 || high != nil && bytes.Compare(k, high) >= 0 {
			return fmt.Errorf("key %d is out of order", i)
		}
	}
	return nil
}
