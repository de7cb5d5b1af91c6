package main

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"

	"github.com/tidwall/btree"

	"github.com/consensus-go/consensus"
)

// A store is the state machine: a map from keys to strings, some of which expire.
//
// What time it is, the log decides. Each entry carries the wall clock of the node that took it in,
// and the store's clock is the latest of all so far: it is the same on every replica, and never
// goes back. A key whose time has come is gone before the entry that says so is executed, and no
// other clock has a part in it. A key that is given n milliseconds gets them from the store's
// clock on. If the nodes' clocks differ, the fastest decides: a key set through one node may be
// gone so much too early as another's clock is ahead and, once a clock that was far ahead has been
// set right, keys live on until the others have reached it. No key comes back.
type store struct {
	mu        sync.RWMutex
	clock     int64 // milliseconds since 1970
	keys      *btree.BTreeG[item]
	deadlines *btree.BTreeG[item] // those of keys that expire, by when
}

// An item is a key with its value. Items lie by the hash of their key, which is what SCAN goes by.
type item struct {
	hash       uint64
	key, value string
	expires    int64           // by the store's clock; 0: never
	version    consensus.Index // the entry that last changed it, for WATCH
}

func newStore() *store {
	noLocks := btree.Options{NoLocks: true} // store.mu is enough
	return &store{
		keys: btree.NewBTreeGOptions(func(a, b item) bool { return byHash(&a, &b) < 0 }, noLocks),
		deadlines: btree.NewBTreeGOptions(func(a, b item) bool {
			return cmp.Or(cmp.Compare(a.expires, b.expires), byHash(&a, &b)) < 0
		}, noLocks),
	}
}

func byHash(a, b *item) int {
	return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.key, b.key))
}

// hashOf is where a key lies: above 0, and a cursor that clients take for a signed number.
func hashOf(key string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	return h.Sum64()>>1 | 1
}

// Apply executes an entry. An entry that it does not understand is of a later version of this
// program: to go on without it would make this replica another than the rest, so it panics, and
// this replica stops.
func (s *store) Apply(c consensus.Command) consensus.Result {
	e, err := decodeEntry(c.Data)
	if err != nil {
		panic(fmt.Sprintf("entry %d: %v", c.Index, err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance(e.stamp)
	return consensus.Result{Data: s.execute(c.Index, e.calls, maxAnswer)}
}

// advance moves the clock, and removes what expires by that.
func (s *store) advance(stamp int64) {
	s.clock = max(s.clock, stamp)
	for x, ok := s.deadlines.Min(); ok && x.expires <= s.clock; x, ok = s.deadlines.Min() {
		s.remove(x.key)
	}
}

// read executes calls of which none writes. It reports false, and executes none, if by the clock
// now a key has expired that the log has not told about yet.
func (s *store) read(now int64, calls []call) (answers []byte, current bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if x, ok := s.deadlines.Min(); ok && x.expires <= now {
		return nil, false
	}
	return s.execute(0, calls, maxReply), true
}

// execute executes calls, and returns their answers one after the other, of limit bytes about. s.mu
// is held, for reading if no call writes, and not at all if none needs the store.
func (s *store) execute(at consensus.Index, calls []call, limit int) []byte {
	x := execution{store: s, at: at, reply: reply{limit: limit}}
	for i := 0; i < len(calls); i++ {
		before := len(x.reply.b)
		x.args = calls[i].args
		calls[i].command.run(&x)
		if x.reply.over {
			x.reply.b = x.reply.b[:before]
			x.reply.error("ERR the reply is too large")
			x.reply.over = false
		}
		i += x.skip
		x.skip = 0
	}
	return x.reply.b
}

// An execution is a call under way.
type execution struct {
	*store
	at    consensus.Index // of the entry that is being applied
	args  [][]byte
	reply reply
	skip  int // so many of the calls that follow are not to be executed
}

func (x *execution) arg(i int) string { return string(x.args[i]) }

// integer returns an argument as a number, or answers that it is none.
func (x *execution) integer(i int) (int64, bool) {
	n, ok := parseInteger(x.arg(i))
	if !ok {
		x.reply.error(errNotInteger)
	}
	return n, ok
}

// parseInteger takes what Redis takes for a number: the one way in which it would print it.
func parseInteger(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == s
}

func (s *store) get(key string) (item, bool) {
	return s.keys.Get(item{hash: hashOf(key), key: key})
}

// put sets a key.
func (x *execution) put(key, value string, expires int64) {
	i := item{hashOf(key), key, value, expires, x.at}
	if old, ok := x.keys.Set(i); ok && old.expires != 0 {
		x.deadlines.Delete(old)
	}
	if expires != 0 {
		x.deadlines.Set(item{hash: i.hash, key: key, expires: expires})
	}
}

// remove reports whether there was such a key.
func (s *store) remove(key string) bool {
	old, ok := s.keys.Delete(item{hash: hashOf(key), key: key})
	if ok && old.expires != 0 {
		s.deadlines.Delete(old)
	}
	return ok
}

// size is how many keys there are, and how many of them expire.
func (s *store) size() (keys, expiring int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.keys.Len(), s.deadlines.Len()
}

// version is which entry last changed a key, as WATCH compares it.
func (s *store) version(key string) []byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i, _ := s.get(key)
	return []byte(versionOf(i))
}
