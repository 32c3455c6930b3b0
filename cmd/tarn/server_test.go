package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/daemon"
)

// TestServer starts a node with the command, talks to it and stops it as a
// signal would.
func TestServer(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r, w := io.Pipe()
	done := make(chan int, 1)
	var errs bytes.Buffer
	go func() {
		done <- run(ctx, []string{"server", "--dir", t.TempDir(), "--listen", "127.0.0.1:0", "--http", "none", "--log-level", "error"},
			streams{in: strings.NewReader(""), out: w, err: &errs, getenv: func(string) string { return "" }})
		w.Close()
	}()
	line := make([]byte, 256)
	n, err := r.Read(line)
	m := regexp.MustCompile(`^tarn: ready at (\S+), lake in \S+\n$`).FindSubmatch(line[:n])
	if m == nil {
		t.Fatalf("ready line is %q, %v", line[:n], err)
	}
	c := offline(t)
	c.run("status", "--addr", string(m[1])).matches("^node .* ready")
	stop()
	if code := <-done; code != 0 {
		t.Errorf("exit code %d after a signal; want 0 (%s)", code, errs.String())
	}
}

// configOf runs the server command up to the configuration that it settles.
func configOf(t *testing.T, env map[string]string, args ...string) (cfg daemon.Config, err error) {
	t.Helper()
	a := &app{streams: streams{out: io.Discard, err: io.Discard, getenv: func(name string) string { return env[name] }}}
	c := a.serverCommand()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.RunE = func(c *cobra.Command, _ []string) error { cfg, err = a.serverConfig(c); return nil }
	c.SetArgs(args)
	if err := c.Execute(); err != nil {
		t.Fatal(err)
	}
	return cfg, err
}

func TestConfigPrecedence(t *testing.T) {
	c := offline(t)
	c.write("tarn.toml", "dir = \"/file\"\nlisten = \"file:1\"\nhttp = \"file:2\"\nmemory_limit = \"1GiB\"\n")
	file := c.dir + "/tarn.toml"
	cfg, err := configOf(t, map[string]string{"TARN_LISTEN": "env:1", "TARN_HTTP": "env:2"}, "--config", file, "--http", "flag:2")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Dir != "/file" || cfg.Listen != "env:1" || cfg.HTTP != "flag:2" || cfg.MemoryLimit != 1<<30 {
		t.Errorf("got %+v; want dir of the file, listen of the environment, http of the flag", cfg)
	}
	if cfg, err = configOf(t, map[string]string{"TARN_CONFIG": file}); err != nil || cfg.Dir != "/file" {
		t.Errorf("TARN_CONFIG: got %+v, %v", cfg, err)
	}
	if cfg, err = configOf(t, nil, "--dir", "d"); err != nil || cfg.Listen != "127.0.0.1:7460" || cfg.HTTP != "127.0.0.1:7461" {
		t.Errorf("defaults: got %+v, %v", cfg, err)
	}
}

func TestConfigErrors(t *testing.T) {
	for _, c := range []struct{ toml, want string }{
		{"dir = \"x\"\nlisen = \"y\"\n", `tarn.toml:2: unknown key "lisen"; did you mean "listen"?`},
		{"dir = \"x\"\n[raft]\nvoters = 3\n", `tarn.toml:2: unknown key "raft"`},
		{"dir = \n", "tarn.toml:1:"},
		{"dir = 7\n", "dir wants text in double quotes"},
		{"dir = \"x\"\nmemory_limit = 5\n", "memory_limit: 5 is less than a node can work with"},
		{"dir = \"x\"\nmemory_limit = [5]\n", `memory_limit: "[5]" is no size`},
		{"dir = \"x\"\nlisten = \"nonsense\"\n", `--listen "nonsense" is not an address of the form HOST:PORT`},
		{"dir = \"x\"\nhttp = \"a:b:c\"\n", `--http "a:b:c" is not an address`},
		{"memory_limit = \"lots\"\ndir = \"x\"\n", `memory_limit: "lots" is no size`},
		{"trash_for = \"-1h\"\ndir = \"x\"\n", "trash_for"},
		{"log_level = \"loud\"\ndir = \"x\"\n", "log_level"},
		{"listen = \"x:1\"\n", "the node has no directory"},
	} {
		l := offline(t)
		l.write("tarn.toml", c.toml)
		r := l.run("server", "--config", "@tarn.toml")
		r.fails(2, c.want)
		if strings.Contains(r.err, "main.") {
			t.Errorf("Go shows through: %s", r.err)
		}
	}
}

