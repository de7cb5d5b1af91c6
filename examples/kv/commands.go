package main

import (
	"bytes"
	"fmt"
	"strings"
)

// A class says what a command needs.
type class uint8

const (
	local  class = iota // nothing: it is answered without the store
	reads               // the store, up to date
	writes              // an entry in the log
)

// A command is one of Redis's, or of this program's own.
type command struct {
	name  string
	code  byte // its name in the log, for ever; 0: it is never there
	arity int  // how many arguments, the name among them; -n: n or more
	class class
	keys  keyRange
	run   func(*execution)        // executes it on a store
	serve func(*client, [][]byte) // executes it for a connection, when it is not part of a transaction
}

// A keyRange says which arguments are keys, as Redis's COMMAND does: the first, the last (-1: of
// all), and every how many.
type keyRange struct{ first, last, step int }

var (
	noKeys   keyRange
	firstKey = keyRange{1, 1, 1}
	allKeys  = keyRange{1, -1, 1}
)

var (
	commands []*command // all that clients may call
	byName   = make(map[string]*command)
	byCode   [256]*command
)

// transaction is the head of a transaction in the log. Nobody can call it by its name.
var transaction = &command{code: 27, arity: -2, run: (*execution).transaction}

// The commands. TTL and PTTL are in the log because they tell the time, which the log alone knows.
func init() {
	commands = []*command{
		{"set", 1, -3, writes, firstKey, (*execution).set, nil},
		{"get", 2, 2, reads, firstKey, (*execution).getString, nil},
		{"setnx", 3, 3, writes, firstKey, (*execution).setNX, nil},
		{"getset", 4, 3, writes, firstKey, (*execution).getSet, nil},
		{"del", 5, -2, writes, allKeys, (*execution).del, nil},
		{"exists", 6, -2, reads, allKeys, (*execution).exists, nil},
		{"incr", 7, 2, writes, firstKey, func(x *execution) { x.add(1) }, nil},
		{"incrby", 8, 3, writes, firstKey, (*execution).incrBy, nil},
		{"decr", 9, 2, writes, firstKey, func(x *execution) { x.add(-1) }, nil},
		{"decrby", 10, 3, writes, firstKey, (*execution).decrBy, nil},
		{"append", 11, 3, writes, firstKey, (*execution).append, nil},
		{"strlen", 12, 2, reads, firstKey, (*execution).strLen, nil},
		{"mget", 13, -2, reads, allKeys, (*execution).mGet, nil},
		{"mset", 14, -3, writes, keyRange{1, -1, 2}, (*execution).mSet, nil},
		{"expire", 15, -3, writes, firstKey, func(x *execution) { x.expire(1000, "expire") }, nil},
		{"pexpire", 16, -3, writes, firstKey, func(x *execution) { x.expire(1, "pexpire") }, nil},
		{"ttl", 17, 2, writes, firstKey, func(x *execution) { x.ttl(1000) }, nil},
		{"pttl", 18, 2, writes, firstKey, func(x *execution) { x.ttl(1) }, nil},
		{"persist", 19, 2, writes, firstKey, (*execution).persist, nil},
		{"keys", 20, 2, reads, noKeys, (*execution).listKeys, nil},
		{"scan", 21, -2, reads, noKeys, (*execution).scan, nil},
		{"type", 22, 2, reads, firstKey, (*execution).typeOf, nil},
		{"dbsize", 23, 1, reads, noKeys, func(x *execution) { x.reply.integer(int64(x.keys.Len())) }, nil},
		{"flushall", 24, -1, writes, noKeys, (*execution).flushAll, nil},
		{"ping", 25, -1, local, noKeys, (*execution).ping, nil},
		{"echo", 26, 2, local, noKeys, func(x *execution) { x.reply.bulk(x.arg(1)) }, nil},

		{"info", 0, -1, local, noKeys, nil, (*client).info},
		{"command", 0, -1, local, noKeys, nil, (*client).command},
		{"multi", 0, 1, local, noKeys, nil, (*client).begin},
		{"exec", 0, 1, local, noKeys, nil, (*client).exec},
		{"discard", 0, 1, local, noKeys, nil, (*client).discard},
		{"watch", 0, -2, local, allKeys, nil, (*client).watch},
		{"unwatch", 28, 1, local, noKeys, func(x *execution) { x.reply.ok() }, (*client).unwatch},
		{"quit", 0, -1, local, noKeys, nil, (*client).quit},
		{"consensus", 0, -2, local, noKeys, nil, (*client).admin},
	}
	for _, c := range commands {
		byName[c.name] = c
		byCode[c.code] = c
	}
	byCode[0], byCode[transaction.code] = nil, transaction
}

// takes reports whether c may have n arguments, its name among them.
func (c *command) takes(n int) bool { return n == c.arity || c.arity < 0 && n >= -c.arity }

// lookUp returns the command that args call, nil if there is none, and what Redis says if it cannot be called so.
func lookUp(args [][]byte) (*command, string) {
	c := byName[string(bytes.ToLower(args[0]))]
	switch {
	case c == nil:
		return nil, unknownCommand(args)
	case !c.takes(len(args)):
		return c, wrongArity(c.name)
	}
	return c, ""
}

func wrongArity(name string) string {
	return fmt.Sprintf("ERR wrong number of arguments for '%s' command", name)
}

// unknownCommand quotes as much as Redis does.
func unknownCommand(args [][]byte) string {
	var quoted strings.Builder
	for _, arg := range args[1:] {
		if quoted.Len() >= 128 {
			break
		}
		fmt.Fprintf(&quoted, "'%s' ", arg[:min(len(arg), 128-quoted.Len())])
	}
	name := args[0][:min(len(args[0]), 128)]
	return fmt.Sprintf("ERR unknown command '%s', with args beginning with: %s", name, quoted.String())
}
