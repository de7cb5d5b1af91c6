//go:build !linux

package main

import "errors"

var errNoMount = errors.New("disks of a given size are made on Linux only")

func canMount() error { return errNoMount }

func mount(string, int) error { return errNoMount }

func unmount(string) error { return errNoMount }
