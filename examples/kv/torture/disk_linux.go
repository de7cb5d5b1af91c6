package main

import (
	"fmt"
	"os"
	"syscall"
)

// canMount says why no disks of a given size can be made here, or nil: it makes one.
func canMount() error {
	dir, err := os.MkdirTemp("", "torture-")
	if err != nil {
		return err
	}
	defer os.Remove(dir)
	if err := mount(dir, diskSize); err != nil {
		return err
	}
	return unmount(dir)
}

// mount makes a disk of so many bytes at dir: one in memory, which is full when it is full.
func mount(dir string, size int) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		return fmt.Errorf("mounting a disk at %s: %w", dir, err)
	}
	return nil
}

func unmount(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }
