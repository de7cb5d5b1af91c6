package sim

import "github.com/consensus-go/consensus"

// A ghost is what the checks remember of the whole history: what no replica knows, and none may
// contradict. It is fed by writes, messages and statuses, never by an engine's own word that all
// is well.
type ghost struct {
	leaders  map[consensus.Term]reign
	rivals   map[consensus.Term]int // how many candidates a term had
	votes    map[ballot]consensus.NodeID
	heads    window[int32] // every entry ever written, by index: a list in versions
	versions []version
	chosen   window[decision] // the entry first committed, by index
	states   window[uint64]   // the digest of the state machine, by the index of the last command
	images   window[uint64]   // the hash of the snapshot, by its index
	ids      map[uint64]consensus.Index
	denied   map[uint64]bool // proposals of which a caller was told that they never will be applied
	asked    map[uint64]bool // proposals that somebody made
	config   consensus.Index // the highest committed index at which a membership was set
	learned  consensus.Index // the highest commit index of any node, ever
	top      consensus.Term  // of all leaders
	ledger   ledger

	// Paxos.
	promises map[store]consensus.Term // the highest ballot that a store has told anybody of
	eras     []era                    // by number of the epoch
	numbers  map[consensus.Term]int   // of ballots that were used: where they are in rounds
	rounds   []round
	recent   consensus.Term // was asked for last, and is at
	numberOf int
}

// A reign is one leadership: of a node, in one life of it.
type reign struct {
	node consensus.NodeID
	life uint32
}

// A ballot is the one vote that a node has in a term.
type ballot struct {
	node        consensus.NodeID
	incarnation uint64
	term        consensus.Term
}

// A store is one disk, for as long as it lives.
type store struct {
	node        consensus.NodeID
	incarnation uint64
}

// A version is an entry as it was first written, with that index and term.
type version struct {
	term     consensus.Term
	previous consensus.Term // of the entry before it
	hash     uint64
	id       uint64
	next     int32  // another one of the same index; 0: none
	voters   uint16 // Paxos: who has made a vote for it durable, a bit for each node; those that count,
	stored   uint16 // and all
}

// A decision is the entry that is committed at an index.
type decision struct {
	term consensus.Term
	by   consensus.Term // the term in which that was first known
	hash uint64
}

func (g *ghost) reset() {
	if g.leaders == nil {
		g.leaders = make(map[consensus.Term]reign)
		g.rivals = make(map[consensus.Term]int)
		g.votes = make(map[ballot]consensus.NodeID)
		g.ids = make(map[uint64]consensus.Index)
		g.denied = make(map[uint64]bool)
		g.asked = make(map[uint64]bool)
		g.promises = make(map[store]consensus.Term)
		g.numbers = make(map[consensus.Term]int)
	}
	clear(g.leaders)
	clear(g.rivals)
	clear(g.votes)
	clear(g.ids)
	clear(g.denied)
	clear(g.asked)
	clear(g.promises)
	clear(g.numbers)
	g.heads.reset()
	g.versions = append(g.versions[:0], version{}) // 0 is none
	g.chosen.reset()
	g.states.reset()
	g.images.reset()
	g.config, g.learned, g.top = 0, 0, 0
	g.ledger.reset()
	g.eras, g.rounds, g.recent = g.eras[:0], g.rounds[:0], 0
}

// has reports whether the proposal of that id is committed.
func (g *ghost) has(id uint64) bool { return g.ids[id] != 0 }

// committed is the last index that any replica ever knew to be committed.
func (g *ghost) committed() consensus.Index { return g.chosen.end() - 1 }

// version is the entry of that index and term, or nil if none was ever written.
func (g *ghost) version(i consensus.Index, t consensus.Term) *version {
	if head := g.heads.at(i); head != nil {
		for k := *head; k != 0; k = g.versions[k].next {
			if g.versions[k].term == t {
				return &g.versions[k]
			}
		}
	}
	return nil
}

func (g *ghost) add(i consensus.Index, v version) {
	head := g.heads.put(i)
	v.next = *head
	*head = int32(len(g.versions))
	g.versions = append(g.versions, v)
}

func entryHash(e *consensus.Entry) uint64 {
	return mix(hash(e.Data) ^ e.ID ^ uint64(e.From)<<8 ^ uint64(e.Kind))
}
