package sim

import (
	"time"

	"github.com/consensus-go/consensus"
)

// A network carries encoded messages between nodes. It may lose, double, delay and reorder them.
type network struct {
	packets []packet
	unused  []uint32 // indexes of packets
	arena   []byte   // where the frames are made that must not be used again

	loss, twice, late int // as in the plan, until the world heals
	near, wide        time.Duration
	cut               [maxNodes][maxNodes]uint8         // from, to: how many faults cut it
	lag               [maxNodes][maxNodes]time.Duration // from, to: a slow link
	hoard             hoard
}

// A packet is a message on its way, once or twice.
type packet struct {
	frame    []byte
	buffer   []byte // of frames that nobody may keep parts of
	copies   uint8
	doubled  bool
	from, to uint8
	kind     consensus.Kind
	term     consensus.Term
}

const arenaSize = 16 << 10

func (net *network) reset(p *plan) {
	*net = network{
		packets: net.packets, unused: net.unused[:0], arena: net.arena, hoard: net.hoard,
		loss: p.loss, twice: p.twice, late: p.late, near: p.near, wide: p.wide,
	}
	for i := range net.packets {
		net.unused = append(net.unused, uint32(i))
		net.packets[i].frame = nil
	}
	net.hoard.reset()
}

// send encodes m, and decides what becomes of it.
func (w *World) send(n *node, m *consensus.Message) {
	net := &w.net
	to := w.node(m.To)
	if to == nil || to == n || m.From != n.id || m.Group != groupOf(m.Kind) {
		w.fail("messages", "node %d sends a message that cannot be: %v", n.id, m)
		return
	}
	w.result.Messages++
	if m.Flags&consensus.FlagQuiet != 0 {
		n.sleep.asked = w.now
	}
	if w.trace.on() {
		w.trace.say(w, n, "sends %v", m)
	}
	i := net.encode(m)
	p := &net.packets[i]
	p.from, p.to, p.kind, p.term = n.index, to.index, m.Kind, m.Term
	w.digestBytes(p.frame)

	fate := w.dice.Choose(ChooseFate, parts)
	switch {
	case net.cut[n.index][to.index] > 0 || fate < net.loss:
		net.release(i)
		return
	case w.hold(i):
		return
	}
	fate -= net.loss
	delay := w.delay(n, to)
	if fate >= 0 && fate < net.late {
		delay = w.dice.far(ChooseDelay, w.plan.election/16)
	}
	if fate -= net.late; fate >= 0 && fate < net.twice {
		p.copies, p.doubled = 2, true
		w.after(w.dice.far(ChooseDelay, delay), event{kind: eventDeliver, node: to.index, arg: i})
	}
	w.after(delay, event{kind: eventDeliver, node: to.index, arg: i})
}

// groupOf is for which group messages of kind k are: those between hosts are for none.
func groupOf(k consensus.Kind) consensus.GroupID {
	if k == consensus.KindHostHeartbeat || k == consensus.KindHostHeartbeatReply {
		return 0
	}
	return group
}

// delay is how long a message takes, between nodes as they are now.
func (w *World) delay(from, to *node) time.Duration {
	net := &w.net
	return w.dice.between(ChooseDelay, net.near, net.wide) + net.lag[from.index][to.index] + from.slow + to.slow
}

// encode makes a packet of m. Entries and Data belong to whoever receives them, for ever, so
// their frames are not used again.
func (net *network) encode(m *consensus.Message) uint32 {
	var i uint32
	if last := len(net.unused) - 1; last >= 0 {
		i, net.unused = net.unused[last], net.unused[:last]
	} else {
		i = uint32(len(net.packets))
		net.packets = append(net.packets, packet{})
	}
	p := &net.packets[i]
	p.copies, p.doubled = 1, false
	if len(m.Entries) == 0 && len(m.Data) == 0 {
		p.buffer = m.AppendTo(p.buffer[:0])
		p.frame = p.buffer
		return i
	}
	if cap(net.arena)-len(net.arena) < arenaSize/8 {
		net.arena = make([]byte, 0, arenaSize)
	}
	at := len(net.arena)
	b := m.AppendTo(net.arena[at:])
	if len(b) <= cap(net.arena)-at {
		net.arena = net.arena[:at+len(b)]
	}
	p.frame = b[:len(b):len(b)]
	return i
}

// release gives a copy of packet i up.
func (net *network) release(i uint32) {
	if net.packets[i].copies--; net.packets[i].copies == 0 {
		net.unused = append(net.unused, i)
	}
}

// deliver is the event that packet i arrives at n.
func (w *World) deliver(n *node, i uint32) {
	p := &w.net.packets[i]
	if !n.up {
		w.net.release(i)
		return
	}
	m := &w.message
	if err := m.DecodeFrom(p.frame); err != nil {
		w.fail("codec", "a message that was sent does not decode: %v", err)
		return
	}
	if w.trace.on() {
		w.trace.say(w, n, "receives %v", m)
	}
	if p.doubled && p.copies == 1 && m.Kind == consensus.KindForward && n.status.Role == consensus.Leader {
		w.mark(MarkDuplicateForward)
	}
	w.net.release(i)
	if m.Group != group {
		n.hear(m)
		return
	}
	n.input()
	n.replica.Deliver(m)
	n.settle()
}

// digestBytes mixes b into the digest of the run.
func (w *World) digestBytes(b []byte) { w.digest(hash(b)) }

// hash is a number that different bytes hardly share. It is the same on every machine.
func hash(b []byte) uint64 {
	h := uint64(len(b)) * 0x9e3779b97f4a7c15
	for ; len(b) >= 8; b = b[8:] {
		h = mix(h ^ (uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56))
	}
	var tail uint64
	for _, c := range b {
		tail = tail<<8 | uint64(c)
	}
	return mix(h ^ tail)
}
