package storage

import (
	"math"
	"slices"
	"sort"

	"github.com/consensus-go/consensus"
)

// A place is a record in the log. Of size 0 it is none: what was there is lost.
type place struct {
	segment *segment
	offset  int64
	size    uint32
}

// A run is consecutive entries of one term that are in one record, or that were damaged. It keeps its
// segment from being deleted, even if lost: what was damaged must not be taken for absent later.
type run struct {
	first, last consensus.Index
	term        consensus.Term
	bytes       int // that the entries count for
	at          place
}

func (r *run) lost() bool { return r.at.size == 0 }

// cutTo makes r what it has from first to last.
func (r *run) cutTo(first, last consensus.Index) {
	r.bytes = int(float64(r.bytes) * (float64(last-first) + 1) / (float64(r.last-r.first) + 1))
	r.first, r.last = first, last
}

// runs say where the entries of a group are, by increasing index. No two overlap.
type runs []run

// find returns the position of the first run that ends at or after index.
func (rs runs) find(index consensus.Index) int {
	n := len(rs)
	if n == 0 || rs[n-1].last < index { // appending: the common case
		return n
	}
	return sort.Search(n, func(i int) bool { return rs[i].last >= index })
}

// at returns the run that index is in, or nil.
func (rs runs) at(index consensus.Index) *run {
	if i := rs.find(index); i < len(rs) && rs[i].first <= index {
		return &rs[i]
	}
	return nil
}

// entries is how many entries are not lost.
func (rs runs) entries() (n int) {
	for i := range rs {
		if r := &rs[i]; !r.lost() {
			n += int(r.last-r.first) + 1
		}
	}
	return n
}

// put adds r, in place of whatever is known of its entries.
func (rs *runs) put(r run) {
	rs.remove(r.first, r.last)
	r.at.segment.live++
	*rs = slices.Insert(*rs, rs.find(r.first), r)
}

// remove forgets the entries from first to last.
func (rs *runs) remove(first, last consensus.Index) {
	i := rs.find(first)
	if i == len(*rs) {
		return
	}
	if r := &(*rs)[i]; r.first < first { // it loses its end, or its middle
		before, after := *r, *r
		before.cutTo(r.first, first-1)
		(*rs)[i] = before
		i++
		if after.last > last {
			after.cutTo(last+1, after.last)
			after.at.segment.live++
			*rs = slices.Insert(*rs, i, after)
			return
		}
	}
	end := i
	for end < len(*rs) && (*rs)[end].last <= last {
		(*rs)[end].at.segment.live--
		end++
	}
	rs.delete(i, end)
	if i < len(*rs) && (*rs)[i].first <= last {
		(*rs)[i].cutTo(last+1, (*rs)[i].last)
	}
}

// delete takes out rs[i:end], and gives back the memory that a busy time took once most of it is free.
func (rs *runs) delete(i, end int) {
	*rs = slices.Delete(*rs, i, end)
	if cap(*rs) > 4*len(*rs)+16 {
		*rs = append(runs(nil), *rs...)
	}
}

// truncate forgets the entries at and after index.
func (rs *runs) truncate(index consensus.Index) { rs.remove(index, math.MaxUint64) }

// compact forgets of the entries at or below index all but the last that count for retained bytes,
// and all that are lost: nobody needs them any more.
func (rs *runs) compact(index consensus.Index, retained int) {
	end := sort.Search(len(*rs), func(i int) bool { return (*rs)[i].first > index })
	first := end
	for first > 0 {
		r := &(*rs)[first-1]
		needed := r.last > index
		if !needed && (r.lost() || r.bytes > retained) {
			break
		}
		if !needed {
			retained -= r.bytes
		}
		first--
	}
	for i := range (*rs)[:first] {
		(*rs)[i].at.segment.live--
	}
	rs.delete(0, first)
	if len(*rs) > 0 && (*rs)[0].lost() && (*rs)[0].first <= index {
		(*rs)[0].cutTo(index+1, (*rs)[0].last)
	}
}

// places adds entries that are in the record at p, each above floor.
func (rs *runs) places(es []consensus.Entry, floor consensus.Index, p place) {
	for len(es) > 0 && es[0].Index <= floor {
		es = es[1:]
	}
	for len(es) > 0 {
		r, n := run{first: es[0].Index, last: es[0].Index, term: es[0].Term, bytes: es[0].Size(), at: p}, 1
		for n < len(es) && es[n].Index == r.last+1 && es[n].Term == r.term {
			r.last++
			r.bytes += es[n].Size()
			n++
		}
		rs.put(r)
		es = es[n:]
	}
}
