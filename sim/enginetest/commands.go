package enginetest

import (
	"fmt"
	"strings"

	"github.com/consensus-go/consensus"
)

// commands are what every script can do: see Scripts.
var commands = map[string]command{
	"nodes": (*script).nodes,
	"start": (*script).start,

	"tick": func(s *script, a arguments) string {
		return s.forEach(a, func(n *Node) { n.Tick(duration(a.words[1])) })
	},
	"beat":     func(s *script, a arguments) string { return s.forEach(a, func(n *Node) { n.Tick(Heartbeat) }) },
	"pass":     func(s *script, a arguments) string { s.Pass(duration(a.words[0])); return "" },
	"patience": func(s *script, a arguments) string { return s.forEach(a, func(n *Node) { s.Patience(n.ID()) }) },
	"campaign": func(s *script, a arguments) string { return s.forEach(a, func(n *Node) { s.Campaign(n.ID()) }) },
	"elect": func(s *script, a arguments) string {
		if !s.Elect(a.id(0), ids(a.pairs["votes"])...) {
			return fmt.Sprintf("%d is not elected\n", a.id(0))
		}
		return ""
	},

	"propose": func(s *script, a arguments) string {
		for _, w := range a.words[1:] {
			if w != "quiet" {
				s.Propose(a.id(0), w)
			}
		}
		return ""
	},
	"read": func(s *script, a arguments) string {
		return s.ask(a, func(e consensus.Engine) error { return e.Read(number(a.words[1])) })
	},
	"transfer": func(s *script, a arguments) string {
		return s.ask(a, func(e consensus.Engine) error { return e.Transfer(a.id(1)) })
	},
	"change": func(s *script, a arguments) string {
		return s.ask(a, func(e consensus.Engine) error {
			expect := e.Status().MembersIndex
			if x, ok := a.pairs["expect"]; ok {
				expect = Index(number(x))
			}
			_, err := e.Change(consensus.Proposal{From: a.id(0), ID: 7}, a.members(), expect)
			return err
		})
	},

	"deliver": func(s *script, a arguments) string { return none(s.Deliver(a.filter())) },
	"drop":    func(s *script, a arguments) string { return none(s.Drop(a.filter())) },
	"dup":     func(s *script, a arguments) string { return none(s.Duplicate(a.filter())) },
	"settle":  func(s *script, a arguments) string { s.Settle(a.filter()); return "" },
	"hold":    func(s *script, a arguments) string { return s.links(a, s.Held) },
	"cut":     func(s *script, a arguments) string { return s.links(a, s.Cut) },
	"isolate": func(s *script, a arguments) string { s.Isolate(a.id(0)); return "" },
	"release": func(s *script, a arguments) string { clear(s.Held); return "" },
	"heal":    func(s *script, a arguments) string { clear(s.Cut); return "" },
	"flight":  (*script).flight,
	"step":    (*script).make,

	"manual": func(s *script, a arguments) string { return s.forEach(a, func(n *Node) { n.Manual = true }) },
	"auto": func(s *script, a arguments) string {
		return s.forEach(a, func(n *Node) { n.Manual = false; n.Input(func() { n.FinishAll() }) })
	},
	"persist": (*script).persist,
	"crash": func(s *script, a arguments) string {
		return s.forEach(a, func(n *Node) { n.Crash(int(a.number("keep"))) })
	},
	"restart": func(s *script, a arguments) string {
		return s.forEach(a, func(n *Node) {
			if n.Engine != nil {
				n.Crash(int(a.number("keep")))
			}
			n.Start()
		})
	},
	"wipe": func(s *script, a arguments) string {
		n := s.Node(a.id(0))
		n.Crash(0)
		n.Wipe()
		return ""
	},
	"damage": func(s *script, a arguments) string {
		s.Node(a.id(0)).Disk.Damage(Index(number(a.words[1])), Index(number(a.words[2])))
		return ""
	},
	"retain":  func(s *script, a arguments) string { s.Node(a.id(0)).Disk.Retain(Index(number(a.words[1]))); return "" },
	"compact": func(s *script, a arguments) string { return s.forEach(a, (*Node).Compact) },
	"slow":    func(s *script, a arguments) string { s.Node(a.id(0)).slow = true; return "" },
	"fetch": func(s *script, a arguments) string {
		n := s.Node(a.id(0))
		if len(n.fetches) == 0 {
			return none(0)
		}
		n.Input(n.answerFetch)
		return ""
	},
	"batch": func(s *script, a arguments) string { s.Node(a.id(0)).Batching = true; return "" },
	"ready": func(s *script, a arguments) string {
		n := s.Node(a.id(0))
		n.Batching = false
		n.Input(func() {})
		return ""
	},
	"spoil": (*script).spoil,

	"state":   func(s *script, a arguments) string { return s.show(a, s.up(s.protocol.State)) },
	"log":     func(s *script, a arguments) string { return s.show(a, s.up(s.log)) },
	"disk":    func(s *script, a arguments) string { return s.show(a, s.disk) },
	"applied": func(s *script, a arguments) string { return s.show(a, s.applied) },
	"peers":   func(s *script, a arguments) string { return s.show(a, s.up(s.protocol.Peers)) },
	"explain": (*script).explain,
}

