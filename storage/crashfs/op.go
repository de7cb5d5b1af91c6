package crashfs

import (
	"fmt"
	"io/fs"
	"strings"
)

// A Kind is which method of storage.FS or storage.File was called.
type Kind uint8

const (
	MkdirAll Kind = iota
	ReadDir
	Create
	Open
	OpenRead
	Rename
	Remove
	SyncDir
	Lock
	ReadAt
	WriteAt
	Truncate
	Sync
	Size
	Close
)

var kindNames = [...]string{"MkdirAll", "ReadDir", "Create", "Open", "OpenRead", "Rename", "Remove", "SyncDir", "Lock",
	"ReadAt", "WriteAt", "Truncate", "Sync", "Size", "Close"}

func (k Kind) String() string { return kindNames[k] }

// Writes reports whether k may change what a crash leaves.
func (k Kind) Writes() bool {
	switch k {
	case MkdirAll, Create, Rename, Remove, SyncDir, Lock, WriteAt, Truncate, Sync:
		return true
	}
	return false
}

// An Op is one call.
type Op struct {
	N      int // from 1
	Kind   Kind
	Name   string // the file or folder
	To     string // of Rename
	Offset int64  // of ReadAt and WriteAt; the size of Truncate
	Len    int    // of ReadAt and WriteAt
}

func (op Op) String() string {
	s := fmt.Sprintf("%d %v %s", op.N, op.Kind, op.Name)
	switch op.Kind {
	case Rename:
		return s + " to " + op.To
	case ReadAt, WriteAt:
		return fmt.Sprintf("%s, %d bytes at %d", s, op.Len, op.Offset)
	case Truncate:
		return fmt.Sprintf("%s to %d", s, op.Offset)
	}
	return s
}

// A Fault is how a call fails: without effect, but that a Sync forgets what it should have
// written, and a Close closes.
type Fault struct {
	Err  error
	Half bool // a WriteAt writes the first half
}

// Inject has f ask before each call whether it should fail. The last function given is asked; nil
// ends it. It must not use f.
func (f *FS) Inject(fault func(Op) *Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inject = fault
}

// FailAt injects one fault, at call number n.
func (f *FS) FailAt(n int, fault Fault) {
	f.Inject(func(op Op) *Fault {
		if op.N == n {
			return &fault
		}
		return nil
	})
}

// After has f call a function after each call, whether it failed or not, before the caller goes
// on. It may use f, but for the calls it is told of.
func (f *FS) After(hear func(Op)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = hear
}

// Ops returns how many calls there have been.
func (f *FS) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.done)
}

// Log returns the calls that there have been, a line each, for the message of a test that failed.
func (f *FS) Log() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	for _, o := range f.done {
		b.WriteString(o.op.String())
		if o.err != nil {
			fmt.Fprintf(&b, ": %v", o.err)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// An outcome is what became of a call.
type outcome struct {
	op  Op
	err error
}

// do makes one call, by act, or has it fail.
func (f *FS) do(op Op, failing func(*Fault), act func() error) error {
	op, after, err := f.perform(op, failing, act)
	if after != nil {
		after(op)
	}
	if err != nil {
		return &fs.PathError{Op: op.Kind.String(), Path: op.Name, Err: err}
	}
	return nil
}

func (f *FS) perform(op Op, failing func(*Fault), act func() error) (Op, func(Op), error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	op.N = len(f.done) + 1
	var fault *Fault
	if f.inject != nil {
		fault = f.inject(op)
	}
	var err error
	if fault == nil {
		err = act()
	} else {
		if err = fault.Err; failing != nil {
			failing(fault)
		}
	}
	f.done = append(f.done, outcome{op, err})
	return op, f.after, err
}
