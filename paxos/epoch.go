package paxos

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/consensus-go/consensus"
)

// An epoch is one configuration, and a Paxos of its own: ballots, quorums and leases of one epoch
// mean nothing in another. It begins after the stop-sign that ended the one before: the entry of kind
// EntryMembers at index, whose data is its record.
//
// Epoch 0 is the founding one. Its members are not bound to their stores, so its first leader needs
// all of them, and all that it does is to choose the stop-sign that binds them, which begins epoch 1.
type epoch struct {
	number  uint64
	index   Slot // of the stop-sign before it; 0 for epoch 0
	members Members
	initial NodeID // it owns the reserved ballot: rule S4
	from    NodeID // who asked for it, and
	id      uint64 // under which number
}

// opening is the first slot of the epoch, 0 of the founding one. Nothing but a no-op is ever proposed
// there. Once that is chosen the change that began the epoch is complete, and whoever was removed by it
// may go (rule S7): its voters enter an epoch before they vote in it, so a commit quorum of them, which
// meets every election quorum, has everything up to the stop-sign on disk. What a witness among them has
// trimmed, others have: see keepsState.
func (x *epoch) opening() Slot {
	if x.number == 0 {
		return 0
	}
	return x.index + 1
}

// encode is the data of a stop-sign:
//
//	record := number:uvarint index:uvarint initial:uvarint from:uvarint id:uvarint members
func (x *epoch) encode() []byte {
	var b []byte
	for _, v := range [...]uint64{x.number, uint64(x.index), uint64(x.initial), uint64(x.from), x.id} {
		b = binary.AppendUvarint(b, v)
	}
	return x.members.AppendTo(b)
}

func decodeEpoch(b []byte) (x epoch, err error) {
	var v [5]uint64
	for i := range v {
		n := 0
		if v[i], n = binary.Uvarint(b); n <= 0 {
			return x, fmt.Errorf("%w: epoch", consensus.ErrMalformed)
		}
		b = b[n:]
	}
	x.number, x.index, x.initial, x.from, x.id = v[0], Slot(v[1]), NodeID(v[2]), NodeID(v[3]), v[4]
	if x.members, b, err = consensus.DecodeMembers(b); err != nil {
		return x, err
	}
	if len(b) > 0 || x.number == 0 || x.number > maxEpoch || x.index == 0 || v[2] > maxNode || v[3] > maxNode {
		return x, fmt.Errorf("%w: epoch", consensus.ErrMalformed)
	}
	return x, x.valid()
}

// valid returns the *ConfigError of a record that no epoch may have (rule S6).
func (x *epoch) valid() error {
	if err := fits(&x.members); err != nil {
		return err
	}
	if !slices.Contains(x.members.Voters, x.initial) {
		return &consensus.ConfigError{Field: "Members.Voters", Value: fmt.Sprint(x.initial), Reason: "the first leader of an epoch must be a voter"}
	}
	return nil
}

// maxMembers is how many members a group has at most: each has a bit in a cell's acks.
const maxMembers = 64

// fits returns the *ConfigError of a membership that Paxos cannot have.
func fits(m *Members) error {
	if err := m.Validate(); err != nil {
		return err
	}
	var err error
	n := 0
	m.All(func(id NodeID) {
		if n++; id > maxNode {
			err = &consensus.ConfigError{Field: "Members", Value: fmt.Sprint(id), Reason: "a ballot has room for ids up to 16777215"}
		}
	})
	if err == nil && n > maxMembers {
		err = &consensus.ConfigError{Field: "Members", Value: fmt.Sprint(n), Reason: "a group has at most 64 members"}
	}
	return err
}

// ends reports whether the stop-sign e, which passed the gate, is one of the epoch in effect.
func (p *Paxos) ends(e *Entry) bool {
	x, err := decodeEpoch(e.Data)
	return err == nil && x.number == p.epoch().number+1
}

// epoch is the configuration in effect.
func (p *Paxos) epoch() *epoch { return &p.epochs[len(p.epochs)-1] }

// members are those of the epoch in effect.
func (p *Paxos) members() *Members { return &p.epoch().members }

// endOf is the stop-sign that ended epoch e: 0 if it has not ended, as far as is known here. It is
// known of every epoch from that of the snapshot on, and of the one before; ok is false for earlier ones.
func (p *Paxos) endOf(e uint64) (end Slot, ok bool) {
	if e+1 < p.epochs[0].number {
		return 0, false
	}
	for i := range p.epochs {
		if p.epochs[i].number == e+1 {
			return p.epochs[i].index, true
		}
	}
	return 0, true
}

