package storage_test

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/storage/crashfs"
)

var update = flag.Bool("update", false, "write the golden files anew: only if the format has a new number")

// golden is the folder of format 1: what goldenScript leaves, without the zeros at the end of segments.
var golden = filepath.Join("testdata", "format1")

// goldenScript writes each kind of record.
func goldenScript(r *rig) {
	r.start()
	r.append(put(1, 1, 3), vote(2, 5))
	r.append(cut(put(1, 3, 3, 2)))
	r.snapshot(1, meta(2, 1), "the state of the machine")
	w := adoption(1, meta(2, 1))
	w.State.Commit = 2
	r.append(w, put(2, 1, 2, 5))
	r.reopen()
	r.append(adoption(2, meta(9, 6), entry(2, 10, 6)), put(3, 1, 1))
}

func TestTheFormatIsThatOfTheGoldenFiles(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // for the incarnation
	r := newRig(t, "", crashfs.Sector)
	goldenScript(r)
	require.NoError(t, r.failed)
	written := make(map[string]string)
	for _, name := range files(t, r.fs, "") {
		b := string(content(t, r.fs, name))
		if filepath.Ext(name) == ".log" {
			b = strings.TrimRight(b, "\x00")
		}
		if b != "" {
			written[filepath.Base(name)] = b
		}
	}
	if *update {
		require.NoError(t, os.RemoveAll(golden))
		require.NoError(t, os.MkdirAll(golden, 0o755))
		for name, b := range written {
			require.NoError(t, os.WriteFile(filepath.Join(golden, name), []byte(b), 0o644))
		}
	}
	require.Equal(t, goldenFiles(t), written)
}

func TestTheGoldenFilesAreRead(t *testing.T) {
	f := crashfs.New(crashfs.Sector)
	require.NoError(t, f.MkdirAll(folder))
	for name, b := range goldenFiles(t) {
		create(t, f, filepath.Join(folder, name), b)
	}
	r := newRig(t, "", crashfs.Sector)
	goldenScript(r)
	r.try("opened", f.Crash(everything), true)
}

func goldenFiles(t testing.TB) map[string]string {
	names, err := storage.OS.ReadDir(golden)
	require.NoError(t, err)
	all := make(map[string]string)
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(golden, name))
		require.NoError(t, err)
		all[name] = string(b)
	}
	return all
}

// FuzzRecover opens a folder with any bytes as its segments and a snapshot, as they are or with their checksums
// made right.
func FuzzRecover(f *testing.F) {
	all := goldenFiles(f)
	var segments, snapshots []string
	for name, b := range all {
		switch filepath.Ext(name) {
		case ".log":
			segments = append(segments, b)
		case ".snapshot":
			snapshots = append(snapshots, b)
		}
	}
	for _, right := range []bool{false, true} {
		f.Add([]byte(segments[0]), []byte(segments[1]), []byte(snapshots[0]), right)
		f.Add([]byte(segments[1]), []byte{}, []byte{}, right)
	}
	f.Fuzz(func(t *testing.T, one, two, snapshot []byte, right bool) {
		fsys := crashfs.New(crashfs.Sector)
		require.NoError(t, fsys.MkdirAll(folder))
		id := all["identity"]
		if right {
			storage.MakeRight([]byte(id), 1, one)
			storage.MakeRight([]byte(id), 2, two)
		}
		create(t, fsys, filepath.Join(folder, "identity"), id)
		create(t, fsys, filepath.Join(folder, "0000000000000001.log"), string(one))
		create(t, fsys, filepath.Join(folder, "0000000000000002.log"), string(two))
		create(t, fsys, filepath.Join(folder, "0000000000000001-0000000000000002-0000000000000001.snapshot"), string(snapshot))
		size := uint64(len(one) + len(two) + len(snapshot))
		require.Less(t, allocated(func() { useDamaged(t, fsys) }), 1<<20+100*size, "bytes allocated")
	})
}

// useDamaged does all that may be done with a Disk, if it opens.
func useDamaged(t *testing.T, f *crashfs.FS) {
	for range 2 {
		d, err := openTiny(f)
		if err != nil {
			return
		}
		for _, g := range groups {
			if _, err := d.Recover(g); err != nil {
				continue
			}
			d.Fetch(g, 1, 1<<63, 1<<20)
			if _, r, err := d.Open(g); err == nil {
				r.Read(make([]byte, 100))
				r.Close()
			}
			w := put(g, 1<<40, 1<<40)
			require.NoError(t, d.Append([]consensus.Write{w}))
		}
		require.NoError(t, d.Close())
	}
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
