package fuse

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"sort"

	"github.com/apache/arrow-go/v18/parquet/metadata"
)

// settleFooter brings the footer of a Parquet file into one order, in place.
// arrow-go (18.8.0) writes the encoding statistics of a column chunk in the
// order of a Go map, so that the same rows make files that differ in a few
// bytes, and a rendering must not.
func settleFooter(f *os.File) error {
	at, footer, err := readFooter(f)
	if err != nil {
		return err
	}
	meta, err := metadata.NewFileMetaData(footer, nil)
	if err != nil {
		return fmt.Errorf("parquet footer: %w", err)
	}
	for _, group := range meta.RowGroups {
		for _, column := range group.Columns {
			stats := column.MetaData.EncodingStats
			sort.Slice(stats, func(i, j int) bool { // the element type is internal to arrow-go: slices.SortFunc cannot name it
				if stats[i].PageType != stats[j].PageType {
					return stats[i].PageType > stats[j].PageType // dictionary pages first, as written
				}
				return stats[i].Encoding < stats[j].Encoding
			})
		}
	}
	var settled bytes.Buffer
	if _, err := meta.WriteTo(&settled, nil); err != nil {
		return fmt.Errorf("parquet footer: %w", err)
	}
	if settled.Len() != len(footer) {
		return fmt.Errorf("parquet footer: %d bytes became %d in another order", len(footer), settled.Len())
	}
	_, err = f.WriteAt(settled.Bytes(), at)
	return err
}

// readFooter returns the footer of a Parquet file and where it begins: before
// the last 8 bytes, which tell its length.
func readFooter(f *os.File) (at int64, footer []byte, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, nil, err
	}
	var tail [8]byte
	if _, err := f.ReadAt(tail[:], info.Size()-8); err != nil {
		return 0, nil, fmt.Errorf("parquet footer: %w", err)
	}
	n := int64(binary.LittleEndian.Uint32(tail[:]))
	if at = info.Size() - 8 - n; at < 4 || string(tail[4:]) != "PAR1" {
		return 0, nil, fmt.Errorf("parquet footer: a length of %d in a file of %d bytes", n, info.Size())
	}
	footer = make([]byte, n)
	_, err = f.ReadAt(footer, at)
	return at, footer, err
}