// settled reports whether we know the members of the epoch that we promised in. Only damage to a
// stop-sign makes that false.
func (p *Paxos) settled() bool { return p.epoch().number == epochOf(p.promised) }

// advance moves the end of what is learned without a hole, and enters the epochs that begin there.
// Everything that is learned above a stop-sign that is not entered yet is of no epoch (rule S9).
func (p *Paxos) advance() {
	for {
		c := p.log.at(p.commit + 1)
		if c.e == nil || !c.learned {
			return
		}
		p.commit++
		if c.e.Kind == consensus.EntryMembers {
			x, err := decodeEpoch(c.e.Data)
			if err != nil {
				panic(fmt.Sprintf("paxos: the stop-sign chosen at %d is malformed: %v", p.commit, err))
			}
			p.farewell()
			p.enter(x)
		}
	}
}

// farewell tells the members of an epoch that ends under our lead that its stop-sign is chosen: the
// last that we say in it. Who misses it learns of the new epoch from anybody in it (rule S3).
func (p *Paxos) farewell() {
	if p.phase != leading {
		return
	}
	for i := range p.peers {
		m := p.compose(&p.early, Lead, p.peers[i].id)
		m.Commit, m.Floor = p.commit, p.floor()
	}
}

// enter begins the epoch x, once everything up to its stop-sign is learned, or with a snapshot of it
// (rule S4). One write forgets the votes above, moves the promise, and says that all is chosen up to
// the stop-sign: a crash leaves all of it or nothing. Epochs are entered in order, one at a time,
// but for a snapshot; so that nobody in an earlier epoch, who may still be needed there, misses it.
func (p *Paxos) enter(x epoch) {
	if p.epoch().number == 0 { // all that matters of the founding epoch from now on is where it ended: x says that
		p.epochs = nil
	}
	p.epochs = append(p.epochs, x)
	p.stopAt = 0
	if x.number <= epochOf(p.promised) { // its stop-sign was damaged, and is known again
		p.stopAt = p.nextStop()
		p.seatPeers()
		return
	}
	end := max(p.commit, p.snapshot.Index)
	p.log.cut(end + 1)
	if p.truncate == 0 || end+1 < p.truncate {
		p.truncate = end + 1
	}
	p.unknown = p.unknown[:0]
	p.raise(pack(x.number, 0, 0), reasonEpoch)
	p.enterSeq = p.seq + 1
	p.seatPeers()
	p.resetElection()
	if p.cfg.ID == x.initial && !p.isStranger() {
		p.claim()
	}
	if p.ticked {
		p.nextRound()
	}
}

// claim takes the reserved ballot of the epoch, for which phase 1 is vacuous: nobody has voted in
// this epoch before it. We lead once our promise is durable. After a crash it is spent: then
// the promise is on disk, or nothing was ever said in its name.
func (p *Paxos) claim() {
	p.raise(pack(p.epoch().number, reservedRound, p.cfg.ID), reasonBallot)
	p.begin(claiming)
}

// seatPeers makes p.peers the other members, in order of id. Those who stay keep what is known of
// their store and of how much they have learned.
func (p *Paxos) seatPeers() {
	m := p.members()
	p.kind = m.Kind(p.cfg.ID)
	p.founding = m.Unbound()
	p.votes = m.Votes(p.cfg.ID) && p.settled() && !p.isStranger()
	old := p.peers
	n := 0
	m.All(func(id NodeID) {
		if id != p.cfg.ID {
			n++
		}
	})
	p.peers = make([]peer, 0, n)
	m.All(func(id NodeID) {
		if id == p.cfg.ID {
			return
		}
		x := peer{id: id}
		if k := slices.IndexFunc(old, func(o peer) bool { return o.id == id }); k >= 0 {
			o := &old[k]
			x.incarnation, x.active, x.commit, x.held, x.floor = o.incarnation, o.active, o.commit, o.held, o.floor
		}
		x.kind = m.Kind(id)
		x.counted = m.Votes(id) && p.admits(id, x.incarnation)
		p.peers = append(p.peers, x)
	})
	slices.SortFunc(p.peers, func(a, b peer) int { return int(a.id) - int(b.id) })
}

// admits reports whether the store of that incarnation may vote for id: it is the one that the
// epoch is bound to, or the epoch is the founding one.
func (p *Paxos) admits(id NodeID, incarnation uint64) bool {
	x := p.members().Incarnation(id)
	return x == 0 || x == incarnation
}

// isStranger reports whether our store is not the one that was admitted under our id.
func (p *Paxos) isStranger() bool { return !p.admits(p.cfg.ID, p.incarnation) }
