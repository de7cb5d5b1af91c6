package enginetest

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/consensus-go/consensus"
)

// A Speaker makes up what the peers of a Rig say. It knows the engine from inside.
type Speaker struct {
	*Protocol
	First, Last consensus.Kind                   // the engine's own messages
	Deadline    func(e consensus.Engine) Instant // when it campaigns, if nothing happens
	Plausible   func(g *Rig) Message             // one that some node may have sent, some time
	Granted     func(g *Rig) Message             // the answer that the engine hopes for, above all when it campaigns
	Lead        []byte                           // inputs that take an engine through an election
	Follow      []byte                           // inputs after which another one leads it
}

// A Rig is one engine with a disk, driven by bytes: each says what happens next, a message that some node might send or one
// that none would, a tick, a finished write, a crash. It checks what an engine owes its host whatever its peers send.
type Rig struct {
	Engine  consensus.Engine
	Now     Instant
	speaker *Speaker
	config  consensus.EngineConfig
	disk    *Disk
	eff     consensus.Effects
	issued  uint64
	applied Index
	term    Term // of what was applied last
	commit  Index
	fetches []consensus.Fetch
	streams []Message
	bytes   []byte
	wrong   []string
}

// NewRig makes member 1 of three voters and a learner, or of two voters and two witnesses, one of them, or the only voter.
func NewRig(s *Speaker, kind byte) *Rig {
	m := Bound(Members{Voters: []NodeID{1, 2, 3}, Learners: []NodeID{4}})
	switch kind % 3 {
	case 1:
		m = Bound(Members{Voters: []NodeID{2, 3}, Witnesses: []NodeID{1, 4}})
	case 2:
		m = Bound(Members{Voters: []NodeID{1}, Learners: []NodeID{2, 3, 4}})
	}
	g := &Rig{speaker: s, disk: NewDisk(1), Now: ElectionTimeout}
	g.config = consensus.EngineConfig{ID: 1, Members: m, Seed: 1, MaxMessageSize: 300, MaxInflight: 600, MaxUncommitted: 5000}
	g.start()
	return g
}

func (g *Rig) start() {
	e, err := g.speaker.New(g.config, g.disk.Recover())
	if err != nil {
		g.fail("%v", err)
		g.disk = NewDisk(1)
		e, _ = g.speaker.New(g.config, g.disk.Recover())
	}
	g.Engine = e
	g.issued, g.applied, g.commit, g.fetches, g.streams = 0, g.disk.Snapshot.Index, 0, nil, nil
	g.Engine.Tick(g.Now)
}

func (g *Rig) fail(format string, args ...any) {
	g.wrong = append(g.wrong, fmt.Sprintf(format, args...))
}

// Byte takes the next byte, or 0 if there is none.
func (g *Rig) Byte() byte {
	if len(g.bytes) == 0 {
		return 0
	}
	b := g.bytes[0]
	g.bytes = g.bytes[1:]
	return b
}

// Run does what the bytes say, and returns the first thing that went wrong.
func (g *Rig) Run(bytes []byte) error {
	g.bytes = bytes
	for len(g.bytes) > 0 && len(g.wrong) == 0 {
		g.act()
	}
	if len(g.wrong) > 0 {
		return fmt.Errorf("%s", g.wrong[0])
	}
	return nil
}

func (g *Rig) act() {
	e := g.Engine
	switch b := g.Byte(); b % 24 {
	case 0:
		g.tick(Heartbeat)
	case 1:
		g.tick(max(0, g.speaker.Deadline(e)-g.Now))
	case 2:
		g.tick(Instant(g.Byte()) * Heartbeat / 16)
	case 3, 4:
		_, _ = e.Propose(consensus.Proposal{From: 1, ID: uint64(b), Kind: consensus.EntryKind(g.Byte() % 8), Data: make([]byte, b)})
	case 5:
		_ = e.Read(uint64(b))
	case 6:
		_, _ = e.Change(consensus.Proposal{From: 1, ID: 2}, g.Members(), e.Status().MembersIndex)
	case 7:
		_ = e.Transfer(NodeID(g.Byte() % 6))
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
		b := g.Byte()
		g.disk.Crash(int(b) % (len(g.disk.Unfinished) + 1))
		if i := g.disk.Snapshot.Index + 1 + Index(b%8); b >= 192 && g.disk.holds(i) {
			g.disk.Damage(i, i)
		}
		g.start()
	case 15:
		g.Step(g.wild())
	case 16:
		g.Step(g.speaker.Granted(g))
	default:
		g.Step(g.speaker.Plausible(g))
	}
	if g.Byte()%2 == 0 {
		g.ready()
	}
	if err := g.Engine.Check(); err != nil {
		g.fail("%v", err)
	}
	commit := g.Engine.Status().Commit
	if commit < g.commit {
		g.fail("the commit index fell from %d to %d", g.commit, commit)
	}
	g.commit = commit
}

