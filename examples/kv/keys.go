package main

import (
	"strconv"
	"strings"
)

func (x *execution) del() {
	n := int64(0)
	for i := range x.args[1:] {
		if x.remove(x.arg(i + 1)) {
			n++
		}
	}
	x.reply.integer(n)
}

// exists counts a key as often as it is named.
func (x *execution) exists() {
	n := int64(0)
	for i := range x.args[1:] {
		if _, ok := x.get(x.arg(i + 1)); ok {
			n++
		}
	}
	x.reply.integer(n)
}

func (x *execution) typeOf() {
	if _, ok := x.get(x.arg(1)); ok {
		x.reply.simple("string")
	} else {
		x.reply.simple("none")
	}
}

// expire is EXPIRE and PEXPIRE, whose units are of so many milliseconds. A time that has passed
// deletes the key.
func (x *execution) expire(unit int64, name string) {
	if len(x.args) > 3 {
		x.reply.error("ERR Unsupported option " + x.arg(3))
		return
	}
	n, ok := x.integer(2)
	if !ok {
		return
	}
	expires, ok := x.deadline(n, unit)
	if !ok {
		x.reply.error("ERR invalid expire time in '" + name + "' command")
		return
	}
	i, exists := x.get(x.arg(1))
	switch {
	case exists && n <= 0:
		x.remove(i.key)
	case exists:
		x.put(i.key, i.value, expires)
	}
	x.reply.bool(exists)
}

// ttl is TTL and PTTL: how many units are left, rounded; -1: no end, -2: no key.
func (x *execution) ttl(unit int64) {
	i, exists := x.get(x.arg(1))
	switch {
	case !exists:
		x.reply.integer(-2)
	case i.expires == 0:
		x.reply.integer(-1)
	default:
		x.reply.integer((i.expires - x.clock + unit/2) / unit)
	}
}

func (x *execution) persist() {
	i, _ := x.get(x.arg(1))
	if i.expires != 0 {
		x.put(i.key, i.value, 0)
	}
	x.reply.bool(i.expires != 0)
}

// flushAll is FLUSHALL [ASYNC | SYNC], which are one here.
func (x *execution) flushAll() {
	option := ""
	if len(x.args) == 2 {
		option = strings.ToLower(x.arg(1))
	}
	if len(x.args) > 1 && option != "async" && option != "sync" {
		x.reply.error(errSyntax)
		return
	}
	fresh := newStore()
	x.store.keys, x.deadlines = fresh.keys, fresh.deadlines
	x.reply.ok()
}

// listKeys is KEYS pattern.
func (x *execution) listKeys() {
	var found []string
	x.keys.Scan(func(i item) bool {
		if match(x.arg(1), i.key) {
			found = append(found, i.key)
		}
		return true
	})
	x.list(found)
}

func (x *execution) list(s []string) {
	x.reply.array(len(s))
	for _, key := range s {
		x.reply.bulk(key)
	}
}

// scan is SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]. The cursor is the hash of the
// next key, so any node can go on from it, at any time: a key that is there throughout is found.
// Keys of one hash are found together.
func (x *execution) scan() {
	cursor, err := strconv.ParseUint(x.arg(1), 10, 64)
	if err != nil {
		x.reply.error(errCursor)
		return
	}
	pattern, count, kind := "*", int64(10), "string"
	for i := 2; i < len(x.args); i += 2 {
		option := strings.ToLower(x.arg(i))
		switch {
		case i+1 == len(x.args):
			option = ""
		case option == "match":
			pattern = x.arg(i + 1)
		case option == "type":
			kind = strings.ToLower(x.arg(i + 1))
		case option == "count":
			var ok bool
			if count, ok = x.integer(i + 1); !ok {
				return
			}
		}
		if option != "match" && option != "type" && option != "count" || count < 1 {
			x.reply.error(errSyntax)
			return
		}
	}
	var found []string
	var last, next uint64
	x.keys.Ascend(item{hash: cursor}, func(i item) bool {
		if count <= 0 && i.hash != last {
			next = i.hash
			return false
		}
		if kind == "string" && match(pattern, i.key) {
			found = append(found, i.key)
		}
		last = i.hash
		count--
		return true
	})
	x.reply.array(2)
	x.reply.bulk(strconv.FormatUint(next, 10))
	x.list(found)
}
