package sim

import (
	"slices"

	"github.com/consensus-go/consensus"
)

// A ledger is what ought to become of each committed entry, by the index, whoever applies it: it
// follows the log with sessions of its own, kept in the plainest way, and never looks into a Machine.
// And it is where each command took effect, whatever entries carried it.
type ledger struct {
	outcomes window[outcome]
	accounts []account // the open sessions, least recently used first
	ended    map[uint64]ending
	commands map[identity]consensus.Index // where it took effect
	acted    map[int]consensus.Index      // of operations, likewise
	requests map[uint64]int               // the operations that proposals are for
}

// An outcome is what became of an entry.
type outcome struct {
	effect bool            // the state machine was asked
	of     consensus.Index // the entry that took effect instead: this is a duplicate
	err    error
	result uint64 // its hash
}

// An identity is that of a client's command.
type identity struct{ session, sequence uint64 }

// An ending is how a session came to an end.
type ending uint8

const (
	notEnded ending = iota
	sessionClosed
	sessionEvicted
)

// An account is a session.
type account struct {
	id, oldest uint64
	answers    []answer
}

type answer struct {
	sequence uint64
	at       consensus.Index
	size     int
}

func (l *ledger) reset() {
	if l.ended == nil {
		*l = ledger{ended: make(map[uint64]ending), commands: make(map[identity]consensus.Index),
			acted: make(map[int]consensus.Index), requests: make(map[uint64]int)}
	}
	clear(l.ended)
	clear(l.commands)
	clear(l.acted)
	clear(l.requests)
	l.outcomes.reset()
	l.accounts = l.accounts[:0]
}

// outcome is what ought to become of the next entry of the log. Where the state machine is to be asked,
// its answer is for it to know.
func (l *ledger) outcome(limits *consensus.SessionLimits, e *consensus.Entry) outcome {
	index := consensus.Result{Value: uint64(e.Index)}
	switch e.Kind {
	case consensus.EntryCommand:
		return outcome{effect: true}
	case consensus.EntrySessionCommand:
		return l.command(limits, e)
	case consensus.EntrySessionClose:
		return l.close(e)
	case consensus.EntrySessionOpen:
		if len(l.accounts) == limits.Sessions {
			l.end(0, sessionEvicted)
		}
		l.accounts = append(l.accounts, account{id: uint64(e.Index)})
	}
	return outcome{result: resultHash(&index)}
}

func (l *ledger) command(limits *consensus.SessionLimits, e *consensus.Entry) outcome {
	refused := func(err error) outcome { return outcome{err: err, result: resultHash(&consensus.Result{})} }
	c, err := consensus.DecodeSessionCommand(e.Data)
	k := l.find(c.Session)
	if err != nil || k < 0 {
		return refused(consensus.ErrNoSession)
	}
	a := l.accounts[k]
	a.oldest = max(a.oldest, c.Oldest)
	a.answers = slices.DeleteFunc(a.answers, func(s answer) bool { return s.sequence < a.oldest })
	l.accounts = append(slices.Delete(l.accounts, k, k+1), a)
	known := slices.IndexFunc(a.answers, func(s answer) bool { return s.sequence == c.Sequence })
	switch {
	case c.Sequence < a.oldest:
		return refused(consensus.ErrStaleSequence)
	case known >= 0:
		at := a.answers[known].at
		return outcome{of: at, result: l.outcomes.at(at).result}
	case len(a.answers) == limits.Answers:
		return refused(consensus.ErrBusy)
	}
	return outcome{effect: true}
}

func (l *ledger) close(e *consensus.Entry) outcome {
	o := outcome{result: resultHash(&consensus.Result{})}
	for i := range l.accounts {
		if slices.Equal(e.Data, consensus.AppendSessionClose(nil, l.accounts[i].id)) {
			l.end(i, sessionClosed)
			return o
		}
	}
	o.err = consensus.ErrNoSession
	return o
}

// keep notes the answer to a session's command, which has just been used, and evicts what is in the way.
func (l *ledger) keep(limits *consensus.SessionLimits, id identity, at consensus.Index, size int) {
	user := &l.accounts[len(l.accounts)-1]
	user.answers = append(user.answers, answer{id.sequence, at, size})
	for l.size() > limits.SessionBytes && (len(l.accounts) > 1 || len(l.accounts[0].answers) > 1) {
		l.end(0, sessionEvicted)
	}
}

func (l *ledger) size() (n int) {
	for i := range l.accounts {
		for _, s := range l.accounts[i].answers {
			n += s.size
		}
	}
	return n
}

func (l *ledger) find(session uint64) int {
	return slices.IndexFunc(l.accounts, func(a account) bool { return a.id == session })
}

func (l *ledger) end(i int, how ending) {
	l.ended[l.accounts[i].id] = how
	l.accounts = slices.Delete(l.accounts, i, i+1)
}
