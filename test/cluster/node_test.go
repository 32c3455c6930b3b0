package cluster

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// node is one node of a cluster, running or not.
type node struct {
	t     testing.TB
	name  string
	host  string   // network namespace
	addr  string   // of Flight and everything else
	ip    string   // that it listens on
	dir   string   // its --dir
	disks []string // its --disk
	log   string   // file of all its lives

	cmd   *exec.Cmd // nil: it does not run
	ready chan struct{}
	ended chan struct{}
}

// launch starts the process and does not wait until it serves: nodes that
// start together wait for each other.
func (n *node) launch(more ...string) {
	n.t.Helper()
	args := []string{"netns", "exec", n.host, bin, "server", "--dir", n.dir, "--name", n.name,
		"--listen", n.addr, "--gossip", n.ip + ":7462", "--http", n.ip + ":7461"}
	for _, d := range n.disks {
		args = append(args, "--disk", d)
	}
	n.cmd = exec.Command(ipCommand(), append(args, more...)...)
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	defer log.Close()
	fmt.Fprintf(log, "---- tarn %s\n", strings.Join(args[4:], " "))
	n.cmd.Stderr = log
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.ready, n.ended = make(chan struct{}), make(chan struct{})
	go watch(n.cmd, out, n.ready, n.ended)
}

// watch closes ready when the node says that it is, and ended at its end.
func watch(cmd *exec.Cmd, out io.Reader, ready, ended chan struct{}) {
	said := sync.OnceFunc(func() { close(ready) })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "tarn: ready") {
			said()
		}
	}
	_ = cmd.Wait() // how it ended is for the log
	close(ended)
}

// wait returns when the node serves.
func (n *node) wait() {
	n.t.Helper()
	select {
	case <-n.ready:
	case <-n.ended:
		n.t.Fatalf("%s has ended at its start: %s", n.name, n.tail())
	case <-after(patience):
		n.t.Fatalf("%s does not become ready: %s", n.name, n.tail())
	}
}

func (n *node) start(more ...string) {
	n.t.Helper()
	n.launch(more...)
	n.wait()
}

func (n *node) signal(s syscall.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		n.t.Fatalf("%s: signal %v: %v", n.name, s, err)
	}
}

// kill is kill -9.
func (n *node) kill() {
	n.t.Helper()
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Kill() // it may have ended
	<-n.ended
	n.cmd = nil
}

// stop asks the node to end, and wants it to end well.
func (n *node) stop() {
	n.t.Helper()
	n.signal(syscall.SIGTERM)
	select {
	case <-n.ended:
	case <-after(patience):
		n.t.Fatalf("%s does not stop: %s", n.name, n.tail())
	}
	if code := n.cmd.ProcessState.ExitCode(); code != 0 {
		n.t.Errorf("%s stopped with status %d; want 0: %s", n.name, code, n.tail())
	}
	n.cmd = nil
}

// freeze stops the process as a machine that hangs would; thaw lets it go on.
func (n *node) freeze() { n.signal(syscall.SIGSTOP) }
func (n *node) thaw()   { n.signal(syscall.SIGCONT) }

// tail is the end of the node's log.
func (n *node) tail() string {
	b, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-3000):])
}

// files returns the member files on a disk of the node.
func (n *node) files(disk int) []string {
	n.t.Helper()
	all, err := filepath.Glob(filepath.Join(n.disks[disk], "data", "*", "*"))
	if err != nil {
		n.t.Fatal(err)
	}
	return all
}
