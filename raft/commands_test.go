package raft

import (
	"fmt"
	"strings"

	"github.com/consensus-go/consensus"
)

// commands are what a script can do: see TestScripts.
var commands = map[string]func(*script, arguments) string{
	"nodes": (*script).nodesCommand,
	"start": (*script).startCommand,

	"tick": func(s *script, a arguments) string {
		return s.forEach(a, func(n *node) { n.tick(duration(a.words[1])) })
	},
	"beat":     func(s *script, a arguments) string { return s.forEach(a, func(n *node) { n.tick(heartbeat) }) },
	"patience": func(s *script, a arguments) string { return s.forEach(a, func(n *node) { s.patience(n.id()) }) },
	"campaign": func(s *script, a arguments) string { return s.forEach(a, func(n *node) { s.campaign(n.id()) }) },
	"elect": func(s *script, a arguments) string {
		if !s.elect(a.id(0), ids(a.pairs["votes"])...) {
			return fmt.Sprintf("%d is not elected\n", a.id(0))
		}
		return ""
	},

	"propose": func(s *script, a arguments) string {
		for _, w := range a.words[1:] {
			if w != "quiet" {
				s.propose(a.id(0), w)
			}
		}
		return ""
	},
	"read": func(s *script, a arguments) string {
		return s.ask(a, func(r *Raft) error { return r.Read(number(a.words[1])) })
	},
	"transfer": func(s *script, a arguments) string {
		return s.ask(a, func(r *Raft) error { return r.Transfer(a.id(1)) })
	},
	"change": func(s *script, a arguments) string {
		return s.ask(a, func(r *Raft) error {
			expect := r.config().index
			if x, ok := a.pairs["expect"]; ok {
				expect = Index(number(x))
			}
			_, err := r.Change(consensus.Proposal{From: a.id(0), ID: 7}, a.members(), expect)
			return err
		})
	},

	"deliver": func(s *script, a arguments) string { return none(s.deliver(a.filter())) },
	"drop":    func(s *script, a arguments) string { return none(s.drop(a.filter())) },
	"dup":     func(s *script, a arguments) string { return none(s.duplicate(a.filter())) },
	"settle":  func(s *script, a arguments) string { s.settle(a.filter()); return "" },
	"hold":    func(s *script, a arguments) string { return s.links(a, s.held) },
	"cut":     func(s *script, a arguments) string { return s.links(a, s.lost) },
	"isolate": func(s *script, a arguments) string { s.isolate(a.id(0)); return "" },
	"release": func(s *script, a arguments) string { clear(s.held); return "" },
	"heal":    func(s *script, a arguments) string { clear(s.lost); return "" },
	"flight":  (*script).flightCommand,
	"step":    (*script).stepCommand,

	"manual": func(s *script, a arguments) string { return s.forEach(a, func(n *node) { n.manual = true }) },
	"auto": func(s *script, a arguments) string {
		return s.forEach(a, func(n *node) { n.manual = false; n.input(func() { n.finishAll() }) })
	},
	"persist": (*script).persistCommand,
	"crash": func(s *script, a arguments) string {
		return s.forEach(a, func(n *node) { n.crash(int(number(a.pairs["keep"]))) })
	},
	"restart": func(s *script, a arguments) string {
		return s.forEach(a, func(n *node) {
			if n.raft != nil {
				n.crash(int(number(a.pairs["keep"])))
			}
			n.start()
		})
	},
	"wipe": func(s *script, a arguments) string {
		n := s.node(a.id(0))
		n.crash(0)
		n.wipe()
		return ""
	},
	"damage": func(s *script, a arguments) string {
		s.node(a.id(0)).disk.damage(Index(number(a.words[1])), Index(number(a.words[2])))
		return ""
	},
	"retain":  func(s *script, a arguments) string { s.node(a.id(0)).disk.retain(Index(number(a.words[1]))); return "" },
	"compact": func(s *script, a arguments) string { return s.forEach(a, (*node).compact) },
	"slow":    func(s *script, a arguments) string { s.node(a.id(0)).slow = true; return "" },
	"fetch": func(s *script, a arguments) string {
		n := s.node(a.id(0))
		if len(n.fetches) == 0 {
			return none(0)
		}
		n.input(n.answerFetch)
		return ""
	},
	"batch": func(s *script, a arguments) string { s.node(a.id(0)).batching = true; return "" },
	"ready": func(s *script, a arguments) string {
		n := s.node(a.id(0))
		n.batching = false
		n.input(func() {})
		return ""
	},
	"spoil": (*script).spoilCommand,

	"state":   func(s *script, a arguments) string { return s.show(a, stateString) },
	"log":     func(s *script, a arguments) string { return s.show(a, logString) },
	"disk":    func(s *script, a arguments) string { return s.show(a, diskString) },
	"applied": func(s *script, a arguments) string { return s.show(a, appliedString) },
	"peers":   func(s *script, a arguments) string { return s.show(a, peersString) },
	"explain": func(s *script, a arguments) string {
		q := consensus.Question{}
		for t, name := range consensus.Topics {
			if name == a.words[1] {
				q.Topic = consensus.Topic(t)
			}
		}
		if len(a.words) > 2 {
			q.Index, q.Node = Index(number(a.words[2])), NodeID(number(a.words[2]))
		}
		return s.raft(a.id(0)).Explain(q) + "\n"
	},
}

// forEach is each, for a command that answers nothing.
func (s *script) forEach(a arguments, f func(*node)) string {
	s.each(a, f)
	return ""
}

