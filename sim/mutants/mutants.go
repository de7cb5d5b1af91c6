// Package mutants is a catalogue of planted bugs, and what lays one over the engine's source.
//
// A simulator that finds nothing may be one that sees nothing. Each file of the catalogue is a
// faulty rule that a real implementation shipped, or that students write again and again;
// `simulate mutants` compiles it into the engine and demands that the simulator finds it. Those of
// package storage must be found by its crash tests. It is compiled with go build -overlay, so the
// product carries no hooks, and no file of the source is ever written to.
//
// The folders raft and paxos have bugs of the engines; runtime has those of what both run under, the
// Replica and the Machine, and is tried with Raft (-dir sim/mutants/runtime). One bug of that kind cannot
// be planted as it happens elsewhere: there is one version of the wire format, and a decoder refuses
// fields that it does not know, so that none is lost by who passes a message on.
// mixed-version-field-dropped stands for it: a leader that takes what another version forwards for what
// it is not.
//
// # The format
//
// A mutant is a text file whose name ends in .txt:
//
//	name: figure-8
//	protocol: raft
//	breaks: only an entry of the leader's own term commits by counting (thesis §3.6.2)
//	seen: logcabin #44
//
//	Whatever stands here, before the first replacement, is for the reader.
//
//	--- raft/commit.go
//		if t := r.log.term(agreed); t != r.term {
//			return
//		}
//	+++
//
// The first lines are fields, each a key and a value, up to the first blank line: name (lower
// case letters, digits and hyphens), protocol and breaks (the right rule, which the mutant
// breaks) must be there, seen (who shipped it) may be. Then comes prose, and then one or more
// replacements. A line "--- FILE" begins one; FILE is a path from the module's root, with
// slashes. The lines after it, up to a line "+++", are the old text, and the lines after that
// are the new one, which may be none. Both are whole lines, with their indentation. The old text
// must stand in the file exactly once: a mutant that outlived the source that it was written for
// is an error, and never a silent success.
package mutants

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Mutant is one planted bug.
type Mutant struct {
	File         string // where it was read from
	Name         string
	Protocol     string
	Breaks       string // the right rule, which it breaks
	Seen         string // who shipped it; may be empty
	Replacements []Replacement
}

// A Replacement replaces whole lines of one source file.
type Replacement struct {
	File     string // from the module's root, with slashes
	Old, New string // whole lines, each with its line end; New may be empty
	Line     int    // of the mutant's file, where it begins
}

// Load reads the mutants of one protocol from the *.txt files of a folder, by name. An error
// names the file, and the line if it is in one.
func Load(dir, protocol string) ([]Mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	var ms []Mutant
	names := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		m, err := Parse(file, string(text))
		if err != nil {
			return nil, err
		}
		if other, taken := names[m.Name]; taken {
			return nil, fmt.Errorf("%s: the name %q is taken by %s", file, m.Name, other)
		}
		names[m.Name] = file
		if m.Protocol == protocol {
			ms = append(ms, m)
		}
	}
	slices.SortFunc(ms, func(a, b Mutant) int { return strings.Compare(a.Name, b.Name) })
	return ms, nil
}
