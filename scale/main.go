// Command scale computes the tables of docs/scale.md: what becomes of Tarn at
// 10, 100 and 1,000 nodes and at an exabyte. It takes the real code where there is
// some (placement, the catalog's state and its encoding, gossip's settings)
// and formulas where there is none.
//
//	go run ./scale                        prints all tables; how long each took goes to stderr
//	go run ./scale -nodes 100             leaves larger clusters out of the simulation of placement
//	go run ./scale -write docs/scale.md   puts the tables in their places in the page
//
// Everything is computed from fixed seeds: two runs print the same, but for
// the bytes in memory, which depend on the Go release.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	nodes := flag.Int("nodes", 1000, "simulate placement up to so many nodes")
	page := flag.String("write", "", "put the tables into this page instead of printing them")
	flag.Parse()
	if err := run(*nodes, *page); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func run(nodes int, page string) error {
	tables := map[string]table{}
	for _, s := range sections(nodes) {
		start := time.Now()
		made, err := s.tables()
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s: %v\n", s.name, time.Since(start).Round(time.Millisecond))
		for _, t := range made {
			tables[t.name] = t
			if page == "" {
				fmt.Printf("%s\n\n%s\n", t.name, t)
			}
		}
	}
	if page == "" {
		return nil
	}
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	filled, err := fill(string(text), tables)
	if err != nil {
		return err
	}
	return os.WriteFile(page, []byte(filled), 0o644)
}

// section is one part of the page.
type section struct {
	name   string
	tables func() ([]table, error)
}

func sections(nodes int) []section {
	return []section{
		{"placement", func() ([]table, error) { return placementTables(upTo(nodes)) }},
		{"repair", repairTables},
		{"nines", ninesTables},
		{"metadata", metadataTables},
		{"gossip", gossipTables},
	}
}
