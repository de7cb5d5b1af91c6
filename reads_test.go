package consensus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// question takes the ReadIndex that was just sent to node to.
func (x *rig) question(to NodeID) uint64 {
	x.t.Helper()
	x.Pump()
	sent := x.env.messages()
	require.Len(x.t, sent, 1)
	require.Equal(x.t, Message{Kind: KindReadIndex, From: 1, To: to, Group: 1, Incarnation: 5, Context: sent[0].Context}, sent[0])
	return sent[0].Context
}

func (x *rig) answerQuestion(from NodeID, id uint64, o Outcome, index Index) {
	x.Deliver(&Message{Kind: KindReadIndexReply, From: from, To: 1, Group: 1, Context: id, Outcome: o, Index: index})
	x.Pump()
}

// engineAnswers has the engine answer the read that it was asked for last.
func (x *rig) engineAnswers(a Read) {
	a.ID = x.engine.reads[len(x.engine.reads)-1]
	x.step(Effects{Reads: []Read{a}})
}

func TestOpenReadsAreBounded(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).follow(0, 2)
	first := x.readOne()
	for range maxReads - 1 {
		x.readOne()
	}
	x.Pump()
	require.Empty(t, x.env.done)
	above := x.readOne()
	x.Pump()
	x.requireAnswer(above, ErrBusy)
	x.Cancel(first)
	next := x.readOne()
	x.Pump()
	require.True(t, x.open(next))
	x.Close()
	require.Zero(t, x.reading)
}

func TestALeadersReadWaitsForItsIndexToBeApplied(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(2)
	a, b := x.readOne(), x.readOne()
	x.Pump()
	require.Len(t, x.engine.reads, 1, "one question for both")
	x.engineAnswers(Read{Index: 3})
	require.True(t, x.open(a))
	x.Applied(applied(1, 3))
	x.Pump()
	x.requireResult(a, Result{})
	x.requireResult(b, Result{})

	c := x.readOne()
	x.Pump()
	x.engineAnswers(Read{Index: 3})
	x.requireResult(c, Result{})
	require.Empty(t, x.requests)
	require.Zero(t, x.parkedBytes)
}

func TestAReadIsAnsweredWhenARestoreReachesItsIndex(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).follow(2, 2)
	a := x.readOne()
	x.answerQuestion(2, x.question(2), OutcomeOK, 9)
	x.Restored(SnapshotMeta{Index: 9})
	x.Pump()
	x.requireResult(a, Result{})
}

func TestAReadIsAskedForAgainWhenLeadershipIsLost(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(2)
	a := x.readOne()
	x.Pump()
	x.follow(3, 3)
	x.engineAnswers(Read{Err: ErrNotLeader})
	require.True(t, x.open(a))
	x.answerQuestion(3, x.question(3), OutcomeOK, 0)
	x.requireResult(a, Result{})
}

func TestAnAnswerOfALeaseThatHasEndedIsNone(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(2)
	a := x.readOne()
	x.Pump()
	x.env.now = 100
	x.engineAnswers(Read{Until: 100})
	require.True(t, x.open(a))
	x.Pump()
	require.Len(t, x.engine.reads, 2)
	x.engineAnswers(Read{Until: 101})
	x.requireResult(a, Result{})

	x.Deliver(&Message{Kind: KindReadIndex, From: 2, Context: 77})
	x.Pump()
	x.engineAnswers(Read{Until: 99, Index: 4})
	require.Empty(t, x.env.messages())
	x.Pump()
	x.engineAnswers(Read{Until: 101, Index: 4})
	require.Equal(t, []Message{{Kind: KindReadIndexReply, From: 1, To: 2, Group: 1, Incarnation: 5, Context: 77, Outcome: OutcomeOK, Index: 4}}, x.env.messages())
	require.Zero(t, x.askedLen)
}

func TestAFollowersAnswerConfirmsOnlyReadsThatBeganBeforeItsQuestion(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).follow(2, 2)
	a := x.readOne()
	first := x.question(2)
	b, c := x.readOne(), x.readOne()
	x.Pump()
	require.Empty(t, x.env.messages(), "one question at a time")
	x.answerQuestion(2, first, OutcomeOK, 0)
	x.requireResult(a, Result{})
	require.True(t, x.open(b))
	second := x.question(2)
	x.answerQuestion(2, first, OutcomeOK, 0) // a copy of the first answer
	require.True(t, x.open(b))
	x.answerQuestion(2, second, OutcomeOK, 0)
	x.requireResult(b, Result{})
	x.requireResult(c, Result{})
}