func (g *Rig) tick(d Instant) {
	Elapse(g.Engine, g.Now, g.Now+d)
	g.Now += d
}

// Step delivers m as it comes off the wire.
func (g *Rig) Step(m Message) {
	var got Message
	if got.DecodeFrom(m.AppendTo(nil)) == nil {
		g.Engine.Step(&got)
	}
}

// ready is the host.
func (g *Rig) ready() {
	for k := 0; g.Engine.Ready(&g.eff); k++ {
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
			if x, ok := g.disk.Log[e.Index]; !ok || !SameValue(x, e) || e.Term != 0 && x.Term != e.Term {
				g.fail("%d is given out and not durable", e.Index)
			}
			g.term = e.Term
		}
		g.fetches, g.streams = append(g.fetches, g.eff.Fetch...), append(g.streams, g.eff.Snapshots...)
		g.eff.Reset()
		if k > 1000 {
			g.fail("Ready has always something")
			return
		}
	}
}

func (g *Rig) finish(n int) {
	for range min(n, len(g.disk.Unfinished)) {
		w := g.disk.Finish(0)
		if w.Changed() {
			g.fail("entries of write %d changed under way", w.Seq)
		}
		g.Engine.Persisted(w.Seq)
	}
}

// compact takes a snapshot of all that was applied since the last one.
func (g *Rig) compact() {
	if i := g.applied; i > g.Engine.Status().Snapshot {
		g.Engine.Compacted(consensus.SnapshotMeta{Index: i, Term: g.term, Config: g.speaker.Config(g.Engine, i)})
	}
}

func (g *Rig) fetched() {
	if len(g.fetches) == 0 {
		return
	}
	f := g.fetches[0]
	g.fetches = g.fetches[1:]
	if g.Byte()%4 == 0 {
		g.Engine.Fetched(f, nil, consensus.ErrCompacted)
		return
	}
	es, err := g.disk.Fetch(f)
	g.Engine.Fetched(f, es, err)
}

func (g *Rig) streamed() {
	if len(g.streams) == 0 {
		return
	}
	m := g.streams[0]
	g.streams = g.streams[1:]
	var err error
	if g.Byte()%2 == 0 {
		err = ErrStream
	}
	g.Engine.SnapshotSent(m.To, err)
}

// Members is a membership, which need not be one that can be.
func (g *Rig) Members() (m Members) {
	lists := [...]*[]NodeID{nil, &m.Voters, &m.Witnesses, &m.Learners, &m.Joining}
	b := int(g.Byte()) + int(g.Byte())<<8
	for id := NodeID(1); id <= 5; id++ {
		if l := lists[b%5]; l != nil {
			*l = append(*l, id)
		}
		b /= 5
	}
	return m
}

// Near is a number near n.
func (g *Rig) Near(n uint64) uint64 { return max(n+uint64(g.Byte()%5), 2) - 2 }

// wild is a message whose every number may be anything.
func (g *Rig) wild() Message {
	number := func() uint64 {
		var b [8]byte
		for i := range int(g.Byte() % 9) {
			b[i] = g.Byte()
		}
		return binary.LittleEndian.Uint64(b[:])
	}
	kinds := byte(g.speaker.Last-g.speaker.First) + 3 // and two that are of nobody
	m := Message{Kind: g.speaker.First + consensus.Kind(g.Byte()%kinds), From: NodeID(number()), To: 1, Incarnation: number()}
	m.Term, m.Promised, m.Leader, m.Index, m.LogTerm = Term(number()), Term(number()), Term(number()), Index(number()), Term(number())
	m.Commit, m.Floor, m.Last, m.Next = Index(number()), Index(number()), Index(number()), Index(number())
	m.Session, m.Context = number(), number()
	i := m.Index
	for range g.Byte() % 4 {
		i += Index(max(number(), 1))
		m.Entries = append(m.Entries, Entry{Index: i, Term: Term(number()), Kind: consensus.EntryKind(g.Byte() % 6), Data: binary.AppendUvarint(nil, number())})
		m.Ranges = append(m.Ranges, consensus.Range{First: i, Last: i + Index(g.Byte())})
	}
	m.Data = binary.AppendUvarint(nil, number())
	return m
}

// Twin is a rig like g, whose engine is a clone of that of g, made in an engine that was something else before.
func (g *Rig) Twin(before []byte) *Rig {
	other := NewRig(g.speaker, 1)
	_ = other.Run(before)
	c := *g
	c.Engine = other.Engine
	g.Engine.CloneInto(c.Engine)
	c.disk = g.disk.Clone()
	c.fetches, c.streams = slices.Clone(g.fetches), slices.Clone(g.streams)
	c.eff, c.bytes, c.wrong = consensus.Effects{}, nil, nil
	return &c
}
