package crashfs_test

import (
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/storage/crashfs"
)

// A disk is an FS with sectors of 4 bytes, so that a word is a sector, and shorter words for its methods.
type disk struct {
	*testing.T
	*crashfs.FS
}

func newDisk(t *testing.T) disk { return disk{t, crashfs.New(4)} }

func (d disk) create(name string) storage.File {
	d.Helper()
	f, err := d.Create(name)
	require.NoError(d, err)
	return f
}

// durable makes a file with content that no crash loses.
func (d disk) durable(name, content string) storage.File {
	d.Helper()
	f := d.create(name)
	d.write(f, 0, content)
	require.NoError(d, f.Sync())
	require.NoError(d, d.SyncDir("."))
	return f
}

func (d disk) write(f storage.File, offset int64, content string) {
	d.Helper()
	n, err := f.WriteAt([]byte(content), offset)
	require.NoError(d, err)
	require.Equal(d, len(content), n)
}

// tree is all files and what is in them: "name=content name=content".
func (d disk) tree(f *crashfs.FS) string {
	d.Helper()
	names, err := f.ReadDir(".")
	require.NoError(d, err)
	for i, name := range names {
		names[i] += "=" + d.read(f, name)
	}
	return strings.Join(names, " ")
}

func (d disk) read(f *crashfs.FS, name string) string {
	d.Helper()
	h, err := f.OpenRead(name)
	require.NoError(d, err)
	defer h.Close()
	size, err := h.Size()
	require.NoError(d, err)
	b, err := io.ReadAll(io.NewSectionReader(h, 0, size))
	require.NoError(d, err)
	return string(b)
}

// requireLeaves requires that these are all the trees that power cuts may leave.
func (d disk) requireLeaves(cut crashfs.Cut, want ...string) {
	d.Helper()
	left := make(map[string]bool)
	for o := new(crashfs.Odometer); o.Next(); {
		cut.Choose = o.Choose
		left[d.tree(d.Crash(cut))] = true
	}
	slices.Sort(want)
	require.Equal(d, want, slices.Sorted(maps.Keys(left)))
}

func TestWhatWasSyncedSurvives(t *testing.T) {
	d := newDisk(t)
	d.durable("f", "durable words")
	d.requireLeaves(crashfs.Cut{}, "f=durable words")
}

func TestEachUnsyncedSectorSurvivesOrNot(t *testing.T) {
	d := newDisk(t)
	f := d.durable("f", "....,,,,;;;;")
	d.write(f, 0, "AAAABBBB")
	d.requireLeaves(crashfs.Cut{}, "f=....,,,,;;;;", "f=AAAA,,,,;;;;", "f=....BBBB;;;;", "f=AAAABBBB;;;;")
}

func TestASectorIsAsItWasAtSomeMoment(t *testing.T) {
	d := newDisk(t)
	f := d.durable("f", "....")
	d.write(f, 0, "A")
	d.write(f, 1, "B")
	d.write(f, 0, "C")
	d.requireLeaves(crashfs.Cut{}, "f=....", "f=A...", "f=AB..", "f=CB..")
}

func TestALaterWriteMaySurviveAnEarlierOne(t *testing.T) {
	d := newDisk(t)
	f := d.durable("f", "....,,,,")
	d.write(f, 0, "1111")
	d.write(f, 4, "2222")
	left := d.Crash(crashfs.Cut{Choose: func(n int) int { return n - 1 }})
	require.Equal(t, "f=11112222", d.tree(left))
	d.requireLeaves(crashfs.Cut{}, "f=....,,,,", "f=1111,,,,", "f=....2222", "f=11112222")
}

func TestAFileMayGrowWithoutItsContent(t *testing.T) {
	d := newDisk(t)
	f := d.durable("f", "old")
	d.write(f, 4, "newr")
	d.requireLeaves(crashfs.Cut{}, "f=old", "f=old\x00\x00\x00\x00\x00", "f=old\x00newr")
}

func TestACarelessFileSystemLeavesGarbageWhereNewContentIsLost(t *testing.T) {
	d := newDisk(t)
	f := d.durable("f", "old")
	d.write(f, 4, "newr")
	left := d.tree(d.Crash(crashfs.Cut{Garbage: true, Choose: choices(1, 0)}))
	require.Len(t, left, len("f=old.newr"))
	require.True(t, strings.HasPrefix(left, "f=old\x00"))
	require.NotContains(t, left, "newr")
	require.NotContains(t, left, "\x00\x00\x00\x00")

	require.NoError(t, f.Sync())
	require.NoError(t, f.Truncate(64))
	require.NoError(t, f.Sync())
	require.Equal(t, "f=old\x00newr"+strings.Repeat("\x00", 56), d.tree(d.Crash(crashfs.Cut{Garbage: true, Choose: choices()})),
		"room that is durable is zeros")
}

