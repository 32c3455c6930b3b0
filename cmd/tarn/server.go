package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon"
)

func (a *app) serverCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "server --dir DIR",
		Short: "Run a node",
		Long: `Run a node until SIGINT or SIGTERM. The first start in an empty or missing
directory makes a new one-node cluster there, or with --join a node of a cluster
that is there. A node that others are to join needs certificates first: see
"tarn cluster init". Without them it listens on loopback only.

Every flag is also a key of the configuration file (memory_limit) and an
environment variable (TARN_MEMORY_LIMIT). A flag beats the environment, which
beats the file.`,
		Example: `  tarn server --dir ./lake
  tarn server --config /etc/tarn.toml --listen 0.0.0.0:7460
  tarn server --dir ./lake --listen 0.0.0.0:7460 --join rack1:7460 --token @join.token`,
		Args: args(cobra.NoArgs),
	}
	flags := c.Flags()
	flags.String("dir", "", "`DIR` of the node, made on the first start")
	flags.StringArray("disk", nil, "`PATH[,tier=TIER]` of a disk for the node to use, hot, warm, cold or archive; may be repeated. Without any it uses DIR (TARN_DISK, separated by colons)")
	flags.String("name", "", "`NAME` of the node, for people; the machine's if left out")
	flags.String("listen", client.DefaultAddr, "`HOST:PORT` of Arrow Flight; port 0 picks a free one")
	flags.String("join", "", "`HOST:PORT` of a node whose cluster this new node is to join, with --token")
	flags.String("token", "", "`TOKEN` to join with, of \"tarn cluster token\", or @FILE (TARN_JOIN_TOKEN)")
	flags.String("advertise", "", "`HOST:PORT` by which other nodes reach --listen, where that is not what it says")
	flags.String("gossip", "", "`HOST:PORT` of gossip, UDP and TCP, of a node of a cluster; port "+daemon.DefaultGossip+" of the host of --listen if left out")
	flags.String("zone", "", "`ZONE` of the node, such as its rack: copies are kept in different ones")
	flags.String("http", "127.0.0.1:7461", "`HOST:PORT` of health and metrics, or none")
	flags.String("memory-limit", "512MiB", "`SIZE` of memory that the process should stay under")
	flags.String("trash-for", "24h", "`TIME` for which deleted files can be brought back")
	flags.String("send-timeout", "5m", "`TIME` that a scan waits for its client to take rows")
	flags.String("repair-rate", "auto", "`SIZE` a second that repair writes and reads back at most; auto: by the tier of the disks, and as fast as can be where rows were lost")
	flags.String("merge", "on", "`on|off`: whether small segments are merged to large ones in the background")
	flags.String("watermarks", "85,90,93,95", "`PERCENT` of a disk from which it takes no new groups, no merges, no repair, nothing new; or none")
	flags.String("stall-after", "10s", "`TIME` after which a disk is stalled that does not return: others are used instead")
	flags.String("log-level", "info", "`LEVEL`: debug, info, warn or error")
	flags.String("config", a.getenv("TARN_CONFIG"), "configuration `FILE`, TOML (TARN_CONFIG)")
	_ = c.MarkFlagDirname("dir")
	_ = c.MarkFlagFilename("config", "toml")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := a.serverConfig(c)
		if err != nil {
			return err
		}
		return a.serve(c.Context(), cfg)
	}
	return c
}

// serverConfig settles flags, environment and file.
func (a *app) serverConfig(c *cobra.Command) (cfg daemon.Config, err error) {
	file := &serverFile{}
	if path, _ := c.Flags().GetString("config"); path != "" {
		if file, err = readConfig(path); err != nil {
			return cfg, err
		}
	}
	get := func(key string) string { return a.setting(c, file, key) }
	if cfg.Dir = get("dir"); cfg.Dir == "" {
		return cfg, wire.Errorf(wire.InvalidArgument, "the node has no directory").WithHint("tarn server --dir DIR")
	}
	if cfg.Disks, err = a.diskSettings(c, file); err != nil {
		return cfg, err
	}
	cfg.Name = get("name")
	cfg.Listen, cfg.HTTP, cfg.Version = get("listen"), get("http"), buildVersion()
	if err = checkAddr("--listen", cfg.Listen); err != nil {
		return cfg, err
	}
	if cfg.HTTP == "none" {
		cfg.HTTP = ""
	} else if err = checkAddr("--http", cfg.HTTP); err != nil {
		return cfg, err
	}
	cfg.Gossip, cfg.Advertise, cfg.Zone = get("gossip"), get("advertise"), get("zone")
	if cfg.Join, err = a.joinSettings(c, get("join")); err != nil {
		return cfg, err
	}
	if cfg.MemoryLimit, err = memoryLimit(get("memory_limit")); err != nil {
		return cfg, about("memory_limit", err)
	}
	if cfg.TrashFor, err = parseSpan(get("trash_for")); err != nil {
		return cfg, about("trash_for", err)
	}
	if cfg.SendTimeout, err = parseSpan(get("send_timeout")); err != nil {
		return cfg, about("send_timeout", err)
	}
	if cfg.RepairRate, err = repairRate(get("repair_rate")); err != nil {
		return cfg, about("repair_rate", err)
	}
	if cfg.NoMerge, err = isOff(get("merge")); err != nil {
		return cfg, err
	}
	if cfg.StallAfter, err = parseSpan(get("stall_after")); err != nil {
		return cfg, about("stall_after", err)
	}
	if cfg.Watermarks, cfg.LogReserve, err = daemon.ParseWatermarks(get("watermarks")); err != nil {
		return cfg, about("watermarks", err)
	}
	cfg.Logger, err = a.logger(get("log_level"))
	return cfg, err
}

