package paxos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
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
			r.tick(n.id)
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

func TestNothingThatHappensBreaksAgreement(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(rt, bound(3))
		r.stir(enginetest.Inputs(2000).Draw(rt, "inputs"))
		for _, n := range r.nodes {
			require.Zero(rt, n.p.Status().Contradictions)
		}
	})
}

func TestExplainHasAnAnswerToEverything(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(rt, bound(3))
		r.stir(enginetest.Inputs(200).Draw(rt, "inputs"))
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
