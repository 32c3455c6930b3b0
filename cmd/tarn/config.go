package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/tarnlake/tarn/client/wire"
)

// serverFile is the configuration file of a node. Every key is also a flag
// (memory_limit is --memory-limit) and an environment variable
// (TARN_MEMORY_LIMIT): a flag beats the environment, which beats the file.
type serverFile struct {
	Dir         string   `toml:"dir"`
	Name        string   `toml:"name"`
	Disk        []string `toml:"disk"`
	Listen      string   `toml:"listen"`
	HTTP        string   `toml:"http"`
	MemoryLimit any      `toml:"memory_limit"` // text, or a number of bytes
	TrashFor    string   `toml:"trash_for"`
	SendTimeout string   `toml:"send_timeout"`
	RepairRate  any      `toml:"repair_rate"` // text, or a number of bytes
	Merge       string   `toml:"merge"`
	LogLevel    string   `toml:"log_level"`
	Watermarks  string   `toml:"watermarks"`
	StallAfter  string   `toml:"stall_after"`
	Gossip      string   `toml:"gossip"`
	Advertise   string   `toml:"advertise"`
	Zone        string   `toml:"zone"`
	Join        string   `toml:"join"`
}

// serverKeys are the keys of serverFile.
var serverKeys = []string{"dir", "name", "disk", "listen", "http", "memory_limit", "trash_for", "send_timeout", "repair_rate", "merge", "log_level", "watermarks", "stall_after", "gossip", "advertise", "zone", "join"}

// value returns the value of a key.
func (f *serverFile) value(key string) string {
	return map[string]string{
		"dir": f.Dir, "name": f.Name, "listen": f.Listen, "http": f.HTTP,
		"memory_limit": sizeText(f.MemoryLimit), "trash_for": f.TrashFor, "send_timeout": f.SendTimeout, "repair_rate": sizeText(f.RepairRate), "merge": f.Merge, "log_level": f.LogLevel, "watermarks": f.Watermarks, "stall_after": f.StallAfter,
		"gossip": f.Gossip, "advertise": f.Advertise, "zone": f.Zone, "join": f.Join,
	}[key]
}

func sizeText(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// readConfig reads a configuration file. A key that no node knows is an error
// with its line.
func readConfig(path string) (*serverFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "configuration: %w", err)
	}
	defer f.Close()
	var file serverFile
	err = toml.NewDecoder(f).DisallowUnknownFields().Decode(&file)
	if err != nil {
		return nil, configError(path, err)
	}
	return &file, nil
}

func configError(path string, err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		first := unknown.Errors[0]
		line, _ := first.Position()
		key := strings.Join(first.Key(), ".")
		return wire.Errorf(wire.InvalidArgument, "%s:%d: unknown key %q%s", path, line, key, wire.DidYouMean(key, serverKeys)).
			WithHint("the keys are %s", strings.Join(serverKeys, ", "))
	}
	var syntax *toml.DecodeError
	if errors.As(err, &syntax) {
		line, column := syntax.Position()
		reason, shown := strings.TrimPrefix(syntax.Error(), "toml: "), syntax.String()
		if strings.Contains(reason, "struct field") { // all keys hold text
			shown = strings.ReplaceAll(shown, reason, "want text in double quotes")
			reason = fmt.Sprintf("%s wants text in double quotes", strings.Join(syntax.Key(), "."))
		}
		return wire.Errorf(wire.InvalidArgument, "%s:%d:%d: %s\n%s", path, line, column, reason, shown)
	}
	return wire.Errorf(wire.InvalidArgument, "%s: %w", path, err)
}

var byteUnits = []struct {
	suffix string
	factor int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// parseBytes reads a size such as 512MiB, 4GB or 1048576.
func parseBytes(text string) (int64, error) {
	for _, u := range byteUnits {
		digits, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err == nil && n > 0 && n <= (1<<62)/u.factor {
			return n * u.factor, nil
		}
	}
	return 0, wire.Errorf(wire.InvalidArgument, "%q is no size", text).WithHint("write 512MiB, 4GiB or a number of bytes")
}

// parseSpan reads a positive duration; days are allowed: 7d.
func parseSpan(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 100_000 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, wire.Errorf(wire.InvalidArgument, "%q is no duration", text).WithHint("write 20ms, 5s, 2h or 7d")
	}
	return d, nil
}