// joinSettings returns what a node joins with. The address may stay in the
// configuration for ever: without a token nobody joins.
func (a *app) joinSettings(c *cobra.Command, address string) (daemon.Join, error) {
	given, _ := c.Flags().GetString("token")
	if given == "" {
		given = a.getenv("TARN_JOIN_TOKEN")
	}
	if given == "" || address == "" {
		return daemon.Join{}, nil
	}
	token, err := tokenText(given)
	return daemon.Join{Address: address, Token: token}, err
}

// repairRate returns 0 for auto.
func repairRate(text string) (int64, error) {
	if text == "auto" {
		return 0, nil
	}
	n, err := parseBytes(text)
	if err == nil && n <= 0 {
		err = wire.Errorf(wire.InvalidArgument, "%s is no rate", text).WithHint("auto, or 100MiB for as much a second")
	}
	return n, err
}

func isOff(text string) (bool, error) {
	if text != "on" && text != "off" {
		return false, wire.Errorf(wire.InvalidArgument, "merge %q is neither on nor off", text)
	}
	return text == "off", nil
}

// diskSettings returns the disks of the flags, else of the environment, else
// of the file.
func (a *app) diskSettings(c *cobra.Command, file *serverFile) ([]daemon.DiskConfig, error) {
	given, _ := c.Flags().GetStringArray("disk")
	if v := a.getenv("TARN_DISK"); len(given) == 0 && v != "" {
		given = filepath.SplitList(v)
	}
	if len(given) == 0 {
		given = file.Disk
	}
	return parseDisks(given)
}

func parseDisks(texts []string) (disks []daemon.DiskConfig, err error) {
	for _, text := range texts {
		d, err := daemon.ParseDisk(text)
		if err != nil {
			return nil, err
		}
		disks = append(disks, d)
	}
	return disks, nil
}

// minMemoryLimit is the least that a node can load and scan with.
const minMemoryLimit = 64 << 20

func memoryLimit(text string) (int64, error) {
	n, err := parseBytes(text)
	if err == nil && n < minMemoryLimit {
		err = wire.Errorf(wire.InvalidArgument, "%s is less than a node can work with", text).WithHint("64MiB is the least, 512MiB the default")
	}
	return n, err
}

// setting returns the value of a key: that of its flag if it was given, else
// of the environment, else of the file, else the flag's default.
func (a *app) setting(c *cobra.Command, file *serverFile, key string) string {
	flag := c.Flags().Lookup(strings.ReplaceAll(key, "_", "-"))
	if flag.Changed {
		return flag.Value.String()
	}
	if v := a.getenv("TARN_" + strings.ToUpper(key)); v != "" {
		return v
	}
	if v := file.value(key); v != "" {
		return v
	}
	return flag.Value.String()
}

func (a *app) logger(level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "log_level %q is not debug, info, warn or error", level)
	}
	return slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: l})), nil
}

// serve runs a node until ctx ends or the node fails.
func (a *app) serve(ctx context.Context, cfg daemon.Config) error {
	node, err := daemon.Start(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "tarn: ready at %s%s, lake in %s\n", node.Addr(), httpPart(node.HTTPAddr()), cfg.Dir)
	stopped := make(chan error, 1)
	go func() { stopped <- node.Wait() }()
	select {
	case err := <-stopped:
		return err
	case <-ctx.Done(): // asked to stop: success, if it closes cleanly
		return node.Close()
	}
}

func httpPart(addr string) string {
	if addr == "" {
		return ""
	}
	return ", http " + addr
}
