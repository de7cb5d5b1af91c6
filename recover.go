package consensus

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
)

// A RecoverConfig says what is left of a group that has lost its quorum for good.
type RecoverConfig struct {
	Group    GroupID
	Protocol NewEngine // the group's; its engine must be a Salvager
	// StateMachine is a fresh one of the group's. It becomes what is recovered. A DurableStateMachine is a copy of what a
	// survivor has: the one with the latest snapshot, which has no state of its own. With another one the error is a
	// *ConfigError that names that survivor.
	StateMachine StateMachine
	Survivors    []Survivor
}

// A Survivor is a store that a member of the group has left. Its host has been stopped.
type Survivor struct {
	ID      NodeID
	Storage Storage
}

// A Salvager is an Engine of a protocol for which Recover can put together what is left of a group.
// Those of this module are.
type Salvager interface {
	// Salvage returns what the log goes on with, above the index after, if recs are all that is left
	// of the replicas: what whoever they would elect has, or would propose again, by increasing
	// index. In a position that is left out nobody has anything. Everything up to after is known to be chosen, and
	// config is the data of the last configuration entry there. Nothing changes in the engine.
	Salvage(recs []Recovered, after Index, config []byte) []Entry
}

// Recover finds out what the survivors of a group that has lost its quorum have together, and what may be
// missing. It is a dry run: it reads the stores, and writes to none. What it found is the Recovery, whose
// Backup is what a new cluster is restored from, as from any other backup.
//
// Of the survivors' logs everything is kept that the protocol's own rules would keep if the survivors were all
// that there is. That holds whatever they know to be chosen. It may hold more, of which nobody will ever know whether
// it was: what its proposers were told was ErrUnknown, or nothing. And it may hold less than was
// acknowledged, namely what nobody else than the members that are lost had on disk. Where something is known to have
// been chosen and is on no survivor any more, what is recovered ends before it.
//
// With an error the Recovery is what was found out up to then, to be looked at and no more.
func Recover(cfg RecoverConfig) (*Recovery, error) {
	s := &salvage{cfg: cfg, Recovery: &Recovery{Group: cfg.Group, ClusterID: NewClusterID()}}
	if err := s.examine(); err != nil {
		return s.Recovery, err
	}
	s.machine = NewMachine(cfg.StateMachine, SessionLimits{})
	for _, step := range [...]func() error{s.restore, s.takeChosen, s.takeRest, s.judge} {
		if err := step(); err != nil {
			return s.Recovery, fmt.Errorf("group %d: %w", cfg.Group, err)
		}
	}
	return s.Recovery, nil
}

// A salvage is a Recover at work.
type salvage struct {
	*Recovery
	cfg      RecoverConfig
	salvager Salvager
	remains  []remains    // of the survivors that can be used,
	recs     []Recovered  // and what each of them has
	base     SnapshotMeta // what was taken of it: a snapshot, and
	log      []Entry      // what follows it, without a hole
}

// remains are what a survivor that can be used has.
type remains struct {
	Survivor
	state *SurvivorState
	rec   *Recovered
}

// examine looks at every survivor.
func (s *salvage) examine() error {
	switch {
	case s.cfg.Protocol == nil:
		return &ConfigError{Field: "Protocol", Value: "nil", Reason: "a group runs one, such as raft.New"}
	case s.cfg.StateMachine == nil:
		return &ConfigError{Field: "StateMachine", Value: "nil", Reason: "what is recovered is its state"}
	}
	s.Survivors = make([]SurvivorState, len(s.cfg.Survivors))
	s.recs = make([]Recovered, 0, len(s.cfg.Survivors))
	err := fmt.Errorf("group %d: %w that can be used", s.cfg.Group, ErrNoGroup)
	for i, x := range s.cfg.Survivors {
		state := &s.Survivors[i]
		state.ID = x.ID
		rec, engine, unusable := s.open(x)
		if unusable != nil {
			state.Err = unusable
			err = fmt.Errorf("%w; node %d: %w", err, x.ID, unusable)
			continue
		}
		ok := false
		if s.salvager, ok = engine.(Salvager); !ok {
			return &ConfigError{Field: "Protocol", Value: fmt.Sprintf("%T", engine), Reason: "it is no Salvager"}
		}
		state.Status, state.Damaged = engine.Status(), damage(&rec)
		s.Chosen = max(s.Chosen, rec.State.Commit, rec.Snapshot.Index)
		s.recs = append(s.recs, rec)
		s.remains = append(s.remains, remains{x, state, &s.recs[len(s.recs)-1]})
	}
	if len(s.remains) == 0 {
		return err
	}
	return nil
}

