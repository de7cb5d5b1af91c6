package raft

import (
	"testing"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/sim/enginetest"
)

// FuzzStep drives an engine by bytes: see enginetest.Fuzz.
//
//	go test ./raft -fuzz FuzzStep
func FuzzStep(f *testing.F) { enginetest.Fuzz(f, &speaker) }

// FuzzStepMessage delivers one message, as bytes off the wire: see enginetest.FuzzMessage.
func FuzzStepMessage(f *testing.F) {
	enginetest.FuzzMessage(f, &speaker,
		Message{Kind: AppendEntries, From: 2, To: 1, Incarnation: 2, Term: 2, Index: 1, LogTerm: 1, Entries: entries(1, 2, 2)},
		Message{Kind: AppendEntriesReply, From: 2, To: 1, Incarnation: 2, Term: 1, Index: 1, Session: 1},
		Message{Kind: AppendEntriesReply, From: 3, To: 1, Incarnation: 3, Term: 1, Reject: true, Last: 1, Index: 1, Session: 2},
		Message{Kind: Heartbeat, From: 3, To: 1, Incarnation: 3, Term: 3, Context: 4, Commit: 1, Floor: 1},
		Message{Kind: HeartbeatReply, From: 3, To: 1, Incarnation: 3, Term: 1, Context: 1, Index: 1},
		Message{Kind: RequestVote, From: 2, To: 1, Incarnation: 2, Term: 5, Flags: consensus.FlagTransfer},
		Message{Kind: InstallSnapshot, From: 2, To: 1, Incarnation: 2, Term: 2, Index: 9, LogTerm: 1, Data: (&configuration{now: voters(3)}).encode()},
		Message{Kind: TimeoutNow, From: 2, To: 1, Incarnation: 2, Term: 2},
	)
}

func TestTheFuzzersBeginWhereTheySay(t *testing.T) { enginetest.BeginsWhere(t, &speaker) }