func TestAQuestionThatIsNotAnsweredIsAskedAgain(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).follow(2, 2)
	a := x.readOne()
	lost := x.question(2)
	b := x.readOne()
	x.pass(999_999_999)
	require.Empty(t, x.env.messages())
	x.pass(1)
	require.Equal(t, lost, x.question(2))
	x.answerQuestion(2, lost, OutcomeOK, 0)
	x.requireResult(a, Result{})
	require.True(t, x.open(b), "b began after the question was sent first")

	second := x.question(2)
	x.follow(3, 3)
	third := x.question(3)
	x.answerQuestion(2, second, OutcomeOK, 0)
	x.answerQuestion(2, third, OutcomeOK, 0)
	require.True(t, x.open(b), "node 3 was asked")
	x.answerQuestion(3, third, OutcomeOK, 0)
	x.requireResult(b, Result{})
}

func TestAReplicaThatDoesNotLeadIsNotAskedAgainAtOnce(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).follow(2, 2)
	a := x.readOne()
	x.answerQuestion(2, x.question(2), OutcomeNone, 0)
	x.pass(1e9)
	id := x.env.messages()[0].Context
	x.answerQuestion(2, id, OutcomeNotLeader, 0)
	x.pass(1e8)
	require.Empty(t, x.env.messages())
	x.follow(3, 3)
	x.answerQuestion(3, x.question(3), OutcomeNotLeader, 0)
	x.pass(1e9)
	x.answerQuestion(3, x.env.messages()[0].Context, OutcomeOK, 0)
	x.requireResult(a, Result{})
}

func TestALeaderAnswersTheQuestionsOfOthers(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(2)
	a := x.readOne()
	x.Deliver(&Message{Kind: KindReadIndex, From: 2, Context: 70})
	x.Deliver(&Message{Kind: KindReadIndex, From: 3, Context: 80})
	x.Deliver(&Message{Kind: KindReadIndex, From: 1, Context: 90})
	x.Pump()
	require.Len(t, x.engine.reads, 1)
	x.engineAnswers(Read{Index: 6})
	require.Equal(t, []Message{
		{Kind: KindReadIndexReply, From: 1, To: 2, Group: 1, Incarnation: 5, Context: 70, Outcome: OutcomeOK, Index: 6},
		{Kind: KindReadIndexReply, From: 1, To: 3, Group: 1, Incarnation: 5, Context: 80, Outcome: OutcomeOK, Index: 6}}, x.env.messages())
	require.True(t, x.open(a), "its index is not applied")

	x.Deliver(&Message{Kind: KindReadIndex, From: 2, Context: 71})
	x.Pump()
	x.follow(3, 3)
	x.engineAnswers(Read{Err: ErrNotLeader})
	x.Deliver(&Message{Kind: KindReadIndex, From: 2, Context: 72})
	x.Pump()
	for i, m := range x.env.messages() {
		require.Equal(t, Message{Kind: KindReadIndexReply, From: 1, To: 2, Group: 1, Incarnation: 5, Context: 71 + uint64(i), Outcome: OutcomeNotLeader}, m)
	}
	require.Zero(t, x.askedLen)
}

func TestQuestionsOfOthersAreBounded(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(2)
	for i := range uint64(maxAsked + 5) {
		x.Deliver(&Message{Kind: KindReadIndex, From: 2, Context: i})
	}
	x.Pump()
	x.engineAnswers(Read{})
	require.Len(t, x.env.messages(), maxAsked)
}

func TestReadsEndInOrderThoughAnswersCross(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(2)
	a := x.readOne()
	x.Pump()
	b := x.readOne()
	x.Pump()
	first, second := x.engine.reads[0], x.engine.reads[1]
	x.step(Effects{Reads: []Read{{ID: second, Index: 5}}})
	x.step(Effects{Reads: []Read{{ID: first, Index: 4}, {ID: first, Index: 4}}})
	x.Cancel(b)
	x.Applied(applied(1, 4))
	x.Pump()
	require.True(t, x.open(a), "it is behind one at 5")
	x.Applied(applied(5, 5))
	x.Pump()
	x.requireResult(a, Result{})
	require.Empty(t, x.rounds)
}

func TestAReadOfAnEngineThatCannotAnswerYetIsTriedAgain(t *testing.T) {
	x := newRig(t, ReplicaConfig{}).lead(2)
	x.engine.readErr = ErrBusy
	a := x.readOne()
	x.Pump()
	require.True(t, x.open(a))
	x.engine.readErr = nil
	x.Pump()
	x.engineAnswers(Read{})
	x.requireResult(a, Result{})
}