// forEach is each, for a command that answers nothing.
func (s *script) forEach(a arguments, f func(*Node)) string {
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
func (s *script) ask(a arguments, f func(consensus.Engine) error) string {
	n := s.Node(a.id(0))
	var err error
	n.Input(func() { err = f(n.Engine) })
	if err != nil {
		return fmt.Sprintf("refused: %v\n", err)
	}
	return ""
}

func (s *script) links(a arguments, set map[Link]bool) string {
	for _, w := range a.words {
		l := parseLink(w)
		for _, from := range s.Nodes {
			for _, to := range s.Nodes {
				if (l.From == 0 || l.From == from.ID()) && (l.To == 0 || l.To == to.ID()) {
					set[Link{from.ID(), to.ID()}] = true
				}
			}
		}
	}
	return ""
}

// nodes founds a cluster of voters 1 to n, and what else is named. What they say at once is heard.
func (s *script) nodes(a arguments) string {
	m := a.members()
	m.Voters = Voters(int(number(a.words[0]))).Voters
	if !a.has("unbound") {
		m = Bound(m)
	}
	s.Cluster = New(s.protocol)
	m.All(func(id NodeID) {
		s.Add(id, consensus.EngineConfig{Members: m, MaxMessageSize: int(a.number("message")),
			MaxInflight: int(a.number("inflight")), MaxUncommitted: int(a.number("uncommitted"))})
	})
	if !a.has("down") {
		for _, n := range s.Nodes {
			n.Start()
		}
	}
	s.Settle(Filter{})
	s.Trace.Reset()
	return ""
}

// start starts a node with what a test puts on its disk; one of an unknown id joins.
func (s *script) start(a arguments) string {
	id := a.id(0)
	n := s.Node(id)
	if n == nil {
		n = s.Add(id, consensus.EngineConfig{})
	}
	d := n.Disk
	for _, e := range s.protocol.entries(a.pairs["log"], 0) {
		if e.Data == nil {
			e.Data = fmt.Appendf(nil, "%c%s", 'a'+rune(e.Index-1), s.protocol.term(e.Term))
		}
		d.Log[e.Index] = e
		if e.Term != consensus.Chosen {
			d.State.Term = max(d.State.Term, e.Term)
		}
	}
	d.State.Term = max(d.State.Term, s.protocol.parseTerm(a.pairs["term"]))
	d.State.Vote = max(d.State.Vote, NodeID(a.number("vote")))
	d.State.Commit = max(d.State.Commit, Index(a.number("commit")))
	n.Start()
	return ""
}

func (s *script) persist(a arguments) string {
	n := s.Node(a.id(0))
	if seq, ok := a.pairs["seq"]; ok {
		for k, w := range n.Disk.Unfinished {
			if w.Seq == number(seq) {
				if k > 0 && !n.unordered {
					return "writes finish in order\n"
				}
				n.Input(func() { n.finish(k) })
				return ""
			}
		}
		return "no such write\n"
	}
	times := len(n.Disk.Unfinished)
	if x, ok := a.pairs["n"]; ok {
		times = min(times, int(number(x)))
	}
	for range times {
		n.Input(func() { n.finish(0) })
	}
	return none(times)
}

// spoil breaks a rule of Effects at a node: kinds of messages leave before the disk has
// finished (1), writes finish in any order (2), entries are applied before a snapshot is restored (3).
func (s *script) spoil(a arguments) string {
	s.spoiled = true
	n := s.Node(a.id(0))
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

// make makes up a message from its fields, and delivers it.
func (s *script) make(a arguments) string {
	p := s.protocol
	l := parseLink(a.words[0])
	m := Message{Kind: kindNamed(a.words[1]), From: l.From, To: l.To, Incarnation: uint64(l.From), Reject: a.has("reject")}
	m.Term, m.LogTerm = p.parseTerm(a.pairs["term"]), p.parseTerm(a.pairs["logterm"])
	m.Promised = p.parseTerm(a.pairs["promised"])
	m.Index, m.Commit, m.Last = Index(a.number("index")), Index(a.number("commit")), Index(a.number("last"))
	m.Session, m.Context = a.number("session"), a.number("context")
	if x, ok := a.pairs["incarnation"]; ok {
		m.Incarnation = number(x)
	}
	m.Entries = p.entries(a.pairs["entries"], m.Index)
	s.Tracef("> %s", p.message(&m))
	n := s.Node(l.To)
	n.Input(func() { n.Engine.Step(&m) })
	return ""
}

func (s *script) explain(a arguments) string {
	q := consensus.Question{}
	for t, name := range consensus.Topics {
		if name == a.words[1] {
			q.Topic = consensus.Topic(t)
		}
	}
	if len(a.words) > 2 {
		q.Index, q.Node = Index(number(a.words[2])), NodeID(number(a.words[2]))
	}
	return s.Node(a.id(0)).Engine.Explain(q) + "\n"
}

func (s *script) flight(a arguments) string {
	var b strings.Builder
	for _, p := range s.Flight {
		if f := a.filter(); f.matches(p) {
			m := p.Message()
			fmt.Fprintf(&b, "%s\n", s.protocol.message(&m))
		}
	}
	return b.String()
}
