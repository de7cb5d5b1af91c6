package main

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// An entry is what this program proposes: calls to execute one after the other, and when the node
// that took them in did so. In the log it is, in version 1,
//
//	entry := version:byte stamp:uvarint call ...
//	call  := code:byte count:uvarint argument ...      count of the arguments, at most maxArguments
//	argument := length:uvarint byte ...
//
// with the code of the command (see commands.go) in the place of its name. An entry without calls
// only moves the clock.
type entry struct {
	stamp int64 // milliseconds since 1970, by the clock of the node
	calls []call
}

// A call is a command with its arguments. args[0] is its name or, out of the log, nil.
type call struct {
	command *command
	args    [][]byte
}

const entryVersion = 1

var errEntry = errors.New("not an entry of this version")

// size is about how many bytes c takes in memory, and more than it does in the log.
func (c *call) size() int {
	n := 32
	for _, arg := range c.args {
		n += len(arg) + 24
	}
	return n
}

func (e *entry) appendTo(b []byte) []byte {
	b = append(b, entryVersion)
	b = binary.AppendUvarint(b, uint64(e.stamp))
	for i := range e.calls {
		c := &e.calls[i]
		b = append(b, c.command.code)
		b = binary.AppendUvarint(b, uint64(len(c.args)-1))
		for _, arg := range c.args[1:] {
			b = binary.AppendUvarint(b, uint64(len(arg)))
			b = append(b, arg...)
		}
	}
	return b
}

// decodeEntry decodes all of b. The arguments alias it.
func decodeEntry(b []byte) (entry, error) {
	if len(b) == 0 || b[0] != entryVersion {
		return entry{}, errEntry
	}
	d := decoder{b[1:], false}
	e := entry{stamp: int64(d.uvarint())}
	for len(d.b) > 0 && !d.bad {
		command := byCode[d.b[0]]
		if command == nil {
			return entry{}, fmt.Errorf("%w: no command has the code %d", errEntry, d.b[0])
		}
		d.b = d.b[1:]
		count := d.uvarint()
		if d.bad = d.bad || count > uint64(len(d.b)); d.bad { // each takes a byte at least
			break
		}
		args := make([][]byte, 1, 1+count)
		for range count {
			args = append(args, d.bytes())
		}
		if d.bad = d.bad || !command.takes(len(args)); d.bad {
			break
		}
		e.calls = append(e.calls, call{command, args})
	}
	if d.bad {
		return entry{}, fmt.Errorf("%w: it is malformed", errEntry)
	}
	return e, nil
}

// A decoder takes numbers and strings off the front of b, until something is bad.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	s := d.b[:n:n]
	d.b = d.b[n:]
	return s
}
