package raft

import (
	"encoding/binary"
	"fmt"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
)

// A rig is one engine with a disk, driven by bytes: each says what happens next, a message that some node might send or one
// that none would, a tick, a finished write, a crash. It checks what an engine owes its host whatever its peers send.
type rig struct {
	raft    *Raft
	cfg     consensus.EngineConfig
	disk    *enginetest.Disk
	now     Instant
	eff     consensus.Effects
	issued  uint64
	applied Index
	commit  Index
	fetches []consensus.Fetch
	streams []Message
	bytes   []byte
	errs    []string
}

// newRig makes member 1 of three voters and a learner, or of two voters and two witnesses, one of them.
func newRig(kind byte) *rig {
	m := bound(Members{Voters: []NodeID{1, 2, 3}, Learners: []NodeID{4}})
	switch kind % 3 {
	case 1:
		m = bound(Members{Voters: []NodeID{2, 3}, Witnesses: []NodeID{1, 4}})
	case 2:
		m = bound(Members{Voters: []NodeID{1}, Learners: []NodeID{2, 3, 4}})
	}
	g := &rig{disk: enginetest.NewDisk(1), now: electionTimeout}
	g.cfg = consensus.EngineConfig{ID: 1, Members: m, Seed: 1, MaxMessageSize: 300, MaxInflight: 600, MaxUncommitted: 5000}
	g.start()
	return g
}

func (g *rig) start() {
	e, err := New(g.cfg, g.disk.Recover())
	if err != nil {
		g.fail("%v", err)
		g.disk = enginetest.NewDisk(1)
		e, _ = New(g.cfg, g.disk.Recover())
	}
	g.raft = e.(*Raft)
	g.issued, g.applied, g.commit, g.fetches, g.streams = 0, g.disk.Snapshot.Index, 0, nil, nil
	g.raft.Tick(g.now)
}

func (g *rig) fail(format string, args ...any) { g.errs = append(g.errs, fmt.Sprintf(format, args...)) }

// byte takes the next byte, or 0 if there is none.
func (g *rig) byte() byte {
	if len(g.bytes) == 0 {
		return 0
	}
	b := g.bytes[0]
	g.bytes = g.bytes[1:]
	return b
}

// run does what the bytes say, and returns the first thing that went wrong.
func (g *rig) run(bytes []byte) error {
	g.bytes = bytes
	for len(g.bytes) > 0 && len(g.errs) == 0 {
		g.act()
	}
	if len(g.errs) > 0 {
		return fmt.Errorf("%s", g.errs[0])
	}
	return nil
}

func (g *rig) act() {
	r := g.raft
	switch b := g.byte(); b % 24 {
	case 0:
		g.tick(heartbeat)
	case 1:
		g.tick(max(0, r.deadline-g.now))
	case 2:
		g.tick(Instant(g.byte()) * heartbeat / 16)
	case 3, 4:
		_, _ = r.Propose(consensus.Proposal{From: 1, ID: uint64(b), Kind: consensus.EntryKind(g.byte() % 8), Data: make([]byte, b)})
	case 5:
		_ = r.Read(uint64(b))
	case 6:
		_, _ = r.Change(consensus.Proposal{From: 1, ID: 2}, g.members(), r.config().index)
	case 7:
		_ = r.Transfer(NodeID(g.byte() % 6))
	case 8:
		g.finish(1)
	case 9, 10:
		g.finish(len(g.disk.Unfinished))
	case 11:
		g.compact()
	case 12:
		g.fetched()
	case 13:
		g.streamed()
	case 14:
		g.disk.Crash(int(g.byte()) % (len(g.disk.Unfinished) + 1))
		g.start()
	case 15:
		g.step(g.wild())
	case 16:
		g.granted()
	default:
		g.step(g.plausible())
	}
	if g.byte()%2 == 0 {
		g.ready()
	}
	if err := g.raft.Check(); err != nil {
		g.fail("%v", err)
	}
	if g.raft.commit < g.commit {
		g.fail("the commit index fell from %d to %d", g.commit, g.raft.commit)
	}
	g.commit = g.raft.commit
}

func (g *rig) tick(d Instant) {
	g.now += d
	g.raft.Tick(g.now)
}

// step delivers m as it comes off the wire.
func (g *rig) step(m Message) {
	var got Message
	if got.DecodeFrom(m.AppendTo(nil)) == nil {
		g.raft.Step(&got)
	}
}

// ready is the host.
func (g *rig) ready() {
	for k := 0; g.raft.Ready(&g.eff); k++ {
		if w := g.eff.Write; w.Seq != 0 {
			if g.issued++; w.Seq != g.issued {
				g.fail("write %d after %d", w.Seq, g.issued-1)
			}
			g.disk.Issue(w)
			if w.Snapshot != nil {
				g.applied = max(g.applied, w.Snapshot.Index)
			}
		}
		for _, e := range g.eff.Committed {
			if g.applied++; e.Index != g.applied {
				g.fail("%d is given out after %d", e.Index, g.applied-1)
			}
			if x, ok := g.disk.Log[e.Index]; !ok || !enginetest.SameEntry(x, e) {
				g.fail("%d is given out and not durable", e.Index)
			}
		}
		g.fetches, g.streams = append(g.fetches, g.eff.Fetch...), append(g.streams, g.eff.Snapshots...)
		g.eff.Reset()
		if k > 1000 {
			g.fail("Ready has always something")
			return
		}
	}
}