// choices are answers to be given in their order.
func choices(answers ...int) func(int) int {
	return func(n int) int {
		a := answers[0]
		answers = answers[1:]
		return a % n
	}
}

func TestATruncationSurvivesOrNot(t *testing.T) {
	d := newDisk(t)
	f := d.durable("f", "12345678")
	require.NoError(t, f.Truncate(4))
	d.requireLeaves(crashfs.Cut{}, "f=12345678", "f=1234", "f=1234\x00\x00\x00\x00")
	require.NoError(t, f.Sync())
	require.NoError(t, f.Truncate(8))
	require.NoError(t, f.Sync())
	d.requireLeaves(crashfs.Cut{}, "f=1234\x00\x00\x00\x00")
}

func TestASyncedFileHasNoNameBeforeItsFolderIsSynced(t *testing.T) {
	d := newDisk(t)
	f := d.create("f")
	d.write(f, 0, "word")
	require.NoError(t, f.Sync())
	d.requireLeaves(crashfs.Cut{}, "", "f=word")
	require.NoError(t, d.SyncDir("."))
	d.requireLeaves(crashfs.Cut{}, "f=word")
}

func TestASyncedFolderDoesNotMakeContentDurable(t *testing.T) {
	d := newDisk(t)
	f := d.create("f")
	d.write(f, 0, "word")
	require.NoError(t, d.SyncDir("."))
	d.requireLeaves(crashfs.Cut{}, "f=", "f=\x00\x00\x00\x00", "f=word")
}

func TestARenameIsAtomic(t *testing.T) {
	d := newDisk(t)
	d.durable("to", "old")
	d.durable("from", "new")
	require.NoError(t, d.Rename("from", "to"))
	d.requireLeaves(crashfs.Cut{}, "from=new to=old", "to=new")
}

func TestARemovedFileMayComeBack(t *testing.T) {
	d := newDisk(t)
	d.durable("f", "old")
	require.NoError(t, d.Remove("f"))
	d.requireLeaves(crashfs.Cut{}, "", "f=old")
	require.NoError(t, d.SyncDir("."))
	d.requireLeaves(crashfs.Cut{}, "")
}

func TestTheFirstFewChangesOfAFolderSurvive(t *testing.T) {
	d := newDisk(t)
	d.durable("a", "")
	d.create("b")
	require.NoError(t, d.Rename("b", "c"))
	require.NoError(t, d.Remove("a"))
	d.requireLeaves(crashfs.Cut{}, "a=", "a= b=", "a= c=", "c=")
}

func TestACarelessFileSystemLeavesAnyChangesOfAFolder(t *testing.T) {
	d := newDisk(t)
	d.durable("a", "")
	d.create("b")
	require.NoError(t, d.Rename("b", "c"))
	require.NoError(t, d.Remove("a"))
	d.requireLeaves(crashfs.Cut{Unordered: true}, "a=", "a= b=", "a= c=", "", "b=", "c=")
}

func TestAFolderIsLostWithAllThatIsInIt(t *testing.T) {
	d := newDisk(t)
	require.NoError(t, d.MkdirAll("a/b"))
	f := d.create("a/b/f")
	require.NoError(t, f.Sync())
	require.NoError(t, d.SyncDir("a/b"))
	has := func(name string) (lost, kept bool) {
		for o := new(crashfs.Odometer); o.Next(); {
			_, err := d.Crash(crashfs.Cut{Choose: o.Choose}).ReadDir(name)
			lost, kept = lost || err != nil, kept || err == nil
		}
		return lost, kept
	}
	for _, synced := range []string{".", "a"} {
		lost, kept := has("a/b")
		require.True(t, lost && kept)
		require.NoError(t, d.SyncDir(synced))
	}
	lost, _ := has("a/b")
	require.False(t, lost)
}

