package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/expr"
)

// completionTimeout bounds how long the Tab key waits for the node.
const completionTimeout = 500 * time.Millisecond

// suggest asks the node for words to complete with; a node that does not
// answer in time has none.
func (a *app) suggest(ctx context.Context, f func(context.Context, *client.Client) []string) []string {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	c, err := a.dial(ctx, client.WithDialTimeout(completionTimeout))
	if err != nil {
		return nil
	}
	defer c.Close()
	return f(ctx, c)
}

// completeTables completes the first argument with table names, and later
// ones with files if files is set.
func (a *app) completeTables(files bool) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			if files {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.suggest(c.Context(), tableNames), cobra.ShellCompDirectiveNoFileComp
	}
}

func tableNames(ctx context.Context, c *client.Client) []string {
	tables, err := c.Tables(ctx)
	if err != nil {
		return nil
	}
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.Name
	}
	return names
}

// completeColumns completes a list of expressions with the columns of the
// table that the first argument names.
func (a *app) completeColumns(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	before := word[:strings.LastIndexAny(word, ", (")+1]
	return a.suggest(c.Context(), func(ctx context.Context, n *client.Client) []string {
		info, err := n.Table(ctx, args[0], expr.At{})
		if err != nil {
			return nil
		}
		var words []string
		for _, f := range info.Schema.Fields {
			words = append(words, before+expr.Col(f.Name).String())
		}
		return words
	}), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// oneOf completes with fixed words.
func oneOf(words ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}
