package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

var errChanging = errors.New("a change of the membership is under way")

// replace has the spare node take the place of another, which becomes the spare.
func (n *nemesis) replace(ctx context.Context) {
	old, fresh := n.victim(), n.spare
	n.log("node %d takes the place of node %d", fresh, old)
	via := n.members()
	if err := n.start(fresh); err != nil {
		n.report("starting node %d: %v", fresh, err)
		return
	}
	n.health.resize(n.size + 1)
	n.reshape(ctx, via, "ADD", fresh, "voter")
	n.health.setDown(false, fresh)
	n.mu.Lock()
	n.spare = 0
	n.mu.Unlock()
	via = append(slices.DeleteFunc(via, func(id int) bool { return id == old }), fresh)
	n.health.setDown(true, old)
	n.reshape(ctx, via, "REMOVE", old, "")
	n.health.resize(n.size)
	n.mu.Lock()
	n.spare = old
	n.mu.Unlock()
	n.kill(old)
	n.erase(old)
	n.nodes[old].joins = true
	n.counts.replaced.Add(1)
}

// wipe loses the disk of a node, which comes back under its name with an empty one: before it has been
// removed, when it must not vote, or after that.
func (n *nemesis) wipe(ctx context.Context) {
	id, early := n.victim(), n.random.IntN(2) == 0
	n.log("node %d loses its disk; it comes back at once: %v", id, early)
	n.readmit(ctx, id, early)
}

// readmit has a node come back with an empty disk.
func (n *nemesis) readmit(ctx context.Context, id int, early bool) {
	via := slices.DeleteFunc(n.members(), func(other int) bool { return other == id })
	n.kill(id)
	n.erase(id)
	if early {
		if err := n.start(id); err != nil {
			n.report("starting node %d: %v", id, err)
		}
		n.rest(ctx, time.Second)
	}
	n.reshape(ctx, via, "REMOVE", id, "")
	if !early {
		n.nodes[id].joins = true
		if err := n.start(id); err != nil {
			n.report("starting node %d: %v", id, err)
		}
	}
	n.reshape(ctx, via, "ADD", id, "voter")
	n.health.setDown(false, id)
	n.counts.replaced.Add(1)
}

// erase empties the folder of a node that is down.
func (n *nemesis) erase(id int) {
	if err := os.RemoveAll(n.data(id)); err != nil {
		n.report("erasing the folder of node %d: %v", id, err)
	}
}

// reshape has one of the nodes via change the membership until it is known, to one of them that is
// up to date, that node id is of that kind in it, or, if that is "", in it no more.
func (n *nemesis) reshape(ctx context.Context, via []int, change string, id int, becomes string) {
	var last error
	end := time.Now().Add(patience)
	for i := 0; time.Now().Before(end); i++ {
		if sleep(ctx, 50*time.Millisecond); ctx.Err() != nil {
			return
		}
		at := via[i%len(via)]
		kind, err := n.kind(at, id)
		if err != nil {
			last = err
			continue
		}
		if kind == becomes {
			return
		}
		if kind == "" || becomes == "" {
			_, last = n.ask(at, "CONSENSUS", change, strconv.Itoa(id))
		}
	}
	n.report("%s of node %d has had no success since %v: %v", change, id, patience, last)
}

// kind is which kind of member a node is, as one that is up to date and sees no change under way says.
func (n *nemesis) kind(at, id int) (string, error) {
	if _, err := n.ask(at, "GET", "any"); err != nil {
		return "", err
	}
	if n.status(at, "members_changing") != "false" {
		return "", errChanging
	}
	r, err := n.ask(at, "CONSENSUS", "MEMBERS")
	for _, line := range r.items {
		if kind, found := strings.CutPrefix(line.text, strconv.Itoa(id)+" "); found {
			return kind, err
		}
	}
	return "", err
}
