package storage_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/storage/crashfs"
)

// closed is what the script leaves, and how the store may be if the last Append is not to be found.
func closed(t *testing.T) (f *crashfs.FS, worlds []*world) {
	r := newRig(t, "", crashfs.Sector)
	script(r)
	require.NoError(t, r.failed)
	require.NoError(t, r.disk.Close())
	return r.fs.Crash(everything), r.last
}

// files are those of the folder whose names end in suffix.
func files(t *testing.T, f *crashfs.FS, suffix string) (paths []string) {
	names, err := f.ReadDir(folder)
	require.NoError(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, suffix) {
			paths = append(paths, filepath.Join(folder, name))
		}
	}
	require.NotEmpty(t, paths, suffix)
	return paths
}

func content(t *testing.T, f storage.FS, name string) []byte {
	h, err := f.OpenRead(name)
	require.NoError(t, err)
	size, err := h.Size()
	require.NoError(t, err)
	b, err := io.ReadAll(io.NewSectionReader(h, 0, size))
	require.NoError(t, err)
	require.NoError(t, h.Close())
	return b
}

// A sight is what is seen of a group, or why nothing is.
type sight struct {
	view
	err error
}

// sights sees all groups of a store, or why it does not open.
func sights(f *crashfs.FS) (all [len(groups)]sight, err error) {
	d, err := openTiny(f)
	if err != nil {
		return all, err
	}
	for i, g := range groups {
		all[i].view, all[i].err = look(d, g)
	}
	return all, d.Close()
}

// honest says what is wrong with what is seen of a group, if it may be damaged: what it tells must be
// true of one of the worlds, and what it does not tell must be called damaged.
func (s *sight) honest(g consensus.GroupID, worlds []*world) (wrong string) {
	if s.err != nil {
		if !errors.Is(s.err, storage.ErrDamaged) {
			return s.err.Error()
		}
		return ""
	}
	for _, w := range worlds {
		lacks := s.lacks(w.of(g))
		if lacks == "" {
			return ""
		}
		wrong += fmt.Sprintf("with %v damaged: %s\n", s.rec.Damaged, lacks)
	}
	return wrong
}

func (s *sight) damaged(i consensus.Index) bool {
	return slices.ContainsFunc(s.rec.Damaged, func(r consensus.Range) bool { return r.First <= i && i <= r.Last })
}

func (s *sight) lacks(want *view) string {
	whole := *want
	whole.rec.Entries = slices.DeleteFunc(slices.Clone(want.rec.Entries), func(e consensus.Entry) bool { return s.damaged(e.Index) })
	seen := s.view
	seen.rec.Damaged = nil
	for _, e := range seen.rec.Entries {
		if s.damaged(e.Index) {
			return fmt.Sprintf("entry %d is both there and damaged", e.Index)
		}
	}
	return seen.unlike(&whole)
}

func TestDamageIsToldOrDoesNoHarm(t *testing.T) {
	base, worlds := closed(t)
	told := 0
	for _, name := range files(t, base, ".log") {
		for offset := int64(0); offset < used(t, base, name); offset += 3 {
			if requireHonest(t, base.Kill(), worlds, name, offset, 1<<(offset%8), "") {
				told++
			}
		}
	}
	require.Greater(t, told, 500, "damage is told, and not only survived")
}

func TestDamageAfterARandomWorkloadIsToldOrDoesNoHarm(t *testing.T) {
	for i := range 4 * *seeds {
		seed := *firstSeed + uint64(i)
		replay := fmt.Sprintf("replay: go test ./storage -run '^TestDamageAfterARandomWorkloadIsToldOrDoesNoHarm$' -seed %d -seeds 1", seed)
		r := newRig(t, replay, crashfs.Sector)
		random(seed, 30)(r)
		require.NoError(t, r.failed, replay)
		require.NoError(t, r.disk.Close())
		draw := rand.New(rand.NewPCG(seed, 2))
		logs := files(t, r.fs, ".log")
		for range 20 {
			name := logs[draw.IntN(len(logs))]
			requireHonest(t, r.fs.Kill(), r.last, name, draw.Int64N(used(t, r.fs, name)), 1<<draw.IntN(8), replay)
		}
	}
}

// used is where the last record of a segment ends.
func used(t *testing.T, f storage.FS, name string) int64 {
	end := int64(storage.HeadSize)
	for _, p := range storage.Pieces(content(t, f, name)) {
		end = p.Offset + p.Size
	}
	return end
}

