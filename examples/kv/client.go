package main

import (
	"context"
	"strconv"

	"github.com/tidwall/redcon"
)

const (
	// maxBatch is how many bytes of calls that a client has sent at once become one entry.
	maxBatch = 256 << 10
	// maxTransaction is how many bytes of calls EXEC executes.
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
	queued  int      // bytes
	aborted bool     // a command was refused since
	watched [][]byte // keys and their versions, by turns

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
	case wrong != "":
		c.refuse(wrong)
	case command.run == nil && c.queue != nil && !command.endsTransaction():
		c.refuse("ERR Command not allowed inside a transaction")
	case command.run == nil:
		c.flush()
		command.serve(c, args)
	case c.queue != nil:
		c.enqueue(call{command, args})
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
	for range c.answers {
		if err == nil {
			c.conn.WriteRaw(answers)
			break
		}
		c.conn.WriteError(c.server.node.errorReply(err))
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

// Transactions. What is queued between MULTI and EXEC is one entry of the log, reads included,
// or, if nothing of it writes, one read. WATCH remembers which entry last changed a key; EXEC has
// the log compare that, and execute nothing if one has changed.

// endsTransaction reports whether c is executed at once between MULTI and EXEC.
func (c *command) endsTransaction() bool {
	switch c.name {
	case "multi", "exec", "discard", "watch", "quit":
		return true
	}
	return false
}

// enqueue queues a call until EXEC.
func (c *client) enqueue(x call) {
	if c.queued += x.size(); c.queued > maxTransaction {
		c.refuse("ERR the transaction is too large")
		return
	}
	c.queue = append(c.queue, x)
	c.conn.WriteString("QUEUED")
}

// begin is MULTI.
func (c *client) begin([][]byte) {
	if c.queue != nil {
		c.conn.WriteError("ERR MULTI calls can not be nested")
		return
	}
	c.queue = []call{}
	c.conn.WriteString("OK")
}

// exec is EXEC. Before the calls goes one that says how many there are, and what was watched.
func (c *client) exec([][]byte) {
	queue, aborted, watched := c.queue, c.aborted, c.watched
	c.reset()
	switch {
	case queue == nil:
		c.conn.WriteError("ERR EXEC without MULTI")
	case aborted:
		c.conn.WriteError("EXECABORT Transaction discarded because of previous errors.")
	default:
		args := append([][]byte{nil, strconv.AppendInt(nil, int64(len(queue)), 10)}, watched...)
		c.batch = append(append(c.batch, call{transaction, args}), queue...)
		for _, x := range queue {
			c.class = max(c.class, x.command.class)
		}
		if len(watched) > 0 {
			c.class = max(c.class, reads)
		}
		c.answers = 1
		c.flush()
	}
}

// transaction executes the head of a transaction: its arguments are how many calls follow and, by
// turns, a watched key and its version.
func (x *execution) transaction() {
	n, _ := x.integer(1)
	for i := 2; i+1 < len(x.args); i += 2 {
		if now, _ := x.get(x.arg(i)); versionOf(now) != x.arg(i+1) {
			x.reply.nullArray()
			x.skip = int(n)
			return
		}
	}
	x.reply.array(int(n))
}

func versionOf(i item) string { return strconv.FormatUint(uint64(i.version), 10) }

// reset ends the transaction, and the watching for it.
func (c *client) reset() { c.queue, c.queued, c.aborted, c.watched = nil, 0, false, nil }

// discard is DISCARD.
func (c *client) discard([][]byte) {
	if c.queue == nil {
		c.conn.WriteError("ERR DISCARD without MULTI")
		return
	}
	c.reset()
	c.conn.WriteString("OK")
}

// watch is WATCH.
func (c *client) watch(args [][]byte) {
	if c.queue != nil {
		c.conn.WriteError("ERR WATCH inside MULTI is not allowed")
		return
	}
	_, err := c.execute(nil, reads)
	if err != nil {
		c.conn.WriteError(c.server.node.errorReply(err))
		return
	}
	for _, key := range args[1:] {
		c.watched = append(c.watched, key, c.server.node.store.version(string(key)))
	}
	c.conn.WriteString("OK")
}

// unwatch is UNWATCH.
func (c *client) unwatch([][]byte) {
	c.watched = nil
	c.conn.WriteString("OK")
}
