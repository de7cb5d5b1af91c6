package sim

import (
	"fmt"
	"io"
	"time"

	"github.com/consensus-go/consensus"
)

// A tracer writes one line for each transition: when, where, in which role, term and commit index,
// and what. Callers ask on first, so that a run without a trace formats nothing.
type tracer struct{ out io.Writer }

func (t *tracer) on() bool { return t.out != nil }

func (t *tracer) say(w *World, n *node, format string, args ...any) {
	where := "                  "
	switch {
	case n != nil && n.up:
		st := &n.status
		where = fmt.Sprintf("n%-2d %c t%-4d c%-6d", n.id, "FPCL"[st.Role], st.Term, st.Commit)
	case n != nil:
		where = fmt.Sprintf("n%-2d down           ", n.id)
	}
	fmt.Fprintf(t.out, "%11.6f %s %s\n", float64(w.now)/1e9, where, fmt.Sprintf(format, args...))
}

// write tells what is to become durable.
func (t *tracer) write(w *World, n *node, wr *consensus.Write) {
	what := fmt.Sprintf("issues write %d: term %d, vote %d", wr.Seq, wr.State.Term, wr.State.Vote)
	if wr.Snapshot != nil {
		what += fmt.Sprintf(", snapshot at %d", wr.Snapshot.Index)
	}
	if wr.Truncate != 0 {
		what += fmt.Sprintf(", truncate at %d", wr.Truncate)
	}
	if last := len(wr.Entries) - 1; last >= 0 {
		what += fmt.Sprintf(", entries %d/%d to %d/%d", wr.Entries[0].Index, wr.Entries[0].Term, wr.Entries[last].Index, wr.Entries[last].Term)
	}
	t.say(w, n, "%s", what)
}

// status tells how the status of n has changed.
func (t *tracer) status(w *World, n *node, old, st *consensus.Status) {
	if st.Role != old.Role || st.Term != old.Term {
		t.say(w, n, "is now %v in term %d", st.Role, st.Term)
	}
	if st.MembersIndex != old.MembersIndex {
		m, o := &st.Members, &st.Outgoing
		t.say(w, n, "goes by the membership set at %d: voters %v witnesses %v learners %v joining %v; outgoing %v %v",
			st.MembersIndex, m.Voters, m.Witnesses, m.Learners, m.Joining, o.Voters, o.Witnesses)
	}
}

// traceHead says what the seed has drawn.
func (w *World) traceHead() {
	if !w.trace.on() {
		return
	}
	p := &w.plan
	fmt.Fprintf(w.trace.out, "seed %d, profile %v: %d nodes, %d spare, for %v\n", w.options.Seed, w.options.Profile, p.founders, p.spares, p.length)
	fmt.Fprintf(w.trace.out, "  engine: election %v, heartbeat %v, tick %v, message %d, inflight %d, lease %v\n", p.election, p.heartbeat, p.tick, p.maxMessage, p.maxInflight, p.lease)
	fmt.Fprintf(w.trace.out, "  replica: snapshots every %d bytes, %d entries retained\n", p.snapshotSize, p.retention)
	fmt.Fprintf(w.trace.out, "  network: %v to %v, of %d messages %d lost, %d doubled, %d late\n", p.near, p.wide, parts, p.loss, p.twice, p.late)
	fmt.Fprintf(w.trace.out, "  disk: %v; applying: %v; clocks: %d ppm\n", p.fsync, p.apply, p.drift)
	fmt.Fprintf(w.trace.out, "  clients: %d on %d keys, thinking %v, patient for %v\n", p.clients, p.keys, p.think, p.timeout)
	fmt.Fprintf(w.trace.out, "  faults: every %v for %v, %v, hunting %d, holding %d\n\n", p.faultEvery.Round(time.Millisecond), p.dwell.Round(time.Millisecond), p.faults, p.hunt, p.hold)
}