// requireHonest damages one byte, and requires that what is told is true, that what cannot be told is
// called damaged, and that only of the group that it belongs to. It reports whether anything was.
func requireHonest(t *testing.T, f *crashfs.FS, worlds []*world, name string, offset int64, mask byte, replay string) (told bool) {
	t.Helper()
	logs, pieces := files(t, f, ".log"), storage.Pieces(content(t, f, name))
	require.NoError(t, f.Flip(name, offset, mask))
	at := fmt.Sprintf("%s, bits %#x at %d of %v\n%s", name, mask, offset, pieces, replay)
	seen, err := sights(f)
	if err != nil {
		require.ErrorIs(t, err, storage.ErrDamaged, at)
		require.Less(t, offset, int64(storage.HeadSize), at)
		return true
	}
	i := slices.IndexFunc(pieces, func(p storage.Piece) bool { return p.Offset <= offset && offset < p.Offset+p.Size })
	for j, g := range groups {
		require.Empty(t, seen[j].honest(g, worlds), "group %d: %s", g, at)
		if seen[j].err != nil || len(seen[j].rec.Damaged) > 0 {
			told = true
			if i >= 0 {
				may := mayBeCharged(g, seen[j].err, pieces[i:], offset, name == logs[len(logs)-1])
				require.True(t, may, "group %d: %v, %v: %s", g, seen[j].err, seen[j].rec.Damaged, at)
			}
		}
	}
	if offset%5 == 0 {
		requireRemembered(t, f, seen, at)
	}
	return told
}

// mayBeCharged reports whether damage in the first of these pieces may be told of g.
func mayBeCharged(g consensus.GroupID, err error, pieces []storage.Piece, offset int64, newest bool) bool {
	switch hit := pieces[0]; {
	case hit.Group == g:
		return true
	case newest && slices.ContainsFunc(pieces, func(p storage.Piece) bool { return p.Group == g }):
		return true // if the batch was the last one, all that comes after it in there is cut off
	case offset >= hit.Offset+storage.RecordHeadSize:
		return false
	}
	// Nobody knows whose record it was: the first in the log of a group that is idle, perhaps. That a
	// state is not the latest the roster of the next segment tells.
	return err == nil || newest
}

// requireRemembered requires that damage is told again, however often the folder is opened and however
// much is written of groups that are whole.
func requireRemembered(t *testing.T, f *crashfs.FS, seen [len(groups)]sight, at string) {
	d, err := openTiny(f)
	require.NoError(t, err, at)
	whole := slices.IndexFunc(seen[:], func(s sight) bool { return s.err == nil && len(s.rec.Damaged) == 0 })
	if whole >= 0 {
		w := follow(groups[whole], &seen[whole].view)
		for range 12 {
			require.NoError(t, d.Append([]consensus.Write{w}), at)
			w.Truncate, w.Entries[0].Index = 0, w.Entries[0].Index+1
		}
	}
	require.NoError(t, d.Close())
	again, err := sights(f)
	require.NoError(t, err, at)
	for i, g := range groups {
		if i == whole {
			continue
		}
		require.Equal(t, seen[i].err != nil, again[i].err != nil, "%s: group %d: %v, %v", at, g, seen[i].err, again[i].err)
		require.Equal(t, seen[i].rec.State, again[i].rec.State, "%s: group %d", at, g)
		require.Equal(t, brief(seen[i].rec.Entries), brief(again[i].rec.Entries), "%s: group %d", at, g)
		for _, r := range seen[i].rec.Damaged {
			for n := r.First; n <= r.Last; n++ {
				require.True(t, again[i].damaged(n), "%s: group %d: %d is forgotten: %v, %v", at, g, n, seen[i].rec.Damaged, again[i].rec.Damaged)
			}
		}
	}
}

// What proves that a record of a group is missing is an earlier one of it, in a segment that nothing else needs.
func TestDamageIsRememberedWhenTheLogIsShortened(t *testing.T) {
	f := crashfs.New(crashfs.Sector)
	d, err := openTiny(f)
	require.NoError(t, err)
	requireTold := func() {
		r, err := d.Recover(1)
		require.NoError(t, err)
		require.Equal(t, brief{entry(1, 6, 1)}, brief(r.Entries))
		require.Equal(t, []consensus.Range{{First: 1, Last: 5}}, r.Damaged)
	}
	require.NoError(t, d.Append([]consensus.Write{put(1, 1, 3)}))
	first := files(t, f, ".log")[0]
	require.NoError(t, d.Append([]consensus.Write{put(1, 4, 5)}))
	damaged := used(t, f, first) - 1
	for segments(t, f, folder) == 1 {
		require.NoError(t, d.Append([]consensus.Write{vote(2, 1)}))
	}
	require.NoError(t, d.Append([]consensus.Write{put(1, 6, 6)}))
	require.NoError(t, d.Close())
	pieces := storage.Pieces(content(t, f, first))
	i := slices.IndexFunc(pieces, func(p storage.Piece) bool { return damaged < p.Offset+p.Size })
	require.NoError(t, f.Flip(first, pieces[i].Offset, 1))

	for range 12 {
		d, err = openTiny(f)
		require.NoError(t, err)
		requireTold()
		for range 9 {
			require.NoError(t, d.Append([]consensus.Write{vote(2, 1)}))
		}
		requireTold()
		require.NoError(t, d.Close())
	}
	require.NotContains(t, files(t, f, ".log"), first, "the log is shortened")
}

