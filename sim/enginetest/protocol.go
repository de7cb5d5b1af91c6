package enginetest

import (
	"fmt"
	"strconv"

	"github.com/consensus-go/consensus"
)

// A Protocol is one kind of engine, and what the kit must be told of it because a consensus.Engine does
// not say it. A test inside of the engine's package fills it in. What is nil has the default that is named.
type Protocol struct {
	New      consensus.NewEngine
	Election []consensus.Kind // the messages of which an election consists

	// Campaign makes the node a candidate now, if it may be one.
	Campaign func(n *Node)
	// Patience is until when an engine keeps its vote from others than the leader that it knows.
	Patience func(e consensus.Engine) Instant
	// Config is the configuration that goes with a snapshot at i.
	Config func(e consensus.Engine, i Index) []byte
	// Leads looks at a node that has just begun to lead. Default: nothing is wrong with it.
	Leads func(c *Cluster, n *Node)

	TermName  string                         // what the protocol calls a term
	Term      func(t Term) string            // shows one; "": it says nothing. Default: in decimal
	ParseTerm func(s string) (Term, error)   // reads what Term shows. Default: in decimal
	Message   func(m *Message) string        // shows one. Default: Message.String
	Durable   func(s consensus.State) string // shows what is on a disk, the commit index aside
	State     func(e consensus.Engine) string
	Log       func(e consensus.Engine) (base Index, term Term, es []Entry) // in memory, above base
	Peers     func(e consensus.Engine) string
}

func (p *Protocol) term(t Term) string {
	if p.Term != nil {
		return p.Term(t)
	}
	return strconv.FormatUint(uint64(t), 10)
}

func (p *Protocol) parseTerm(s string) Term {
	if p.ParseTerm == nil || s == "" {
		return Term(number(s))
	}
	t, err := p.ParseTerm(s)
	if err != nil {
		panic(err)
	}
	return t
}

func (p *Protocol) message(m *Message) string {
	if p.Message != nil {
		return p.Message(m)
	}
	return m.String()
}

// Position shows an index and the term there.
func (p *Protocol) Position(i Index, t Term) string {
	if s := p.term(t); s != "" {
		return fmt.Sprintf("%d/%s", i, s)
	}
	return fmt.Sprint(i)
}

// Entry shows an entry.
func (p *Protocol) Entry(e Entry) string {
	if e.Kind == consensus.EntryCommand {
		return fmt.Sprintf("%s %s", p.Position(e.Index, e.Term), e.Data)
	}
	return fmt.Sprintf("%s %v", p.Position(e.Index, e.Term), e.Kind)
}

// Entries shows entries.
func (p *Protocol) Entries(es []Entry) string {
	if len(es) == 0 {
		return "nothing"
	}
	s := ""
	for i, e := range es {
		if i > 0 {
			s += ", "
		}
		s += p.Entry(e)
	}
	return s
}

func (p *Protocol) write(w consensus.Write) string {
	s := fmt.Sprintf("#%d: %s", w.Seq, p.Durable(w.State))
	if w.State.Commit != 0 {
		s += fmt.Sprintf(" commit=%d", w.State.Commit)
	}
	if w.Snapshot != nil {
		s += " snapshot=" + p.Position(w.Snapshot.Index, w.Snapshot.Term)
	}
	if w.Truncate != 0 {
		s += fmt.Sprintf(" truncate=%d", w.Truncate)
	}
	for _, e := range w.Entries {
		s += " " + p.Position(e.Index, e.Term)
	}
	return s
}
