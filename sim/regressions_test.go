package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/paxos"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/sim"
)

// Seeds that have found a fault of an engine. A change of the simulator or of an engine makes other runs of them: what
// each fault was is tested beside the engine, by the test that is named.
func TestSeedsThatOnceFailed(t *testing.T) {
	for _, x := range []struct {
		protocol consensus.NewEngine
		rules    sim.Rules
		profile  sim.Profile
		seed     uint64
		fault    string
	}{
		{paxos.New, sim.PaxosRules, sim.Churn, 1002857, "TestS9AnAnswerIsForTheStoreThatAsked"},
		{paxos.New, sim.PaxosRules, sim.Churn, 1005597, "TestS9AnAnswerIsForTheStoreThatAsked"},
		{paxos.New, sim.PaxosRules, sim.Churn, 1013002, "TestS9AnAnswerIsForTheStoreThatAsked"},
		{paxos.New, sim.PaxosRules, sim.Churn, 3002031, "TestL5AnAcceptIsDoneWhenAllOfItIsAnswered"},
		{paxos.New, sim.PaxosRules, sim.Churn, 2006911, "TestS8ANewVoterIsBoundToTheStoreThatAnsweredLast"},
		{paxos.New, sim.PaxosRules, sim.Churn, 20249, "TestS8ANewVoterIsBoundToTheStoreThatAnsweredLast"},
		{paxos.New, sim.PaxosRules, sim.Churn, 2001648, "TestS9WhoLostAStopSignTeachesNothingAboveIt"},
		{paxos.New, sim.PaxosRules, sim.Churn, 2010845, "TestS9WhoLostAStopSignTeachesNothingAboveIt"},
		{paxos.New, sim.PaxosRules, sim.Swarm, 2006084, "TestS9WhoLostAStopSignTeachesNothingAboveIt"},
		{paxos.New, sim.PaxosRules, sim.Swarm, 2018991, "TestS9WhoLostAStopSignTeachesNothingAboveIt"},
		{raft.New, sim.RaftRules, sim.Crashes, 6, "damage_survives_restarts.txt"},
		{raft.New, sim.RaftRules, sim.Swarm, 3009435, "none: the trial took a late TimeoutNow for a fault"},
		{paxos.New, sim.PaxosRules, sim.Churn, 823, "none: the check took a disk that was wiped after its answer for one that never held the log"},
		{raft.New, sim.RaftRules, sim.Swarm, 9, "TestWhatHappensWhileTheyAgreeKeepsALeaderAwake"},
		{raft.New, sim.RaftRules, sim.Swarm, 10164, "witness_and_damage.txt"},
		{paxos.New, sim.PaxosRules, sim.Upheaval, 46834, "TestC1EverybodyIsAskedInTheEnd"},
		{paxos.New, sim.PaxosRules, sim.Upheaval, 43749, "a witness trimmed under a snapshot that was not durable"},
		{paxos.New, sim.PaxosRules, sim.Churn, 280, "damage below the stop-sign of one's own epoch: damaged_stop_sign.txt"},
		{paxos.New, sim.PaxosRules, sim.Churn, 321, "damage below the stop-sign of one's own epoch: damaged_stop_sign.txt"},
		{raft.New, sim.RaftRules, sim.Hoarder, 713, "none: the check took the term in which a round ends for that of all who were obeyed in it"},
		{paxos.New, sim.PaxosRules, sim.Crashes, 241, "TestAProposalThatIsLearnedByValueCountsNoLonger"},
		{paxos.New, sim.PaxosRules, sim.Crashes, 7000370, "none: the check took a damaged slot that was learned since, above a hole, for one that still is"},
		{paxos.New, sim.PaxosRules, sim.Churn, 6900207, "TestC1WhoLostAStopSignAsksThoughNobodySpeaksToIt"},
		{raft.New, sim.RaftRules, sim.Churn, 6900836, "TestWhoWasRemovedHearsOfItAndTheOthersComeToRest"},
		{paxos.New, sim.PaxosRules, sim.Churn, 682, "TestC1TheNextQuestionGoesOutWhileTheDiskWrites: the messages of an answer change places"},
	} {
		r, err := sim.Simulate(sim.Options{Protocol: x.protocol, Rules: x.rules, Profile: x.profile, Seed: x.seed})
		require.NoError(t, err)
		require.Empty(t, r.Violations, x.fault)
	}
}
