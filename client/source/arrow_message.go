package source

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
)

// One IPC message is in memory whole: that is how the format works.
const (
	maxIPCMetadata = 64 << 20
	maxIPCBody     = 1 << 30
)

const fileMagic = "ARROW1"

// ipcMessages reads the messages of an Arrow stream, or of an Arrow file: that
// is a stream between two marks, with an index behind it that reading from
// front to back does not need. Each message is verified before anything looks
// at it, and no count is believed that the bytes do not bear out.
//
//	file    "ARROW1" 0 0, stream, index, "ARROW1"
//	message [ffffffff] length of metadata, metadata, body
//	end     [ffffffff] 0
type ipcMessages struct {
	r      *bufio.Reader
	mem    memory.Allocator
	isFile bool
}

func newIPCMessages(r *bufio.Reader, mem memory.Allocator) (*ipcMessages, error) {
	head, err := r.Peek(8)
	if err != nil {
		return nil, fmt.Errorf("read: %w", noEOF(err))
	}
	m := &ipcMessages{r: r, mem: mem, isFile: bytes.HasPrefix(head, []byte(fileMagic))}
	if m.isFile {
		_, err = r.Discard(8)
	}
	return m, err
}

// Message implements ipc.MessageReader.
func (m *ipcMessages) Message() (*ipc.Message, error) {
	n, err := m.metadataLength()
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, m.end()
	}
	if n > maxIPCMetadata {
		return nil, fmt.Errorf("metadata of %d bytes; at most %d are read", n, maxIPCMetadata)
	}
	meta := make([]byte, n)
	if _, err := io.ReadFull(m.r, meta); err != nil {
		return nil, noEOF(err)
	}
	message, err := wire.VerifyMessage(meta)
	if err != nil {
		return nil, err
	}
	if message.BodyBytes < 0 || message.BodyBytes > maxIPCBody {
		return nil, fmt.Errorf("a message of %d bytes; at most %d are read: write smaller batches", message.BodyBytes, maxIPCBody)
	}
	body, err := m.body(message.BodyBytes)
	if err != nil {
		return nil, err
	}
	return ipc.NewMessage(memory.NewBufferBytes(meta), memory.NewBufferBytes(body)), nil
}

// metadataLength returns 0 at the end of the stream. A stream, but not a
// file, may also just stop.
func (m *ipcMessages) metadataLength() (uint32, error) {
	var word [4]byte
	_, err := io.ReadFull(m.r, word[:])
	if errors.Is(err, io.EOF) && !m.isFile {
		return 0, io.EOF
	}
	if err == nil && binary.LittleEndian.Uint32(word[:]) == 0xffffffff {
		_, err = io.ReadFull(m.r, word[:])
	}
	return binary.LittleEndian.Uint32(word[:]), noEOF(err)
}

// body grows as bytes arrive: a length that the file does not bear out costs
// nothing.
func (m *ipcMessages) body(n int64) ([]byte, error) {
	if n <= 1<<20 {
		buf := m.mem.Allocate(int(n))
		_, err := io.ReadFull(m.r, buf)
		return buf, noEOF(err)
	}
	var buf bytes.Buffer
	if _, err := io.CopyN(&buf, m.r, n); err != nil {
		return nil, noEOF(err)
	}
	return buf.Bytes(), nil
}

// end says that the stream is over; a file must have its second mark too,
// else it was cut off.
func (m *ipcMessages) end() error {
	if !m.isFile {
		return io.EOF
	}
	var tail [len(fileMagic)]byte
	buf := make([]byte, 32<<10)
	for {
		n, err := m.r.Read(buf)
		joined := append(tail[:], buf[:n]...)
		copy(tail[:], joined[len(joined)-len(tail):])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if string(tail[:]) != fileMagic {
		return errors.New("the end of the file is missing")
	}
	return io.EOF
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Retain implements ipc.MessageReader; memory is the garbage collector's.
func (m *ipcMessages) Retain() {}

// Release implements ipc.MessageReader.
func (m *ipcMessages) Release() {}
