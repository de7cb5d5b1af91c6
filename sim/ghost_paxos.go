package sim

import (
	"encoding/binary"

	"github.com/consensus-go/consensus"
)

// What the ghost remembers of Paxos: of each epoch, and of each ballot that was used.

func epochOf(b consensus.Term) uint64 { return uint64(b) >> 48 }

func roundOf(b consensus.Term) uint64 { return uint64(b) >> 24 & (1<<24 - 1) }

func ownerOf(b consensus.Term) consensus.NodeID { return consensus.NodeID(b & (1<<24 - 1)) }

// An era is an epoch as the stop-sign that was chosen before it defines it.
type era struct {
	members consensus.Members
	initial consensus.NodeID // who owns its reserved ballot
	begin   consensus.Index  // the stop-sign before it
	from    consensus.NodeID // who asked for it, and
	id      uint64           // under which number
	end     consensus.Index  // its own, once that is chosen; 0: it is not
}

// A round is a ballot, from its Prepare on.
type round struct {
	owner reign                     // who used it
	done  uint16                    // whose promise was complete, a bit for each node
	lacks [maxNodes]consensus.Index // what each of them could not report: what it compacted, or cannot read
	stop  consensus.Index           // a stop-sign was proposed here; 0: none
	told  consensus.Index           // its leader said that all is chosen up to here
}

// round is what is remembered of ballot b.
func (g *ghost) round(b consensus.Term) *round {
	if b == g.recent && len(g.rounds) > 0 {
		return &g.rounds[g.numberOf]
	}
	i, ok := g.numbers[b]
	if !ok {
		i = len(g.rounds)
		g.rounds = append(g.rounds, round{})
		g.numbers[b] = i
	}
	g.recent, g.numberOf = b, i
	return &g.rounds[i]
}

// era is what is known of epoch e, or nil if it has not begun.
func (g *ghost) era(e uint64) *era {
	if e >= uint64(len(g.eras)) {
		return nil
	}
	return &g.eras[e]
}

// decided is the value chosen in slot i, or nil if none is.
func (g *ghost) decided(i consensus.Index) *decision {
	if d := g.chosen.at(i); d != nil && d.by != 0 {
		return d
	}
	return nil
}

// noteStopSign ends an epoch and begins the next one, as e, which is chosen, says:
//
//	record := number:uvarint index:uvarint initial:uvarint from:uvarint id:uvarint members
//
// I16: nothing above a stop-sign is ever chosen in its epoch; see noteVote for what comes later.
func (w *World) noteStopSign(e *consensus.Entry) {
	g, b := &w.ghost, e.Data
	var v [5]uint64
	for i := range v {
		n := 0
		if v[i], n = binary.Uvarint(b); n <= 0 {
			w.fail("stop-sign", "the record chosen in slot %d is malformed", e.Index)
			return
		}
		b = b[n:]
	}
	m, _, err := consensus.DecodeMembers(b)
	ending := epochOf(e.Term)
	if err != nil || v[0] != ending+1 || v[0] != uint64(len(g.eras)) || v[1] != uint64(e.Index) {
		w.fail("stop-sign", "the record chosen in slot %d, of epoch %d from %d on, does not follow epoch %d: %v", e.Index, v[0], v[1], ending, err)
		return
	}
	g.eras[ending].end = e.Index
	g.eras = append(g.eras, era{members: m, initial: consensus.NodeID(v[2]), begin: e.Index, from: consensus.NodeID(v[3]), id: v[4]})
	for i := e.Index + 1; i < g.chosen.end(); i++ {
		if d := g.decided(i); d != nil && epochOf(d.term) <= ending {
			w.fail("stop-sign", "slot %d is chosen at %d, above the stop-sign at %d of that epoch", i, d.term, e.Index)
		}
	}
}
