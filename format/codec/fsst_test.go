package codec

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// texts are kinds of text, by row.
var texts = map[string]func(i int) string{
	"prose":       func(i int) string { return strings.Repeat("the quick brown fox ", i%5) + fmt.Sprint(i) },
	"digits":      func(i int) string { return fmt.Sprintf("[%d,%d,%d]", i%2, noise(i)%100000, noise(i)>>30) },
	"long":        func(i int) string { return strings.Repeat(fmt.Sprintf("GET /index/%x ", noise(i)%300), 300+i) },
	"bytes":       func(i int) string { return string(noiseBytes(i, int(noise(i)%40))) },
	"zeroes":      func(i int) string { return string(make([]byte, i%20)) },
	"some escape": func(i int) string { return "abc\xff\x00abc" + string(noiseBytes(i, i%3)) },
	"few letters": func(i int) string { return strings.Repeat(string(rune('a'+i%3)), i%11) },
}

func noiseBytes(seed, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(noise(seed*64 + i))
	}
	return b
}

// coded returns s as FSST, chosen or not.
func coded(e *Encoder, s Strings) (table []byte, codes []byte, lengths []uint32) {
	if e.trainer == nil {
		e.trainer = new(trainer)
	}
	e.trainer.take(s)
	e.trainer.train()
	codes, lengths = e.trainer.encodeAll(s)
	return appendSymbols(nil, e.trainer.finder.symbols), codes, lengths
}

// checkedText returns text of which all codes are right.
func checkedText(table, codes []byte, rows *textRows, size int) (*symbolText, error) {
	text, err := newSymbolText(table, codes, rows, size)
	if err == nil {
		err = text.check()
	}
	return text, err
}

func offsetsOf(lengths []uint32) []int32 {
	offsets := make([]int32, 1, len(lengths)+1)
	for _, n := range lengths {
		offsets = append(offsets, offsets[len(offsets)-1]+int32(n))
	}
	return offsets
}

func TestFSSTAnyBytes(t *testing.T) {
	for name, text := range texts {
		for _, n := range []int{1, 2, 300, 3000} {
			values := make([]string, n)
			for i := range values {
				values[i] = text(i)
			}
			in := stringsOf(values, nil)
			table, codes, lengths := coded(NewEncoder(Default), in)
			text, err := checkedText(table, codes, rowsAt(offsetsOf(lengths)), in.size())
			if err != nil {
				t.Fatalf("%s, %d rows: %v", name, n, err)
			}
			offsets, got := offsetsOf(lengths), make([]byte, in.size())
			text.decode(got, offsets)
			if !bytes.Equal(got, in.text()) || fmt.Sprint(offsets) != fmt.Sprint(in.Offsets) {
				t.Errorf("%s, %d rows: values differ", name, n)
			}
			decodeEach(t, name, text, in)
		}
	}
}

// decodeEach decodes every string alone.
func decodeEach(t *testing.T, name string, text *symbolText, in Strings) {
	t.Helper()
	for i := range min(in.rows(), 50) {
		got := text.read([]int32{int32(i)})
		if !bytes.Equal(got.value(0), in.value(i)) {
			t.Errorf("%s: string %d alone: got %q; want %q", name, i, got.value(0), in.value(i))
		}
	}
}

func TestFSSTEqualStringsHaveEqualCodes(t *testing.T) {
	in := stringsOf([]string{"one of two", "one of two", "another", "one of two"}, nil)
	_, codes, lengths := coded(NewEncoder(Default), in)
	at := offsetsOf(lengths)
	for _, i := range []int{1, 3} {
		if !bytes.Equal(codes[at[0]:at[1]], codes[at[i]:at[i+1]]) {
			t.Errorf("string %d is coded otherwise than string 0", i)
		}
	}
}

func TestFSSTDamage(t *testing.T) {
	table := []byte{2, 1, 2, 'a', 'b', 'c'}
	for _, c := range []struct {
		name    string
		table   []byte
		codes   []byte
		offsets []int32
		size    int
		want    string
	}{
		{"no table", nil, nil, nil, 0, "symbol table of 0"},
		{"short table", []byte{9, 1, 1}, nil, nil, 0, "symbol table of 3"},
		{"empty symbol", []byte{1, 0}, nil, nil, 0, "symbol 0 of 0"},
		{"long symbol", append([]byte{1, 9}, make([]byte, 9)...), nil, nil, 0, "symbol 0 of 9"},
		{"symbol past the end", []byte{1, 2, 'a'}, nil, nil, 0, "symbol 0 of 2"},
		{"more than symbols", []byte{1, 1, 'a', 'b'}, nil, nil, 0, "1 bytes after"},
		{"unknown code", table, []byte{0, 2}, []int32{0, 2}, 9, "code 2 at 1"},
		{"escape of nothing", table, []byte{0, 255}, []int32{0, 2}, 9, "code 255 at 1"},
		{"too much", table, []byte{0, 1}, []int32{0, 2}, 2, "make 3 bytes"},
		{"too little", table, []byte{0, 1}, []int32{0, 2}, 4, "make 3 bytes"},
		{"split escape", table, []byte{0, 255, 7}, []int32{0, 2, 3}, 2, "middle of an escape"},
		{"split escape far on", table, append(make([]byte, stretch-1), 255, 7), []int32{0, stretch, stretch + 1}, stretch, "middle of an escape"},
	} {
		_, err := checkedText(c.table, c.codes, rowsAt(c.offsets), c.size)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v; want an error with %q", c.name, err, c.want)
		}
	}
}

