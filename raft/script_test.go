package raft

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/consensus-go/consensus"
)

// TestScripts runs every script of testdata. A script is a list of steps: commands, one a line, then
// ---- and the trace of what they did: "> m" is a message that arrives; what follows, indented, is what
// the node that it reached does; "after #4: m" is a message that waits for its fourth write.
//
//	go test ./raft -run TestScripts -rewrite
//
// writes the traces anew. Read the difference: it is the change of behaviour.
//
//	nodes 5 [unbound] [witnesses=4,5] [learners=6] [lease=500ms] [MAX...=N]   begin again
//	start 4 [log=1,1,2] [term=3] [vote=1] [commit=1]                          a node with this on its disk
//	tick IDS D, beat IDS, campaign ID, elect ID [votes=IDS], patience IDS     let time pass
//	propose ID DATA..., read ID N, transfer ID TO                             ask for something
//	change ID [voters=IDS] [learners=IDS] [joining=IDS] [witnesses=IDS] [expect=N]
//	deliver, settle, drop, dup [A->B] [kind=K,K] [n=N]                        messages in flight; * is any node
//	hold A->B, release, cut A->B, isolate ID, heal, flight                    the network
//	manual IDS, auto IDS, persist ID [n=N], crash ID [keep=N], restart IDS    the disk
//	wipe ID, damage ID LO HI, retain ID LO, compact IDS, slow ID, fetch ID
//	batch ID, ready ID                                                        many inputs before one Ready
//	spoil ID KIND...|order|restore                                            break a rule of Effects
//	state [IDS], log [IDS], disk [IDS], applied [IDS], peers ID, explain ID TOPIC [N], step MESSAGE
//
// The word quiet at the end of a line leaves its trace out.
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			s := &script{}
			datadriven.RunTest(t, path, s.step)
			s.finish(t)
		})
	}
}

// A script is a cluster and who tells it what to do.
type script struct {
	*cluster
	spoiled bool // a rule of Effects is broken, so safety may be
}

// finish fails the test if a cluster that keeps the rules lost its safety.
func (s *script) finish(t *testing.T) {
	if s.cluster != nil && !s.spoiled && len(s.violations) > 0 {
		t.Errorf("%q", s.violations)
	}
}

func (s *script) step(t *testing.T, d *datadriven.TestData) string {
	var out strings.Builder
	line := strings.TrimSpace(d.Cmd + " " + argsString(d.CmdArgs))
	for _, line := range append([]string{line}, strings.Split(d.Input, "\n")...) {
		name, args, err := datadriven.ParseLine(line)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		if name == "" {
			continue
		}
		do, ok := commands[name]
		if name == "nodes" {
			s.finish(t)
			s.spoiled = false
		} else if s.cluster == nil {
			d.Fatalf(t, "begin with nodes")
		}
		if !ok {
			d.Fatalf(t, "no command %s", name)
		}
		a := newArguments(args)
		if s.cluster != nil {
			s.quiet = a.has("quiet")
		}
		answer := do(s, a)
		if name != "nodes" {
			out.WriteString(s.trace.String())
			s.trace.Reset()
		}
		out.WriteString(answer)
	}
	if out.Len() == 0 {
		return "ok"
	}
	return out.String()
}

func argsString(args []datadriven.CmdArg) string {
	var words []string
	for _, a := range args {
		words = append(words, a.String())
	}
	return strings.Join(words, " ")
}

// arguments are the words of a command and its key=value pairs.
type arguments struct {
	words []string
	pairs map[string]string
}

func newArguments(args []datadriven.CmdArg) arguments {
	a := arguments{pairs: map[string]string{}}
	for _, x := range args {
		if len(x.Vals) == 0 {
			a.words = append(a.words, x.Key)
		} else {
			a.pairs[x.Key] = strings.Join(x.Vals, ",")
		}
	}
	return a
}

func (a arguments) has(word string) bool { return slices.Contains(a.words, word) }

func number(s string) uint64 {
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func ids(s string) (ids []NodeID) {
	for x := range strings.SplitSeq(s, ",") {
		if x != "" {
			ids = append(ids, NodeID(number(x)))
		}
	}
	return ids
}

// id is the node that the k-th word names.
func (a arguments) id(k int) NodeID { return NodeID(number(a.words[k])) }

// filter is what A->B kind=K n=N means.
func (a arguments) filter() filter {
	f := filter{n: int(number(a.pairs["n"]))}
	for _, w := range a.words {
		if strings.Contains(w, "->") {
			l := parseLink(w)
			f.from, f.to = l.from, l.to
		}
	}
	for k := consensus.Kind(0); k <= TimeoutNow; k++ {
		if slices.Contains(strings.Split(a.pairs["kind"], ","), k.String()) {
			f.kinds = append(f.kinds, k)
		}
	}
	return f
}

func parseLink(s string) link {
	from, to, _ := strings.Cut(s, "->")
	end := func(s string) NodeID {
		if s == "*" {
			return 0
		}
		return NodeID(number(s))
	}
	return link{end(from), end(to)}
}

// members reads voters=, witnesses=, learners=, joining= and lease=.
func (a arguments) members() Members {
	m := Members{Voters: ids(a.pairs["voters"]), Witnesses: ids(a.pairs["witnesses"]), Learners: ids(a.pairs["learners"]), Joining: ids(a.pairs["joining"])}
	if d := a.pairs["lease"]; d != "" {
		m.Lease = time.Duration(duration(d))
	}
	return m
}

func duration(s string) Instant {
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return Instant(d)
}

// each calls f for every node that the first word names: all of those up, if there is none.
func (s *script) each(a arguments, f func(*node)) {
	if len(a.words) == 0 || a.words[0] == "all" || a.words[0] == "quiet" {
		for _, n := range s.nodes {
			if n.raft != nil {
				f(n)
			}
		}
		return
	}
	for _, id := range ids(a.words[0]) {
		f(s.node(id))
	}
}

func kindNamed(name string) consensus.Kind {
	for k := AppendEntries; k <= TimeoutNow; k++ {
		if k.String() == name {
			return k
		}
	}
	panic(fmt.Sprintf("no message of kind %s", name))
}
