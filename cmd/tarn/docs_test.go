package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/tarnlake/tarn/client/wire"
)

var update = flag.Bool("update", false, "rewrite the reference in docs/cli.md")

const (
	cliDoc = "../../docs/cli.md"
	marker = "<!-- reference -->\n"
)

// TestReference keeps the reference of docs/cli.md equal to the program.
func TestReference(t *testing.T) {
	doc, err := os.ReadFile(cliDoc)
	if err != nil {
		t.Fatal(err)
	}
	head, got, ok := strings.Cut(string(doc), marker)
	if !ok {
		t.Fatalf("%s has no line %s", cliDoc, marker)
	}
	a := &app{streams: streams{getenv: func(string) string { return "" }}}
	want := reference(a.root())
	if *update {
		if err := os.WriteFile(cliDoc, []byte(head+marker+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("the reference of %s is not that of the program; run: go test ./cmd/tarn -run TestReference -update", cliDoc)
	}
}

// reference writes every command: what it is, its flags, an example.
func reference(c *cobra.Command) string {
	var b strings.Builder
	for _, sub := range c.Commands() {
		if !sub.IsAvailableCommand() || sub.Name() == "help" || sub.Name() == "completion" {
			continue
		}
		if sub.HasSubCommands() {
			b.WriteString(reference(sub))
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n", sub.CommandPath())
		about := sub.Long
		if about == "" {
			about = sub.Short + "."
		}
		fmt.Fprintf(&b, "```\n%s\n\n%s\n```\n\n", sub.UseLine(), about)
		sub.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" {
				kind, usage := pflag.UnquoteUsage(f)
				fmt.Fprintf(&b, "- `--%s` %s%s\n", strings.TrimSpace(f.Name+" "+kind), usage, byDefault(f))
			}
		})
		fmt.Fprintf(&b, "\n```\n%s\n```\n", strings.Trim(sub.Example, "\n"))
	}
	return b.String()
}

func byDefault(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "false", "0", "-1", "[]":
		return ""
	}
	return "; default " + f.DefValue
}

// TestEveryCommandHasAnExample also sees to it that help is there at all.
func TestEveryCommandHasAnExample(t *testing.T) {
	a := &app{streams: streams{getenv: func(string) string { return "" }}}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.Short == "" || !sub.HasSubCommands() && sub.Example == "" {
				t.Errorf("%s has no short help or no example", sub.CommandPath())
			}
			walk(sub)
		}
	}
	walk(a.root())
}

// TestExitCodes keeps the table of docs/cli.md equal to that of package wire.
func TestExitCodes(t *testing.T) {
	doc, err := os.ReadFile(cliDoc)
	if err != nil {
		t.Fatal(err)
	}
	documented := map[wire.Code]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \| ([A-Z_, ]*) \|`).FindAllStringSubmatch(string(doc), -1) {
		for kind := range strings.SplitSeq(row[2], ", ") {
			if kind != "" {
				documented[wire.Code(kind)] = row[1]
			}
		}
	}
	for _, code := range wireCodes(t) {
		if got, want := documented[code], fmt.Sprint(wire.ExitCode(wire.Errorf(code, "x"))); got != want {
			t.Errorf("%s: documented exit code %q; want %s", code, got, want)
		}
		delete(documented, code)
	}
	for code := range documented {
		t.Errorf("%s: documented, and not a kind of error", code)
	}
}

// wireCodes reads the kinds of errors from the source of package wire.
func wireCodes(t *testing.T) []wire.Code {
	t.Helper()
	source, err := os.ReadFile("../../client/wire/error.go")
	if err != nil {
		t.Fatal(err)
	}
	var codes []wire.Code
	for _, m := range regexp.MustCompile(`Code = "([A-Z_]+)"`).FindAllStringSubmatch(string(source), -1) {
		codes = append(codes, wire.Code(m[1]))
	}
	if len(codes) == 0 {
		t.Fatal("no kinds of errors found in client/wire/error.go")
	}
	return codes
}
