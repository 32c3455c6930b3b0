package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/sink"
	"github.com/tarnlake/tarn/client/wire"
)

// streams is the world around a command, for tests to replace.
type streams struct {
	in          io.Reader
	out, err    io.Writer
	getenv      func(string) string
	inTerminal  bool
	outTerminal bool
	errTerminal bool
}

// app is one run of the command line.
type app struct {
	streams
	addr   string // of nodes: see talks
	shown  identification
	output string
}

// exitBrokenPipe is what a shell reports of a program that SIGPIPE ended.
const exitBrokenPipe = 128 + int(syscall.SIGPIPE)

// run executes the command line args and returns its exit status.
func run(ctx context.Context, args []string, s streams) int {
	a := &app{streams: s}
	root := a.root()
	root.SetArgs(args)
	err := systemError(root.ExecuteContext(ctx))
	switch {
	case err == nil:
		return 0
	case errors.Is(err, syscall.EPIPE):
		return exitBrokenPipe // the reader has what it wanted
	case ctx.Err() != nil && (errors.Is(err, context.Canceled) || wire.IsCode(err, wire.Canceled)):
		fmt.Fprintln(s.err, "tarn: interrupted")
		return wire.ExitCode(wire.Errorf(wire.Canceled, "interrupted"))
	}
	a.printError(err)
	return wire.ExitCode(err)
}

// systemError gives an error of the operating system about space its code:
// it is no bug of ours.
func systemError(err error) error {
	var e *wire.Error
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	if !full || errors.As(err, &e) && e.Code != wire.Internal {
		return err
	}
	return wire.Errorf(wire.DiskFull, "%w", err).WithHint("make room there, or write to another disk; what is written is not complete")
}

// root is the tree of commands.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "tarn",
		Short: "A data lakehouse for your own hardware: daemon, command line and mount in one",
		Long: `Tarn keeps tables as immutable columnar segments, takes rows in, scans them next
to the data and shows every partition as files that any tool can open.

  tarn server --dir ./lake                      start a node
  tarn ingest orders data/*.csv --create        put files into a table
  tarn query 'SELECT count(*) FROM orders'      ask
  tarn mount ./mnt                              see every table as files

Commands talk to the node at --addr, else TARN_ADDR, else ` + client.DefaultAddr + `; to those of a
cluster with --cert, or with --token and --ca.`,
		Version:       versionText(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(usageError)
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(
		a.serverCommand(), a.tableCommand(), a.segmentCommand(), a.stripeCommand(), a.diskCommand(), a.nodeCommand(),
		a.clusterCommand(), a.tokenCommand(), a.ingestCommand(),
		a.scanCommand(), a.queryCommand(), a.mountCommand(), a.umountCommand(),
		a.statusCommand(), a.generateCommand(), a.fsckCommand(), a.recoverCommand(), a.checkpointCommand(), a.versionCommand(),
	)
	group(root)
	return root
}

// group makes a command that only holds others answer a wrong or missing
// name with an error, not with the help and success.
func group(c *cobra.Command) *cobra.Command {
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		e := wire.Errorf(wire.InvalidArgument, "%s has no command %q", c.CommandPath(), args[0])
		if near := wire.Closest(args[0], commandNames(c)); near != "" {
			return e.WithHint("did you mean %s %s?", c.CommandPath(), near)
		}
		return e.WithHint("%s --help", c.CommandPath())
	}
	return c
}

func commandNames(c *cobra.Command) []string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return names
}

// usageError turns what cobra has against flags and arguments into the error
// of a wrong command line.
func usageError(c *cobra.Command, err error) error {
	var e *wire.Error
	if errors.As(err, &e) {
		return e
	}
	return wire.Errorf(wire.InvalidArgument, "%w", err).WithHint("%s --help", c.CommandPath())
}

// args wraps one of cobra's argument checks.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return wire.Errorf(wire.InvalidArgument, "%s: %w", c.UseLine(), err).WithHint("%s --help", c.CommandPath())
		}
		return nil
	}
}

// about puts what an error is about before its message: a flag, a key.
func about(what string, err error) error {
	e := *wire.FromError(err)
	e.Message = what + ": " + e.Message
	return &e
}

// printError writes "tarn: message" and the hint below it. Both may have words
// of others in them.
func (a *app) printError(err error) {
	e := wire.FromError(err)
	prefix := "tarn:"
	if a.errTerminal && a.getenv("NO_COLOR") == "" {
		prefix = "\x1b[1;31mtarn:\x1b[0m"
	}
	message := strings.Split(e.Message, "\n")
	for i, line := range message {
		message[i] = sink.Printable(line)
	}
	fmt.Fprintf(a.err, "%s %s\n", prefix, strings.Join(message, "\n"))
	for line := range strings.Lines(e.Hint) {
		fmt.Fprintf(a.err, "  try: %s\n", sink.Printable(strings.TrimRight(line, "\n")))
	}
}

// checkAddr refuses an address that is not of the form HOST:PORT.
func checkAddr(flag, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil || port == "" {
		return wire.Errorf(wire.InvalidArgument, "%s %q is not an address of the form HOST:PORT", flag, addr).
			WithHint("%s %s", flag, client.DefaultAddr)
	}
	return nil
}
