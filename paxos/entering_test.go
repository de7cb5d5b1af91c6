package paxos

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// How members get into the next epoch, and how soon they vote in it. No time passes in these tests, so that
// nothing can wait for a timer.

// late has node 1 end an epoch and lead the next one. Node 2 has voted for the stop-sign, and both the last
// that is said in the old epoch and the first of the new one are in flight to it. Node 3 is cut off.
func late(t *testing.T) *rig {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.cut = func(from, to NodeID) bool { return from == 3 || to == 3 }
	r.change(1, bound(3))
	r.settle(func(m *Message) bool { return in(0)(*m) && (m.Kind == Accept || m.Kind == Accepted) })
	require.Equal(t, uint64(1), r.p(1).epoch().number)
	return r
}

// A host steps all that has arrived, and asks only then what follows from it.
func TestTheWayIntoAnEpochAndItsFirstProposalMayComeInOneBatch(t *testing.T) {
	r := late(t)
	n := r.find(2)
	for _, m := range r.net {
		if m.To == n.id {
			n.p.Step(&m)
		}
	}
	r.drop()
	r.pump(n)
	require.Equal(t, pack(1, 1, 1), n.p.promised)
	require.Empty(t, r.flight(Learn), "nothing was missed")
	require.Len(t, r.flight(Accepted), 1)
}

func TestWhoEntersAnEpochLateIsSentAgainAtOnceWhatItHasIgnored(t *testing.T) {
	for name, lost := range map[string]bool{"the last word of the old epoch is overtaken": false, "or lost": true} {
		r := late(t)
		if lost {
			r.net = slices.DeleteFunc(r.net, in(0))
		} else {
			r.settle(func(m *Message) bool { return m.Kind != Learn && in(1)(*m) })
		}
		require.Equal(t, Slot(1), r.p(1).commit, name)
		r.settle()
		require.Equal(t, []string{"members", "noop"}, r.find(2).applied, name)
		require.Equal(t, Slot(2), r.p(1).commit, name)
	}
}

// in reports of a message whether its sender is in that epoch.
func in(epoch uint64) func(Message) bool {
	return func(m Message) bool { return epochOf(m.Promised) == epoch }
}

// Whatever may have been ignored is sent again once. If that is lost, too, it is as with anything that is lost.
func TestItIsSentAgainOnce(t *testing.T) {
	r := late(t)
	r.settle(func(m *Message) bool { return m.To != 2 || m.Kind != Accept })
	require.Len(t, r.flight(Accept), 2, "the second as node 2 has said that it is in the epoch")
	r.drop()
	for range 3 {
		r.ask(Message{Kind: ElectReply, From: 2, To: 1, Promised: pack(1, 1, 1)})
		require.Empty(t, r.flight(Accept))
	}
}
