package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// A checker checks generations as they end, and keeps what they were in files, to be checked again at the end.
type checker struct {
	dir      string
	cluster  *cluster
	recorder *recorder
	report   func(violation)

	queue  chan *generation
	closed map[string]string // by key, the value that it had in the end
	file   map[string]string // by key, where its history is
	keys   []string          // in order
}

// checkerQueue is how many generations may wait, in a long time without a majority say.
const checkerQueue = 1 << 16

// run checks what comes, until the queue is closed or ctx is done.
func (k *checker) run(ctx context.Context) {
	for g := range k.queue {
		k.check(ctx, g)
	}
}

// check ends the history of each key with a read.
func (k *checker) check(ctx context.Context, g *generation) {
	for _, key := range g.keys {
		last := k.insist(ctx, key)
		if last == nil {
			return
		}
		g.ops[key] = append(g.ops[key], last)
		k.closed[key] = last.Answer
	}
	name := filepath.Join(k.dir, fmt.Sprintf("%06d.json", g.number))
	b, err := json.Marshal(g.ops)
	if err == nil {
		err = os.WriteFile(name, b, 0o644)
	}
	if err != nil {
		k.cluster.report("writing a history: %v", err)
	}
	for _, key := range g.keys {
		k.keys, k.file[key] = append(k.keys, key), name
		if v := checkKey(key, g.ops[key]); v != nil {
			k.report(*v)
		}
	}
}

// insist reads a key from whatever node answers. It returns nil only if ctx is done.
func (k *checker) insist(ctx context.Context, key string) *operation {
	for ; ctx.Err() == nil; sleep(ctx, 5*think) {
		for _, id := range k.cluster.members() {
			if o := k.read(id, key); o != nil {
				return o
			}
		}
	}
	return nil
}

// read is a read of a key that began now, or nil if a node did not answer.
func (k *checker) read(id int, key string) *operation {
	o := &operation{Client: -1, Node: id, Kind: get, Key: key, Call: k.recorder.now()}
	r, err := k.cluster.ask(id, "GET", key)
	if err != nil {
		return nil
	}
	o.Return, o.Answer = k.recorder.now(), r.String()
	return o
}

// final reads every key from every node, all of which are well. What differs from what it was when
// its generation ended must be explained by a write whose outcome was unknown.
func (k *checker) final(ctx context.Context) {
	changed := make(map[string][]*operation)
	for _, id := range k.cluster.members() {
		for at := 0; at < len(k.keys) && ctx.Err() == nil; at += readsAtOnce {
			keys := k.keys[at:min(at+readsAtOnce, len(k.keys))]
			call := k.recorder.now()
			r, err := k.cluster.ask(id, append([]string{"MGET"}, keys...)...)
			if err != nil || len(r.items) != len(keys) {
				k.cluster.report("node %d does not answer in the end: %v", id, err)
				return
			}
			for i, key := range keys {
				o := &operation{Client: -1, Node: id, Kind: get, Key: key, Call: call, Return: k.recorder.now(), Answer: r.items[i].String()}
				if o.Answer != k.closed[key] || changed[key] != nil {
					changed[key] = append(changed[key], o)
				}
			}
		}
	}
	for key, reads := range changed {
		ops, err := k.history(key)
		if err != nil {
			k.cluster.report("reading the history of %s: %v", key, err)
			return
		}
		if v := checkKey(key, append(ops, reads...)); v != nil {
			k.report(*v)
		}
	}
}

// readsAtOnce is how many keys are read with one command.
const readsAtOnce = 100

func (k *checker) history(key string) ([]*operation, error) {
	b, err := os.ReadFile(k.file[key])
	if err != nil {
		return nil, err
	}
	var all map[string][]*operation
	err = json.Unmarshal(b, &all)
	return all[key], err
}
