package consensus

import (
	"fmt"
	"io"
	"runtime/debug"
)

// A Machine is a state machine under the log: it applies committed entries in order, keeps the
// clients' sessions and their stored answers (thesis §6.3), remembers the last configuration,
// and wraps all of that around the user's bytes in a snapshot. It is deterministic, does not
// block but for the user's code, and is driven by one goroutine.
type Machine struct {
	sm       StateMachine
	last     SnapshotMeta // the last entry applied, and the data of the last configuration entry
	executed Index        // the last command that the state machine has executed: see durable.go
	sessions sessions
}

// Applied is what became of one entry.
type Applied struct {
	Index  Index
	Kind   EntryKind
	From   NodeID
	ID     uint64
	Size   int
	Result Result // of a membership entry, a session opened or a no-op: Value is the index
	Err    error  // why a command was not applied, alike on every replica
}

// NewMachine returns a Machine at the beginning of the log, whatever a DurableStateMachine has executed
// already. With a nil StateMachine (a witness's) commands are passed over, and what they would have
// answered is unknown.
func NewMachine(sm StateMachine, limits SessionLimits) *Machine {
	m := &Machine{sm: sm, sessions: sessions{limits: limits.withDefaults()}}
	if d := m.durable(); d != nil {
		m.executed = d.Durable()
		m.sessions.limits.flat = MaxDurableAnswer
	}
	return m
}

// durable is the state machine if it is a DurableStateMachine, or nil.
func (m *Machine) durable() DurableStateMachine {
	d, _ := m.sm.(DurableStateMachine)
	return d
}

// Apply applies entries, each one above the last, and appends what became of each to out. An
// error is a panic of the state machine, with its stack: the Machine is not to be used again.
func (m *Machine) Apply(es []Entry, out []Applied) ([]Applied, error) {
	for i := range es {
		e := &es[i]
		if e.Index <= m.last.Index {
			panic(fmt.Sprintf("consensus: entry %d is applied after entry %d", e.Index, m.last.Index))
		}
		m.last.Index, m.last.Term = e.Index, e.Term
		a := Applied{Index: e.Index, Kind: e.Kind, From: e.From, ID: e.ID, Size: e.Size()}
		if err := m.apply(e, &a); err != nil {
			return out, err
		}
		out = append(out, a)
	}
	return out, nil
}

// apply executes one entry. The error is a panic; what is wrong with the entry is in a.Err.
func (m *Machine) apply(e *Entry, a *Applied) (err error) {
	switch e.Kind {
	case EntryMembers:
		m.last.Config = e.Data
		a.Result.Value = uint64(e.Index)
		return nil
	case EntryNoop:
		a.Result.Value = uint64(e.Index)
		return nil
	}
	if m.sm == nil {
		a.Err = ErrUnknown
		return nil
	}
	switch e.Kind {
	case EntryCommand:
		if e.Index <= m.executed {
			a.Err = ErrUnknown
			break
		}
		a.Result, err = m.command(Command{e.Index, e.Data})
	case EntrySessionOpen:
		m.sessions.open(uint64(e.Index))
		a.Result.Value = uint64(e.Index)
	case EntrySessionCommand:
		a.Result, a.Err, err = m.sessionCommand(e)
	case EntrySessionClose:
		a.Err = m.sessions.close(e.Data)
	}
	return err
}

// sessionCommand executes a command of a session, unless that session has had it before.
func (m *Machine) sessionCommand(e *Entry) (result Result, refused, err error) {
	c, malformed := DecodeSessionCommand(e.Data)
	s := m.sessions.get(c.Session)
	if malformed != nil || s == nil {
		return Result{}, ErrNoSession, nil
	}
	m.sessions.use(s)
	m.sessions.forget(s, c.Oldest)
	if c.Sequence < s.oldest {
		return Result{}, ErrStaleSequence, nil
	}
	at, known := s.find(c.Sequence)
	switch {
	case known && s.answers[at].gone:
		return Result{}, ErrStaleSequence, nil
	case known:
		return s.answers[at].result.clone(), nil, nil
	case len(s.answers) == m.sessions.limits.Answers:
		return Result{}, ErrBusy, nil
	case e.Index <= m.executed:
		m.sessions.keep(s, at, stored{sequence: c.Sequence, gone: true})
		return Result{}, ErrStaleSequence, nil
	}
	if result, err = m.command(Command{e.Index, c.Data}); err == nil {
		m.sessions.keep(s, at, stored{sequence: c.Sequence, result: result.clone()})
	}
	return result, nil, err
}

// command has the user's code execute a command.
func (m *Machine) command(c Command) (result Result, err error) {
	m.executed = c.Index
	defer recovered("Apply", &err)
	return m.sm.Apply(c), nil
}

// recovered turns a panic of the user's method into an error, with the stack of the panic.
func recovered(method string, err *error) {
	switch p := recover().(type) {
	case nil:
	case error:
		*err = fmt.Errorf("StateMachine.%s panicked: %w\n%s", method, p, debug.Stack())
	default:
		*err = fmt.Errorf("StateMachine.%s panicked: %v\n%s", method, p, debug.Stack())
	}
}

// Index is the last entry applied.
func (m *Machine) Index() Index { return m.last.Index }

// Snapshot returns all of what the Machine is now; WriteTo may run while it goes on, once.
func (m *Machine) Snapshot() (SnapshotMeta, io.WriterTo, error) {
	v := &view{}
	if m.sm != nil {
		if err := v.take(m.sm); err != nil {
			return SnapshotMeta{}, nil, err
		}
	}
	v.head = m.appendHead(nil, true)
	return m.last, v, nil
}

// Restore makes the Machine what a snapshot of meta says. A witness's reads nothing. After an
// error the Machine is not to be used again.
func (m *Machine) Restore(meta SnapshotMeta, r io.Reader) (err error) {
	if m.sm == nil {
		m.last = meta
		return nil
	}
	was := m.executed
	whole, err := m.readHead(meta, r)
	if err != nil {
		return err
	}
	defer recovered("Restore", &err)
	d := m.durable()
	if d != nil && d.Durable() >= m.executed {
		m.executed = max(was, d.Durable())
		return nil // all of it is there
	}
	if !whole {
		return &ConfigError{Field: "StateMachine", Value: fmt.Sprintf("%T", m.sm),
			Reason: fmt.Sprintf("the snapshot at %d has no state of its own, and goes with a DurableStateMachine that has command %d on disk", meta.Index, m.executed)}
	}
	return m.sm.Restore(r)
}
