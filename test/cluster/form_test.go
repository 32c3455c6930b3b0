package cluster

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestForms3(t *testing.T) { forms(t, 3) }
func TestForms5(t *testing.T) { long(t); forms(t, 5) }

// forms makes a cluster, writes through each node and reads through each.
func forms(t *testing.T, n int) {
	c := newCluster(t, n)
	w := newWorkload(c, "log")
	for _, node := range c.nodes {
		w.append(c.dialAt(node.addr), patience)
	}
	w.check()
	c.verify(c.nodes[0], "log")
}

// TestInterruptLeavesNothing presses Ctrl-C while a cluster runs: another
// process of this test binary makes one, and waits.
func TestInterruptLeavesNothing(t *testing.T) {
	if os.Getenv("TARN_WAIT_FOR_INTERRUPT") != "" {
		newCluster(t, 1)
		if _, err := os.Stdout.WriteString("cluster formed\n"); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestInterruptLeavesNothing$")
	cmd.Env = append(os.Environ(), "TARN_WAIT_FOR_INTERRUPT=1", "TARN_BIN="+bin)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for b := make([]byte, 512); !strings.Contains(said.String(), "cluster formed"); {
		k, err := out.Read(b)
		said.Write(b[:k])
		if err != nil {
			t.Fatalf("%v; it said %q", err, &said)
		}
	}
	if len(leftovers(prefixOf(cmd.Process.Pid))) == 0 {
		t.Error("nothing is there to be removed: the test shows nothing")
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("it ended with %v; want status 130", err)
	}
	if left := leftovers(prefixOf(cmd.Process.Pid)); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
