package enginetest

import (
	"fmt"
	"strings"

	"github.com/consensus-go/consensus"
)

// commands are what every script can do: see Scripts.
var commands = map[string]Command{
	"nodes": (*Script).nodes,
	"start": (*Script).start,

	"tick": func(s *Script, a Arguments) string {
		return s.forEach(a, func(n *Node) { n.Tick(duration(a.Words[1])) })
	},
	"beat":     func(s *Script, a Arguments) string { return s.forEach(a, func(n *Node) { n.Tick(Heartbeat) }) },
	"pass":     func(s *Script, a Arguments) string { s.Pass(duration(a.Words[0])); return "" },
	"patience": func(s *Script, a Arguments) string { return s.forEach(a, func(n *Node) { s.Patience(n.ID()) }) },
	"campaign": func(s *Script, a Arguments) string { return s.forEach(a, func(n *Node) { s.Campaign(n.ID()) }) },
	"elect": func(s *Script, a Arguments) string {
		if !s.Elect(a.ID(0), IDs(a.Pairs["votes"])...) {
			return fmt.Sprintf("%d is not elected\n", a.ID(0))
		}
		return ""
	},

	"propose": func(s *Script, a Arguments) string {
		for _, w := range a.Words[1:] {
			if w != "quiet" {
				s.Propose(a.ID(0), w)
			}
		}
		return ""
	},
	"read": func(s *Script, a Arguments) string {
		return s.ask(a, func(e consensus.Engine) error { return e.Read(Number(a.Words[1])) })
	},
	"transfer": func(s *Script, a Arguments) string {
		return s.ask(a, func(e consensus.Engine) error { return e.Transfer(a.ID(1)) })
	},
	"change": func(s *Script, a Arguments) string {
		return s.ask(a, func(e consensus.Engine) error {
			expect := e.Status().MembersIndex
			if x, ok := a.Pairs["expect"]; ok {
				expect = Index(Number(x))
			}
			_, err := e.Change(consensus.Proposal{From: a.ID(0), ID: 7}, a.members(), expect)
			return err
		})
	},

	"deliver": func(s *Script, a Arguments) string { return none(s.Deliver(a.filter())) },
	"drop":    func(s *Script, a Arguments) string { return none(s.Drop(a.filter())) },
	"dup":     func(s *Script, a Arguments) string { return none(s.Duplicate(a.filter())) },
	"settle":  func(s *Script, a Arguments) string { s.Settle(a.filter()); return "" },
	"hold":    func(s *Script, a Arguments) string { return s.links(a, s.Held) },
	"cut":     func(s *Script, a Arguments) string { return s.links(a, s.Cut) },
	"isolate": func(s *Script, a Arguments) string { s.Isolate(a.ID(0)); return "" },
	"release": func(s *Script, a Arguments) string { clear(s.Held); return "" },
	"heal":    func(s *Script, a Arguments) string { clear(s.Cut); return "" },
	"flight":  (*Script).flight,
	"step":    (*Script).make,

	"manual": func(s *Script, a Arguments) string { return s.forEach(a, func(n *Node) { n.Manual = true }) },
	"auto": func(s *Script, a Arguments) string {
		return s.forEach(a, func(n *Node) { n.Manual = false; n.Input(func() { n.FinishAll() }) })
	},
	"persist": (*Script).persist,
	"crash": func(s *Script, a Arguments) string {
		return s.forEach(a, func(n *Node) { n.Crash(int(a.Number("keep"))) })
	},
	"restart": func(s *Script, a Arguments) string {
		return s.forEach(a, func(n *Node) {
			if n.Engine != nil {
				n.Crash(int(a.Number("keep")))
			}
			n.Start()
		})
	},
	"wipe": func(s *Script, a Arguments) string {
		n := s.Node(a.ID(0))
		n.Crash(0)
		n.Wipe()
		return ""
	},
	"damage": func(s *Script, a Arguments) string {
		s.Node(a.ID(0)).Disk.Damage(Index(Number(a.Words[1])), Index(Number(a.Words[2])))
		return ""
	},
	"retain":  func(s *Script, a Arguments) string { s.Node(a.ID(0)).Disk.Retain(Index(Number(a.Words[1]))); return "" },
	"compact": func(s *Script, a Arguments) string { return s.forEach(a, (*Node).Compact) },
	"slow":    func(s *Script, a Arguments) string { s.Node(a.ID(0)).slow = true; return "" },
	"fetch": func(s *Script, a Arguments) string {
		n := s.Node(a.ID(0))
		if len(n.fetches) == 0 {
			return none(0)
		}
		n.Input(n.answerFetch)
		return ""
	},
	"batch": func(s *Script, a Arguments) string { s.Node(a.ID(0)).Batching = true; return "" },
	"ready": func(s *Script, a Arguments) string {
		n := s.Node(a.ID(0))
		n.Batching = false
		n.Input(func() {})
		return ""
	},
	"spoil": (*Script).spoil,

	"state":   func(s *Script, a Arguments) string { return s.show(a, s.up(s.protocol.State)) },
	"log":     func(s *Script, a Arguments) string { return s.show(a, s.up(s.log)) },
	"disk":    func(s *Script, a Arguments) string { return s.show(a, s.disk) },
	"applied": func(s *Script, a Arguments) string { return s.show(a, s.applied) },
	"peers":   func(s *Script, a Arguments) string { return s.show(a, s.up(s.protocol.Peers)) },
	"explain": (*Script).explain,
}

