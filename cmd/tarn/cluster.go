package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

func (a *app) clusterCommand() *cobra.Command {
	c := a.talks(&cobra.Command{Use: "cluster", Short: "Make a cluster, let nodes in, and issue the certificates of clients"})
	c.AddCommand(a.clusterInit(), a.clusterToken(), a.clusterCA(), a.certCommand())
	return group(c)
}

func (a *app) clusterToken() *cobra.Command {
	var req wire.CreateJoinToken
	var span string
	c := &cobra.Command{
		Use:     "token",
		Short:   "Make a token with which machines join as nodes, and print it, this once",
		Example: "  tarn cluster token --uses 3 --for 1h",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if req.For, err = optionalSpan("for", span); err != nil {
				return err
			}
			if req.Uses < 1 {
				return wire.Errorf(wire.InvalidArgument, "--uses %d: a token is for one node at least", req.Uses).WithHint("tarn cluster token --uses 1")
			}
			return a.withClient(c.Context(), func(n *client.Client) error { return a.sayOnce(n.CreateJoinToken(c.Context(), req)) })
		},
	}
	c.Flags().IntVar(&req.Uses, "uses", 1, "how many nodes may join with it, `N`")
	c.Flags().StringVar(&span, "for", "", "how long it is good, `SPAN`; a day unless given")
	return c
}

func (a *app) clusterCA() *cobra.Command {
	return &cobra.Command{
		Use:     "ca",
		Short:   "Print the certificate of the cluster's authority, which --ca takes",
		Example: "  tarn cluster ca --cert admin.pem > ca.pem",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c.Context(), func(n *client.Client) error {
				pem, err := n.Authorities()
				if err != nil {
					return err
				}
				_, err = a.out.Write(pem)
				return err
			})
		},
	}
}

func (a *app) certCommand() *cobra.Command {
	c := &cobra.Command{Use: "cert", Short: "Issue, list and revoke the certificates of clients"}
	c.AddCommand(a.certIssue(), a.certList(),
		a.forced(a.names("revoke NAME", "End the certificates of a client, by its name or a serial", "  tarn cluster cert revoke etl",
			func(ctx context.Context, n *client.Client, name string) error { return n.RevokeCertificate(ctx, name) }), noAdmin,
			func(ctx context.Context, n *client.Client, name string) error {
				return n.RevokeCertificateAnyway(ctx, name)
			}))
	return group(c)
}

const noAdmin = "no admin is left"

func (a *app) certIssue() *cobra.Command {
	var role, span, out string
	c := &cobra.Command{
		Use:   "issue NAME",
		Short: "Issue a certificate to a client",
		Long: `Issue a certificate to a client, into a new file that only its owner can read. It
holds the private key, which is made here and never leaves this machine, the
certificate, and that of the cluster's authority: all that --cert takes.`,
		Example: "  tarn cluster cert issue etl --role writer --out etl.pem",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			life, err := optionalSpan("for", span)
			if err != nil {
				return err
			}
			if _, err := credential.ParseClientRole(role); err != nil {
				return about("--role", err)
			}
			if out == "" {
				return wire.Errorf(wire.InvalidArgument, "--out has to say where the certificate goes").WithHint("--out %s.pem", args[0])
			}
			return a.withClient(c.Context(), func(n *client.Client) error { return issueInto(c.Context(), n, out, args[0], role, life) })
		},
	}
	c.Flags().StringVar(&out, "out", "", "new `FILE` for it")
	c.Flags().StringVar(&span, "for", "", "how long it lives, `SPAN` such as 90d; a year unless given")
	return withRole(c, &role)
}

// issueInto makes the file first: a certificate that has nowhere to go is not issued.
func issueInto(ctx context.Context, n *client.Client, path, name, role string, life time.Duration) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return wire.Errorf(wire.InvalidArgument, "--out: %s is there already, and may be a key that is in use", path).WithHint("name a new file")
	}
	if err != nil {
		return wire.Errorf(wire.InvalidArgument, "--out: %w", err)
	}
	if err := errors.Join(writeIssued(ctx, n, f, name, role, life), f.Close()); err != nil {
		os.Remove(path)
		return err
	}
	return nil
}

func writeIssued(ctx context.Context, n *client.Client, f *os.File, name, role string, life time.Duration) error {
	cert, err := n.IssueCertificate(ctx, name, role, life)
	if err != nil {
		return err
	}
	pem, err := credential.MarshalPEM(cert)
	if err != nil {
		return err
	}
	if _, err := f.Write(pem); err != nil {
		return err
	}
	return f.Sync()
}

func (a *app) certList() *cobra.Command {
	return a.prints(&cobra.Command{
		Use:     "list",
		Short:   "List the certificates of clients",
		Example: "  tarn cluster cert list",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c.Context(), func(n *client.Client) error { return a.listCertificates(c.Context(), n) })
		},
	})
}

func (a *app) listCertificates(ctx context.Context, n *client.Client) error {
	s, err := n.Certificates(ctx)
	if err != nil {
		return err
	}
	type row = wire.Certificate
	return a.printList(
		texts("name", s, func(r row) string { return r.Name }),
		texts("role", s, func(r row) string { return r.Role }),
		times("created", s, func(r row) time.Time { return r.Created }),
		times("expires", s, func(r row) time.Time { return r.Expires }),
		texts("revoked", s, func(r row) string {
			if r.Revoked {
				return "revoked"
			}
			return ""
		}),
		texts("serial", s, func(r row) string { return r.Serial }),
	)
}
