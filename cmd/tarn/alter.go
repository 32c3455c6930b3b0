package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/format/codec"
)

func (a *app) tableAlter() *cobra.Command {
	return &cobra.Command{
		Use:   "alter TABLE add|drop|rename|widen|set …",
		Short: "Change a table's columns or settings, as one new version",
		Long: `Change a table's columns or settings, as one new version. Data is not
rewritten: a new column reads as null in old rows, a renamed one keeps its
values, and a wider type reads old values as they are.

  alter TABLE add "COLUMN TYPE"      a new column; it may be null
  alter TABLE drop COLUMN
  alter TABLE rename COLUMN TO
  alter TABLE widen COLUMN TYPE      int32 to int64, decimal(9,2) to decimal(18,2) …
  alter TABLE set OPTION=VALUE…      flush-interval, retain-versions, retain-for,
                                     lookup and text: columns that the segments
                                     written from now on index (COL,… or nothing),
                                     profile: default, fast or compact`,
		Example: `  tarn table alter orders add "note string"
  tarn table alter orders rename price unit_price
  tarn table alter orders widen quantity int64
  tarn table alter orders set retain-for=30d flush-interval=100ms
  tarn table alter orders set lookup=id,email text=note`,
		Args:              args(cobra.MinimumNArgs(3)),
		ValidArgsFunction: a.completeAlter,
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c.Context(), func(n *client.Client) error {
				req, err := alteration(c.Context(), n, args[0], args[1], args[2:])
				if err != nil {
					return err
				}
				info, err := n.AlterTable(c.Context(), req)
				if err != nil {
					return err
				}
				return a.say("table %s is at version %d", info.Name, info.Version)
			})
		},
	}
}

var alterations = []string{"add", "drop", "rename", "widen", "set"}

// alterUsage is what each alteration takes.
var alterUsage = map[string]string{
	"add": `"COLUMN TYPE"`, "drop": "COLUMN", "rename": "COLUMN TO", "widen": "COLUMN TYPE", "set": "OPTION=VALUE…",
}

func (a *app) completeAlter(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return a.completeTables(false)(c, args, word)
	case 1:
		return alterations, cobra.ShellCompDirectiveNoFileComp
	case 2:
		if args[1] == "set" {
			return []string{"flush-interval=", "retain-versions=", "retain-for=", "profile=", "lookup=", "text="}, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		}
		return a.completeColumns(c, args, word)
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// alteration reads what to change: a verb and its arguments.
func alteration(ctx context.Context, n *client.Client, table, verb string, args []string) (wire.AlterTable, error) {
	req := wire.AlterTable{Name: table}
	var err error
	switch {
	case verb == "add" && len(args) <= 2: // "note string", or note string
		field, ferr := parseColumn(strings.Join(args, " "))
		req.Add, err = &field, ferr
	case verb == "drop" && len(args) == 1:
		req.Drop = args[0]
	case verb == "rename" && len(args) == 2:
		req.Rename = &wire.Rename{From: args[0], To: args[1]}
	case verb == "widen" && len(args) == 2:
		req.Widen = &wire.Widen{Column: args[0], Type: args[1]}
	case verb == "set":
		req.Options, err = changedOptions(ctx, n, table, args)
	case alterUsage[verb] != "":
		return req, wire.Errorf(wire.InvalidArgument, "tarn table alter: %s takes %s; got %q", verb, alterUsage[verb], args).
			WithHint("one change a command: tarn table alter %s %s %s", table, verb, alterUsage[verb])
	default:
		return req, wire.Errorf(wire.InvalidArgument, "tarn table alter: %q is not one of %s%s", verb, strings.Join(alterations, ", "), wire.DidYouMean(verb, alterations)).
			WithHint("tarn table alter --help")
	}
	return req, err
}

// changedOptions returns the table's options with the given ones replaced.
func changedOptions(ctx context.Context, n *client.Client, table string, changes []string) (*wire.TableOptions, error) {
	info, err := n.Table(ctx, table, expr.At{})
	if err != nil {
		return nil, err
	}
	for _, change := range changes {
		if err := setOption(&info.Options, change); err != nil {
			return nil, err
		}
	}
	return &info.Options, nil
}

var optionNames = []string{"flush-interval", "retain-versions", "retain-for", "profile", "lookup", "text"}

func setOption(o *wire.TableOptions, change string) (err error) {
	name, value, ok := strings.Cut(change, "=")
	if !ok {
		return wire.Errorf(wire.InvalidArgument, "%q is not of the form OPTION=VALUE", change).WithHint("the options are %s", strings.Join(optionNames, ", "))
	}
	switch strings.ReplaceAll(name, "_", "-") {
	case "flush-interval":
		o.FlushInterval, err = parseSpan(value)
	case "retain-for":
		o.RetainFor, err = parseSpan(value)
	case "profile":
		if _, known := codec.ParseProfile(value); !known || value == "" {
			return wire.Errorf(wire.InvalidArgument, "profile wants %s; got %q", strings.Join(codec.Profiles, ", "), value)
		}
		o.Profile = value
	case "lookup":
		o.Lookup = append([]string{}, splitList(value)...)
	case "text":
		o.Text = append([]string{}, splitList(value)...)
	case "retain-versions":
		o.RetainVersions, err = strconv.ParseInt(value, 10, 64)
		if err != nil || o.RetainVersions < 1 {
			return wire.Errorf(wire.InvalidArgument, "retain-versions wants a number from 1; got %q", value)
		}
	default:
		return wire.Errorf(wire.InvalidArgument, "a table has no option %q%s", name, wire.DidYouMean(name, optionNames)).
			WithHint("the options are %s", strings.Join(optionNames, ", "))
	}
	return err
}
