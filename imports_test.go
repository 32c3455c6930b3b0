// Package tarn holds no code: this test keeps the import order of
// docs/architecture.md, as go/build/deps_test.go keeps that of the standard
// library.
package tarn

import (
	"bufio"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/tarnlake/tarn/"

func TestImportOrder(t *testing.T) {
	allowed := readImportTable(t)
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipOtherModules(file, d)
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		pkg := path.Dir(filepath.ToSlash(file))
		may, ok := allowed[pkg]
		if !ok {
			t.Errorf("%s: package %s has no line in the import table of docs/architecture.md", file, pkg)
			return nil
		}
		seen[pkg] = true
		for _, imp := range importsOf(t, file) {
			if !may[imp] {
				t.Errorf("%s: %s may not import %s", file, pkg, imp)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range allowed {
		if !seen[pkg] {
			t.Errorf("docs/architecture.md: package %s of the import table is not there", pkg)
		}
	}
}

func skipOtherModules(dir string, d fs.DirEntry) error {
	if dir == "." {
		return nil
	}
	if strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" {
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
		return filepath.SkipDir
	}
	return nil
}

// readImportTable returns, for each package, the set of packages it may import.
func readImportTable(t *testing.T) map[string]map[string]bool {
	t.Helper()
	f, err := os.Open("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table := map[string]map[string]bool{}
	inside := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "```") {
			inside = line == "```imports"
			continue
		}
		if !inside || line == "" {
			continue
		}
		pkg, right, ok := strings.Cut(line, "<")
		if !ok {
			t.Fatalf("import table: no < in %q", line)
		}
		may := map[string]bool{}
		for _, name := range strings.Fields(right) {
			if name == "NONE" {
				continue
			}
			below, ok := table[name]
			if !ok {
				t.Fatalf("import table: %q names %q before its own line", line, name)
			}
			may[name] = true
			for b := range below {
				may[b] = true
			}
		}
		table[strings.TrimSpace(pkg)] = may
	}
	if len(table) == 0 {
		t.Fatal("docs/architecture.md holds no import table")
	}
	return table
}

// importsOf returns the packages of this module that file imports.
func importsOf(t *testing.T, file string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var imports []string
	for _, imp := range f.Imports {
		p, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if name, ok := strings.CutPrefix(p, module); ok {
			imports = append(imports, name)
		}
	}
	return imports
}
