package storage

import "errors"

// ErrInUse: the folder is in use by another process, or twice in this one.
var ErrInUse = errors.New("storage: the folder is in use")
