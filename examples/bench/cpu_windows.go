package main

import (
	"syscall"
	"time"
)

// processorTime is what this process has used, in user and in kernel mode.
func processorTime() time.Duration {
	var created, exited, kernel, user syscall.Filetime
	self, _ := syscall.GetCurrentProcess()
	syscall.GetProcessTimes(self, &created, &exited, &kernel, &user)
	return ticks(kernel) + ticks(user)
}

// ticks turns a duration of 100 ns each, which Filetime.Nanoseconds takes for a date.
func ticks(t syscall.Filetime) time.Duration {
	return 100 * time.Duration(int64(t.HighDateTime)<<32|int64(t.LowDateTime))
}
