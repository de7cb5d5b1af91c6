package storage_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage/crashfs"
)

// script is a workload with something of everything: batches of several groups, conflicts, holes,
// snapshots of one's own and received, a witness's, rollovers, an idle group, and restarts.
func script(r *rig) {
	r.start()
	r.append(vote(3, 7)) // and then nothing for long
	r.append(put(1, 1, 4), put(2, 1, 2))
	r.append(cut(put(1, 3, 3, 2)))
	r.append(put(2, 3, 3), put(1, 4, 9, 2), put(2, 7, 7))
	r.snapshot(1, meta(5, 2), "own, "+strings.Repeat("x", 700))
	r.append(adoption(1, meta(5, 2)), put(1, 10, 11, 2))
	r.append(vote(2, 3))
	r.reopen()
	r.snapshot(2, meta(20, 4), "received")
	r.abort(1, meta(8, 2))
	r.append(put(1, 12, 12, 2), adoption(2, meta(20, 4), consensus.Entry{Index: 21, Term: 4, Data: []byte("next")}))
	r.kill()
	r.append(adoption(1, meta(11, 2)), put(2, 22, 23, 4)) // as a witness does
	for i := consensus.Index(13); i < 21; i++ {
		r.append(put(1, i, i, 3))
	}
	r.snapshot(1, meta(18, 3), "own again")
	r.append(adoption(1, meta(18, 3)))
	for i := consensus.Index(21); i < 25; i++ {
		r.append(put(1, i, i, 3), put(2, i+3, i+3, 4))
	}
	r.reopen()
	r.append(put(3, 1, 1, 7))
}

// put writes entries first to last of a term, 1 if none is given.
func put(g consensus.GroupID, first, last consensus.Index, term ...consensus.Term) consensus.Write {
	t := append(term, 1)[0]
	w := consensus.Write{Group: g, State: consensus.State{Term: t, Vote: consensus.NodeID(g)}}
	for i := first; i <= last; i++ {
		w.Entries = append(w.Entries, entry(g, i, t))
	}
	return w
}

func entry(g consensus.GroupID, i consensus.Index, t consensus.Term) consensus.Entry {
	return consensus.Entry{Index: i, Term: t, From: 1, ID: uint64(i), Data: fmt.Appendf(nil, "group %d, entry %d of term %d", g, i, t)}
}

// cut has w truncate where its entries begin.
func cut(w consensus.Write) consensus.Write {
	w.Truncate = w.Entries[0].Index
	return w
}

func vote(g consensus.GroupID, term consensus.Term) consensus.Write {
	return consensus.Write{Group: g, State: consensus.State{Term: term, Vote: 2}}
}

func meta(i consensus.Index, t consensus.Term) consensus.SnapshotMeta {
	return consensus.SnapshotMeta{Index: i, Term: t, Config: fmt.Appendf(nil, "members at %d", i)}
}

func adoption(g consensus.GroupID, m consensus.SnapshotMeta, es ...consensus.Entry) consensus.Write {
	return consensus.Write{Group: g, Snapshot: &m, Entries: es, State: consensus.State{Term: max(m.Term, 1), Commit: m.Index}}
}

// random is a workload of a seed.
func random(seed uint64, steps int) func(*rig) {
	return func(r *rig) {
		w := &worker{rig: r, draw: rand.New(rand.NewPCG(seed, 1)), seed: seed}
		r.start()
		for range steps {
			w.step()
		}
	}
}

type worker struct {
	*rig
	draw *rand.Rand
	seed uint64
}

// group draws one; the last is idle, nearly.
func (w *worker) group() consensus.GroupID {
	if w.draw.IntN(24) == 0 {
		return 3
	}
	return consensus.GroupID(1 + w.draw.IntN(2))
}

func (w *worker) step() {
	switch n := w.draw.IntN(100); {
	case n < 74:
		var writes []consensus.Write
		last := w.world
		for range 1 + w.draw.IntN(3) {
			g := w.group()
			writes = append(writes, w.write(g, last.of(g)))
			last = last.then(writes[len(writes)-1])[1]
		}
		w.append(writes...)
	case n < 86:
		w.adopt()
	case n < 90:
		g := w.group()
		w.abort(g, w.above(w.world.of(g)))
	case n < 94:
		w.reopen()
	case n < 96:
		w.kill()
	default:
		w.crash(crashfs.Cut{Choose: crashfs.Random(w.draw.Uint64()), Garbage: w.draw.IntN(2) == 0})
	}
}

// last is the last index of a group.
func last(v *view) consensus.Index {
	if n := len(v.rec.Entries); n > 0 {
		return max(v.rec.Snapshot.Index, v.rec.Entries[n-1].Index)
	}
	return v.rec.Snapshot.Index
}

// write draws what a replica might write: what is committed does not change any more.
func (w *worker) write(g consensus.GroupID, v *view) consensus.Write {
	state := v.rec.State
	open := max(v.rec.Snapshot.Index, state.Commit) + 1 // the first that may change
	first := open + consensus.Index(w.draw.Uint64N(uint64(max(open, last(v)+1)-open+1)))
	state.Term += consensus.Term(w.draw.IntN(2))
	state.Vote = consensus.NodeID(w.draw.IntN(4))
	if w.draw.IntN(2) == 0 {
		state.Commit = first - 1
	}
	out := consensus.Write{Group: g, State: state}
	switch w.draw.IntN(8) {
	case 0: // it conflicts with what is there
		out.Truncate = first
	case 1: // it replaces an entry, and no other
		out.Entries = append(out.Entries, w.entry(g, first, state.Term))
		return out
	case 2: // it leaves a hole
		first = max(open, last(v)+1) + 1
	case 3: // no entries
		return out
	default:
		first = max(open, last(v)+1)
	}
	for i := range consensus.Index(1 + w.draw.IntN(4)) {
		out.Entries = append(out.Entries, w.entry(g, first+i, state.Term))
	}
	return out
}

func (w *worker) entry(g consensus.GroupID, i consensus.Index, t consensus.Term) consensus.Entry {
	e := entry(g, i, t)
	e.ID = w.draw.Uint64()
	e.Data = append(e.Data, make([]byte, w.draw.IntN(90))...)
	return e
}

// above draws a snapshot newer than that of v: of an entry that is there, or received.
func (w *worker) above(v *view) consensus.SnapshotMeta {
	if n := len(v.rec.Entries); n > 0 && w.draw.IntN(3) > 0 {
		e := v.rec.Entries[w.draw.IntN(n)]
		return meta(e.Index, e.Term)
	}
	return meta(last(v)+1+consensus.Index(w.draw.IntN(5)), v.rec.State.Term)
}

// adopt commits a snapshot and adopts it, or adopts one that nobody created.
func (w *worker) adopt() {
	g := w.group()
	m := w.above(w.world.of(g))
	if w.draw.IntN(4) > 0 {
		w.snapshot(g, m, strings.Repeat(fmt.Sprintf("snapshot of %d at %d. ", g, m.Index), w.draw.IntN(40)))
	}
	if w.draw.IntN(6) == 0 {
		return // nobody adopts it
	}
	write := adoption(g, m)
	write.State = w.world.of(g).rec.State
	write.State.Commit = max(write.State.Commit, m.Index)
	if w.draw.IntN(2) == 0 && write.State.Commit == m.Index {
		write.Truncate = m.Index + 1
	}
	other := w.group()
	w.append(w.write(other, w.world.of(other)), write)
}
