package index

import (
	"fmt"
	"math"
	"slices"
)

// Bloom says of a key that a segment does not have it: always right in that,
// and wrong about one key in a hundred that it lets pass. It is the
// split-block filter of Parquet over HashKey, cut into pages of 4 KiB: the
// pages one after another are the bitset of a Parquet filter. It is safe for
// concurrent use.
//
// Fields of the head: blocks u32, zero u32.
type Bloom struct {
	pages  *pages
	blocks uint64
}

const (
	bloomWords      = 8 // of 32 bits: a block
	bloomBlockBytes = 4 * bloomWords
	bloomPageBlocks = 4096 / bloomBlockBytes
	bloomMiss       = 0.01 // keys let pass in vain
)

// bloomSalt is Parquet's.
var bloomSalt = [bloomWords]uint32{0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31}

// bloomBlocks returns how many blocks n keys need.
func bloomBlocks(n int) uint64 {
	bits := -8 * float64(n) / math.Log(1-math.Pow(bloomMiss, 1.0/8))
	return max(1, uint64(math.Ceil(bits/(8*bloomBlockBytes))))
}

func bloomBlock(hash, blocks uint64) uint64 { return hash >> 32 * blocks >> 32 }

// bloomBit returns the bit of a hash in word i of its block.
func bloomBit(hash uint64, i int) uint32 { return 1 << (uint32(hash) * bloomSalt[i] >> 27) }

// bloomFilter is a filter in the making: its blocks one after another.
type bloomFilter struct {
	blocks uint64
	bits   []byte
}

// newBloomFilter has room for so many distinct keys.
func newBloomFilter(distinct int) *bloomFilter {
	blocks := bloomBlocks(distinct)
	return &bloomFilter{blocks, make([]byte, blocks*bloomBlockBytes)}
}

// add enters keys by their hashes, in any order, each as often as it comes.
func (f *bloomFilter) add(hashes []uint64) {
	last := uint64(0)
	for i, h := range hashes {
		if i > 0 && h == last {
			continue // keys often stand together
		}
		last = h
		at := (*[bloomBlockBytes]byte)(f.bits[bloomBlock(h, f.blocks)*bloomBlockBytes:])
		for i := range bloomWords {
			le.PutUint32(at[4*i:], le.Uint32(at[4*i:])|bloomBit(h, i))
		}
	}
}

// section returns the section of the filter.
func (f *bloomFilter) section() []byte {
	fields := le.AppendUint32(nil, uint32(f.blocks))
	fields = le.AppendUint32(fields, 0)
	return pagesOf(fields, slices.Collect(slices.Chunk(f.bits, bloomPageBlocks*bloomBlockBytes)))
}

// OpenBloom opens the filter in a section of size bytes. One of a version that
// this code does not know is nil.
func OpenBloom(read ReadFunc, size uint64) (*Bloom, error) {
	p, c, err := openPages(read, size)
	if p == nil || err != nil {
		return nil, err
	}
	f := &Bloom{p, uint64(c.u32())}
	c.zero(4)
	if err := c.done(); err != nil {
		return nil, err
	}
	if f.blocks == 0 || p.n != int((f.blocks+bloomPageBlocks-1)/bloomPageBlocks) || p.end(p.n-1) != f.blocks*bloomBlockBytes {
		return nil, fmt.Errorf("%d blocks in %d pages", f.blocks, p.n)
	}
	return f, nil
}

// Held returns the bytes of memory that it takes.
func (f *Bloom) Held() int {
	if f == nil {
		return 0
	}
	return f.pages.held()
}

// MayHold reports whether the segment may hold a key with that hash.
func (f *Bloom) MayHold(hash uint64) (bool, error) {
	block := bloomBlock(hash, f.blocks)
	page, err := f.pages.page(int(block / bloomPageBlocks))
	if err != nil {
		return false, err
	}
	at := block % bloomPageBlocks * bloomBlockBytes
	if at+bloomBlockBytes > uint64(len(page)) {
		return false, fmt.Errorf("block %d is not in its page", block)
	}
	for i := range bloomWords {
		if bit := bloomBit(hash, i); le.Uint32(page[at+uint64(4*i):])&bit == 0 {
			return false, nil
		}
	}
	return true, nil
}

// Check reads every page.
func (f *Bloom) Check() error { return f.pages.checkAll() }

func (p *pages) checkAll() error {
	for i := range p.n {
		if _, err := p.page(i); err != nil {
			return err
		}
	}
	return nil
}
