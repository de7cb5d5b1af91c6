package paxos

import "github.com/consensus-go/consensus"

// onSnapshot adopts a snapshot that is in storage already, if it goes further than what we have
// learned. It holds only what is chosen, so that it is welcome from anybody; one of a later epoch
// enters that epoch. Our promise within an epoch it never touches.
func (p *Paxos) onSnapshot(m *Message) {
	if m.Index <= p.commit {
		return
	}
	if p.phase == leading { // somebody else leads, and may have chosen other values than ours
		p.stepDown(reasonBallot)
	}
	x, _ := decodeEpoch(m.Data) // checked at the gate; of the founding epoch there is no record
	meta := consensus.SnapshotMeta{Index: m.Index, Config: m.Data}
	p.snapshot, p.adopt, p.received = meta, &meta, true
	p.log.compact(meta.Index)
	p.commit, p.handed = meta.Index, meta.Index
	p.watermark = max(p.watermark, meta.Index)
	for len(p.unknown) > 0 && p.unknown[0].First <= meta.Index {
		p.recovered(p.unknown[0].First)
	}
	if x.number > p.epoch().number {
		p.enter(x)
		p.epochs = []epoch{x}
	}
	p.stopAt = p.nextStop()
	p.advance()
	p.complete()
	p.askAt = 0
}

// Compacted adopts a snapshot that was taken here. A witness takes none: see trim.
func (p *Paxos) Compacted(meta consensus.SnapshotMeta) {
	if meta.Index <= p.snapshot.Index || meta.Index > p.handed || p.cfg.Witness {
		return
	}
	meta.Term = 0
	p.compactTo(meta)
}

// compactTo makes meta our newest snapshot. Of the epochs we keep the one in which it was taken.
func (p *Paxos) compactTo(meta consensus.SnapshotMeta) {
	p.dirty = true
	p.snapshot, p.adopt, p.received = meta, &meta, false
	p.log.compact(meta.Index)
	k := len(p.epochs) - 1
	for k > 0 && p.epochs[k].index > meta.Index {
		k--
	}
	p.epochs = append([]epoch(nil), p.epochs[k:]...)
}

// trim makes a witness forget the log up to where the leader allows, under a snapshot of nothing.
func (p *Paxos) trim() {
	to := min(p.trimTo, p.handed)
	if !p.cfg.Witness || to <= p.snapshot.Index || to < p.epochs[0].index {
		return
	}
	k := len(p.epochs) - 1
	for k > 0 && p.epochs[k].index > to {
		k--
	}
	meta := consensus.SnapshotMeta{Index: to}
	if p.epochs[k].number > 0 {
		meta.Config = p.epochs[k].encode()
	}
	p.compactTo(meta)
}
