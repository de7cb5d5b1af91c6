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

// has reports whether word is there.
func (a arguments) has(word string) bool { return slices.Contains(a.words, word) }

// id is the node that the k-th word names.
func (a arguments) id(k int) NodeID { return NodeID(number(a.words[k])) }

// number is the value of a key, or 0.
func (a arguments) number(key string) uint64 { return number(a.pairs[key]) }

// number reads a number; nothing is 0.
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

// ids reads a list of nodes.
func ids(s string) (ids []NodeID) {
	for x := range strings.SplitSeq(s, ",") {
		if x != "" {
			ids = append(ids, NodeID(number(x)))
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
func (a arguments) filter() Filter {
	f := Filter{N: int(a.number("n"))}
	for _, w := range a.words {
		if strings.Contains(w, "->") {
			l := parseLink(w)
			f.From, f.To = l.From, l.To
		}
	}
	for name := range strings.SplitSeq(a.pairs["kind"], ",") {
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
		return NodeID(number(s))
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
func (a arguments) members() Members {
	m := Members{Voters: ids(a.pairs["voters"]), Witnesses: ids(a.pairs["witnesses"]), Learners: ids(a.pairs["learners"]), Joining: ids(a.pairs["joining"])}
	m.ElectionQuorum, m.CommitQuorum = int(a.number("electionquorum")), int(a.number("commitquorum"))
	if d := a.pairs["lease"]; d != "" {
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
		for last = Index(number(first)); last <= Index(number(to)); last++ {
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
