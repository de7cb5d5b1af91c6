package enginetest

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// Scripts runs every script of testdata. A script is a list of steps: commands, one a line, then
// ---- and the trace of what they did: "> m" is a message that arrives; what follows, indented, is what
// the node that it reached does; "after #4: m" is a message that waits for its fourth write.
//
//	go test ./raft -run TestScripts -rewrite
//
// writes the traces anew. Read the difference: it is the change of behaviour.
//
//	nodes 5 [unbound] [down] [witnesses=4,5] [learners=6] [lease=500ms]       begin again; the rest as in change,
//	      [message=N] [inflight=N] [uncommitted=N]                            and the limits in bytes
//	start 4 [log=1,1,2] [term=3] [vote=1] [commit=1]                          a node with this on its disk
//	tick IDS D, beat IDS, campaign ID, elect ID [votes=IDS], patience IDS     let time pass
//	pass D                                                                    and deliver everything meanwhile
//	propose ID DATA..., read ID N, transfer ID TO                             ask for something
//	change ID [voters=IDS] [learners=IDS] [joining=IDS] [witnesses=IDS] [electionquorum=N] [commitquorum=N] [expect=N]
//	deliver, settle, drop, dup [A->B] [kind=K,K] [n=N]                        messages in flight; * is any node
//	hold A->B, release, cut A->B, isolate ID, heal, flight                    the network
//	manual IDS, auto IDS, persist ID [n=N|seq=N], crash IDS [keep=N], restart IDS
//	wipe ID, damage ID LO HI, retain ID LO, compact IDS, slow ID, fetch ID    the disk
//	batch ID, ready ID                                                        many inputs before one Ready
//	spoil ID KIND...|order|restore                                            break a rule of Effects
//	state [IDS], log [IDS], disk [IDS], applied [IDS], peers ID, explain ID TOPIC [N], step MESSAGE
//
// In log= and entries= an item is a term, INDEX/TERM, or INDEX/TERM/DATA; FIRST-LAST stands for many indexes.
//
// The word quiet at the end of a line leaves its trace out.
func Scripts(t *testing.T, p *Protocol) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			s := &script{protocol: p}
			datadriven.RunTest(t, path, s.step)
			s.finish(t)
		})
	}
}

// A command is what a line of a script does. It returns what to say beside the trace.
type command func(s *script, a arguments) string

// A script is a cluster and who tells it what to do.
type script struct {
	*Cluster
	protocol *Protocol
	spoiled  bool // a rule of Effects is broken, so safety may be
}

// finish fails the test if a cluster that keeps the rules lost its safety.
func (s *script) finish(t *testing.T) {
	if s.Cluster != nil && !s.spoiled && len(s.Violations) > 0 {
		t.Errorf("%q", s.Violations)
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
		} else if s.Cluster == nil {
			d.Fatalf(t, "begin with nodes")
		}
		if !ok {
			d.Fatalf(t, "no command %s", name)
		}
		a := newArguments(args)
		if s.Cluster != nil {
			s.Quiet = a.has("quiet")
		}
		answer := do(s, a)
		out.WriteString(s.Trace.String())
		s.Trace.Reset()
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

// each calls f for every node that the first word names: all of those up, if there is none.
func (s *script) each(a arguments, f func(*Node)) {
	if len(a.words) == 0 || a.words[0] == "all" || a.words[0] == "quiet" {
		for _, n := range s.Nodes {
			if n.Engine != nil {
				f(n)
			}
		}
		return
	}
	for _, id := range ids(a.words[0]) {
		f(s.Node(id))
	}
}
