package main

import (
	"cmp"
	"context"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
)

// identification is what a command shows to nodes: flags, of which each has a variable
// of the environment. Those are not the flags' defaults: help prints defaults,
// and nobody's token should be in a help.
type identification struct{ cert, token, ca string }

// talks gives a command the flags of one that talks to a node.
func (a *app) talks(c *cobra.Command) *cobra.Command {
	f := c.PersistentFlags()
	f.StringVar(&a.addr, "addr", cmp.Or(a.getenv("TARN_ADDR"), client.DefaultAddr), "nodes to talk to, the first that answers, `HOST:PORT[,…]` (TARN_ADDR)")
	f.StringVar(&a.shown.cert, "cert", "", "`FILE` of the certificate to show: key, chain and authority (TARN_CERT)")
	f.StringVar(&a.shown.token, "token", "", "access `TOKEN` to show, or @FILE that holds it (TARN_TOKEN)")
	f.StringVar(&a.shown.ca, "ca", "", "`FILE` of the cluster's authority, to know its nodes by (TARN_CA)")
	return c
}

// withClient runs f with a connection to a node.
func (a *app) withClient(ctx context.Context, f func(*client.Client) error) error {
	c, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return f(c)
}

func (a *app) dial(ctx context.Context, options ...client.Option) (*client.Client, error) {
	for addr := range strings.SplitSeq(a.addr, ",") {
		if err := checkAddr("--addr", strings.TrimSpace(addr)); err != nil {
			return nil, err
		}
	}
	secrets, err := a.credentials()
	if err != nil {
		return nil, err
	}
	return client.Dial(ctx, a.addr, append(options, secrets...)...)
}

// credentials reads what is to be shown. A flag beats the environment, also
// one of the other kind.
func (a *app) credentials() ([]client.Option, error) {
	cert, token, ca := a.shown.cert, a.shown.token, cmp.Or(a.shown.ca, a.getenv("TARN_CA"))
	if cert == "" && token == "" {
		cert, token = a.getenv("TARN_CERT"), a.getenv("TARN_TOKEN")
	}
	switch {
	case cert != "" && token != "":
		return nil, wire.Errorf(wire.InvalidArgument, "both a certificate and a token are given, and a call shows one").WithHint("give --cert, or --token and --ca")
	case cert != "":
		return showCertificate(cert, ca)
	case token != "":
		return showToken(token, ca)
	case a.shown.ca != "":
		return nil, wire.Errorf(wire.InvalidArgument, "--ca says whom to believe, not who calls").WithHint("give --token with it, or --cert")
	}
	return nil, nil
}

func showCertificate(cert, ca string) ([]client.Option, error) {
	pem, err := readSecret("--cert", cert)
	if err != nil {
		return nil, err
	}
	if ca != "" {
		more, err := readSecret("--ca", ca)
		if err != nil {
			return nil, err
		}
		pem = append(append(pem, '\n'), more...)
	}
	return []client.Option{client.WithCertificate(pem)}, nil
}

func showToken(token, ca string) ([]client.Option, error) {
	if ca == "" {
		return nil, wire.Errorf(wire.InvalidArgument, "a token is shown only to nodes of its cluster, and --ca does not say how to know them").
			WithHint("--ca FILE, or TARN_CA: the certificate of the cluster's authority")
	}
	pem, err := readSecret("--ca", ca)
	if err != nil {
		return nil, err
	}
	text, err := tokenText(token)
	return []client.Option{client.WithToken(text, pem)}, err
}

// tokenText returns a token that was given as it is, or as @FILE.
func tokenText(given string) (string, error) {
	path, isFile := strings.CutPrefix(given, "@")
	if !isFile {
		return given, nil
	}
	text, err := readSecret("--token", path)
	return strings.TrimSpace(string(text)), err
}

// maxSecret bounds what is read of a file: more is not one of those files.
const maxSecret = 128 << 10

func readSecret(flag, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "%s: %w", flag, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret))
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "%s: %w", flag, err)
	}
	return b, nil
}
