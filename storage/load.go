package storage

import (
	"errors"
	"runtime"

	"github.com/consensus-go/consensus"
	"golang.org/x/sync/errgroup"
)

// shareSize is about how much of a group's log one goroutine reads at a time. A shorter log is read by one, and
// so in order, the same way each time.
const shareSize = 16 << 20

// A share is some of the runs to recover.
type share struct {
	runs    runs
	entries []consensus.Entry // those that were read
	damaged []consensus.Range
}

// Recover implements consensus.Storage. Goroutines share the work: there are machines on which new memory, which all
// entries take, is slower than the disk.
func (d *Disk) Recover(id consensus.GroupID) (consensus.Recovered, error) {
	rec := consensus.Recovered{Incarnation: d.id.incarnation}
	rs, err := d.look(id, func(j *journal) runs {
		rec.State, rec.Snapshot = j.state, clone(j.meta)
		return j.above()
	})
	if err != nil {
		return rec, err
	}
	defer d.done(rs)
	room := make([]consensus.Entry, rs.entries())
	shares := rs.shares(room)
	var reading errgroup.Group
	reading.SetLimit(runtime.GOMAXPROCS(0))
	for i := range shares {
		reading.Go(func() error { return d.read(&shares[i]) })
	}
	if err := reading.Wait(); err != nil {
		return rec, err
	}
	for _, s := range shares { // which have their entries in place, unless some are missing
		rec.Entries = append(room[:len(rec.Entries)], s.entries...)
		rec.Damaged = append(rec.Damaged, s.damaged...)
	}
	return rec, nil
}

// shares cuts rs into shares, each with room for its entries.
func (rs runs) shares(room []consensus.Entry) (all []share) {
	for len(rs) > 0 {
		n, size := 0, 0
		for n < len(rs) && size < shareSize {
			size += int(rs[n].at.size)
			n++
		}
		entries := rs[:n].entries()
		all = append(all, share{runs: rs[:n], entries: room[:0:entries]})
		rs, room = rs[n:], room[entries:]
	}
	return all
}

// read reads the entries of a share, and reports those that are damaged.
func (d *Disk) read(s *share) error {
	var w window
	for i, r := range s.runs {
		es, err := w.read(s.runs, i, s.entries)
		switch {
		case err == nil:
			s.entries = es
		case errors.Is(err, ErrDamaged):
			d.report(err)
			s.damaged = append(s.damaged, consensus.Range{First: r.first, Last: r.last})
		default:
			return err
		}
	}
	return nil
}
