package main

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// Counts are how often what was done.
type counts struct {
	kills, pauses, cuts, fills, replaced, rolled, blackouts, damages atomic.Int64
}

// A nemesis does one harm after the other, until its time is over. What it does, to whom and for how
// long is drawn at random for each; but some of it is meant for whoever leads then.
type nemesis struct {
	*cluster
	counts *counts
	source func(i int) *rand.Rand // for the harm number i

	random *rand.Rand // for the one that is being done
}

// A harm is done to the cluster and undone.
type harm struct {
	weight int
	do     func(*nemesis, context.Context)
}

// harms to nodes. At most a minority of them is down at a time, except in a blackout.
func (c *cluster) harms() []harm {
	harms := []harm{
		{40, (*nemesis).killOne},
		{8, (*nemesis).killAgain},
		{8, (*nemesis).blackout},
		{8, (*nemesis).transfer},
		{3, (*nemesis).roll},
		{5, (*nemesis).replace},
		{5, (*nemesis).wipe},
		{5, (*nemesis).damage},
	}
	if canPause {
		harms = append(harms, harm{15, (*nemesis).pauseOne})
	}
	if c.mounted {
		harms = append(harms, harm{8, (*nemesis).fill})
	}
	return harms
}

// run does harm, once at least, until ends is done, and returns when the last of it is undone or
// ctx is done.
func (n *nemesis) run(ctx, ends context.Context, harms []harm) {
	total := 0
	for _, h := range harms {
		total += h.weight
	}
	for i := 0; i == 0 || ends.Err() == nil; i++ {
		n.random = n.source(i)
		n.rest(ctx, 800*time.Millisecond)
		x := n.random.IntN(total)
		for _, h := range harms {
			if x -= h.weight; x < 0 {
				h.do(n, ctx)
				break
			}
		}
		n.contradicted()
	}
}

// rest waits for a random time.
func (n *nemesis) rest(ctx context.Context, longest time.Duration) {
	sleep(ctx, time.Duration(n.random.Int64N(int64(longest))))
}

// victim is one of the nodes or, often, the one that leads.
func (n *nemesis) victim() int {
	members := n.members()
	id := members[n.random.IntN(len(members))]
	if n.random.IntN(2) == 0 {
		if leader := n.leader(); leader != 0 && leader != n.spare {
			return leader
		}
	}
	return id
}

// victims are a minority of the nodes: mostly one.
func (n *nemesis) victims() []int {
	ids := []int{n.victim()}
	if id := n.victim(); n.size >= 5 && n.random.IntN(3) == 0 && id != ids[0] {
		ids = append(ids, id)
	}
	return ids
}

func (n *nemesis) killOne(ctx context.Context) {
	ids := n.victims()
	n.log("kill %v", ids)
	n.kill(ids...)
	n.counts.kills.Add(int64(len(ids)))
	if n.random.IntN(3) > 0 {
		n.rest(ctx, 2*time.Second)
	}
	n.restart(ctx, ids...)
}

// killAgain kills a node while it recovers from having been killed.
func (n *nemesis) killAgain(ctx context.Context) {
	id := n.victim()
	for range 2 + n.random.IntN(3) {
		n.log("kill %v", id)
		n.kill(id)
		n.counts.kills.Add(1)
		if err := n.start(id); err != nil {
			n.report("starting node %d: %v", id, err)
			return
		}
		n.rest(ctx, 200*time.Millisecond)
	}
	n.kill(id)
	n.counts.kills.Add(1)
	n.restart(ctx, id)
}

// blackout kills all nodes. What was acknowledged is on the disks of a majority.
func (n *nemesis) blackout(ctx context.Context) {
	ids := n.members()
	n.log("kill all")
	n.kill(ids...)
	n.counts.kills.Add(int64(len(ids)))
	n.counts.blackouts.Add(1)
	n.rest(ctx, time.Second)
	n.restart(ctx, ids...)
}

func (n *nemesis) pauseOne(ctx context.Context) {
	ids := n.victims()
	n.log("pause %v", ids)
	n.health.setDown(true, ids...)
	for _, id := range ids {
		pause(n.nodes[id].cmd.Process)
	}
	n.counts.pauses.Add(int64(len(ids)))
	n.rest(ctx, 3*time.Second)
	for _, id := range ids {
		resume(n.nodes[id].cmd.Process)
	}
	n.health.setDown(false, ids...)
}

// transfer has another node lead, which may not work.
func (n *nemesis) transfer(context.Context) {
	ids, to := n.members(), n.random.IntN(n.size-1)
	leader := n.leader()
	if at := slices.Index(ids, leader); at >= 0 {
		ids = slices.Delete(ids, at, at+1)
	}
	if leader == 0 {
		return
	}
	_, err := n.ask(leader, "CONSENSUS", "TRANSFER", strconv.Itoa(ids[to]))
	n.log("transfer from %d to %d: %v", leader, ids[to], err)
}

// fill leaves no room on the disk of a node until it has stopped, or a while has gone, and restarts it
// with room. Sometimes it is killed and started before there is any.
func (n *nemesis) fill(ctx context.Context) {
	id := n.victim()
	n.log("fill the disk of %d", id)
	n.health.setDown(true, id)
	ballast := filepath.Join(n.nodes[id].dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		n.report("filling a disk: %v", err)
		return
	}
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	f.Close()
	n.counts.fills.Add(1)
	for range 30 {
		if sleep(ctx, 100*time.Millisecond); n.status(id, "stopped") != "" {
			break
		}
	}
	n.log("node %d: stopped: %s", id, n.status(id, "stopped"))
	n.kill(id)
	if n.random.IntN(3) == 0 {
		if err := n.try(id, false); err != nil {
			n.report("starting node %d: %v", id, err)
		}
		n.rest(ctx, time.Second)
		n.kill(id)
	}
	if err := os.Remove(ballast); err != nil {
		n.report("emptying a disk: %v", err)
	}
	n.restart(ctx, id)
}

// roll restarts all nodes, one after the other, as one does for a new version.
func (n *nemesis) roll(ctx context.Context) {
	n.log("restart one after the other")
	for _, id := range n.members() {
		n.stop(id)
		n.restart(ctx, id)
		n.rest(ctx, 500*time.Millisecond)
	}
	n.counts.rolled.Add(1)
}