// open reads what a survivor has, and makes an engine of it.
func (s *salvage) open(x Survivor) (Recovered, Engine, error) {
	rec, err := x.Storage.Recover(s.cfg.Group)
	if err == nil && rec.Empty() {
		err = ErrNoGroup
	}
	if err != nil {
		return rec, nil, err
	}
	engine, err := s.cfg.Protocol(EngineConfig{ID: x.ID, Group: s.cfg.Group}, rec)
	return rec, engine, err
}

// damage is what was written and is lost, in this life of the store or, as an entry of term 0 reminds, an earlier one.
func damage(rec *Recovered) []Range {
	lost := slices.Clone(rec.Damaged)
	if n := len(rec.Entries); n > 0 && rec.Entries[n-1].Term == 0 {
		first := rec.Snapshot.Index + 1
		if n > 1 {
			first = rec.Entries[n-2].Index + 1
		}
		lost = append(lost, Range{first, rec.Entries[n-1].Index})
	}
	return lost
}

// restore begins with the latest snapshot that can be read. All of it is chosen, whoever has it. Empty ones
// are a witness's.
func (s *salvage) restore() error {
	order := slices.Clone(s.remains)
	slices.SortStableFunc(order, func(a, b remains) int { return cmp.Compare(b.rec.Snapshot.Index, a.rec.Snapshot.Index) })
	for _, x := range order {
		meta := x.rec.Snapshot
		if meta.Index == 0 {
			return nil
		}
		switch size, err := readThrough(x.Storage, s.cfg.Group); {
		case err != nil:
			x.state.Err = fmt.Errorf("its snapshot at %d: %w", meta.Index, err)
		case size > 0:
			s.base, s.Snapshot, s.Best = meta, meta.Index, x.ID
			if _, err := loadSnapshot(context.Background(), x.Storage, s.cfg.Group, meta, s.machine); err != nil {
				return fmt.Errorf("node %d: %w", x.ID, err)
			}
			return nil
		}
	}
	return nil
}

// readThrough reads a snapshot to its end, and returns its size.
func readThrough(s Storage, group GroupID) (int64, error) {
	_, r, err := s.Open(group)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return io.Copy(io.Discard, r)
}

// takeChosen goes on with what some survivor knows to be chosen, as far as that goes.
func (s *salvage) takeChosen() error {
	for i := s.base.Index + 1; i <= s.Chosen; i++ {
		e, from, err := s.chosenAt(i)
		if err != nil {
			return err
		}
		if e == nil {
			break
		}
		s.log, s.Best = append(s.log, *e), from
	}
	return s.apply(s.log)
}

// chosenAt returns what some survivor knows to be chosen at i, if any does: what stands in its log up to its
// State.Commit is.
func (s *salvage) chosenAt(i Index) (chosen *Entry, from NodeID, err error) {
	for _, x := range s.remains {
		e := find(x.rec, i)
		switch {
		case e == nil || i > x.rec.State.Commit:
		case chosen == nil:
			chosen, from = e, x.ID
		case !same(e, chosen):
			return nil, 0, fmt.Errorf("%w: nodes %d and %d have different entries at %d, and know them to be chosen: they are not of one group", ErrMalformed, from, x.ID, i)
		}
	}
	return chosen, from, nil
}

// same reports whether a and b, at the same index, are the same but for their terms.
func same(a, b *Entry) bool {
	return a.Kind == b.Kind && a.From == b.From && a.ID == b.ID && bytes.Equal(a.Data, b.Data)
}

// find returns the entry that survived at i, or nil. One of term 0 is none.
func find(rec *Recovered, i Index) *Entry {
	k, ok := slices.BinarySearchFunc(rec.Entries, i, func(e Entry, i Index) int { return cmp.Compare(e.Index, i) })
	if !ok || rec.Entries[k].Term == 0 {
		return nil
	}
	return &rec.Entries[k]
}