// forEach is Each, for a command that answers nothing.
func (s *Script) forEach(a Arguments, f func(*Node)) string {
	s.Each(a, f)
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
func (s *Script) ask(a Arguments, f func(consensus.Engine) error) string {
	n := s.Node(a.ID(0))
	var err error
	n.Input(func() { err = f(n.Engine) })
	if err != nil {
		return fmt.Sprintf("refused: %v\n", err)
	}
	return ""
}

func (s *Script) links(a Arguments, set map[Link]bool) string {
	for _, w := range a.Words {
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
func (s *Script) nodes(a Arguments) string {
	m := a.members()
	m.Voters = Voters(int(Number(a.Words[0]))).Voters
	if !a.Has("unbound") {
		m = Bound(m)
	}
	s.Cluster = New(s.protocol)
	m.All(func(id NodeID) {
		s.Add(id, consensus.EngineConfig{Members: m, MaxMessageSize: int(a.Number("message")),
			MaxInflight: int(a.Number("inflight")), MaxUncommitted: int(a.Number("uncommitted"))})
	})
	if !a.Has("down") {
		for _, n := range s.Nodes {
			n.Start()
		}
	}
	s.Settle(Filter{})
	s.Trace.Reset()
	return ""
}

// start starts a node with what a test puts on its disk; one of an unknown id joins.
func (s *Script) start(a Arguments) string {
	id := a.ID(0)
	n := s.Node(id)
	if n == nil {
		n = s.Add(id, consensus.EngineConfig{})
	}
	d := n.Disk
	for _, e := range s.protocol.entries(a.Pairs["log"], 0) {
		if e.Data == nil {
			e.Data = fmt.Appendf(nil, "%c%s", 'a'+rune(e.Index-1), s.protocol.term(e.Term))
		}
		d.Log[e.Index] = e
		if e.Term != consensus.Chosen {
			d.State.Term = max(d.State.Term, e.Term)
		}
	}
	d.State.Term = max(d.State.Term, s.protocol.parseTerm(a.Pairs["term"]))
	d.State.Vote = max(d.State.Vote, NodeID(a.Number("vote")))
	d.State.Commit = max(d.State.Commit, Index(a.Number("commit")))
	n.Start()
	return ""
}

func (s *Script) persist(a Arguments) string {
	n := s.Node(a.ID(0))
	if seq, ok := a.Pairs["seq"]; ok {
		for k, w := range n.Disk.Unfinished {
			if w.Seq == Number(seq) {
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
	if x, ok := a.Pairs["n"]; ok {
		times = min(times, int(Number(x)))
	}
	for range times {
		n.Input(func() { n.finish(0) })
	}
	return none(times)
}

// spoil breaks a rule of Effects at a node: kinds of messages leave before the disk has
// finished (1), writes finish in any order (2), entries are applied before a snapshot is restored (3).
func (s *Script) spoil(a Arguments) string {
	s.spoiled = true
	n := s.Node(a.ID(0))
	for _, w := range a.Words[1:] {
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
func (s *Script) make(a Arguments) string {
	p := s.protocol
	l := parseLink(a.Words[0])
	m := Message{Kind: kindNamed(a.Words[1]), From: l.From, To: l.To, Incarnation: uint64(l.From), Reject: a.Has("reject")}
	m.Term, m.LogTerm = p.parseTerm(a.Pairs["term"]), p.parseTerm(a.Pairs["logterm"])
	m.Promised = p.parseTerm(a.Pairs["promised"])
	m.Index, m.Commit, m.Last = Index(a.Number("index")), Index(a.Number("commit")), Index(a.Number("last"))
	m.Session, m.Context = a.Number("session"), a.Number("context")
	if x, ok := a.Pairs["incarnation"]; ok {
		m.Incarnation = Number(x)
	}
	m.Entries = p.entries(a.Pairs["entries"], m.Index)
	s.Tracef("> %s", p.message(&m))
	n := s.Node(l.To)
	n.Input(func() { n.Engine.Step(&m) })
	return ""
}

func (s *Script) explain(a Arguments) string {
	q := consensus.Question{}
	for t, name := range consensus.Topics {
		if name == a.Words[1] {
			q.Topic = consensus.Topic(t)
		}
	}
	if len(a.Words) > 2 {
		q.Index, q.Node = Index(Number(a.Words[2])), NodeID(Number(a.Words[2]))
	}
	return s.Node(a.ID(0)).Engine.Explain(q) + "\n"
}

func (s *Script) flight(a Arguments) string {
	var b strings.Builder
	for _, p := range s.Flight {
		if f := a.filter(); f.matches(p) {
			m := p.Message()
			fmt.Fprintf(&b, "%s\n", s.protocol.message(&m))
		}
	}
	return b.String()
}
