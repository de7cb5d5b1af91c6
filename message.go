package consensus

import (
	"fmt"
	"strings"
)

// A Kind is the kind of a Message. Each engine documents its own kinds and the fields that they
// use; the engines' kinds do not overlap, so a node of one ignores the messages of the other.
type Kind uint8

// Kinds of the Replica, above either engine. See forward.go.
const (
	KindForward        Kind = 1 + iota // Entries: proposals for the leader of Term to append
	KindForwardReply                   // Context: the proposal's id; Outcome; Data: the result
	KindReadIndex                      // Context: the read's id
	KindReadIndexReply                 // Context: the read's id; Outcome; Index: read at this or above
)

// Kinds of the Host, for no group. See Detector.
const (
	KindHostHeartbeat      Kind = 8 + iota // Session: the sender's life. Context: its clock
	KindHostHeartbeatReply                 // Session, Context: as in the question. Incarnation: the life that the sender shows
)

// Kinds of package raft.
const (
	KindAppendEntries Kind = 16 + iota
	KindAppendEntriesReply
	KindHeartbeat
	KindHeartbeatReply
	KindRequestVote
	KindRequestVoteReply
	KindPreVote
	KindPreVoteReply
	KindInstallSnapshot
	KindTimeoutNow
)

// Kinds of package paxos. They stay below 64, so that a set of kinds fits into a word.
const (
	KindPrepare Kind = 48 + iota
	KindPromise
	KindNack
	KindAccept
	KindAccepted
	KindAlreadyChosen
	KindLead
	KindLeadReply
	KindElect
	KindElectReply
	KindLearn
	KindLearnReply
	KindEpochSealed
	KindTakeOver
	KindEpochSnapshot
)

var kindNames = [...]string{
	KindForward: "Forward", KindForwardReply: "ForwardReply", KindReadIndex: "ReadIndex", KindReadIndexReply: "ReadIndexReply",
	KindHostHeartbeat: "HostHeartbeat", KindHostHeartbeatReply: "HostHeartbeatReply",
	KindAppendEntries: "AppendEntries", KindAppendEntriesReply: "AppendEntriesReply",
	KindHeartbeat: "Heartbeat", KindHeartbeatReply: "HeartbeatReply",
	KindRequestVote: "RequestVote", KindRequestVoteReply: "RequestVoteReply",
	KindPreVote: "PreVote", KindPreVoteReply: "PreVoteReply",
	KindInstallSnapshot: "InstallSnapshot", KindTimeoutNow: "TimeoutNow",
	KindPrepare: "Prepare", KindPromise: "Promise", KindNack: "Nack", KindAccept: "Accept", KindAccepted: "Accepted",
	KindAlreadyChosen: "AlreadyChosen", KindLead: "Lead", KindLeadReply: "LeadReply", KindElect: "Elect", KindElectReply: "ElectReply",
	KindLearn: "Learn", KindLearnReply: "LearnReply", KindEpochSealed: "EpochSealed", KindTakeOver: "TakeOver", KindEpochSnapshot: "EpochSnapshot",
}

func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Flags say more about a message.
type Flags uint8

const (
	// FlagTransfer: this election was asked for by the leader, so voters who still hear that
	// leader vote all the same (thesis §3.10, §6.4.1).
	FlagTransfer Flags = 1 << iota
	// FlagHappy: the sender reaches a quorum, as the leader, or a leader that does (Paxos).
	FlagHappy
	// FlagQuiet: the leader asks for quiet in its heartbeat, or the sender of an answer agrees to it.
	FlagQuiet
)

// A Message is one protocol message. Every field means the same in every kind that uses it; a
// kind that does not use a field leaves it zero. The entries, and the bytes of Data, are
// immutable.
type Message struct {
	Kind        Kind
	Reject      bool
	Flags       Flags
	Outcome     Outcome // what became of a forwarded request
	From, To    NodeID
	Group       GroupID
	Incarnation uint64 // of the sender's store, or of its host
	Term        Term   // the sender's term, or the ballot that the message is about
	Promised    Term   // Paxos: the sender's promise; Leader: the ballot that it believes to lead
	Leader      Term
	Index       Index // the position that the message is about; with LogTerm, the entry there
	LogTerm     Term
	Commit      Index   // how far the sender knows the log to be chosen
	Floor       Index   // how far the sender has compacted, or the receiver may
	Applied     Index   // how far the sender has applied
	Last, Next  Index   // the last position that it has anything at; where to go on
	Session     uint64  // of replication, or the life of a host: a reply of another one is stale
	Context     uint64  // echoed by the reply: the round of a heartbeat or read, the id of a request
	Ranges      []Range // Paxos: positions acknowledged, unknown or wanted
	Entries     []Entry // by increasing Index (Raft's are consecutive)
	Data        []byte
}

// String is one line for a trace: the kind, the route, and every field that is set.
func (m *Message) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d→%d %v", m.From, m.To, m.Kind)
	if m.Reject {
		b.WriteString(" reject")
	}
	if m.Flags&FlagTransfer != 0 {
		b.WriteString(" transfer")
	}
	if m.Flags&FlagHappy != 0 {
		b.WriteString(" happy")
	}
	if m.Flags&FlagQuiet != 0 {
		b.WriteString(" quiet")
	}
	if m.Outcome != 0 {
		fmt.Fprintf(&b, " %v", m.Outcome)
	}
	for _, f := range []struct {
		name  string
		value uint64
	}{
		{"term", uint64(m.Term)}, {"promised", uint64(m.Promised)}, {"leader", uint64(m.Leader)},
		{"index", uint64(m.Index)}, {"logterm", uint64(m.LogTerm)}, {"commit", uint64(m.Commit)},
		{"floor", uint64(m.Floor)}, {"applied", uint64(m.Applied)}, {"last", uint64(m.Last)},
		{"next", uint64(m.Next)}, {"session", m.Session}, {"context", m.Context},
	} {
		if f.value != 0 {
			fmt.Fprintf(&b, " %s=%d", f.name, f.value)
		}
	}
	for _, r := range m.Ranges {
		fmt.Fprintf(&b, " [%d,%d]", r.First, r.Last)
	}
	for i := range m.Entries {
		fmt.Fprintf(&b, " %d/%d", m.Entries[i].Index, m.Entries[i].Term)
		if k := m.Entries[i].Kind; k != EntryCommand {
			fmt.Fprintf(&b, "(%v)", k)
		}
	}
	if len(m.Data) > 0 {
		fmt.Fprintf(&b, " data=%dB", len(m.Data))
	}
	return b.String()
}
