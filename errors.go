package consensus

import (
	"errors"
	"fmt"
	"strconv"
)

// What became of a request is one of three things, and errors.Is tells which:
//
//   - ErrNotApplied: it was not applied, and never will be. Trying again is safe.
//   - ErrUnknown: it may or may not have been, or may yet be. Trying again is safe only within
//     a Session, or where doing it twice does no harm.
//   - nil: it was applied, and the result is what the state machine answered.
//
// Every error of Group's methods is one of the first two and never both, but for
// ErrStaleSequence, and for Backup, which is no request. Most say more: errors.Is(err, ErrNotLeader) and errors.As with
// *NotLeaderError tell who leads.
var (
	// ErrNotApplied: the request had no effect and never will have.
	ErrNotApplied = errors.New("not applied")
	// ErrUnknown: the request may or may not have had its effect.
	ErrUnknown = errors.New("outcome unknown")

	// ErrNotLeader: this replica does not lead. An ErrNotApplied.
	ErrNotLeader = notApplied("not the leader")
	// ErrTransferring: the leader is handing over and takes nothing until that has ended. An
	// ErrNotApplied. A proposal waits for that and never sees this; a second Transfer does.
	ErrTransferring = notApplied("leadership is being transferred")
	// ErrBusy: as much is in flight as may be. An ErrNotApplied.
	ErrBusy = notApplied("too much in flight")
	// ErrClosed: the group or its host was closed before the request began. An ErrNotApplied.
	ErrClosed = notApplied("closed")
	// ErrTooLarge: the command is larger than a message may be. An ErrNotApplied.
	ErrTooLarge = notApplied("command too large")
	// ErrOverwritten: another entry was chosen where this proposal stood. An ErrNotApplied.
	ErrOverwritten = notApplied("another proposal was chosen in its place")
	// ErrNoSession: the session is unknown: never opened, closed, or evicted. Decided when the
	// command is applied, alike on every replica. An ErrNotApplied.
	ErrNoSession = notApplied("no such session")
	// ErrStaleSequence: the sequence number was used before and its answer is no longer kept:
	// it was applied once, and will not be again. A DurableStateMachine keeps none over a restart.
	ErrStaleSequence = errors.New("sequence number already answered")

	// ErrConfigIndex: the membership was set at another index than the caller expected, so
	// somebody else changed it first. An ErrNotApplied.
	ErrConfigIndex = notApplied("the membership has changed since")
	// ErrChanging: a change of membership is under way, or the leader has committed nothing in
	// its term yet. An ErrNotApplied.
	ErrChanging = notApplied("a membership change is not possible yet")

	// ErrNoGroup: Open found nothing on disk. Create makes a new group, Join enters one.
	ErrNoGroup = errors.New("no such group on disk")
	// ErrGroupExists: Create or Join found the group on disk already. Open opens it.
	ErrGroupExists = errors.New("the group exists on disk")

	// ErrCompacted: the entries asked for are no longer retained.
	ErrCompacted = errors.New("entries no longer retained")
	// ErrMalformed: bytes that are not what they should be.
	ErrMalformed = errors.New("malformed")
	// ErrStopped: the group stopped by itself: storage failed, or the state machine did. The
	// cause is wrapped beside it. The process lives on, and so do other groups.
	ErrStopped = errors.New("the group has stopped")
)

// A NotLeaderError is an ErrNotLeader that knows who leads.
type NotLeaderError struct {
	Leader NodeID // 0 if unknown
}

func (e *NotLeaderError) Error() string {
	if e.Leader == 0 {
		return "not the leader; nobody is known to lead"
	}
	return fmt.Sprintf("not the leader; node %d leads", e.Leader)
}

// Is reports that a NotLeaderError is an ErrNotLeader, and so an ErrNotApplied.
func (e *NotLeaderError) Is(target error) bool {
	return target == ErrNotLeader || target == ErrNotApplied
}

// A ConfigError names the field of a configuration that is wrong, its value, and why.
type ConfigError struct {
	Field, Value, Reason string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("config: %s is %s: %s", e.Field, e.Value, e.Reason)
}

// Is reports that a ConfigError is an ErrNotApplied.
func (e *ConfigError) Is(target error) bool { return target == ErrNotApplied }

// refusal is an error that is an ErrNotApplied.
type refusal string

func notApplied(s string) error { return refusal(s) }

func (e refusal) Error() string { return string(e) }

func (e refusal) Is(target error) bool { return target == ErrNotApplied }

func configInt(field string, value int, reason string) error {
	return &ConfigError{Field: field, Value: strconv.Itoa(value), Reason: reason}
}

// An Outcome is an error on the wire: what became of a forwarded request.
type Outcome uint8

const (
	OutcomeNone Outcome = iota // not an answer
	OutcomeOK
	OutcomeUnknown
	OutcomeNotLeader
	OutcomeBusy
	OutcomeTooLarge
	OutcomeOverwritten
	OutcomeNoSession
	OutcomeStaleSequence
	OutcomeConfigIndex
	OutcomeChanging
	OutcomeRefused // not applied, for a reason that only the text tells
)

var outcomes = [...]struct {
	name string
	err  error
}{
	OutcomeNone: {"none", ErrUnknown}, OutcomeOK: {"ok", nil}, OutcomeUnknown: {"unknown", ErrUnknown},
	OutcomeNotLeader: {"not-leader", ErrNotLeader}, OutcomeBusy: {"busy", ErrBusy}, OutcomeTooLarge: {"too-large", ErrTooLarge},
	OutcomeOverwritten: {"overwritten", ErrOverwritten}, OutcomeNoSession: {"no-session", ErrNoSession},
	OutcomeStaleSequence: {"stale-sequence", ErrStaleSequence}, OutcomeConfigIndex: {"config-index", ErrConfigIndex},
	OutcomeChanging: {"changing", ErrChanging}, OutcomeRefused: {"refused", ErrNotApplied},
}

func (o Outcome) String() string {
	if int(o) < len(outcomes) {
		return outcomes[o].name
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// Err is the error that o stands for; nil for OutcomeOK. An outcome that this version does not
// know is an ErrUnknown.
func (o Outcome) Err() error {
	if int(o) < len(outcomes) {
		return outcomes[o].err
	}
	return ErrUnknown
}

// OutcomeOf is the outcome that tells of err. What it cannot name exactly it names safely.
func OutcomeOf(err error) Outcome {
	for o := OutcomeOK; int(o) < len(outcomes); o++ {
		if target := outcomes[o].err; err == target || target != nil && errors.Is(err, target) {
			return o
		}
	}
	return OutcomeUnknown
}