// TestFSSTRowsAlone flips codes: a row that has a wrong one is an error, whole
// rows can be read beside it, and the text as a whole cannot.
func TestFSSTRowsAlone(t *testing.T) {
	const rows = 2500
	values := make([]string, rows)
	for i := range values {
		values[i] = texts["prose"](i)
	}
	in := stringsOf(values, nil)
	table, codes, lengths := coded(NewEncoder(Default), in)
	at, known := offsetsOf(lengths), int(table[0])
	if known > 253 {
		t.Fatalf("%d symbols leave no code without one", known)
	}
	for _, bad := range []int{0, 1, 1023, 1024, rows - 1} {
		for _, code := range []byte{254, escape} {
			end := int(at[bad+1])
			was := codes[end-1]
			codes[end-1] = code // an escape lacks its byte there
			text, err := newSymbolText(table, codes, rowsAt(at), in.size())
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range []int32{0, 1, 2, 1022, 1023, 1024, 1025, rows - 2, rows - 1} {
				switch err := text.checkRows([]int32{row}); {
				case int(row) == bad && err == nil:
					t.Errorf("row %d with code %d is right", row, code)
				case int(row) != bad && err != nil:
					t.Errorf("row %d beside row %d: %v", row, bad, err)
				case err == nil && string(text.read([]int32{row}).value(0)) != values[row]:
					t.Errorf("row %d is %q; want %q", row, text.read([]int32{row}).value(0), values[row])
				}
			}
			if err := text.check(); err == nil {
				t.Errorf("all rows are right, with code %d in row %d", code, bad)
			}
			codes[end-1] = was
		}
	}
}

// FuzzFSST decodes and searches any codes with any table, and codes any text.
func FuzzFSST(f *testing.F) {
	for _, text := range texts {
		table, codes, _ := coded(NewEncoder(Default), stringsOf([]string{text(1), text(2), text(3)}, nil))
		f.Add(table, codes, uint16(20), uint8(3))
	}
	e := NewEncoder(Default)
	f.Fuzz(func(t *testing.T, table, codes []byte, size uint16, cut uint8) {
		at := int(cut) % (len(codes) + 1)
		rows := rowsAt([]int32{0, int32(at), int32(len(codes))})
		if text, err := checkedText(table, codes, rows, int(size)); err == nil {
			checkSearch(t, text, text.read(nil), int(size))
		}
		if text, err := newSymbolText(table, codes, rows, int(size)); err == nil {
			apart := []error{text.checkRows([]int32{0}), text.checkRows([]int32{1})}
			for row, err := range apart {
				if err == nil {
					text.read([]int32{int32(row)})
				}
			}
			if all := text.check(); all == nil && errors.Join(apart...) != nil {
				t.Fatalf("all rows are right; alone: %v", apart)
			}
		}
		in := stringsOf([]string{string(codes[:at]), string(codes[at:]), string(table)}, nil)
		made, coded, lengths := coded(e, in)
		text, err := checkedText(made, coded, rowsAt(offsetsOf(lengths)), in.size())
		if err != nil {
			t.Fatal(err)
		}
		if got := text.read(nil); !bytes.Equal(got.Data, in.text()) {
			t.Fatalf("coded and decoded: %q; want %q", got.Data, in.text())
		}
		checkSearch(t, text, in, int(size))
	})
}

func benchTexts(name string) Strings {
	values := make([]string, 1<<14)
	for i := range values {
		values[i] = texts[name](i)
		values[i] = values[i][:min(len(values[i]), 200)]
	}
	return stringsOf(values, nil)
}

func BenchmarkFSSTDecode(b *testing.B) {
	for _, name := range []string{"prose", "digits", "long"} {
		b.Run(name, func(b *testing.B) {
			in := benchTexts(name)
			table, codes, lengths := coded(NewEncoder(Default), in)
			at := offsetsOf(lengths)
			got, offsets := make([]byte, in.size()), make([]int32, in.rows()+1)
			b.SetBytes(int64(len(got)))
			for b.Loop() {
				text, err := checkedText(table, codes, rowsAt(at), len(got))
				if err != nil {
					b.Fatal(err)
				}
				copy(offsets, at)
				text.decode(got, offsets)
			}
			b.ReportMetric(float64(len(got))/float64(len(codes)), "ratio")
		})
	}
}

func BenchmarkFSSTEncode(b *testing.B) {
	in, e := benchTexts("digits"), &Encoder{trainer: new(trainer)}
	b.SetBytes(int64(in.size()))
	for b.Loop() {
		e.trainer.take(in)
		e.trainer.train()
		e.trainer.encodeAll(in)
	}
}

func BenchmarkFSSTTrain(b *testing.B) {
	in, e := benchTexts("digits"), &Encoder{trainer: new(trainer)}
	for b.Loop() {
		e.trainer.take(in)
		e.trainer.train()
	}
}
