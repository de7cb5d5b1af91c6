package consensus

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"sort"
)

// What a group keeps for sessions. A session that is in the way is closed, on every replica alike:
// which one is a matter of the log, and of no clock.
const (
	// MaxSessions is how many sessions a group keeps. When one more opens, the one that was used
	// least recently is closed.
	MaxSessions = 4096
	// MaxSessionBytes is how many bytes the answers of all sessions take. When one more is kept above
	// that, sessions are closed, the least recently used first; the one whose answer it is comes last,
	// and stays if that is its only one.
	MaxSessionBytes = 64 << 20
	// MaxAnswers is how many answers a session keeps that its client may still ask for. While it
	// has so many, a new command is refused with ErrBusy and is not applied.
	MaxAnswers = 256
)

// MaxDurableAnswer is how long the Data of an answer may be that a session keeps for a
// DurableStateMachine: it keeps none that is longer, and all answers count for as much. After a restart
// nobody knows how long they were, and which session is closed must not depend on that.
const MaxDurableAnswer = 1 << 10

// answerOverhead is what an answer counts for beside its data.
const answerOverhead = 40

// SessionLimits are other limits than a Host's. What is zero is as with a Host. They decide what
// becomes of entries: every replica of a group must have the same ones, always.
type SessionLimits struct {
	Sessions, SessionBytes, Answers int

	flat int // if not 0: what every answer counts for
}

func (l SessionLimits) withDefaults() SessionLimits {
	return SessionLimits{
		Sessions:     cmp.Or(l.Sessions, MaxSessions),
		SessionBytes: cmp.Or(l.SessionBytes, MaxSessionBytes),
		Answers:      cmp.Or(l.Answers, MaxAnswers),
		flat:         l.flat,
	}
}

// A SessionCommand is the Data of an EntrySessionCommand: a command that is applied at most once,
// however often it is proposed with the same Session and Sequence.
//
// What became of an entry says nothing of an earlier entry with the same command: one that was
// answered ErrNoSession was not applied, but an earlier one may have been, before the session ended.
type SessionCommand struct {
	Session  uint64 // the index of the entry that opened it
	Sequence uint64 // of the command in the session, in any order
	Oldest   uint64 // the client waits for no answer to a Sequence below this one, now or ever
	Data     []byte // the command
}

// AppendTo appends the encoding of c to b:
//
//	command := session:uvarint sequence:uvarint oldest:uvarint byte ...
func (c *SessionCommand) AppendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, c.Session)
	b = binary.AppendUvarint(b, c.Sequence)
	b = binary.AppendUvarint(b, c.Oldest)
	return append(b, c.Data...)
}

// DecodeSessionCommand decodes all of b. Data aliases it.
func DecodeSessionCommand(b []byte) (SessionCommand, error) {
	d := decoder{b: b}
	c := SessionCommand{Session: d.uvarint(), Sequence: d.uvarint(), Oldest: d.uvarint()}
	if d.bad {
		return SessionCommand{}, fmt.Errorf("%w: session command", ErrMalformed)
	}
	c.Data = d.b[:len(d.b):len(d.b)]
	return c, nil
}

// AppendSessionClose appends the Data of an EntrySessionClose to b: session:uvarint.
func AppendSessionClose(b []byte, session uint64) []byte { return binary.AppendUvarint(b, session) }

// A session is one client's. oldest <= the sequence of every answer.
type session struct {
	id      uint64
	oldest  uint64   // commands below it are refused
	answers []stored // by increasing sequence
	bytes   int      // that they count for

	older, newer *session // by last use
}

// A stored answer is given to whoever proposes the command again.
type stored struct {
	sequence uint64
	result   Result
	gone     bool // the command was executed, and what it answered is not kept
}

// sessions are those of a group. They are a pure function of the log and the limits.
type sessions struct {
	limits SessionLimits
	byID   map[uint64]*session
	bytes  int      // that all answers count for
	root   *session // of the ring by last use: root.newer is the least recently used; nil before the first one opens
}

// open adds a session as the most recently used, in the place of the least if there are too many.
func (t *sessions) open(id uint64) *session {
	if len(t.byID) == t.limits.Sessions {
		t.remove(t.root.newer)
	}
	s := &session{id: id}
	if t.root == nil {
		t.byID, t.root = make(map[uint64]*session), new(session)
		t.root.older, t.root.newer = t.root, t.root
	}
	t.byID[id] = s
	t.append(s)
	return s
}

// all are the sessions, the least recently used first.
func (t *sessions) all() iter.Seq[*session] {
	return func(yield func(*session) bool) {
		if t.root == nil {
			return
		}
		for s := t.root.newer; s != t.root && yield(s); s = s.newer {
		}
	}
}

// get returns the session, or nil if there is none of that id.
func (t *sessions) get(id uint64) *session { return t.byID[id] }

// use makes s the most recently used.
func (t *sessions) use(s *session) {
	s.older.newer, s.newer.older = s.newer, s.older
	t.append(s)
}

func (t *sessions) append(s *session) {
	s.older, s.newer = t.root.older, t.root
	s.older.newer, s.newer.older = s, s
}

func (t *sessions) remove(s *session) {
	s.older.newer, s.newer.older = s.newer, s.older
	delete(t.byID, s.id)
	t.bytes -= s.bytes
}

// close ends the session that data names.
func (t *sessions) close(data []byte) error {
	d := decoder{b: data}
	s := t.get(d.uvarint())
	if d.bad || len(d.b) > 0 || s == nil {
		return ErrNoSession
	}
	t.remove(s)
	return nil
}

// forget drops the answers of s below oldest, which never goes back.
func (t *sessions) forget(s *session, oldest uint64) {
	if oldest <= s.oldest {
		return
	}
	s.oldest = oldest
	n, _ := s.find(oldest)
	for i := range s.answers[:n] {
		t.weigh(s, -t.size(&s.answers[i]))
	}
	kept := copy(s.answers, s.answers[n:])
	clear(s.answers[kept:])
	s.answers = s.answers[:kept]
}

// weigh notes that the answers of s count for so many bytes more.
func (t *sessions) weigh(s *session, bytes int) {
	s.bytes += bytes
	t.bytes += bytes
}

// find returns where the answer of that sequence is, or belongs.
func (s *session) find(sequence uint64) (at int, known bool) {
	at = sort.Search(len(s.answers), func(i int) bool { return s.answers[i].sequence >= sequence })
	return at, at < len(s.answers) && s.answers[at].sequence == sequence
}

// clone returns a result that shares no bytes with r.
func (r Result) clone() Result { return Result{r.Value, bytes.Clone(r.Data)} }

// size is what an answer counts for.
func (t *sessions) size(a *stored) int {
	return answerOverhead + cmp.Or(t.limits.flat, len(a.result.Data))
}

// keep stores an answer of s, the most recently used session, where find said. Its bytes must be its own.
func (t *sessions) keep(s *session, at int, a stored) {
	if t.limits.flat > 0 && len(a.result.Data) > t.limits.flat {
		a.result, a.gone = Result{}, true
	}
	s.answers = slices.Insert(s.answers, at, a)
	t.weigh(s, t.size(&a))
	for least := t.root.newer; t.bytes > t.limits.SessionBytes && (least != s || len(s.answers) > 1); least = t.root.newer {
		t.remove(least)
	}
}
