//go:build unix

package main

import (
	"syscall"
	"time"
)

// processorTime is what this process has used, in user and in kernel mode.
func processorTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it cannot fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
