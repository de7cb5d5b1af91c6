package storage_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage"
)

// groups are all that the workloads write.
var groups = [...]consensus.GroupID{1, 2, 3}

// A view is all that can be seen of one group of a store.
type view struct {
	rec      consensus.Recovered
	snapshot string            // what Open reads
	fetched  []consensus.Entry // one by one, those at or below the snapshot included
}

// look sees a group. An entry that cannot be fetched is left out of fetched.
func look(s consensus.Storage, g consensus.GroupID) (v view, err error) {
	if v.rec, err = s.Recover(g); err != nil {
		return v, fmt.Errorf("Recover(%d): %w", g, err)
	}
	meta, r, err := s.Open(g)
	switch {
	case v.rec.Snapshot.Index == 0 && errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return v, fmt.Errorf("Open(%d): %w", g, err)
	default:
		b, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			return v, fmt.Errorf("reading the snapshot of %d: %w", g, err)
		}
		if v.snapshot = string(b); meta.Index != v.rec.Snapshot.Index {
			return v, fmt.Errorf("Open(%d) is at %d, Recover at %d", g, meta.Index, v.rec.Snapshot.Index)
		}
	}
	last := v.rec.Snapshot.Index
	for _, e := range v.rec.Entries {
		last = max(last, e.Index)
	}
	for i := consensus.Index(1); i <= last+1; i++ {
		es, err := s.Fetch(g, i, i, math.MaxInt)
		if err != nil && !errors.Is(err, consensus.ErrCompacted) {
			return v, fmt.Errorf("Fetch(%d, %d): %w", g, i, err)
		}
		v.fetched = append(v.fetched, es...)
	}
	return v, nil
}

// A world is what a store must hold: the events that led there, and what is seen after them. It is
// kept by a storage.Memory, which package storagetest checks.
type world struct {
	history []event
	seen    *[len(groups)]view // once somebody has looked
}

// An event is a snapshot that was committed, if there is one, or else a write.
type event struct {
	group    consensus.GroupID
	write    consensus.Write
	snapshot *consensus.SnapshotMeta
	data     string
}

// and is the world after one more event.
func (w *world) and(e event) *world { return &world{history: append(slices.Clip(w.history), e)} }

// then are the worlds after none, one, ... and all of the writes.
func (w *world) then(writes ...consensus.Write) []*world {
	ws := []*world{w}
	for _, write := range writes {
		ws = append(ws, ws[len(ws)-1].and(event{group: write.Group, write: write}))
	}
	return ws
}

// restarted is w without the snapshots that nobody adopted: nobody knows of them any more.
func (w *world) restarted() *world {
	return &world{history: slices.DeleteFunc(slices.Clone(w.history), func(e event) bool {
		return e.snapshot != nil && e.snapshot.Index > w.of(e.group).rec.Snapshot.Index
	})}
}

func (w *world) of(g consensus.GroupID) *view { return &w.views()[slices.Index(groups[:], g)] }

func (w *world) views() *[len(groups)]view {
	if w.seen != nil {
		return w.seen
	}
	m := storage.NewMemory(storage.WithRetention(math.MaxInt))
	for _, e := range w.history {
		if e.snapshot == nil {
			must(m.Append([]consensus.Write{e.write}))
			continue
		}
		s, err := m.Create(e.group, *e.snapshot)
		must(err)
		_, err = io.WriteString(s, e.data)
		must(errors.Join(err, s.Commit()))
	}
	w.seen = new([len(groups)]view)
	for i, g := range groups {
		var err error
		w.seen[i], err = look(m, g)
		must(err)
	}
	return w.seen
}

// must is for what cannot fail, in memory.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// unlike says how a store differs from w, or "".
func (w *world) unlike(seen *[len(groups)]view) string {
	for i, g := range groups {
		if diff := seen[i].unlike(w.of(g)); diff != "" {
			return fmt.Sprintf("group %d: %s", g, diff)
		}
	}
	return ""
}

func (v *view) unlike(want *view) string {
	switch {
	case len(v.rec.Damaged) > 0:
		return fmt.Sprintf("damaged: %v", v.rec.Damaged)
	case v.rec.State != want.rec.State:
		return fmt.Sprintf("the state is %+v, not %+v", v.rec.State, want.rec.State)
	case !same(v.rec.Snapshot, want.rec.Snapshot):
		return fmt.Sprintf("the snapshot is %+v, not %+v", v.rec.Snapshot, want.rec.Snapshot)
	case v.snapshot != want.snapshot:
		return fmt.Sprintf("the snapshot at %d holds %q, not %q", v.rec.Snapshot.Index, v.snapshot, want.snapshot)
	case !slices.EqualFunc(v.rec.Entries, want.rec.Entries, equal):
		return fmt.Sprintf("the entries are\n  %s, not\n  %s", brief(v.rec.Entries), brief(want.rec.Entries))
	}
	return v.fetchedBeside(want)
}

// fetchedBeside checks that v fetches what is above the snapshot, and below it nothing else than want.
func (v *view) fetchedBeside(want *view) string {
	for _, e := range v.fetched {
		if !slices.ContainsFunc(want.fetched, func(w consensus.Entry) bool { return equal(e, w) }) {
			return fmt.Sprintf("entry %s is retained, and the right ones are %s", brief{e}, brief(want.fetched))
		}
	}
	for _, e := range v.rec.Entries {
		if !slices.ContainsFunc(v.fetched, func(f consensus.Entry) bool { return equal(e, f) }) {
			return fmt.Sprintf("entry %d is recovered and not fetched", e.Index)
		}
	}
	return ""
}

// brief prints entries as index, term and number.
type brief []consensus.Entry

func (b brief) String() string {
	var s []string
	for _, e := range b {
		s = append(s, fmt.Sprintf("%d/%d:%x", e.Index, e.Term, uint16(e.ID)))
	}
	return strings.Join(s, " ")
}

func same(a, b consensus.SnapshotMeta) bool {
	return a.Index == b.Index && a.Term == b.Term && string(a.Config) == string(b.Config)
}

func equal(a, b consensus.Entry) bool {
	return a.Index == b.Index && a.Term == b.Term && a.From == b.From && a.ID == b.ID && a.Kind == b.Kind && string(a.Data) == string(b.Data)
}
