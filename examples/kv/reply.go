package main

import "github.com/tidwall/redcon"

// What may be answered, in bytes. A command whose answer would exceed it is executed, and answered
// with an error.
const (
	maxReply  = 512 << 20 // to the reads of a batch
	maxAnswer = 4 << 20   // to an entry: the session keeps it, and it has to fit into a message
)

// What Redis says, word for word.
const (
	errSyntax     = "ERR syntax error"
	errNotInteger = "ERR value is not an integer or out of range"
	errOverflow   = "ERR increment or decrement would overflow"
	errDecrement  = "ERR decrement would overflow"
	errTooLong    = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
	errCursor     = "ERR invalid cursor"
)

// A reply is the answers of one or more commands, in the Redis protocol (RESP2).
type reply struct {
	b     []byte
	limit int  // of len(b), but for what is not a bulk string
	over  bool // a bulk string was left out
}

func (r *reply) bulk(s string) {
	if r.over = r.over || len(r.b)+len(s) > r.limit; !r.over {
		r.b = redcon.AppendBulkString(r.b, s)
	}
}

func (r *reply) integer(n int64)      { r.b = redcon.AppendInt(r.b, n) }
func (r *reply) simple(s string)      { r.b = redcon.AppendString(r.b, s) }
func (r *reply) ok()                  { r.simple("OK") }
func (r *reply) null()                { r.b = redcon.AppendNull(r.b) }
func (r *reply) nullArray()           { r.b = append(r.b, "*-1\r\n"...) }
func (r *reply) array(n int)          { r.b = redcon.AppendArray(r.b, n) }
func (r *reply) error(message string) { r.b = redcon.AppendError(r.b, message) }

func (r *reply) bool(yes bool) {
	if yes {
		r.integer(1)
	} else {
		r.integer(0)
	}
}
