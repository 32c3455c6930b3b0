package engine

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"

	"github.com/tarnlake/tarn/client"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// Node is a running node of the real binary, and a client of it.
type Node struct {
	Addr   string
	Client *client.Client
	cmd    *exec.Cmd
}

var readyLine = regexp.MustCompile(`ready at ([^ ,]+)`)

// StartNode runs bin on a lake with a number of threads.
func StartNode(ctx context.Context, bin, lake string, threads int) (*Node, error) {
	n := &Node{cmd: exec.Command(bin, "server", "--dir", lake, "--listen", "127.0.0.1:0", "--http", "none", "--merge", "off", "--log-level", "warn")}
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	n.cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(threads))
	n.cmd.Stderr = os.Stderr
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w (run make build first)", err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m := readyLine.FindStringSubmatch(lines.Text()); m != nil {
			n.Addr = m[1]
			n.Client, err = client.Dial(ctx, n.Addr)
			return n, err
		}
	}
	return nil, fmt.Errorf("the node did not get ready: %v", n.cmd.Wait())
}

// Close stops the node.
func (n *Node) Close() error {
	n.Client.Close()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return n.cmd.Wait()
}

// flight asks a node through the Go client.
type flight struct{ node *Node }

func openFlight(ctx context.Context, p Place) (*flight, error) {
	n, err := StartNode(ctx, p.TarnBin, p.Lake, p.Threads)
	return &flight{n}, err
}

func (f *flight) version() string { return "" }
func (f *flight) read() int64     { return 0 }
func (f *flight) close() error    { return f.node.Close() }

func (f *flight) ask(ctx context.Context, sql string) (result, error) {
	r, err := f.node.Client.SQL(ctx, sql)
	if err != nil {
		return nil, err
	}
	out := &batches{}
	for batch, err := range r.Batches() {
		if err != nil {
			return nil, err
		}
		out.add(batch)
	}
	return out, nil
}
