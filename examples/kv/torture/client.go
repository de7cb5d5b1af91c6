package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// think is the longest that a client waits between two commands.
const think = 10 * time.Millisecond

// A client sends one command after the other to some node, and now and then changes to another.
type client struct {
	id       int
	cluster  *cluster
	recorder *recorder
	random   *rand.Rand

	node  int // 0: none
	conn  *conn
	count int // of what it has written
}

// run goes on until ctx is done.
func (c *client) run(ctx context.Context) {
	defer c.hangUp()
	for ctx.Err() == nil {
		if c.random.IntN(50) == 0 {
			c.hangUp()
		}
		if c.connect() {
			g := c.recorder.begin()
			key := g.keys[c.random.IntN(len(g.keys))]
			name, _, _ := strings.Cut(key, "-")
			does := kinds[name]
			c.recorder.end(g, c.perform(does[c.random.IntN(len(does))], key)...)
		} else {
			sleep(ctx, 5*think) // nobody is there
		}
		sleep(ctx, time.Duration(c.random.Int64N(int64(think))))
	}
}

func (c *client) connect() bool {
	if c.conn == nil {
		members := c.cluster.members()
		c.node = members[c.random.IntN(len(members))]
		c.conn, _ = dial(c.cluster.network.clients(c.node))
	}
	return c.conn != nil
}

func (c *client) hangUp() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// perform does something to a key, and returns what it did, so far as it may have had an effect or an answer.
func (c *client) perform(k kind, key string) []*operation {
	switch k {
	case get:
		return c.single(k, key, "", "GET", key)
	case increment:
		return c.single(k, key, "", "INCR", key)
	case swap:
		return c.swap(key)
	}
	arg := c.unique()
	switch k {
	case set:
		return c.single(k, key, arg, "SET", key, arg)
	case setNX:
		return c.single(k, key, arg, "SET", key, arg, "NX")
	}
	return c.single(k, key, arg, "APPEND", key, arg)
}

// unique is a string that is part of no other one that this or another client writes.
func (c *client) unique() string {
	c.count++
	return fmt.Sprintf("<%d.%d>", c.id, c.count)
}

// begun is an operation that begins now.
func (c *client) begun(k kind, key, arg string) *operation {
	return &operation{Client: c.id, Node: c.node, Kind: k, Key: key, Arg: arg, Call: c.recorder.now()}
}

func (c *client) single(k kind, key, arg string, command ...string) []*operation {
	o := c.begun(k, key, arg)
	r, err := c.conn.do(clientTimeout, command...)
	return c.ended(o, r, err)
}

// ended notes how an operation ended. It returns none if that says nothing: if it had no effect and
// will have none, or if it could have had none and has no answer.
func (c *client) ended(o *operation, r reply, err error) []*operation {
	unknown := err != nil
	if err == nil && r.kind == '-' {
		code, _, _ := strings.Cut(r.text, " ")
		switch code {
		case "UNKNOWN":
			unknown = true
		case "TRYAGAIN", "READONLY", "ERR":
			if code == "ERR" && !strings.Contains(r.text, "stopped") && !strings.Contains(r.text, "closed") {
				c.cluster.report("node %d answered to %v: %s", c.node, o, r.text)
			}
			c.hangUp() // another one may do better
			return nil
		default:
			c.cluster.report("node %d answered to %v: %s", c.node, o, r.text)
			return nil
		}
	}
	if unknown {
		c.hangUp()
		if o.Kind.writes() {
			return []*operation{o}
		}
		return nil
	}
	o.Return, o.Answer = c.recorder.now(), r.String()
	return []*operation{o}
}

// swap reads a value and, if nothing changes it meanwhile, sets another in its place.
func (c *client) swap(key string) []*operation {
	r, err := c.conn.do(clientTimeout, "WATCH", key)
	if err != nil || r.kind == '-' {
		c.hangUp()
		return nil
	}
	ops := c.single(get, key, "", "GET", key)
	if len(ops) == 0 {
		c.hangUp()
		return nil
	}
	o := c.begun(swap, key, c.unique())
	o.Old = ops[0].Answer
	answers, err := c.conn.pipeline(clientTimeout, []string{"MULTI"}, []string{"SET", key, o.Arg}, []string{"EXEC"})
	if err == nil {
		r = answers[2]
		if r.kind == '*' && !r.null {
			r = r.items[0]
		}
	}
	return append(ops, c.ended(o, r, err)...)
}
