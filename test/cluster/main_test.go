// Package cluster runs clusters of real nodes: each a process of the real
// binary, in a network namespace of its own, with directories as disks. It
// kills and stops them, cuts the network, wipes, fills and damages disks, and
// checks that no acknowledged row is lost or doubled.
//
// It needs root and ip(8), and is skipped without them.
package cluster

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

// bin is the binary under test.
var bin string

func TestMain(m *testing.M) {
	flag.Parse()
	if reason := unable(); reason != "" {
		fmt.Println("SKIP: tests of clusters of real processes:", reason)
		return
	}
	sweepDead()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		sweep(runPrefix)
		os.Exit(130)
	}()
	os.Exit(run(m))
}

// run builds the binary, runs the tests, and fails them if they leave
// anything behind.
func run(m *testing.M) (status int) {
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if os.Getenv("TARN_BIN") == "" {
		defer os.RemoveAll(filepath.Dir(bin))
	}
	status = m.Run()
	if left := leftovers(runPrefix); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "FAIL: the tests have left behind: %q\n", left)
		sweep(runPrefix)
		return 1
	}
	return status
}

// unable says why the tests cannot run here, or "".
func unable() string {
	switch _, err := exec.LookPath(ipCommand()); {
	case os.Getuid() != 0:
		return "network namespaces and mounts need root"
	case err != nil:
		return "ip(8) is not installed (Debian: iproute2)"
	}
	if out, err := exec.Command(ipCommand(), "netns", "list").CombinedOutput(); err != nil {
		return fmt.Sprintf("network namespaces cannot be used: %v %s", err, out)
	}
	return ""
}

// build makes the binary unless TARN_BIN names one.
func build() (err error) {
	if bin = os.Getenv("TARN_BIN"); bin != "" {
		bin, err = filepath.Abs(bin)
		return err
	}
	bin = filepath.Join(os.TempDir(), runPrefix+"-bin", "tarn")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", bin, "./cmd/tarn")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building tarn: %w\n%s", err, out)
	}
	return nil
}
