//go:build unix

package storage

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestALockEndsThoughAForkHasItsFileOpen(t *testing.T) {
	name := filepath.Join(t.TempDir(), "LOCK")
	held, err := lock(name)
	require.NoError(t, err)
	forked, err := syscall.Dup(int(held.(flocked).file.Fd())) // what a process has until it is another program
	require.NoError(t, err)
	defer syscall.Close(forked)
	_, err = lock(name)
	require.ErrorIs(t, err, ErrInUse)
	require.NoError(t, held.Close())
	again, err := lock(name)
	require.NoError(t, err)
	require.NoError(t, again.Close())
}
