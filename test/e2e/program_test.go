package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// TestForeignPut puts rows in with arrow-go's own Flight client: the table as
// path, all batches one commit.
func TestForeignPut(t *testing.T) {
	n := startNode(t, t.TempDir())
	n.tarn("table", "create", "log", "--schema", "batch int64, line int64")
	c, err := flight.NewClientWithMiddleware(n.addr, nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	stream, err := c.DoPut(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := flight.NewRecordWriter(stream, ipc.WithSchema(logBatch(1).Schema()))
	w.SetFlightDescriptor(&flight.FlightDescriptor{Type: flight.DescriptorPATH, Path: []string{"log"}})
	for id := range int64(3) {
		if err := w.Write(logBatch(id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	res, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var receipt wire.Receipt
	if err := json.Unmarshal(res.AppMetadata, &receipt); err != nil || receipt.Rows != 3*rowsPerBatch {
		t.Errorf("receipt %s, %v; want %d rows", res.AppMetadata, err, 3*rowsPerBatch)
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("after the receipt: %v; want the end", err)
	}
	n.wantQuery("SELECT count(*), sum(batch) FROM log", "21,21")
}

// TestScansSeeWholeCommits appends batches that each add up to zero, from
// several writers, while readers look: no reader ever sees another sum.
func TestScansSeeWholeCommits(t *testing.T) {
	n := startNode(t, t.TempDir())
	n.tarn("table", "create", "books", "--schema", "account int64, amount int64", "--partition-by", "bucket(4, account)", "--flush-interval", "5ms")
	c := n.dial()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writers sync.WaitGroup
	for w := range int64(3) {
		writers.Go(func() {
			for k := int64(0); ctx.Err() == nil; k++ {
				if _, err := c.Append(ctx, "books", transfer(w*1000+k)); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	looks, last := 0, ""
	for looks < 60 || last == "0" {
		r, err := c.SQL(t.Context(), "SELECT count(*), coalesce(sum(amount), 0) FROM books")
		if err != nil {
			t.Fatal(err)
		}
		for batch, err := range r.Batches() {
			if err != nil {
				t.Fatal(err)
			}
			looks++
			last = batch.Column(0).ValueStr(0)
			if sum := batch.Column(1).ValueStr(0); sum != "0" {
				t.Fatalf("version %d: %s rows add up to %s; want 0", r.Version(), last, sum)
			}
		}
	}
	cancel()
	writers.Wait()
	t.Logf("%d looks, the last at %s rows", looks, last)
}

func transfer(k int64) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "account", Type: arrow.PrimitiveTypes.Int64}, {Name: "amount", Type: arrow.PrimitiveTypes.Int64}}, nil))
	b.Field(0).(*array.Int64Builder).AppendValues([]int64{k, k + 7, k * 31}, nil)
	b.Field(1).(*array.Int64Builder).AppendValues([]int64{k, 5, -k - 5}, nil)
	return b.NewRecordBatch()
}

// TestInterruptedIngest presses Ctrl-C in the middle of a stream.
func TestInterruptedIngest(t *testing.T) {
	n := startNode(t, t.TempDir())
	n.tarn("table", "create", "t", "--schema", "id int64, at timestamp[us], name string, price decimal(10,2)")
	cmd := exec.Command(bin, "ingest", "t", "-", "--format", "csv")
	cmd.Env = append(os.Environ(), "TARN_ADDR="+n.addr)
	cmd.Dir = t.TempDir()
	var log bytes.Buffer
	cmd.Stderr = &log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writeCSV(t, in, 48<<20) // more than a batch, and the stream stays open
	cmd.Process.Signal(syscall.SIGINT)
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 130 {
		t.Errorf("status %d; want 130: %s", status, &log)
	}
	n.wantQuery("SELECT count(*) FROM t", "0")
}

// TestFullDisk fills a small disk: writing stops with a clear error, and
// reading and dropping go on.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=96m"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	n := startNode(t, dir)
	t.Cleanup(n.kill)
	n.tarn("table", "create", "t", "--schema", "id int64, noise string")
	rows := 0
	for round := range 200 {
		r := n.tryIn(noise(round), "ingest", "t", "-", "--format", "csv")
		if r.status == 0 {
			rows += 20000
			continue
		}
		if r.status != 10 || !strings.Contains(r.err, "disk full") {
			t.Fatalf("status %d; want 10 and the disk named: %s", r.status, r.err)
		}
		break
	}
	if rows == 0 || rows == 200*20000 {
		t.Fatalf("%d rows went in; want a disk that fills", rows)
	}
	n.wantQuery("SELECT count(*), count(distinct id) FROM t", fmt.Sprintf("%d,%d", rows, rows))
	n.tarn("segment", "verify", "t")
	fillUp(t, filepath.Join(dir, "of somebody else"))
	if r := n.try("table", "create", "u", "--schema", "id int64"); r.status != 10 {
		t.Errorf("create on a disk without room: status %d; want 10: %s", r.status, r.err)
	}
	n.tarn("table", "drop", "t", "--yes")
	n.tarn("status")
}

// fillUp takes all room of a disk.
func fillUp(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for chunk := make([]byte, 1<<20); len(chunk) > 0; {
		if _, err := f.Write(chunk); err != nil {
			chunk = chunk[:len(chunk)/2]
		}
	}
}

// noise is 20,000 rows that do not compress.
func noise(round int) string {
	rng := rand.New(rand.NewPCG(uint64(round), 0))
	var b strings.Builder
	b.WriteString("id,noise\n")
	for i := range 20000 {
		fmt.Fprintf(&b, "%d,%x%x%x%x\n", round*20000+i, rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64())
	}
	return b.String()
}
