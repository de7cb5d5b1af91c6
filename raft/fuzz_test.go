package raft

import (
	"testing"

	"github.com/consensus-go/consensus"
)

// FuzzStep drives an engine by bytes: whatever it is sent, and in whatever state, it does not panic, keeps its own invariants,
// and keeps what it promises to its host (see rig).
//
//	go test ./raft -fuzz FuzzStep
func FuzzStep(f *testing.F) {
	for kind := range byte(3) {
		f.Add(kind, []byte{})
		f.Add(kind, []byte{1, 0, 16, 0, 0, 16, 1, 0, 9, 0, 16, 0, 0, 9, 0, 3, 0, 0, 9, 0, 5, 0})
	}
	f.Fuzz(func(t *testing.T, kind byte, bytes []byte) {
		if err := newRig(kind).run(bytes); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzStepMessage delivers one message, as bytes off the wire, to an engine that leads, one that follows, and one that has just begun.
func FuzzStepMessage(f *testing.F) {
	for _, m := range []Message{
		{Kind: AppendEntries, From: 2, To: 1, Incarnation: 2, Term: 2, Index: 1, LogTerm: 1, Entries: entries(1, 2, 2)},
		{Kind: AppendEntriesReply, From: 2, To: 1, Incarnation: 2, Term: 1, Index: 1, Session: 1},
		{Kind: AppendEntriesReply, From: 3, To: 1, Incarnation: 3, Term: 1, Reject: true, Last: 1, Index: 1, Session: 2},
		{Kind: Heartbeat, From: 3, To: 1, Incarnation: 3, Term: 3, Context: 4, Commit: 1, Floor: 1},
		{Kind: HeartbeatReply, From: 3, To: 1, Incarnation: 3, Term: 1, Context: 1, Index: 1},
		{Kind: RequestVote, From: 2, To: 1, Incarnation: 2, Term: 5, Flags: consensus.FlagTransfer},
		{Kind: InstallSnapshot, From: 2, To: 1, Incarnation: 2, Term: 2, Index: 9, LogTerm: 1, Data: (&configuration{now: voters(3)}).encode()},
		{Kind: TimeoutNow, From: 2, To: 1, Incarnation: 2, Term: 2},
	} {
		f.Add(m.AppendTo(nil))
	}
	lead := []byte{1, 0, 16, 0, 0, 9, 0, 16, 0, 0, 9, 0}
	f.Fuzz(func(t *testing.T, wire []byte) {
		var m Message
		if m.DecodeFrom(wire) != nil {
			return
		}
		for _, before := range [][]byte{nil, lead, {17, 3, 0, 0, 3, 0, 0}} {
			g := newRig(0)
			if err := g.run(before); err != nil {
				t.Fatal(err)
			}
			g.raft.Step(&m)
			if err := g.run([]byte{9, 0, 1, 0, 9, 0}); err != nil {
				t.Fatalf("%v: %v", &m, err)
			}
		}
	})
}
