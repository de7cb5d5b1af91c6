package paxos

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
)

// protocol is what package enginetest is told of Paxos.
var protocol = enginetest.Protocol{
	New:      New,
	Election: []consensus.Kind{Prepare, Promise, Nack},

	Campaign: func(n *enginetest.Node) {
		n.Input(func() {
			if p := n.Engine.(*Paxos); p.mayLead() {
				p.takeOver(0)
			}
		})
	},
	Patience: func(e consensus.Engine) Instant { return e.(*Paxos).leaseEnd },
	Config:   epochAt,
	Leads:    leaderKnowsWhatIsChosen,

	TermName:  "ballot",
	Term:      showBallot,
	ParseTerm: parseBallot,
	Message:   showMessage,
	Durable:   func(s consensus.State) string { return "promised=" + show(s.Term) },
	State:     showState,
	Log:       showLog,
	Peers:     showPeers,
}

// TestScripts runs the scripts of testdata: see enginetest.Scripts for their language. A ballot is EPOCH.ROUND.NODE; chosen is
// the mark of a value that is known to be chosen. In an Accept all entries are of its ballot, in a LearnReply all are chosen.
func TestScripts(t *testing.T) { enginetest.Scripts(t, &protocol) }

// BenchmarkEngine reports what one entry costs in three engines together: compare it with the
// figures for Raft.
func BenchmarkEngine(b *testing.B) { enginetest.Benchmark(b, &protocol) }

func TestABatchAllocatesNothing(t *testing.T) { enginetest.NoAllocation(t, &protocol) }

// leaderKnowsWhatIsChosen checks that a leader whose ballot nobody is above proposes what is chosen (P2c of Paxos Made Simple).
func leaderKnowsWhatIsChosen(c *enginetest.Cluster, n *enginetest.Node) {
	p := n.Engine.(*Paxos)
	for _, x := range c.Nodes {
		if x.Disk.State.Term > p.promised {
			return // what is chosen may be of a higher ballot
		}
	}
	for _, s := range slices.Sorted(maps.Keys(c.Committed)) {
		e := c.Committed[s]
		if x := p.log.at(s).e; s > p.log.base && (x == nil || !same(x, &e)) {
			c.Violatef("%d leads ballot %s without %s, which is chosen", n.ID(), show(p.promised), c.Protocol.Entry(e))
		}
	}
}

// epochAt is the record of the epoch of slot s: the founding one has none.
func epochAt(e consensus.Engine, s Slot) []byte {
	p := e.(*Paxos)
	k := len(p.epochs) - 1
	for k > 0 && p.epochs[k].index > s {
		k--
	}
	if p.epochs[k].number == 0 {
		return nil
	}
	return p.epochs[k].encode()
}

// showBallot shows the ballot of an entry. What is committed has none.
func showBallot(b Ballot) string {
	if b == 0 {
		return ""
	}
	return show(b)
}

func parseBallot(s string) (Ballot, error) {
	if s == "chosen" {
		return Chosen, nil
	}
	var epoch, round uint64
	var node NodeID
	_, err := fmt.Sscanf(s, "%d.%d.%d", &epoch, &round, &node)
	return pack(epoch, round, node), err
}

