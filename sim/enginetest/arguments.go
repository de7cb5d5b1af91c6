package enginetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/consensus-go/consensus"
)

// Arguments are the words of a command and its key=value pairs.
type Arguments struct {
	Words []string
	Pairs map[string]string
}

func newArguments(args []datadriven.CmdArg) Arguments {
	a := Arguments{Pairs: map[string]string{}}
	for _, x := range args {
		if len(x.Vals) == 0 {
			a.Words = append(a.Words, x.Key)
		} else {
			a.Pairs[x.Key] = strings.Join(x.Vals, ",")
		}
	}
	return a
}

// Has reports whether word is there.
func (a Arguments) Has(word string) bool { return slices.Contains(a.Words, word) }

// ID is the node that the k-th word names.
func (a Arguments) ID(k int) NodeID { return NodeID(Number(a.Words[k])) }

// Number is the value of a key, or 0.
func (a Arguments) Number(key string) uint64 { return Number(a.Pairs[key]) }

// Number reads a number; nothing is 0.
func Number(s string) uint64 {
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// IDs reads a list of nodes.
func IDs(s string) (ids []NodeID) {
	for x := range strings.SplitSeq(s, ",") {
		if x != "" {
			ids = append(ids, NodeID(Number(x)))
		}
	}
	return ids
}

func duration(s string) Instant {
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return Instant(d)
}

// filter is what A->B kind=K n=N means.
func (a Arguments) filter() Filter {
	f := Filter{N: int(a.Number("n"))}
	for _, w := range a.Words {
		if strings.Contains(w, "->") {
			l := parseLink(w)
			f.From, f.To = l.From, l.To
		}
	}
	for name := range strings.SplitSeq(a.Pairs["kind"], ",") {
		if name != "" {
			f.Kinds = append(f.Kinds, kindNamed(name))
		}
	}
	return f
}

func parseLink(s string) Link {
	from, to, _ := strings.Cut(s, "->")
	end := func(s string) NodeID {
		if s == "*" {
			return 0
		}
		return NodeID(Number(s))
	}
	return Link{end(from), end(to)}
}

func kindNamed(name string) consensus.Kind {
	for k := range consensus.Kind(255) {
		if k.String() == name {
			return k
		}
	}
	panic(fmt.Sprintf("no message of kind %s", name))
}

// members reads a membership.
func (a Arguments) members() Members {
	m := Members{Voters: IDs(a.Pairs["voters"]), Witnesses: IDs(a.Pairs["witnesses"]), Learners: IDs(a.Pairs["learners"]), Joining: IDs(a.Pairs["joining"])}
	m.ElectionQuorum, m.CommitQuorum = int(a.Number("electionquorum")), int(a.Number("commitquorum"))
	if d := a.Pairs["lease"]; d != "" {
		m.Lease = time.Duration(duration(d))
	}
	return m
}

// entries reads a list of entries: a term, at the index after the last; INDEX/TERM; or INDEX/TERM/DATA.
func (p *Protocol) entries(list string, last Index) (es []Entry) {
	for x := range strings.SplitSeq(list, ",") {
		if x == "" {
			continue
		}
		at, rest, whole := strings.Cut(x, "/")
		first, to, many := strings.Cut(at, "-")
		if !whole {
			first, rest = strconv.FormatUint(uint64(last)+1, 10), x
		}
		if !many {
			to = first
		}
		term, data, named := strings.Cut(rest, "/")
		for last = Index(Number(first)); last <= Index(Number(to)); last++ {
			e := Entry{Index: last, Term: p.parseTerm(term)}
			if named {
				e.Data = []byte(data)
			}
			es = append(es, e)
		}
		last--
	}
	return es
}