// TestServerDir: a directory that cannot be a node's is the user's to mend,
// and stays as it was.
func TestServerDir(t *testing.T) {
	c := offline(t)
	c.write("file", "x")
	c.write("theirs/data.csv", "a\n1\n")
	start := []string{"server", "--listen", "127.0.0.1:0", "--http", "none", "--dir"}
	c.run(append(start, "@file")...).fails(2, "@file cannot be a node's directory", "try: give --dir")
	c.run(append(start, "@file/below")...).fails(2, "cannot be a node's directory")
	c.run(append(start, "@theirs")...).fails(2, "not empty", `"data.csv"`)
	if entries, err := os.ReadDir(c.dir + "/theirs"); err != nil || len(entries) != 1 {
		t.Errorf("got %v, %v; want data.csv alone", entries, err)
	}
	c.run("server", "--dir", "@x", "--memory-limit", "63MiB").fails(2, "64MiB is the least")
	c.run("server", "--dir", "@x", "--name", "x\ny").fails(2, `"x\ny" cannot be the name of a node`, "try: 1 to 64 letters")
	c.run("server", "--dir", "@x", "--name=-x").fails(2, `"-x" cannot be the name of a node`)
	c.run("server", "--dir", "@x", "--zone", "a b").fails(2, `"a b" cannot be the name of a zone`)
	c.run("status", "--addr", "bogus").fails(2, `--addr "bogus" is not an address`)
	c.run("status", "--addr", "host:").fails(2, "HOST:PORT")
	c.run("--version").matches(`^tarn \S+ \(go`)
}

// TestDiskFull: no space where the output goes is no bug of ours.
func TestDiskFull(t *testing.T) {
	c := newCLI(t)
	c.run("table", "create", "t", "--schema", "a int64")
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("no /dev/full here: %v", err)
	}
	defer full.Close()
	for _, output := range []string{"csv", "json", "table", "parquet", "arrow"} {
		var errs bytes.Buffer
		code := run(t.Context(), []string{"scan", "t", "--output", output},
			streams{in: strings.NewReader(""), out: full, err: &errs, getenv: func(name string) string { return c.env[name] }})
		if code != 10 || !strings.Contains(errs.String(), "no space left") {
			t.Errorf("%s: got %d, %s; want 10", output, code, errs.String())
		}
	}
}

// TestMount mounts, looks and unmounts from outside, as `tarn umount` does.
func TestMount(t *testing.T) {
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no FUSE here: %v", err)
	}
	device.Close()
	c := newCLI(t)
	c.write("1.csv", day1)
	c.run("ingest", "orders", "@1.csv", "--create", "--partition-by", "country")
	r, w := io.Pipe()
	var errs bytes.Buffer
	done := make(chan int, 1)
	dir := c.dir + "/mnt"
	go func() {
		done <- run(t.Context(), []string{"mount", dir, "--cache-dir", c.dir + "/cache"},
			streams{in: strings.NewReader(""), out: w, err: &errs, getenv: func(name string) string { return c.env[name] }})
		w.Close()
	}()
	line, _ := bufio.NewReader(r).ReadString('\n')
	if !strings.Contains(line, "is mounted at "+dir) {
		t.Fatalf("got line %q (%s)", line, errs.String())
	}
	parts, err := filepath.Glob(dir + "/.csv/orders/country=*/part-*.csv")
	if err != nil || len(parts) != 2 {
		t.Errorf("parts are %q, %v; want 2", parts, err)
	}
	c.run("umount", dir).ok("")
	if code := <-done; code != 0 {
		t.Errorf("mount ended with %d: %s", code, errs.String())
	}
}