// showMessage is one line for a trace, in the words of the package documentation.
func showMessage(m *Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d→%d %v", m.From, m.To, m.Kind)
	if about(m.Kind) {
		b.WriteString(" " + show(m.Term))
	}
	if m.Flags&consensus.FlagTransfer != 0 {
		fmt.Fprintf(&b, " transfer from %s", show(m.Leader))
	}
	if m.Flags&consensus.FlagHappy != 0 {
		b.WriteString(" happy")
	}
	switch m.Kind {
	case Prepare:
		fmt.Fprintf(&b, " from=%d%s", m.Index, set("next", m.Next))
	case Promise:
		fmt.Fprintf(&b, " from=%d%s%s last=%d%s", m.Index, set("chunk", Slot(m.Context)), set("next", m.Next), m.Last, set("floor", m.Floor))
	case Elect:
		fmt.Fprintf(&b, " round=%d", m.Context)
	case ElectReply:
		fmt.Fprintf(&b, " round=%d ballot=%s leader=%s", m.Context, show(m.Term), show(m.Leader))
	case EpochSnapshot:
		fmt.Fprintf(&b, " at=%d", m.Index)
	case Learn:
		b.WriteString(set("bytes", Slot(m.Context)))
	case LearnReply: // of the store that asked, nearly always
	default:
		b.WriteString(set("round", Slot(m.Context)) + set("floor", m.Floor))
	}
	if m.Promised != m.Term || m.Kind == Learn || m.Kind == EpochSealed {
		b.WriteString(" promised=" + show(m.Promised))
	}
	b.WriteString(set("commit", m.Commit))
	b.WriteString(showRanges(m))
	for i := range m.Entries {
		b.WriteString(" " + showValue(m, &m.Entries[i]))
	}
	return b.String()
}

// set shows a field that is not zero.
func set(name string, v Slot) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf(" %s=%d", name, v)
}

func showRanges(m *Message) (s string) {
	if len(m.Ranges) > 0 && m.Kind == Promise {
		s = " unknown"
	}
	for _, r := range m.Ranges {
		s += fmt.Sprintf(" [%d,%d]", r.First, r.Last)
	}
	return s
}

// showValue shows an entry of m, with its ballot if m does not say it already.
func showValue(m *Message, e *Entry) string {
	value := e.Kind.String()
	if e.Kind == consensus.EntryCommand {
		value = string(e.Data)
	}
	if m.Kind == Promise {
		return fmt.Sprintf("%d/%s=%s", e.Index, show(e.Term), value)
	}
	return fmt.Sprintf("%d=%s", e.Index, value)
}

// showState is what a replica says of itself.
func showState(e consensus.Engine) string {
	p := e.(*Paxos)
	st := p.Status()
	s := fmt.Sprintf("%v promised=%s leader=%d commit=%d last=%d durable=%d", st.Role, show(p.promised), st.Leader, st.Commit, st.Last, st.Durable)
	s += set("snapshot", st.Snapshot)
	for _, r := range p.unknown {
		s += fmt.Sprintf(" unknown=[%d,%d]", r.First, r.Last)
	}
	if p.phase == leading {
		s += set("barrier", p.barrier) + set("stop", p.stop)
	}
	s += set("sealed", p.stopAt)
	if x := p.epoch(); x.number > 0 {
		s += fmt.Sprintf(" epoch=%d after %d (%v)", x.number, x.index, x.members)
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

// showLog is the log in memory. What is known to be chosen has that mark, whatever ballot it was voted for in.
func showLog(e consensus.Engine) (base Slot, ballot Ballot, es []Entry) {
	p := e.(*Paxos)
	for s := p.log.base + 1; s <= p.log.last; s++ {
		if c := p.log.at(s); c.e != nil {
			x := *c.e
			if c.learned {
				x.Term = Chosen
			}
			es = append(es, x)
		}
	}
	return p.log.base, 0, es
}

// showPeers is what a replica knows of the others.
func showPeers(e consensus.Engine) string {
	p := e.(*Paxos)
	var parts []string
	for i := range p.peers {
		q := &p.peers[i]
		s := fmt.Sprintf("%d commit=%d%s", q.id, q.commit, set("floor", q.floor))
		switch {
		case p.phase == preparing && q.promise.done:
			s += " promised" + set("unknown", q.promise.unknown)
		case p.phase == preparing:
			s += set("reported up to", q.promise.next)
		case p.phase == leading:
			s += fmt.Sprintf(" next=%d inflight=%d", q.flow.next, len(q.flow.sent))
		}
		if !q.counted {
			s += " not counted"
		}
		parts = append(parts, "("+s+")")
	}
	return strings.Join(parts, " ")
}