func TestAFailedSyncForgetsWhatItShouldHaveWritten(t *testing.T) {
	d := newDisk(t)
	f := d.durable("f", "....,,,,")
	d.write(f, 0, "AAAA")
	eio := fs.ErrInvalid
	d.FailAt(d.Ops()+1, crashfs.Fault{Err: eio})
	require.ErrorIs(t, f.Sync(), eio)
	require.Equal(t, "f=AAAA,,,,", d.tree(d.FS), "readers see it still")

	require.NoError(t, f.Sync())
	d.requireLeaves(crashfs.Cut{}, "f=....,,,,", "f=AAAA,,,,")
	d.write(f, 4, "BBBB")
	require.NoError(t, f.Sync())
	d.requireLeaves(crashfs.Cut{}, "f=....BBBB", "f=AAAABBBB")
	d.write(f, 0, "AAAA")
	require.NoError(t, f.Sync())
	d.requireLeaves(crashfs.Cut{}, "f=AAAABBBB")
}

func TestAFailedSyncForgetsTheSize(t *testing.T) {
	d := newDisk(t)
	f := d.durable("f", "....")
	require.NoError(t, f.Truncate(0))
	d.FailAt(d.Ops()+1, crashfs.Fault{Err: fs.ErrInvalid})
	require.Error(t, f.Sync())
	require.NoError(t, f.Sync())
	d.requireLeaves(crashfs.Cut{}, "f=", "f=....", "f=\x00\x00\x00\x00")
}

func TestAKilledProcessLosesNothingThatItWrote(t *testing.T) {
	d := newDisk(t)
	f := d.durable("f", "....")
	d.write(f, 0, "AAAA")
	d.create("g")
	_, err := d.Lock("lock")
	require.NoError(t, err)
	left := disk{t, d.Kill()}
	require.Equal(t, "f=AAAA g= lock=", d.tree(left.FS))
	l, err := left.Lock("lock")
	require.NoError(t, err, "a lock ends with its process")
	require.NoError(t, l.Close())
	left.requireLeaves(crashfs.Cut{}, "f=....", "f=AAAA", "f=.... g=", "f=AAAA g=", "f=.... g= lock=", "f=AAAA g= lock=")

	d.write(f, 0, "BBBB")
	require.Equal(t, "f=AAAA g= lock=", d.tree(left.FS), "the dead process does not write there")
}

func TestACrashEndsLocksAndChangesNothingWhereItIsTried(t *testing.T) {
	d := newDisk(t)
	f := d.durable("f", "....")
	_, err := d.Lock("f")
	require.NoError(t, err)
	d.write(f, 0, "AAAA")
	left := d.Crash(crashfs.Cut{Choose: func(int) int { return 0 }})
	require.Equal(t, "f=....", d.tree(left))
	_, err = left.Lock("f")
	require.NoError(t, err)
	require.Equal(t, "f=AAAA", d.tree(d.FS))
	h, err := left.Open("f")
	require.NoError(t, err)
	d.write(h, 0, "BBBB")
	require.Equal(t, "f=AAAA", d.tree(d.FS))
	require.Equal(t, "f=BBBB", d.tree(left))
}

func TestFlipDamagesWhatIsDurable(t *testing.T) {
	d := newDisk(t)
	f := d.durable("f", "abcdef")
	d.write(f, 0, "AB")
	require.NoError(t, d.Flip("f", 1, 0x01))
	require.NoError(t, d.Flip("f", 5, 0x01))
	d.requireLeaves(crashfs.Cut{}, "f=accdeg", "f=ACcdeg")
	require.ErrorIs(t, d.Flip("f", 6, 1), io.EOF)
	require.ErrorIs(t, d.Flip("g", 0, 1), fs.ErrNotExist)
}

func TestARandomCutIsThatOfItsSeed(t *testing.T) {
	d := newDisk(t)
	f := d.durable("f", strings.Repeat(".", 64))
	d.write(f, 0, strings.Repeat("A", 64))
	outcomes := make(map[string]bool)
	for seed := range uint64(64) {
		left := d.tree(d.Crash(crashfs.Cut{Choose: crashfs.Random(seed)}))
		require.Equal(t, left, d.tree(d.Crash(crashfs.Cut{Choose: crashfs.Random(seed)})))
		outcomes[left] = true
	}
	require.Greater(t, len(outcomes), 20)
	require.True(t, outcomes["f="+strings.Repeat(".", 64)], "some seeds lose all")
	require.True(t, outcomes["f="+strings.Repeat("A", 64)], "some seeds lose nothing")
}