func (g *rig) finish(n int) {
	for range min(n, len(g.disk.Unfinished)) {
		w := g.disk.Finish(0)
		if w.Changed() {
			g.fail("entries of write %d changed under way", w.Seq)
		}
		g.raft.Persisted(w.Seq)
	}
}

func (g *rig) compact() {
	i := g.applied
	if term, ok := g.raft.log.term(i); ok && i > 0 {
		g.raft.Compacted(consensus.SnapshotMeta{Index: i, Term: term, Config: g.raft.configAt(i).encode()})
	}
}

func (g *rig) fetched() {
	if len(g.fetches) == 0 {
		return
	}
	f := g.fetches[0]
	g.fetches = g.fetches[1:]
	if g.byte()%4 == 0 {
		g.raft.Fetched(f, nil, consensus.ErrCompacted)
		return
	}
	es, err := g.disk.Fetch(f)
	g.raft.Fetched(f, es, err)
}

func (g *rig) streamed() {
	if len(g.streams) == 0 {
		return
	}
	m := g.streams[0]
	g.streams = g.streams[1:]
	var err error
	if g.byte()%2 == 0 {
		err = enginetest.ErrStream
	}
	g.raft.SnapshotSent(m.To, err)
}

// granted answers what a candidate asked, so that it gets on.
func (g *rig) granted() {
	m := Message{Kind: RequestVoteReply, From: NodeID(g.byte()%3 + 2), To: 1, Term: g.raft.term, Context: g.raft.attempt}
	m.Incarnation = uint64(m.From)
	if g.raft.role == consensus.PreCandidate {
		m.Kind, m.Term = PreVoteReply, g.raft.term+1
	}
	g.step(m)
}

func (g *rig) members() (m Members) {
	lists := [...]*[]NodeID{nil, &m.Voters, &m.Witnesses, &m.Learners, &m.Joining}
	b := int(g.byte()) + int(g.byte())<<8
	for id := NodeID(1); id <= 5; id++ {
		if l := lists[b%5]; l != nil {
			*l = append(*l, id)
		}
		b /= 5
	}
	return m
}

// near is a number near n.
func (g *rig) near(n uint64) uint64 { return max(n+uint64(g.byte()%5), 2) - 2 }

// plausible is a message that some node may have sent, some time.
func (g *rig) plausible() Message {
	r := g.raft
	m := Message{Kind: AppendEntries + consensus.Kind(g.byte()%10), From: NodeID(g.byte()%4 + 2), To: 1}
	m.Incarnation = uint64(m.From)
	b := g.byte()
	m.Reject = b&1 != 0
	m.Flags = consensus.Flags(b >> 1 & 1)
	m.Term = Term(g.near(uint64(r.term) + 1))
	m.Index = Index(g.near(uint64(r.log.last)))
	if b&4 != 0 {
		m.Index = Index(g.near(uint64(r.commit)))
	}
	if t, ok := r.log.term(m.Index); ok {
		m.LogTerm = t
	}
	if b&8 != 0 {
		m.LogTerm = min(m.Term, Term(g.near(uint64(m.LogTerm))))
	}
	m.Commit, m.Floor, m.Last = Index(g.near(uint64(r.log.last))), Index(g.near(uint64(r.commit))), Index(g.near(uint64(m.Index)))
	m.Context = r.attempt
	if m.Kind == Heartbeat || m.Kind == HeartbeatReply {
		m.Context = g.near(r.rounds.Last)
	}
	if p := r.peer(m.From); p != nil && b&16 == 0 {
		m.Session = p.session
	}
	switch m.Kind {
	case AppendEntries:
		m.Entries = g.entries(m)
	case InstallSnapshot:
		c := configuration{index: m.Index / 2, now: g.members()}
		m.Data = c.encode()
	}
	if b&32 != 0 {
		m.Incarnation++
	}
	return m
}

func (g *rig) entries(m Message) (es []Entry) {
	term := max(m.LogTerm, 1)
	for k := range g.byte() % 5 {
		e := Entry{Index: m.Index + 1 + Index(k), Term: term, Data: make([]byte, g.byte()%40)}
		if b := g.byte(); b%8 == 0 {
			c := configuration{index: e.Index, now: g.members()}
			e.Kind, e.Data = consensus.EntryMembers, c.encode()
		} else if b%8 == 1 {
			term++
			e.Term = term
		}
		es = append(es, e)
	}
	return es
}

// wild is a message whose every number may be anything.
func (g *rig) wild() Message {
	number := func() uint64 {
		var b [8]byte
		for i := range int(g.byte() % 9) {
			b[i] = g.byte()
		}
		return binary.LittleEndian.Uint64(b[:])
	}
	m := Message{Kind: AppendEntries + consensus.Kind(g.byte()%12), From: NodeID(number()), To: 1, Incarnation: number()}
	m.Term, m.Index, m.LogTerm = Term(number()), Index(number()), Term(number())
	m.Commit, m.Floor, m.Last, m.Next = Index(number()), Index(number()), Index(number()), Index(number())
	m.Session, m.Context = number(), number()
	i := m.Index
	for range g.byte() % 4 {
		i += Index(max(number(), 1))
		m.Entries = append(m.Entries, Entry{Index: i, Term: Term(number()), Kind: consensus.EntryKind(g.byte() % 6), Data: binary.AppendUvarint(nil, number())})
	}
	m.Data = binary.AppendUvarint(nil, number())
	return m
}
