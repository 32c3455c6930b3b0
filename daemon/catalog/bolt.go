package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"

	"github.com/tarnlake/tarn/client/wire"
)

// bbolt keeps two meta pages, the newest and the one before it, and falls
// back to the older where the newer does not hold its checksum. What was
// acknowledged in between would be gone without a word. A crash cannot tear a
// meta, which lies in one sector, so one that does not hold is damage.
const (
	boltPageHead = 16 // before a page's content
	boltMetaSize = 64 // magic, version, page size, flags, root (16), freelist, pages, txid, checksum
	boltMagic    = 0xED0CDAED
)

// checkMetas refuses a log whose meta pages are not both whole, and returns the
// size of its pages.
func checkMetas(f io.ReaderAt) (size int64, err error) {
	if size, err = boltPageSize(f); err != nil {
		return 0, err
	}
	for page := range int64(2) {
		if err := checkMeta(f, page*size); err != nil {
			return 0, fmt.Errorf("meta page %d: %w", page, err)
		}
	}
	return size, nil
}

func damagedLog(path string, err error) error {
	return wire.Errorf(wire.Corrupt, "the catalog's log %s is damaged: %w", path, err).
		WithHint("delete nothing: commits that were acknowledged may be in it; bring the file back from a copy; or, if other nodes have a majority, let this one join anew in an empty directory; or tarn recover --from-disks --dir DIR")
}

// boltPageSize finds the page size of a file in either of its metas.
func boltPageSize(f io.ReaderAt) (int64, error) {
	if checkMeta(f, 0) == nil {
		var b [4]byte
		_, err := f.ReadAt(b[:], boltPageHead+8)
		return int64(binary.LittleEndian.Uint32(b[:])), err
	}
	return 0, errors.New("meta page 0 does not hold its checksum")
}

func checkMeta(f io.ReaderAt, at int64) error {
	var b [boltMetaSize]byte
	if _, err := f.ReadAt(b[:], at+boltPageHead); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(b[:]) != boltMagic {
		return errors.New("it is none")
	}
	sum := fnv.New64a()
	sum.Write(b[:boltMetaSize-8])
	if sum.Sum64() != binary.LittleEndian.Uint64(b[boltMetaSize-8:]) {
		return errors.New("it does not hold its checksum")
	}
	return nil
}
