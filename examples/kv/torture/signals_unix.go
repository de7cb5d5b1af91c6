//go:build unix

package main

import (
	"os"
	"syscall"
)

// canPause reports whether a process can be made to stand still.
const canPause = true

func pause(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }

func resume(p *os.Process) error { return p.Signal(syscall.SIGCONT) }

// terminate asks a process to end.
func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

// apart keeps the signals of a terminal from the nodes: who runs the test ends them.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
