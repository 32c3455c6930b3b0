package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dropFromCache asks the kernel to forget the files below the paths and
// returns the share of their pages that it still holds. It cannot reach what
// a hypervisor caches below it.
func dropFromCache(paths []string) (left float64, err error) {
	held, all := 0, 0
	for _, path := range paths {
		err := filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			h, n, err := dropFile(file)
			held, all = held+h, all+n
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return float64(held) / float64(max(all, 1)), nil
}

func dropFile(name string) (held, pages int, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	if err := unix.Fdatasync(int(f.Fd())); err != nil { // only clean pages can go
		return 0, 0, err
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return 0, 0, err
	}
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return 0, 0, err
	}
	return resident(f, int(info.Size()))
}

// resident counts a file's pages that are in memory.
func resident(f *os.File, size int) (held, pages int, err error) {
	m, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return 0, 0, err
	}
	defer unix.Munmap(m)
	in := make([]byte, (size+os.Getpagesize()-1)/os.Getpagesize())
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&m[0])), uintptr(size), uintptr(unsafe.Pointer(&in[0])))
	if errno != 0 {
		return 0, 0, errno
	}
	for _, b := range in {
		held += int(b & 1)
	}
	return held, len(in), nil
}