// takeRest goes on with what the protocol would go on with.
func (s *salvage) takeRest() error {
	last := s.machine.Index()
	rest, err := s.believe(s.salvager.Salvage(s.recs, last, s.machine.last.Config))
	if err != nil || len(rest) == 0 {
		return err
	}
	for i := range rest {
		e := &rest[i]
		if last+1 < e.Index {
			s.Holes = append(s.Holes, Range{last + 1, e.Index - 1})
		}
		for last++; last < e.Index; last++ {
			s.log = append(s.log, Entry{Index: last, Term: Chosen, Kind: EntryNoop})
		}
		s.log = append(s.log, *e)
	}
	k := slices.IndexFunc(s.remains, func(x remains) bool {
		e := find(x.rec, last)
		return e != nil && e.Term == rest[len(rest)-1].Term
	})
	s.Best = s.remains[k].ID
	return s.apply(rest)
}

// believe returns as much of rest as can be taken. Up to Chosen it stands where something was chosen that those who
// know of it cannot read any more. What another has there is nearly certainly that, unless it contradicts what is known to be
// chosen further on. Where nobody has anything it is lost, and what follows is of no use without it.
func (s *salvage) believe(rest []Entry) ([]Entry, error) {
	from, n := s.machine.Index(), 0
	to := from
	for to < s.Chosen && n < len(rest) && rest[n].Index == to+1 {
		e, _, err := s.chosenAt(to + 1)
		if err != nil {
			return nil, err
		}
		if e != nil && !same(e, &rest[n]) {
			to, n = from, 0
			break
		}
		to, n = to+1, n+1
	}
	if from < to {
		s.Doubtful = Range{from + 1, to}
	}
	if to < s.Chosen {
		s.Lost = Range{to + 1, s.Chosen}
		return rest[:n], nil
	}
	return rest, nil
}

// apply has the Machine apply entries.
func (s *salvage) apply(es []Entry) (err error) {
	var out []Applied
	for len(es) > 0 && err == nil {
		n := min(len(es), applyChunk)
		out, err = s.machine.Apply(es[:n], out[:0])
		es = es[n:]
	}
	return err
}

// judge says what the survivors are to every membership that was in force since what is known to be chosen. What
// they lack was chosen by a commit quorum without any of them.
func (s *salvage) judge() error {
	s.Last = s.machine.Index()
	if s.Last == 0 {
		return fmt.Errorf("%w: nothing can be read from its beginning on", ErrMalformed)
	}
	s.Complete = s.Lost == Range{} && s.Doubtful == Range{}
	for i := min(s.Chosen, s.Last); i <= s.Last; i++ {
		if s.Chosen < i && i < s.Last && s.log[i-s.base.Index-1].Kind != EntryMembers {
			continue
		}
		st, err := s.statusAt(i)
		if err != nil {
			return err
		}
		s.Members, s.Outgoing = st.Members, st.Outgoing
		s.Complete = s.Complete && !st.Members.none() && s.meetsCommits(&st.Members) && s.meetsCommits(&st.Outgoing)
	}
	s.Quorum = !s.Members.none() && s.isQuorum(&s.Members) && s.isQuorum(&s.Outgoing)
	return nil
}

// meetsCommits reports whether every commit quorum of m has a member whose disk is there.
func (s *salvage) meetsCommits(m *Members) bool {
	_, commit := m.needs()
	return m.weightOf(s.holds(m))+commit > m.TotalWeight() || m.none()
}

// isQuorum reports whether the members of m whose disks are there can go on by themselves.
func (s *salvage) isQuorum(m *Members) bool {
	return m.IsElectionQuorum(s.holds(m)) && m.IsCommitQuorum(s.holds(m))
}

// holds says of a member of m whether all that it ever had on disk is there.
func (s *salvage) holds(m *Members) func(NodeID) bool {
	return func(id NodeID) bool {
		admitted := m.Incarnation(id)
		return slices.ContainsFunc(s.remains, func(x remains) bool {
			return x.ID == id && x.state.Err == nil && len(x.state.Damaged) == 0 && (admitted == 0 || admitted == x.rec.Incarnation)
		})
	}
}

// statusAt is what a replica would say that knows what was taken up to i to be chosen.
func (s *salvage) statusAt(i Index) (Status, error) {
	rec := Recovered{Incarnation: 1, Snapshot: s.base, Entries: s.log[:i-s.base.Index], State: State{Commit: i}}
	for k := range s.recs {
		rec.State.Term = max(rec.State.Term, s.recs[k].State.Term)
	}
	engine, err := s.cfg.Protocol(EngineConfig{ID: s.remains[0].ID, Group: s.cfg.Group}, rec)
	if err != nil {
		return Status{}, err
	}
	return engine.Status(), nil
}
