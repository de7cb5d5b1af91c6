package paxos

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/consensus-go/consensus"
)

// stir does something to a cluster, as the bytes say. Agreement, and Check, are the rig's to see.
func (r *rig) stir(in []byte) {
	for len(in) > 1 {
		op, x := in[0]%24, int(in[1])
		n := r.nodes[x%len(r.nodes)]
		in = in[2:]
		switch op {
		case 0, 1:
			k := 0
			r.deliver(func(*Message) bool { k++; return k == x%8+1 })
		case 2, 3, 4, 5, 6:
			r.deliver(func(m *Message) bool { return m.From != n.id && m.To != n.id })
		case 7, 8:
			r.settle(among(n.id, r.nodes[(x/8)%len(r.nodes)].id))
		case 9:
			if len(r.net) > 0 {
				r.net = append(r.net, r.net[x%len(r.net)]) // a duplicate
			}
		case 10:
			if len(r.net) > 0 {
				r.net = r.net[1:]
			}
		case 11, 12:
			r.now += Instant(x) * Instant(time.Millisecond)
			n.p.Tick(r.now)
			r.pump(n)
		case 13, 14, 15, 16, 17:
			n.p.Propose(consensus.Proposal{From: n.id, ID: uint64(r.now) + uint64(x) + 1, Data: []byte{byte(len(in)), byte(x), byte(n.id)}})
			r.pump(n)
		case 18, 19:
			r.campaignIfAble(n)
		case 20:
			if x >= 128 {
				r.pump(r.crash(n.id))
			}
		case 21:
			if x >= 128 {
				m := bound(3)
				if x&8 != 0 {
					m.Voters, m.Learners = m.Voters[:2], m.Voters[2:]
				}
				m.Bound = nil
				n.p.Change(consensus.Proposal{From: n.id, ID: uint64(x) + 1}, m, n.p.epoch().index)
				r.pump(n)
			}
		case 22:
			r.compact(n.id)
		case 23:
			n.hold = !n.hold
			if !n.hold {
				r.persist(n)
				r.pump(n)
			}
		}
	}
}

func (r *rig) campaignIfAble(n *testNode) {
	if n.p.mayLead() {
		r.campaign(n.id)
	}
}

// stirring is bytes for stir: evenly distributed, as a cluster in which few things happen never gets anywhere.
func stirring(most int) *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		in := make([]byte, most-rapid.IntRange(0, most-2).Draw(t, "less"))
		rand.NewChaCha8([32]byte{byte(rapid.IntRange(0, 255).Draw(t, "seed")), byte(rapid.IntRange(0, 255).Draw(t, "more of it"))}).Read(in)
		return in
	})
}

func TestNothingThatHappensBreaksAgreement(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(rt, bound(3))
		r.stir(stirring(2000).Draw(rt, "inputs"))
		for _, n := range r.nodes {
			require.Zero(rt, n.p.Status().Contradictions)
		}
	})
}

// A clone does what the original does, and neither sees what the other does.
func TestACloneIsAsGoodAsTheOriginal(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r, other := newRig(rt, bound(3)), newRig(rt, bound(3))
		r.stir(stirring(400).Draw(rt, "inputs"))
		other.stir(stirring(100).Draw(rt, "before"))
		p, clone := r.nodes[0].p, other.nodes[0].p
		p.CloneInto(clone)
		state := p.AppendState(nil)
		require.Equal(rt, state, clone.AppendState(nil))

		feed := func(e *Paxos, msgs []Message) (eff consensus.Effects) {
			for i := range msgs {
				if m := msgs[i]; m.To == e.cfg.ID {
					e.Step(&m)
				}
			}
			e.Tick(r.now + Instant(second))
			e.Propose(consensus.Proposal{From: 1, ID: 1 << 40})
			if e.Ready(&eff); len(eff.Committed) == 0 {
				eff.Committed = nil
			}
			return eff
		}
		mine := feed(clone, r.net)
		require.Equal(rt, state, p.AppendState(nil), "what the clone does shows in the original")
		require.Equal(rt, mine, feed(p, r.net))
		require.Equal(rt, clone.AppendState(nil), p.AppendState(nil))
	})
}

func TestAnEngineIsDeterministic(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := stirring(400).Draw(rt, "inputs")
		a, b := newRig(rt, bound(3)), newRig(rt, bound(3))
		a.stir(in)
		b.stir(in)
		for i := range a.nodes {
			require.Equal(rt, a.nodes[i].p.AppendState(nil), b.nodes[i].p.AppendState(nil))
		}
		require.Equal(rt, a.net, b.net)
	})
}

func TestExplainHasAnAnswerToEverything(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(rt, bound(3))
		r.stir(stirring(200).Draw(rt, "inputs"))
		for _, n := range r.nodes {
			before := n.p.AppendState(nil)
			for topic := range consensus.Topics {
				for i := range Slot(4) {
					require.NotEmpty(rt, n.p.Explain(consensus.Question{Topic: consensus.Topic(topic), Index: i, Node: NodeID(i)}))
				}
			}
			require.Equal(rt, before, n.p.AppendState(nil))
		}
	})
}
