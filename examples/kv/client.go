package main

import (
	"context"

	"github.com/tidwall/redcon"
)

const (
	// maxBatch is how many bytes of calls that a client has sent at once become one entry.
	maxBatch = 256 << 10
	// maxTransaction is how many bytes of calls, and of keys watched for them, EXEC takes.
	maxTransaction = 3 << 20
	// maxOutput is how many bytes of answers wait until a client has been sent all it asked for.
	maxOutput = 1 << 20
)

// A client is one connection. It takes what was sent at once (a pipeline) together: a run of
// commands that write is one entry of the log, and a run of those that read is one read, so that
// a pipeline costs little more than a command. The commands are executed in order all the same.
type client struct {
	server *server
	conn   redcon.Conn

	batch   []call // to be executed next
	class   class  // what the batch needs
	size    int    // of the batch, in bytes
	answers int    // how many answers the client expects to the batch

	queue   []call   // since MULTI; nil: there was none
	aborted bool     // a command was refused since
	watched [][]byte // keys and their versions, by turns
	queued  int      // bytes of both

	left bool // after QUIT
}

// serve executes commands, and answers them.
func (c *client) serve(commands []redcon.Command) {
	for _, command := range commands {
		if !c.left {
			c.dispatch(command.Args)
		}
	}
	c.flush()
}

func (c *client) dispatch(args [][]byte) {
	command, wrong := lookUp(args)
	switch {
	case wrong != "" && command != nil && command.name == "exec":
		c.abort(wrong)
	case wrong != "":
		c.refuse(wrong)
	case c.queue != nil && command.run != nil:
		c.enqueue(call{command, args})
	case c.queue != nil && !command.passesMulti():
		c.refuse("ERR Command not allowed inside a transaction")
	case command.serve != nil:
		c.flush()
		command.serve(c, args)
	default:
		c.add(call{command, args})
	}
}

// add adds a call to the batch, after executing what cannot go with it.
func (c *client) add(x call) {
	size := x.size()
	if len(c.batch) > 0 && c.size+size > maxBatch || c.class != local && x.command.class != local && x.command.class != c.class {
		c.flush()
	}
	c.batch = append(c.batch, x)
	c.class = max(c.class, x.command.class)
	c.size += size
	c.answers++
}

// flush executes the batch.
func (c *client) flush() {
	if len(c.batch) == 0 {
		return
	}
	answers, err := c.execute(c.batch, c.class)
	if err == nil {
		c.conn.WriteRaw(answers)
	} else {
		for range c.answers {
			c.conn.WriteError(c.server.node.errorReply(err))
		}
	}
	clear(c.batch)
	c.batch, c.class, c.size, c.answers = c.batch[:0], local, 0, 0
	if w := redcon.BaseWriter(c.conn); len(w.Buffer()) > maxOutput {
		w.Flush() // an error shows at the next one
	}
}

func (c *client) execute(calls []call, class class) ([]byte, error) {
	n := c.server.node
	ctx, cancel := context.WithTimeout(context.Background(), n.cfg.timeout)
	defer cancel()
	switch class {
	case local:
		return n.store.execute(0, calls, maxReply), nil
	case reads:
		return n.read(ctx, calls)
	}
	return n.write(ctx, calls)
}

// refuse answers a command that is not executed, nor is the transaction that it is part of.
func (c *client) refuse(message string) {
	c.flush()
	c.aborted = c.queue != nil
	c.conn.WriteError(message)
}

// quit is QUIT.
func (c *client) quit([][]byte) {
	c.left = true
	c.conn.WriteString("OK")
	c.conn.Close()
}
