package main

import (
	"math"
	"strconv"
	"strings"
)

// maxBulk is how long a key or value may be.
const maxBulk = 1 << 20

// set is SET key value [NX | XX] [EX seconds | PX milliseconds].
func (x *execution) set() {
	var onlyNew, onlyOld bool
	var unit int64
	var after int
	for i := 3; i < len(x.args); i++ {
		switch option := strings.ToLower(x.arg(i)); {
		case option == "nx" && !onlyOld:
			onlyNew = true
		case option == "xx" && !onlyNew:
			onlyOld = true
		case option == "ex" && unit != 1 && i+1 < len(x.args):
			i++
			unit, after = 1000, i
		case option == "px" && unit != 1000 && i+1 < len(x.args):
			i++
			unit, after = 1, i
		default:
			x.reply.error(errSyntax)
			return
		}
	}
	var expires int64
	if unit != 0 {
		n, ok := x.integer(after)
		if !ok {
			return
		}
		if expires, ok = x.deadline(n, unit); !ok || n <= 0 {
			x.reply.error("ERR invalid expire time in 'set' command")
			return
		}
	}
	if _, exists := x.get(x.arg(1)); exists && onlyNew || !exists && onlyOld {
		x.reply.null()
		return
	}
	x.put(x.arg(1), x.arg(2), expires)
	x.reply.ok()
}

// deadline is the store's clock in n units of so many milliseconds, if that can be told.
func (s *store) deadline(n, unit int64) (int64, bool) {
	if n > math.MaxInt64/unit || n < math.MinInt64/unit {
		return 0, false
	}
	n *= unit
	return n + s.clock, n <= math.MaxInt64-s.clock
}

func (x *execution) getString() { x.value(x.arg(1)) }

// value answers with the value of a key, or that there is none.
func (x *execution) value(key string) {
	if i, ok := x.get(key); ok {
		x.reply.bulk(i.value)
	} else {
		x.reply.null()
	}
}

func (x *execution) setNX() {
	_, exists := x.get(x.arg(1))
	if !exists {
		x.put(x.arg(1), x.arg(2), 0)
	}
	x.reply.bool(!exists)
}

func (x *execution) getSet() {
	x.value(x.arg(1))
	x.put(x.arg(1), x.arg(2), 0)
}

func (x *execution) mGet() {
	x.reply.array(len(x.args) - 1)
	for i := range x.args[1:] {
		x.value(x.arg(i + 1))
	}
}

func (x *execution) mSet() {
	if len(x.args)%2 == 0 {
		x.reply.error(wrongArity("mset"))
		return
	}
	for i := 1; i < len(x.args); i += 2 {
		x.put(x.arg(i), x.arg(i+1), 0)
	}
	x.reply.ok()
}

func (x *execution) incrBy() {
	if n, ok := x.integer(2); ok {
		x.add(n)
	}
}

func (x *execution) decrBy() {
	n, ok := x.integer(2)
	switch {
	case ok && n == math.MinInt64:
		x.reply.error(errDecrement)
	case ok:
		x.add(-n)
	}
}

// add adds n to the number that a key holds.
func (x *execution) add(n int64) {
	i, exists := x.get(x.arg(1))
	var old int64
	if exists {
		var ok bool
		if old, ok = parseInteger(i.value); !ok {
			x.reply.error(errNotInteger)
			return
		}
	}
	if n > 0 && old > math.MaxInt64-n || n < 0 && old < math.MinInt64-n {
		x.reply.error(errOverflow)
		return
	}
	x.put(x.arg(1), strconv.FormatInt(old+n, 10), i.expires)
	x.reply.integer(old + n)
}

func (x *execution) append() {
	i, _ := x.get(x.arg(1))
	if len(i.value)+len(x.args[2]) > maxBulk {
		x.reply.error(errTooLong)
		return
	}
	x.put(x.arg(1), i.value+x.arg(2), i.expires)
	x.reply.integer(int64(len(i.value) + len(x.args[2])))
}

func (x *execution) strLen() {
	i, _ := x.get(x.arg(1))
	x.reply.integer(int64(len(i.value)))
}

// ping is PING [message].
func (x *execution) ping() {
	switch len(x.args) {
	case 1:
		x.reply.simple("PONG")
	case 2:
		x.reply.bulk(x.arg(1))
	default:
		x.reply.error(wrongArity("ping"))
	}
}
