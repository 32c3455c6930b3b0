package source

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tarnlake/tarn/client/wire"
)

// Expand returns the files that the patterns name, in order and each one
// once: a file is itself, "-" is standard input, a directory stands for all
// files below it but those whose names begin with an underscore, and a glob for
// what it matches, both sorted by path and without names that begin with a dot. A pattern that names nothing is an
// error.
func Expand(patterns []string) ([]string, error) {
	var files []string
	seen := map[string]bool{}
	for _, pattern := range patterns {
		found, err := expandOne(pattern)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			if !seen[f] {
				files, seen[f] = append(files, f), true
			}
		}
	}
	return files, nil
}

func expandOne(pattern string) ([]string, error) {
	if pattern == "-" {
		return []string{"-"}, nil
	}
	if info, err := os.Stat(pattern); err == nil {
		if info.IsDir() {
			return walk(pattern)
		}
		return []string{pattern}, nil // also where its name has [ or *
	}
	matches, err := filepath.Glob(pattern)
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "pattern %q: %w", pattern, err)
	}
	var files []string
	for _, m := range matches {
		if hidden(m) && !hidden(pattern) {
			continue
		}
		found, err := expandOne(m)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return nil, wire.Errorf(wire.BadInput, "%s: no such file", pattern).
			WithHint("check the path; a quoted pattern such as 'data/*.csv' is expanded by tarn")
	}
	return files, nil
}

func walk(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != dir && (hidden(path) || marker(path)) && d.IsDir():
			return fs.SkipDir
		case isFile(path, d) && !hidden(path) && !marker(path):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		return nil, wire.Errorf(wire.BadInput, "%s: %w", dir, err)
	}
	if len(files) == 0 {
		return nil, wire.Errorf(wire.BadInput, "%s: no files in this directory", dir)
	}
	return files, nil
}

// isFile follows symbolic links to files, but not into directories, which
// could go round in circles.
func isFile(path string, d fs.DirEntry) bool {
	if d.Type()&fs.ModeSymlink == 0 {
		return d.Type().IsRegular()
	}
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// marker reports whether path is none of the data of a directory by the
// custom of those who write them: _SUCCESS, _delta_log.
func marker(path string) bool { return strings.HasPrefix(filepath.Base(path), "_") }

func hidden(path string) bool { return strings.HasPrefix(filepath.Base(path), ".") }
