package storage

import (
	"errors"
	"fmt"

	"github.com/consensus-go/consensus"
)

var (
	// ErrInUse: the folder is in use by another process, or twice in this one.
	ErrInUse = errors.New("storage: the folder is in use")
	// ErrOtherStore: the folder is another node's, or of another cluster.
	ErrOtherStore = errors.New("storage: the folder is not this node's")
	// ErrVersion: the folder was written by a later version of this package.
	ErrVersion = errors.New("storage: the folder is of a later format")
	// ErrDamaged: what was durable cannot be read. See DamageError.
	ErrDamaged = errors.New("storage: damaged")
	// ErrFailed: a write failed, this one or an earlier one, and so nobody knows what is on disk. What
	// failed is wrapped beside it. Opening the folder again finds out.
	ErrFailed = errors.New("storage: a write failed")
)

// A DamageError is an ErrDamaged, and says where: something durable that cannot be read, and that
// is more than log entries, which Recovered.Damaged tells of.
type DamageError struct {
	File   string
	Offset int64
	What   string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("storage: %s is damaged at %d: %s", e.File, e.Offset, e.What)
}

// Is reports that a DamageError is an ErrDamaged.
func (e *DamageError) Is(target error) bool { return target == ErrDamaged }

// compacted is the ErrCompacted of a Fetch.
func compacted(id consensus.GroupID, lo, hi consensus.Index) error {
	return fmt.Errorf("group %d, entries %d to %d: %w", id, lo, hi, consensus.ErrCompacted)
}
