package storage

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// growth is how far ahead a segment is filled with zeros. A sync that finds the file grown writes
// the file system's records as well as the data, which takes about twice as long: so only one in many
// does. A segment that was in use before is never filled again.
const growth = 1 << 20

// zeros are what a file is filled with.
var zeros [growth]byte

// A segment is one file of the log.
type segment struct {
	number  uint64
	name    string
	file    File
	seed    uint32
	end     int64 // where the next record goes; all before it is durable
	filled  int64 // how long the file is
	limit   int64 // how long it is meant to be
	live    int   // how many runs, states and adoptions are in it that are needed
	readers int   // how many are reading it, and keep it from being written again
}

// segmentName is the name of the file of segment number in dir.
func segmentName(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x.log", number))
}

// parseNumber returns the number that name consists of, before suffix.
func parseNumber(name, suffix string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	return n, err == nil && fmt.Sprintf("%016x", n) == digits
}

// write makes b durable at the end. The file grows ahead of what is written to it.
func (s *segment) write(b []byte) error {
	if _, err := s.file.WriteAt(b, s.end); err != nil {
		return err
	}
	end := s.end + int64(len(b))
	if end > s.filled {
		ahead := max(0, min(growth, s.limit-end))
		if _, err := s.file.WriteAt(zeros[:ahead], end); err != nil {
			return err
		}
		s.filled = end + ahead
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	s.end = end
	return nil
}

// follow makes durable in s, after its end, that there is a next segment, so that it is missed if it is lost.
func (s *segment) follow() error {
	r := record{number: s.number, flags: flagNext}
	b := r.appendTo(nil, func(b []byte) []byte { return b })
	seal(b, s.seed, s.end, s.end)
	return s.write(b)
}

// place is where a record of size bytes is, at offset.
func (s *segment) place(offset int64, size int) place { return place{s, offset, uint32(size)} }

// damaged is the error that the record at p cannot be read.
func (p place) damaged() error {
	return &DamageError{File: p.segment.name, Offset: p.offset, What: "entries"}
}
