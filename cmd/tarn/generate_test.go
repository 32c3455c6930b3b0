package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
)

// TestGenerate takes a lake in every format through ingest: the query that
// generate names must answer what generate says.
func TestGenerate(t *testing.T) {
	c := newCLI(t)
	for _, format := range lakeFormats {
		r := c.run("generate", "@"+format, "--rows", "3000", "--seed", "7", "--format", format)
		r.matches(`products: 8 rows in 1 file, `, `orders: 450 rows in 1 file, `, `must answer: 450,`)
		lines := strings.Split(strings.TrimSpace(r.out), "\n")
		query, answer := lines[len(lines)-2], strings.TrimPrefix(lines[len(lines)-1], "must answer: ")
		table := "orders_" + format
		c.run("ingest", table, "@"+format+"/orders", "--create", "--types", "total=decimal(12,2)").matches("450 rows")
		c.run("query", strings.Replace(query, "FROM orders", "FROM "+table, 1)).matches(`\n` + answer + `\n`)
	}
}

// TestGenerateAgain: files that are there stay as they are.
func TestGenerateAgain(t *testing.T) {
	c := offline(t)
	c.run("generate", "@lake", "--rows", "400", "--format", "csv").matches("orders: 60 rows")
	c.run("generate", "@lake", "--rows", "800", "--format", "csv").fails(wire.ExitCode(wire.Errorf(wire.InvalidArgument, "")), "@lake/products", "file exists")
	text, err := os.ReadFile(filepath.Join(c.dir, "lake", "orders", "orders-0001.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(text), "\n"); got != 61 {
		t.Errorf("the file has %d lines; want a header and 60 rows", got)
	}
}

func TestGenerateManyFiles(t *testing.T) {
	c := offline(t)
	c.run("generate", "@lake", "--rows", "200000", "--file-rows", "20000", "--format", "arrow").matches(`orders: 30000 rows in 2 files, `, `order_lines: 110000 rows in 5 files, `)
}

func TestGenerateRefuses(t *testing.T) {
	c := offline(t)
	usage := wire.ExitCode(wire.Errorf(wire.InvalidArgument, ""))
	c.run("generate", "@lake", "--rows", "0").fails(usage, "count from 1")
	c.run("generate", "@lake", "--format", "parket").fails(usage, "parket", "parquet")
}
