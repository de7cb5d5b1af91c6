package main

import (
	"strconv"
	"strings"
)

// Transactions: what is queued between MULTI and EXEC is one entry of the log, reads included, or,
// if nothing of it writes, one read. WATCH remembers which entry last changed a key; EXEC has the log
// compare that, and nothing is executed if one has changed. A key that was missing and is missing again
// has not, whatever was between; Redis says that it has.

const errTransaction = "ERR the transaction is too large"

// passesMulti reports whether c is not queued between MULTI and EXEC, but executed at once.
func (c *command) passesMulti() bool {
	switch c.name {
	case "multi", "exec", "discard", "watch", "quit":
		return true
	}
	return false
}

// enqueue queues a call until EXEC.
func (c *client) enqueue(x call) {
	if c.queued += x.size(); c.queued > maxTransaction {
		c.refuse(errTransaction)
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

// abort answers an EXEC that is wrong, which ends the transaction all the same.
func (c *client) abort(wrong string) {
	c.refuse("EXECABORT Transaction discarded because of: " + strings.TrimPrefix(wrong, "ERR "))
	c.reset()
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
func (c *client) reset() { c.queue, c.aborted, c.watched, c.queued = nil, false, nil, 0 }

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
	for _, key := range args[1:] {
		c.queued += len(key) + 64
	}
	if c.queued > maxTransaction {
		c.refuse(errTransaction)
		return
	}
	if _, err := c.execute(nil, reads); err != nil {
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
	c.reset()
	c.conn.WriteString("OK")
}
