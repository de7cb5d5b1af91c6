package storage

import "io"

// An FS is the file system that a Disk keeps its files on: what a Disk needs of one, and no more.
// Names are paths with the separator of the operating system. An error that says that a file is not
// there, or is there already, is an fs.ErrNotExist or fs.ErrExist.
//
// Package crashfs has one in memory that loses what power cuts lose.
type FS interface {
	// MkdirAll makes a folder, and those that it is in. Whether they survive a crash is known
	// once the folders they are in have been synced.
	MkdirAll(dir string) error
	// ReadDir returns the names of the files in a folder, sorted. Folders are left out.
	ReadDir(dir string) ([]string, error)
	// Create makes a file, which must not exist, to read and write.
	Create(name string) (File, error)
	// Open opens a file that exists, to read and write.
	Open(name string) (File, error)
	// OpenRead opens a file that exists, to read.
	OpenRead(name string) (File, error)
	// Rename gives a file another name, in the same folder, in place of any file that has it.
	// Who has that one open can still read it.
	Rename(from, to string) error
	// Remove removes a file. Who has it open can still read it.
	Remove(name string) error
	// SyncDir makes durable which files are in a folder, and what they are called.
	SyncDir(dir string) error
	// Lock makes the file name the caller's until the result is closed, or the process ends. An
	// error that it is somebody else's is an ErrInUse.
	Lock(name string) (io.Closer, error)
}

// A File is an open file of an FS.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size is how long the file is.
	Size() (int64, error)
	// Truncate makes the file size bytes long.
	Truncate(size int64) error
	// Sync makes durable what was written, and the size. After an error nobody knows what is: the
	// operating system may have forgotten that there was anything to write.
	Sync() error
}
