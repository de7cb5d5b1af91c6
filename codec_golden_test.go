package consensus_test

import (
	"math"

	"github.com/consensus-go/consensus"
)

// goldenMessages pin the format: to change one is to make a new version of it.
var goldenMessages = []struct {
	name, hex string
	message   consensus.Message
}{
	{"empty", "010000000000", consensus.Message{}},
	{"ids and group", "011201ffffffff0fffffffffffffffffff0100",
		consensus.Message{Kind: consensus.KindHeartbeat, From: 1, To: math.MaxUint32, Group: math.MaxUint64}},
	{"reject", "010000000001", consensus.Message{Reject: true}},
	{"flags", "01000000000201", consensus.Message{Flags: consensus.FlagTransfer}},
	{"outcome", "01000000000402", consensus.Message{Outcome: consensus.OutcomeUnknown}},
	{"incarnation", "0100000000080807060504030201", consensus.Message{Incarnation: 0x0102030405060708}},
	{"term", "010000000010ac02", consensus.Message{Term: 300}},
	{"promised", "01000000002003", consensus.Message{Promised: 3}},
	{"leader", "010000000040ffffffffffffffffff01", consensus.Message{Leader: consensus.Chosen}},
	{"index", "0100000000800104", consensus.Message{Index: 4}},
	{"logterm", "0100000000800205", consensus.Message{LogTerm: 5}},
	{"commit", "0100000000800406", consensus.Message{Commit: 6}},
	{"floor", "0100000000800807", consensus.Message{Floor: 7}},
	{"applied", "0100000000801008", consensus.Message{Applied: 8}},
	{"last", "0100000000802009", consensus.Message{Last: 9}},
	{"next", "010000000080400a", consensus.Message{Next: 10}},
	{"session", "01000000008080010b", consensus.Message{Session: 11}},
	{"context", "01000000008080020c", consensus.Message{Context: 12}},
	{"ranges", "010000000080800402010005a702",
		consensus.Message{Ranges: []consensus.Range{{First: 1, Last: 1}, {First: 5, Last: 300}}}},
	{"data", "01000000008080100464617461", consensus.Message{Data: []byte("data")}},
	{"an entry of nobody's", "0100000000808008010101010000",
		consensus.Message{Entries: []consensus.Entry{{Index: 1, Term: 1, Kind: consensus.EntryNoop}}}},
	{"entries with a hole", "010000000080800803ac0202050308070605040302010361626301ffffffffffffffffff010003000000000000000000020200000164",
		consensus.Message{Entries: []consensus.Entry{
			{Index: 300, Term: 2, From: 3, ID: 0x0102030405060708, Kind: consensus.EntrySessionClose, Data: []byte("abc")},
			{Index: 301, Term: consensus.Chosen, From: 3},
			{Index: 303, Term: 2, Data: []byte("d")},
		}}},
	{"AppendEntries", "0110010207988709a1000000000000000309020804010a030001010000000500000003783d31",
		consensus.Message{Kind: consensus.KindAppendEntries, From: 1, To: 2, Group: 7, Incarnation: 0xa1, Term: 3,
			Index: 9, LogTerm: 2, Commit: 8, Session: 4,
			Entries: []consensus.Entry{{Index: 10, Term: 3, From: 1, ID: 5<<32 | 1, Data: []byte("x=1")}}}},
	{"AppendEntriesReply, rejected", "011102010799a301a2000000000000000309010804",
		consensus.Message{Kind: consensus.KindAppendEntriesReply, Reject: true, From: 2, To: 1, Group: 7,
			Incarnation: 0xa2, Term: 3, Index: 9, LogTerm: 1, Last: 8, Session: 4}},
	{"Heartbeat", "0112010207988402a100000000000000030811",
		consensus.Message{Kind: consensus.KindHeartbeat, From: 1, To: 2, Group: 7, Incarnation: 0xa1, Term: 3, Commit: 8, Context: 17}},
	{"RequestVote in a transfer", "01140203079a0301a200000000000000040903",
		consensus.Message{Kind: consensus.KindRequestVote, Flags: consensus.FlagTransfer, From: 2, To: 3, Group: 7,
			Incarnation: 0xa2, Term: 4, Index: 9, LogTerm: 3}},
	{"PreVoteReply", "011703020718a30000000000000004",
		consensus.Message{Kind: consensus.KindPreVoteReply, From: 3, To: 2, Group: 7, Incarnation: 0xa3, Term: 4}},
	{"InstallSnapshot", "0118010207988311a1000000000000000364020409030102030000000000",
		consensus.Message{Kind: consensus.KindInstallSnapshot, From: 1, To: 2, Group: 7, Incarnation: 0xa1, Term: 3, Index: 100, LogTerm: 2,
			Session: 4, Data: []byte{3, 1, 2, 3, 0, 0, 0, 0, 0}}},
	{"TimeoutNow", "01190102071003", consensus.Message{Kind: consensus.KindTimeoutNow, From: 1, To: 2, Group: 7, Term: 3}},
	{"Forward", "0101020107908008030101000002010000000600000003783d32",
		consensus.Message{Kind: consensus.KindForward, From: 2, To: 1, Group: 7, Term: 3,
			Entries: []consensus.Entry{{Index: 1, From: 2, ID: 6<<32 | 1, Data: []byte("x=2")}}}},
	{"ForwardReply", "0102010207848012018180808060026f6b",
		consensus.Message{Kind: consensus.KindForwardReply, Outcome: consensus.OutcomeOK, From: 1, To: 2, Group: 7, Context: 6<<32 | 1, Data: []byte("ok")}},
}