// none warns of a command that did nothing.
func none(n int) string {
	if n == 0 {
		return "nothing is in flight there\n"
	}
	return ""
}

// ask asks the engine that the first word names for something.
func (s *script) ask(a arguments, f func(*Raft) error) string {
	n := s.node(a.id(0))
	var err error
	n.input(func() { err = f(n.raft) })
	if err != nil {
		return fmt.Sprintf("refused: %v\n", err)
	}
	return ""
}

func (s *script) links(a arguments, set map[link]bool) string {
	for _, w := range a.words {
		l := parseLink(w)
		for _, from := range s.nodes {
			for _, to := range s.nodes {
				if (l.from == 0 || l.from == from.id()) && (l.to == 0 || l.to == to.id()) {
					set[link{from.id(), to.id()}] = true
				}
			}
		}
	}
	return ""
}

// nodesCommand founds a cluster of voters 1 to n, and what else is named.
func (s *script) nodesCommand(a arguments) string {
	m := a.members()
	m.Voters = voters(int(number(a.words[0]))).Voters
	if !a.has("unbound") {
		m = bound(m)
	}
	s.cluster = &cluster{lost: map[link]bool{}, held: map[link]bool{}, safety: newSafety()}
	m.All(func(id NodeID) {
		s.add(id, consensus.EngineConfig{Members: m, MaxMessageSize: int(number(a.pairs["message"])),
			MaxInflight: int(number(a.pairs["inflight"])), MaxUncommitted: int(number(a.pairs["uncommitted"]))})
	})
	if !a.has("down") {
		for _, n := range s.nodes {
			n.start()
		}
	}
	return ""
}

// startCommand starts a node with what a test puts on its disk; one of an unknown id joins.
func (s *script) startCommand(a arguments) string {
	id := a.id(0)
	n := s.node(id)
	if n == nil {
		n = s.add(id, consensus.EngineConfig{})
	}
	d := n.disk
	for i, t := range strings.Split(a.pairs["log"], ",") {
		if t != "" {
			e := Entry{Index: Index(i + 1), Term: Term(number(t))}
			e.Data = fmt.Appendf(nil, "%c%s", 'a'+rune(i), t)
			d.log[e.Index] = e
			d.state.Term = max(d.state.Term, e.Term)
		}
	}
	d.state.Term = max(d.state.Term, Term(number(a.pairs["term"])))
	d.state.Vote = max(d.state.Vote, NodeID(number(a.pairs["vote"])))
	d.state.Commit = max(d.state.Commit, Index(number(a.pairs["commit"])))
	n.start()
	return ""
}

func (n *node) finishAll() {
	for len(n.disk.unfinished) > 0 {
		n.finish(0)
	}
}

func (s *script) persistCommand(a arguments) string {
	n := s.node(a.id(0))
	if seq, ok := a.pairs["seq"]; ok {
		for k, w := range n.disk.unfinished {
			if w.Seq == number(seq) {
				if k > 0 && !n.unordered {
					return "writes finish in order\n"
				}
				n.input(func() { n.finish(k) })
				return ""
			}
		}
		return "no such write\n"
	}
	times := len(n.disk.unfinished)
	if x, ok := a.pairs["n"]; ok {
		times = min(times, int(number(x)))
	}
	for range times {
		n.input(func() { n.finish(0) })
	}
	return none(times)
}

// spoilCommand breaks a rule of Effects at a node: kinds of messages leave before the disk has
// finished (1), writes finish in any order (2), entries are applied before a snapshot is restored (3).
func (s *script) spoilCommand(a arguments) string {
	s.spoiled = true
	n := s.node(a.id(0))
	for _, w := range a.words[1:] {
		switch w {
		case "order":
			n.unordered = true
		case "restore":
			n.hasty = true
		default:
			n.early[kindNamed(w)] = true
		}
	}
	return ""
}

// stepCommand makes up a message from its fields.
func (s *script) stepCommand(a arguments) string {
	l := parseLink(a.words[0])
	m := Message{Kind: kindNamed(a.words[1]), From: l.from, To: l.to, Incarnation: uint64(l.from), Reject: a.has("reject")}
	for key, value := range a.pairs {
		v := number(strings.Split(value, ",")[0])
		switch key {
		case "term":
			m.Term = Term(v)
		case "index":
			m.Index = Index(v)
		case "logterm":
			m.LogTerm = Term(v)
		case "commit":
			m.Commit = Index(v)
		case "last":
			m.Last = Index(v)
		case "session":
			m.Session = v
		case "context":
			m.Context = v
		case "incarnation":
			m.Incarnation = v
		}
	}
	for k, t := range strings.Split(a.pairs["entries"], ",") {
		if t != "" {
			m.Entries = append(m.Entries, Entry{Index: m.Index + 1 + Index(k), Term: Term(number(t))})
		}
	}
	s.tracef("> %v", &m)
	n := s.node(l.to)
	n.input(func() { n.raft.Step(&m) })
	return ""
}

func (s *script) flightCommand(a arguments) string {
	var b strings.Builder
	for _, p := range s.net {
		if f := a.filter(); f.matches(p) {
			var m Message
			_ = m.DecodeFrom(p.wire)
			fmt.Fprintf(&b, "%v\n", &m)
		}
	}
	return b.String()
}

func (s *script) show(a arguments, f func(*node) string) string {
	var b strings.Builder
	show := func(n *node) { fmt.Fprintf(&b, "%d %s\n", n.id(), f(n)) }
	if len(a.words) == 0 {
		for _, n := range s.nodes {
			show(n)
		}
		return b.String()
	}
	s.each(a, show)
	return b.String()
}
