package codec

import (
	"bytes"
	"fmt"
	"testing"
)

// blocks are blocks of a column that changes its nature.
var blocks = []struct {
	name string
	put  func(e *Encoder) error
}{
	{"narrow", func(e *Encoder) error {
		return PutInts(e, sequence[uint64](5000, func(i int) uint64 { return noise(i) % 1000 }), false)
	}},
	{"runs", func(e *Encoder) error {
		return PutInts(e, sequence[uint64](5000, func(i int) uint64 { return noise(i / 300) }), false)
	}},
	{"ascending", func(e *Encoder) error {
		return PutInts(e, sequence[uint64](5000, func(i int) uint64 { return uint64(i)*1000 + noise(i)%7 }), false)
	}},
	{"same", func(e *Encoder) error { return PutInts(e, make([]uint64, 5000), false) }},
	{"none", func(e *Encoder) error { return PutInts(e, []uint64{}, false) }},
	{"noise", func(e *Encoder) error { return PutInts(e, sequence[uint64](5000, noise), false) }},
	{"ids", func(e *Encoder) error {
		return e.PutStrings(generated(5000, func(i int) string { return fmt.Sprint("order-", i*7) }))
	}},
	{"prose", func(e *Encoder) error { return e.PutStrings(generated(5000, texts["prose"])) }},
	{"cities", func(e *Encoder) error {
		return e.PutStrings(generated(5000, func(i int) string { return []string{"Ulm", "Köln", "Bonn"}[noise(i)%3] }))
	}},
	{"one city", func(e *Encoder) error { return e.PutStrings(generated(5000, func(int) string { return "Ulm" })) }},
	{"bytes", func(e *Encoder) error { return e.PutStrings(generated(5000, texts["bytes"])) }},
}

func generated(n int, value func(int) string) Strings {
	values := make([]string, n)
	for i := range values {
		values[i] = value(i)
	}
	return stringsOf(values, nil)
}

// TestMemory writes every block after every other: memory may save a search,
// but a block costs what it would without, give or take its drift.
func TestMemory(t *testing.T) {
	e := NewEncoder(Default)
	for _, first := range blocks {
		for _, second := range blocks {
			var m Memory
			put := func(put func(*Encoder) error) []byte {
				e.Remember(&m)
				if err := put(e); err != nil {
					t.Fatal(err)
				}
				b, _ := e.Page(nil)
				return b
			}
			put(first.put)
			got := put(second.put)
			want, _ := page(t, Default, second.put)
			if len(got) > len(want)+len(want)/8 {
				t.Errorf("%s after %s: %d bytes; want about %d", second.name, first.name, len(got), len(want))
			}
			if again := put(second.put); len(again) != len(got) {
				t.Errorf("%s after %s, again: %d bytes; want %d", second.name, first.name, len(again), len(got))
			}
		}
	}
}

// TestMemoryIsPerColumn: columns that share an encoder do not share memory.
func TestMemoryIsPerColumn(t *testing.T) {
	e, memories := NewEncoder(Default), make([]Memory, len(blocks))
	var firsts [][]byte
	for round := range 3 {
		for i, b := range blocks {
			e.Remember(&memories[i])
			if err := b.put(e); err != nil {
				t.Fatal(err)
			}
			got, _ := e.Page(nil)
			if round == 0 {
				firsts = append(firsts, got)
			} else if !bytes.Equal(got, firsts[i]) {
				t.Errorf("%s, round %d: the same values made another page", b.name, round)
			}
		}
	}
}