// A received snapshot had replaced entries that may never have been chosen. The record that adopts it is damaged,
// and what a later snapshot covers is retained.
func TestDamageDoesNotBringBackWhatAReceivedSnapshotReplaced(t *testing.T) {
	f := crashfs.New(crashfs.Sector)
	o := storage.Options{FS: f, Retention: 1 << 20}
	d := openDisk(t, folder, o)
	require.NoError(t, d.Append([]consensus.Write{put(1, 1, 10)}))
	for _, m := range []consensus.SnapshotMeta{meta(20, 3), meta(22, 3)} {
		w, err := d.Create(1, m)
		require.NoError(t, err)
		require.NoError(t, w.Commit())
		require.NoError(t, d.Append([]consensus.Write{adoption(1, m), put(1, m.Index+1, m.Index+9, 3)}))
	}
	requireCompacted := func() {
		for i := consensus.Index(1); i <= 10; i++ {
			_, err := d.Fetch(1, i, i, 100)
			require.ErrorIs(t, err, consensus.ErrCompacted, "entry %d", i)
		}
	}
	requireCompacted()
	require.NoError(t, d.Close())
	name := filepath.Join(folder, "0000000000000001.log")
	adopts := storage.Pieces(content(t, f, name))[1]
	require.NoError(t, f.Flip(name, adopts.Offset+storage.RecordHeadSize+3, 1))
	d = openDisk(t, folder, o)
	r, err := d.Recover(1)
	require.NoError(t, err)
	require.Equal(t, meta(22, 3), r.Snapshot)
	requireCompacted()
	require.NoError(t, d.Close())
}

// Who fetches for a follower sends a snapshot instead, and would tell nobody.
func TestDamageThatFetchFindsIsLogged(t *testing.T) {
	var logged bytes.Buffer
	f := crashfs.New(crashfs.Sector)
	o := tiny
	o.FS, o.Logger = f, slog.New(slog.NewTextHandler(&logged, nil))
	d, err := storage.Open(folder, o)
	require.NoError(t, err)
	require.NoError(t, d.Append([]consensus.Write{put(1, 1, 3)}))
	name := filepath.Join(folder, "0000000000000001.log")
	require.NoError(t, f.Flip(name, used(t, f, name)-10, 1))
	require.Empty(t, logged.String())
	_, err = d.Fetch(1, 1, 3, 100)
	require.ErrorIs(t, err, storage.ErrDamaged)
	require.Contains(t, logged.String(), filepath.Base(name))
	require.NoError(t, d.Close())
}

// A crash tore the first record of a batch, and left the second. Its number was given again. Then the head that
// says where the torn segment ends is damaged.
func TestDamageDoesNotBringBackWhatACrashTore(t *testing.T) {
	f := crashfs.New(crashfs.Sector)
	d, err := openSized(f, 0)
	require.NoError(t, err)
	for _, ws := range [][]consensus.Write{{put(1, 1, 1), vote(2, 1)}, {put(1, 2, 2)}, {put(1, 3, 3), vote(2, 3)}} {
		require.NoError(t, d.Append(ws))
	}
	require.NoError(t, d.Close())
	first := filepath.Join(folder, "0000000000000001.log")
	pieces := storage.Pieces(content(t, f, first))
	require.NoError(t, f.Flip(first, pieces[len(pieces)-2].Offset, 1))

	var left *crashfs.FS // once the next segment was there, and nothing else had been done
	f.After(func(op crashfs.Op) {
		if op.Kind == crashfs.SyncDir {
			left = f.Crash(nothing)
		}
	})
	d, err = openSized(f, 0)
	require.NoError(t, err)
	require.NoError(t, d.Close())

	d, err = openSized(left, 0)
	require.NoError(t, err)
	require.NoError(t, d.Append([]consensus.Write{vote(2, 7)}))
	require.NoError(t, d.Close())
	require.NoError(t, left.Flip(filepath.Join(folder, "0000000000000002.log"), 20, 1))
	d, err = openSized(left, 0)
	require.NoError(t, err)
	r, err := d.Recover(2)
	require.NoError(t, err)
	require.Equal(t, vote(2, 7).State, r.State)
	require.NoError(t, d.Close())
}
