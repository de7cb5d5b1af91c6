//go:build !unix

package main

import (
	"errors"
	"os"
	"syscall"
)

// canPause reports whether a process can be made to stand still.
const canPause = false

func pause(*os.Process) error { return errors.ErrUnsupported }

func resume(*os.Process) error { return errors.ErrUnsupported }

// terminate ends a process, as there is no way to ask it to.
func terminate(p *os.Process) error { return p.Kill() }

func apart() *syscall.SysProcAttr { return nil }
