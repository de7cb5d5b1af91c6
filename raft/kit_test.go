package raft

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
)

// protocol is what package enginetest is told of Raft.
var protocol = enginetest.Protocol{
	New:      New,
	Election: []consensus.Kind{PreVote, PreVoteReply, RequestVote, RequestVoteReply},

	Campaign: func(n *enginetest.Node) { n.Tick(max(0, n.Engine.(*Raft).deadline-n.Now)) },
	Patience: func(e consensus.Engine) Instant { return e.(*Raft).heard + electionTimeout },
	Config:   func(e consensus.Engine, i Index) []byte { return e.(*Raft).configAt(i).encode() },
	Leads:    leaderIsComplete,

	TermName: "term",
	Durable:  func(s consensus.State) string { return fmt.Sprintf("term=%d vote=%d", s.Term, s.Vote) },
	State:    stateString,
	Log:      logInMemory,
	Peers:    peersString,
}

// TestScripts runs the scripts of testdata: see enginetest.Scripts for their language.
func TestScripts(t *testing.T) { enginetest.Scripts(t, &protocol) }

// BenchmarkEngine reports what one entry costs in three engines together: compare it with the
// figures for etcd/raft in the README.
func BenchmarkEngine(b *testing.B) { enginetest.Benchmark(b, &protocol) }

func TestABatchAllocatesNothing(t *testing.T) { enginetest.NoAllocation(t, &protocol) }

// Short names for what the tests say often.
type filter = enginetest.Filter

const (
	electionTimeout = enginetest.ElectionTimeout
	heartbeat       = enginetest.Heartbeat
)

var (
	voters = enginetest.Voters
	bound  = enginetest.Bound
)

// A cluster is one of Rafts.
type cluster struct{ *enginetest.Cluster }

// newCluster starts voters 1 to n whose stores are bound already, so that any quorum elects.
// What breaks safety fails the test.
func newCluster(t testing.TB, n int) *cluster {
	return &cluster{enginetest.Found(&protocol, bound(voters(n))).Watch(t)}
}

func (c *cluster) raft(id NodeID) *Raft { return c.Node(id).Engine.(*Raft) }

// leaderIsComplete checks Leader Completeness (§5.4).
func leaderIsComplete(c *enginetest.Cluster, n *enginetest.Node) {
	r := n.Engine.(*Raft)
	for _, i := range slices.Sorted(maps.Keys(c.Committed)) {
		e := c.Committed[i]
		if t, ok := r.log.term(i); i > r.snapshot.Index && (!ok || t != e.Term) {
			c.Violatef("%d leads term %d without %s, which was committed", n.ID(), r.term, c.Protocol.Entry(e))
		}
	}
}

// stateString is what a replica says of itself.
func stateString(e consensus.Engine) string {
	r := e.(*Raft)
	st := r.Status()
	s := fmt.Sprintf("%v term=%d vote=%d leader=%d commit=%d last=%d/%d durable=%d", st.Role, st.Term, r.vote, st.Leader, st.Commit, st.Last, r.log.lastTerm, st.Durable)
	if st.Snapshot > 0 {
		s += fmt.Sprintf(" snapshot=%d base=%d", st.Snapshot, r.log.base)
	}
	if st.MembersIndex > 0 {
		s += fmt.Sprintf(" members@%d=(%v)", st.MembersIndex, st.Members)
		if len(st.Outgoing.Voters) > 0 {
			s += fmt.Sprintf(" outgoing=(%v)", st.Outgoing)
		}
		if st.Changing {
			s += " changing"
		}
	}
	if st.Transferring != 0 {
		s += fmt.Sprintf(" transferring=%d", st.Transferring)
	}
	if st.Ignored > 0 {
		s += fmt.Sprintf(" ignored=%d", st.Ignored)
	}
	if st.Refused {
		s += " refused"
	}
	return s
}

// logInMemory is the log, and where it begins.
func logInMemory(e consensus.Engine) (base Index, term Term, es []Entry) {
	l := &e.(*Raft).log
	for i := l.base + 1; i <= l.last; i++ {
		es = append(es, *l.entry(i))
	}
	return l.base, l.baseTerm, es
}

// peersString is what a leader knows of the others.
func peersString(e consensus.Engine) string {
	var parts []string
	r := e.(*Raft)
	for i := range r.peers {
		p := &r.peers[i]
		parts = append(parts, fmt.Sprintf("(%d %v match=%d next=%d inflight=%d waiting=%t)", p.id, p.mode, p.match, p.next, len(p.inflight.sent), p.waiting))
	}
	return strings.Join(parts, " ")
}
