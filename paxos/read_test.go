package paxos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

func (r *rig) read(id NodeID, n uint64) {
	require.NoError(r.t, r.p(id).Read(n))
	r.pump(r.find(id))
}

func TestQ0AReadWaitsForTheBarrier(t *testing.T) {
	r := newRig(t, bound(3))
	r.ask(Message{Kind: Accept, From: 3, To: 2, Term: b(2, 3), Entries: []Entry{command(1, b(2, 3), "a")}})
	r.drop()
	p := r.candidate(b(5, 3))
	require.Equal(t, consensus.Leader, p.Status().Role)
	r.read(1, 7)
	r.settle(func(m *Message) bool { return m.Kind == Lead || m.Kind == LeadReply })
	require.Empty(t, r.find(1).reads)
	r.pass(second / 2)
	require.Equal(t, []consensus.Read{{ID: 7, Index: 1}}, r.find(1).reads)
}

func TestAReadNeedsARoundThatBeganAfterIt(t *testing.T) {
	r := newRig(t, bound(3))
	r.elect(1)
	r.settle()
	r.now += Instant(second / 5)
	r.tick(1)
	r.pump(r.find(1))
	beats := r.flight(Lead)
	r.drop()
	r.read(1, 7)
	r.drop()
	for _, m := range beats { // the round that was under way confirms nothing
		n := r.find(m.To)
		n.p.Step(&m)
		r.pump(n)
	}
	r.settle()
	require.Empty(t, r.find(1).reads)
}

func TestAReadIsConfirmedByThoseWhoMeetEveryElection(t *testing.T) {
	m := bound(5)
	m.ElectionQuorum, m.CommitQuorum = 2, 4
	r := newRig(t, m)
	r.elect(1)
	r.settle()
	r.read(1, 7)
	r.settle(among(1, 2, 3))
	require.Empty(t, r.find(1).reads, "4 and 5 may have elected somebody")
	r.drop()
	r.read(1, 8)
	r.settle(among(1, 2, 3, 4))
	require.Len(t, r.find(1).reads, 2)
}

// leased makes node 1 lead three with a lease of half an election timeout.
func leased(t *testing.T) *rig {
	m := bound(3)
	m.Lease = second / 2
	r := newRig(t, m)
	r.pass(second) // no lease of an earlier life is left: rule G3
	r.elect(1)
	r.pass(second / 5)
	return r
}

func TestH2ALeaseAnswersReadsWithoutARound(t *testing.T) {
	r := leased(t)
	r.drop()
	r.read(1, 7)
	require.Len(t, r.find(1).reads, 1)
	until := r.find(1).reads[0].Until
	require.Greater(t, until, r.now)
	require.LessOrEqual(t, until, r.now+Instant(second/2), "it is counted from when the round began")
}

func TestG2AnAcceptorHonoursTheLeaseThatItGranted(t *testing.T) {
	r := leased(t)
	mine := r.p(1).promised
	out := r.ask(Message{Kind: Prepare, From: 2, To: 3, Term: mine + 1<<24 + 1, Index: 1})
	require.Equal(t, Nack, out[0].Kind)
	r.cut = func(from, to NodeID) bool { return from == 1 || to == 1 }
	r.pass(4 * second)
	require.Greater(t, r.p(3).promised, mine, "until it is over")
}

// An acceptor is bound by its lease when it is itself who wants to lead (found by the simulator: cuts,
// seed 300893).
func TestG4OnesOwnAcceptorHonoursTheLease(t *testing.T) {
	r := leased(t)
	r.campaign(2)
	require.Equal(t, consensus.Follower, r.p(2).Status().Role)
	require.Equal(t, r.p(1).promised, r.p(2).promised)
}

func TestG3AnAcceptorPromisesNothingForALeaseAfterItsStart(t *testing.T) {
	m := bound(3)
	m.Lease = second / 2
	r := newRig(t, m)
	out := r.ask(Message{Kind: Prepare, From: 2, To: 1, Term: b(5, 2), Index: 1})
	require.Equal(t, Nack, out[0].Kind)
	out = r.ask(Message{Kind: Prepare, From: 2, To: 1, Term: b(5, 2), Index: 1, Flags: consensus.FlagTransfer})
	require.Equal(t, Nack, out[0].Kind, "not even to whom a leader hands over: it is not known whose lease it was")
}

// A Prepare of a transfer meets the lease of a leader that was elected meanwhile, with a lower ballot.
func TestATransferEndsNobodyElsesLease(t *testing.T) {
	m := bound(3)
	m.Lease = second / 2
	r := newRig(t, m)
	r.pass(second / 2)
	term := pack(0, 20, 2)
	r.ask(Message{Kind: Lead, From: 2, To: 1, Term: term, Flags: consensus.FlagHappy, Context: 1})
	late := Message{Kind: Prepare, From: 3, To: 1, Term: pack(0, 20, 3), Index: 1, Flags: consensus.FlagTransfer, Leader: pack(0, 19, 2)}
	require.Equal(t, Nack, r.ask(late)[0].Kind)
	late.Leader = term
	require.Equal(t, Promise, r.ask(late)[0].Kind)
}

func TestH3ALeaseEndsWithATransferAndWithAStopSign(t *testing.T) {
	r := leased(t)
	require.NoError(t, r.p(1).Transfer(2))
	require.Zero(t, r.p(1).leaseUntil())
	r = leased(t)
	require.NotZero(t, r.p(1).leaseUntil())
	r.change(1, bound(3))
	require.Zero(t, r.p(1).leaseUntil())
}

func TestH1ALeaseIsCountedFromWhenItsRoundBegan(t *testing.T) {
	r := leased(t)
	r.drop()
	r.read(1, 7)
	r.now += Instant(second / 10)
	r.tick(1)
	r.pump(r.find(1))
	began := r.now
	require.NotEmpty(t, r.flight(Lead))
	r.now += Instant(second / 20) // what a message takes does not prolong it
	r.tick(1)
	r.settle()
	lease := Instant(second / 2)
	require.Equal(t, began+lease-lease/8, r.p(1).leaseUntil())
}
