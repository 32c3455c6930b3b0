package sink

import (
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// arrowSink writes the Arrow IPC file format, uncompressed: every Arrow
// library reads it, and may map it into memory.
type arrowSink struct{ *ipc.FileWriter }

func newArrow(w io.Writer, s *arrow.Schema) (Sink, error) {
	f, err := ipc.NewFileWriter(w, ipc.WithSchema(s), ipc.WithAllocator(mem))
	if err != nil {
		return nil, err
	}
	return arrowSink{f}, nil
}
