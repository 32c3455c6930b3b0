package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

func (a *app) tokenCommand() *cobra.Command {
	c := a.talks(&cobra.Command{Use: "token", Short: "Make, list and revoke the access tokens of clients"})
	c.AddCommand(a.tokenCreate(), a.tokenList(), a.tokenRevoke())
	return group(c)
}

func (a *app) tokenCreate() *cobra.Command {
	var role, span string
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an access token and print it, this once",
		Long: `Make an access token and print it. The cluster keeps no copy: this is the only time
that it is shown. Programs show it with --token and know the cluster by --ca: see
"tarn cluster ca".`,
		Example: "  tarn token create dashboard --role reader --for 90d > dashboard.token",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			life, err := optionalSpan("for", span)
			if err != nil {
				return err
			}
			if _, err := credential.ParseClientRole(role); err != nil {
				return about("--role", err)
			}
			return a.withClient(c.Context(), func(n *client.Client) error {
				return a.sayOnce(n.CreateToken(c.Context(), wire.CreateToken{Name: args[0], Role: role, For: life}))
			})
		},
	}
	c.Flags().StringVar(&span, "for", "", "how long it lives, `SPAN` such as 90d; for ever unless given")
	return withRole(c, &role)
}

// withRole gives a command the flag of a client's role.
func withRole(c *cobra.Command, role *string) *cobra.Command {
	c.Flags().StringVar(role, "role", string(credential.Reader), "what the client may do, `ROLE`: reader, writer or admin")
	roles := []cobra.Completion{string(credential.Reader), string(credential.Writer), string(credential.Admin)}
	_ = c.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(roles, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return c
}

// sayOnce prints a secret alone, so that it can go into a file, and the rest
// for people.
func (a *app) sayOnce(s wire.Secret, err error) error {
	if err != nil {
		return err
	}
	until := "for ever"
	if !s.Expires.IsZero() {
		until = "until " + credential.Stamp(s.Expires)
	}
	a.note("token %s, good %s; it is not shown again", s.ID, until)
	return a.say("%s", s.Text)
}

func (a *app) tokenList() *cobra.Command {
	return a.prints(&cobra.Command{
		Use:     "list",
		Short:   "List the access tokens",
		Example: "  tarn token list",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c.Context(), func(n *client.Client) error { return a.listTokens(c.Context(), n) })
		},
	})
}

func (a *app) listTokens(ctx context.Context, n *client.Client) error {
	s, err := n.Tokens(ctx)
	if err != nil {
		return err
	}
	type row = wire.Token
	return a.printList(
		texts("name", s, func(r row) string { return r.Name }),
		texts("role", s, func(r row) string { return r.Role }),
		times("created", s, func(r row) time.Time { return r.Created }),
		times("expires", s, func(r row) time.Time { return r.Expires }),
		texts("id", s, func(r row) string { return r.ID }),
	)
}

func (a *app) tokenRevoke() *cobra.Command {
	return a.forced(a.names("revoke NAME", "End an access token, by its name or id", "  tarn token revoke dashboard",
		func(ctx context.Context, n *client.Client, name string) error { return n.RevokeToken(ctx, name) }), noAdmin,
		func(ctx context.Context, n *client.Client, name string) error { return n.RevokeTokenAnyway(ctx, name) })
}

// names makes a command that does something to what its one argument names.
func (a *app) names(use, short, example string, do func(context.Context, *client.Client, string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c.Context(), func(n *client.Client) error { return do(c.Context(), n, args[0]) })
		},
	}
}
