package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// A value is what a key holds.
type value struct {
	exists bool
	text   string
}

func (v value) String() string {
	if v.exists {
		return v.text
	}
	return nothing
}

// linearizable says, to porcupine, how one key behaves. An operation that nobody knows the outcome of
// returns last of all: that it never took effect is to say that it comes after everything else.
//
// The model is strict: a command that is executed twice, and one that is executed after the
// server has said that it never will be, has no place in it.
var linearizable = porcupine.Model{
	Init: func() any { return value{} },
	Step: func(state, input, _ any) (bool, any) {
		o := input.(*operation)
		answer, next := step(state.(value), o)
		return o.Return == 0 || answer == o.Answer, next
	},
	DescribeOperation: func(input, _ any) string { return input.(*operation).String() },
	DescribeState:     func(state any) string { return state.(value).String() },
}

// step executes an operation, and returns what it answers.
func step(v value, o *operation) (answer string, next value) {
	written := value{true, o.Arg}
	switch o.Kind {
	case set:
		return "OK", written
	case setNX:
		if v.exists {
			return nothing, v
		}
		return "OK", written
	case swap:
		// That it was refused says only that something had changed, be it to the same value.
		if o.Answer == nothing {
			return nothing, v
		}
		if v.String() == o.Old {
			return "OK", written
		}
		return nothing, v
	case appending:
		written.text = v.text + o.Arg
		return strconv.Itoa(len(written.text)), written
	case increment:
		n, _ := strconv.Atoi(v.text)
		written.text = strconv.Itoa(n + 1)
		return written.text, written
	}
	return v.String(), v
}

// unanswered is after every return.
const unanswered = int64(1) << 62

// checkTimeout is how long the check of one key may take.
const checkTimeout = time.Minute

// A violation is a promise that was broken, or one that the check could not decide on.
type violation struct {
	what string
	key  string                      // "": it is about no key
	info porcupine.LinearizationInfo // if key is not ""
}

// checkKey checks that what clients were told of one key is linearizable: that each operation took
// effect at one instant between its call and its return (Herlihy and Wing, 1990). The last
// operation of the history must be a read that began after everything known had ended.
func checkKey(key string, ops []*operation) *violation {
	history := make([]porcupine.Operation, 0, len(ops))
	for i, o := range ops {
		if o.Return == 0 && !matters(o, ops) {
			continue
		}
		end := o.Return
		if end == 0 {
			end = unanswered
		}
		history = append(history, porcupine.Operation{ClientId: i, Input: o, Call: o.Call, Return: end})
	}
	result, info := porcupine.CheckOperationsVerbose(linearizable, history, checkTimeout)
	switch {
	case result == porcupine.Ok:
		return nil
	case result == porcupine.Unknown:
		return &violation{"the check of a key did not end in time", key, info}
	}
	if what := missing(ops); what != "" {
		return &violation{what, key, info}
	}
	return &violation{"no order explains what clients were told of a key", key, info}
}

// matters reports whether an operation without an answer may explain anything. What changes
// nothing does not, nor does an append that no read, the last of all included, has seen: it can be said
// to come last. That makes for far fewer orders to try.
func matters(o *operation, ops []*operation) bool {
	switch o.Kind {
	case get:
		return false
	case appending:
		for _, read := range ops {
			if read.Kind == get && read.Return != 0 && strings.Contains(read.Answer, o.Arg) {
				return true
			}
		}
		return false
	}
	return true
}

// missing says, of texts and counters, which acknowledged write is not in the last read, or which one is
// there twice. It knows nothing of orders, and so finds less than porcupine, but says it in plain words.
func missing(ops []*operation) string {
	last := ops[len(ops)-1].Answer
	increments, attempts := 0, 0
	for _, o := range ops {
		switch o.Kind {
		case appending:
			n := strings.Count(last, o.Arg)
			if n == 0 && o.Return != 0 {
				return fmt.Sprintf("an acknowledged APPEND of %s is lost", o.Arg)
			}
			if n > 1 {
				return fmt.Sprintf("an APPEND of %s was executed %d times", o.Arg, n)
			}
		case increment:
			attempts++
			if o.Return != 0 {
				increments++
			}
		}
	}
	n, err := strconv.Atoi(last)
	switch {
	case attempts == 0 || err != nil && last != nothing:
		return ""
	case n < increments:
		return fmt.Sprintf("%d INCRs were acknowledged, and %d are there", increments, n)
	case n > attempts:
		return fmt.Sprintf("%d INCRs were sent, and %d were executed", attempts, n)
	}
	return ""
}
