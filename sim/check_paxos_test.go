package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/paxos"
)

func TestEveryCheckOfPaxosSeesItsViolation(t *testing.T) {
	type world struct {
		*World
		l, f *node // leader and follower
		i    consensus.Index
		b    consensus.Term // the leader's ballot
	}
	write := func(w world, n *node, change func(*consensus.Write)) {
		wr := consensus.Write{Group: group, Seq: 1, State: n.issued}
		change(&wr)
		w.checkWrite(n, &wr)
	}
	vote := func(w world, n *node, i consensus.Index, b consensus.Term, data string) {
		write(w, n, func(wr *consensus.Write) {
			wr.State.Term = max(wr.State.Term, b)
			wr.Entries = []consensus.Entry{{Index: i, Term: b, Data: []byte(data)}}
			if b == consensus.Chosen {
				wr.State.Term = n.issued.Term
			}
		})
	}
	say := func(w world, n *node, kind consensus.Kind, change func(*consensus.Message)) {
		to := w.l
		if n == w.l {
			to = w.f
		}
		m := consensus.Message{Kind: kind, From: n.id, To: to.id, Group: group, Term: w.b, Promised: w.b}
		change(&m)
		w.checkSent(n, &m)
	}
	const above = 1 << 24 // to a ballot: the next round
	for name, c := range map[string]struct {
		property string
		do       func(world)
	}{
		"a vote for another value than is chosen": {"value adoption", func(w world) { vote(w, w.f, w.i, w.b+above, "another") }},
		"two values in a ballot": {"one value per ballot", func(w world) {
			vote(w, w.l, w.i+9, w.b, "one")
			vote(w, w.f, w.i+9, w.b, "another")
		}},
		"two values chosen": {"agreement", func(w world) {
			w.ghost.chosen.at(w.i).hash++
			for _, n := range []*node{w.l, w.f} {
				w.noteVote(n, n.disk.log.at(w.i))
			}
		}},
		"a promise that goes back": {"promise", func(w world) { write(w, w.f, func(wr *consensus.Write) { wr.State.Term-- }) }},
		"a vote below the promise": {"votes", func(w world) {
			w.f.issued.Term += above
			vote(w, w.f, w.i+1, w.b, "late")
		}},
		"a vote for what nobody may vote for": {"epochs", func(w world) { w.noteVote(w.f, &consensus.Entry{Index: 1, Term: 9 << 48}) }},
		"a value learned that is not chosen":  {"learned is chosen", func(w world) { vote(w, w.f, w.i+9, consensus.Chosen, "a rumour") }},
		"a value learned ahead of its epoch": {"epochs", func(w world) {
			w.f.issued.Term, w.ghost.chosen.at(w.i).term = w.b, 2<<48
			e := *w.l.disk.log.at(w.i)
			e.Term = consensus.Chosen
			write(w, w.f, func(wr *consensus.Write) { wr.Entries = []consensus.Entry{e} })
		}},
		"what is learned is cut off": {"learned stays", func(w world) { write(w, w.f, func(wr *consensus.Write) { wr.Truncate = w.f.status.Commit }) }},
		"what is learned is changed": {"learned stays", func(w world) {
			w.ghost.chosen.at(w.f.status.Commit).term = w.b + above
			vote(w, w.f, w.f.status.Commit, w.b, "another")
		}},
		"an epoch entered too soon": {"epochs", func(w world) {
			w.ghost.eras = append(w.ghost.eras, era{begin: w.i + 5})
			write(w, w.f, func(wr *consensus.Write) { wr.State.Term = 2 << 48 })
		}},
		"a snapshot of what is not chosen": {"snapshots", func(w world) {
			write(w, w.f, func(wr *consensus.Write) { wr.Snapshot = &consensus.SnapshotMeta{Index: w.i + 100} })
		}},
		"a proposal above a stop-sign": {"stop-sign", func(w world) {
			w.ghost.round(w.b).stop = w.i
			vote(w, w.l, w.i+1, w.b, "more")
		}},
		"a slot chosen above a stop-sign": {"stop-sign", func(w world) {
			w.ghost.eras[1].end = 1
			v := version{term: w.b}
			w.choose(w.l, &consensus.Entry{Index: w.i + 1, Term: w.b}, &v, &w.ghost.eras[1])
		}},
		"a ballot in a second life": {"ballots", func(w world) {
			w.l.life++
			say(w, w.l, consensus.KindLead, func(*consensus.Message) {})
		}},
		"a ballot that is not durable": {"ballots", func(w world) {
			say(w, w.l, consensus.KindPrepare, func(m *consensus.Message) { m.Term += above })
		}},
		"a ballot of round 1 for somebody else": {"ballots", func(w world) {
			b := consensus.Term(1<<48|1<<24) + consensus.Term(w.f.id)
			w.ghost.eras[1].initial, w.f.disk.state.Term = w.l.id, 1<<50
			say(w, w.f, consensus.KindPrepare, func(m *consensus.Message) { m.Term = b })
		}},
		"a watermark over another value": {"watermark", func(w world) {
			w.ghost.round(w.b).told = w.i - 1
			w.ghost.chosen.at(w.i).hash++
			say(w, w.l, consensus.KindLead, func(m *consensus.Message) { m.Commit = w.i })
		}},
		"a promise that is not durable": {"durable promise", func(w world) {
			say(w, w.f, consensus.KindPromise, func(m *consensus.Message) { m.Term += above })
		}},
		"a promise that hides a vote": {"honest promise", func(w world) {
			vote(w, w.f, w.i+9, w.b, "hidden")
			w.f.disk.state.Term += above
			say(w, w.f, consensus.KindPromise, func(m *consensus.Message) { m.Term, m.Floor = w.b+above, w.f.disk.snapshot.Index })
		}},
		"a promise of a wiped store": {"electors", func(w world) {
			w.f.disk.incarnation++
			say(w, w.f, consensus.KindPromise, func(*consensus.Message) {})
		}},
		"a promise that is forgotten": {"durable promise", func(w world) {
			w.checkPromiseKept(w.f, &consensus.Recovered{Incarnation: w.f.disk.incarnation})
		}},
		"a floor without a snapshot": {"snapshots", func(w world) {
			say(w, w.f, consensus.KindLeadReply, func(m *consensus.Message) { m.Floor = w.f.disk.snapshot.Index + 1 })
		}},
		"a leader that nobody promised": {"honest election", func(w world) {
			st := w.f.status
			st.Role, st.Term = consensus.Leader, consensus.Term(1<<48|7<<24)+consensus.Term(w.f.id)
			w.f.disk.state.Term = st.Term
			w.checkLeader(w.f, &st)
		}},
		"a vote acknowledged that is not durable": {"durable vote", func(w world) {
			vote(w, w.f, w.i+9, w.b, "soon")
			say(w, w.f, consensus.KindAccepted, func(m *consensus.Message) { m.Ranges = []consensus.Range{{First: w.i + 9, Last: w.i + 9}} })
		}},
		"a value taught that is not chosen": {"learned is chosen", func(w world) {
			say(w, w.f, consensus.KindLearnReply, func(m *consensus.Message) { m.Entries = []consensus.Entry{{Index: w.i + 9, Term: consensus.Chosen}} })
		}},
		"a slot taken for chosen": {"learned is chosen", func(w world) {
			st := w.f.status
			st.Commit = w.i + 9
			w.checkCommit(w.f, &w.f.status, &st)
		}},
		"a membership that nobody chose": {"epochs", func(w world) {
			st := w.f.status
			st.MembersIndex, st.Members = w.i, consensus.Members{Voters: []consensus.NodeID{1}}
			w.checkMembers(w.f, &st)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, l, f := worldOf(t, Options{Protocol: paxos.New, Rules: PaxosRules, Nodes: 3}, 20*time.Second)
			i := min(l.disk.last(), f.disk.last())
			require.NotNil(t, w.ghost.decided(i))
			c.do(world{w, l, f, i, l.status.Term})
			require.True(t, w.failed())
			require.Equal(t, c.property, w.result.Violations[0].Property, w.result.Violations[0].Detail)
		})
	}
}

// TestALeaseIsSeen is the other half of checkLeases: somebody who has one would answer.
func TestALeaseIsSeen(t *testing.T) {
	o, err := Options{Protocol: paxos.New, Rules: PaxosRules, Profile: Leases, Seed: 2}.WithDefaults()
	require.NoError(t, err)
	w := new(World)
	w.reset(o)
	require.NotZero(t, w.plan.lease)
	for i := range w.nodes {
		w.nodes[i].start()
	}
	for w.leader() == nil || w.leader().status.Changing {
		w.loop(w.now + int64(w.plan.heartbeat))
	}
	w.loop(w.now + int64(w.plan.heartbeat)) // later the group is quiet, and has no lease
	l := w.leader()
	require.Greater(t, w.leaseOf(l), l.Now())
	w.checkLeases(l.status.Term + 1)
	require.True(t, w.failed())
	require.Equal(t, "lease", w.result.Violations[0].Property)
}
