package codec

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/tarnlake/tarn/format/kern"
)

// Zstd: one frame (RFC 8878) of what Raw would hold, for words and blobs. No
// parameter: the size is known from the count.

// minZstd is the least number of bytes worth a frame.
const minZstd = 256

// saves reports whether a frame of n bytes is worth its decoding: a sixth.
func saves(n, raw int) bool { return n <= raw-raw/6 }

// Encoders and decoders cost megabytes to set up; both are kept for the next
// page. One goroutine each: pages are what runs in parallel.
var (
	fastEncoders    = sync.Pool{New: func() any { return newZstd(zstd.SpeedFastest) }}
	compactEncoders = sync.Pool{New: func() any { return newZstd(zstd.SpeedBetterCompression) }}
	decoders        = sync.Pool{New: func() any { return newUnzstd() }}
)

func newZstd(level zstd.EncoderLevel) *zstd.Encoder {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithAllLitEntropyCompression(true), zstd.WithWindowSize(1<<20), zstd.WithZeroFrames(true))
	if err != nil {
		panic(fmt.Sprintf("BUG: zstd encoder: %v", err))
	}
	return w
}

// newUnzstd makes a decoder that never writes past the capacity it is given.
func newUnzstd() *zstd.Decoder {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxMemory(MaxPageValues))
	if err != nil {
		panic(fmt.Sprintf("BUG: zstd decoder: %v", err))
	}
	return r
}

// compress returns a frame of b.
func (e *Encoder) compress(b []byte) []byte {
	pool := &fastEncoders
	if e.profile == Compact {
		pool = &compactEncoders
	}
	w := pool.Get().(*zstd.Encoder)
	defer pool.Put(w)
	return w.EncodeAll(b, make([]byte, 0, len(b)/2+64))
}

// planZstd prices a frame by making it.
func planZstd[T kern.Uint](e *Encoder, plan *intPlan[T], v []T) {
	frame := e.compress(bytesOf(v))
	if !saves(len(frame), plan.cost) {
		return
	}
	plan.offer(len(frame), costZstdSmall, func() {
		e.node(Zstd, shapeOf[T](), len(v), 0)
		e.buffer(frame)
	})
}

// getZstd fills dst from the frame in the next buffer.
func getZstd(d *Decoder, n node, dst []byte) error {
	if err := n.noParam(); err != nil {
		return err
	}
	frame, err := d.anyBuffer()
	if err != nil {
		return err
	}
	r := decoders.Get().(*zstd.Decoder)
	defer decoders.Put(r)
	out, err := r.DecodeAll(frame, dst[:0:len(dst)])
	switch {
	case err != nil:
		return fmt.Errorf("zstd: %w", err)
	case len(out) != len(dst):
		return fmt.Errorf("zstd frame of %d bytes; want %d", len(out), len(dst))
	case len(dst) > 0 && &out[0] != &dst[0]:
		panic("BUG: zstd decoded into memory of its own")
	}
	return nil
}
