package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/fuse"
)

func (a *app) mountCommand() *cobra.Command {
	var opts fuse.Options
	var cacheSize string
	c := &cobra.Command{
		Use:   "mount DIR",
		Short: "Show the lake as read-only files, until Ctrl-C or tarn umount",
		Long: `Show the lake as read-only files, until Ctrl-C or tarn umount DIR:

  DIR/TABLE/COLUMN=VALUE/part-….parquet
  DIR/.csv/TABLE/…/part-….csv            the same rows as CSV
  DIR/.arrow/TABLE/…/part-….arrow        the same rows as Arrow IPC

The command stays in the foreground.`,
		Example: `  tarn mount ./mnt
  duckdb -c "SELECT count(*) FROM read_parquet('mnt/orders/**/*.parquet', hive_partitioning = true)"
  tarn umount ./mnt`,
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: completeDirs,
	}
	f := c.Flags()
	f.StringVar(&opts.CacheDir, "cache-dir", "", "`DIR` where rendered files are kept (default: tarn/mount in the user's cache directory)")
	f.StringVar(&cacheSize, "cache-size", "10GiB", "`SIZE` up to which they are kept")
	f.BoolVar(&opts.AllowOther, "allow-other", false, "let other users look as well")
	_ = c.MarkFlagDirname("cache-dir")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		if opts.CacheBytes, err = parseBytes(cacheSize); err != nil {
			return about("--cache-size", err)
		}
		opts.Logger = slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
		return a.withClient(c.Context(), func(n *client.Client) error { return a.mount(c, n, args[0], opts) })
	}
	return a.talks(c)
}

func (a *app) mount(c *cobra.Command, n *client.Client, dir string, opts fuse.Options) error {
	m, err := fuse.Mount(c.Context(), dir, n, opts) // ends with the context
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "tarn: the lake at %s is mounted at %s; Ctrl-C or tarn umount %s ends it\n", n.Addr(), dir, dir)
	return m.Wait()
}

func (a *app) umountCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "umount DIR",
		Aliases:           []string{"unmount"},
		Short:             "End a mount",
		Example:           "  tarn umount ./mnt",
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: completeDirs,
		RunE:              func(_ *cobra.Command, args []string) error { return fuse.Unmount(args[0]) },
	}
}

func completeDirs(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}
