package consensus

import (
	"slices"
	"time"
)

// A Detector tells which hosts are lost, by one heartbeat for each pair of hosts, however many groups
// they share: what a Host and a simulation drive beside their replicas. It has no clock and sends
// nothing itself.
//
// # Quiet groups
//
// A leader whose followers all have its whole log, durably and known to be committed, and that has had
// nothing to do for an election timeout, asks for quiet in its heartbeats (FlagQuiet). A follower that
// sees the same, and has nothing under way itself, agrees. Each of them then says Status.Quiet: the
// leader once all have agreed to the same round of heartbeats. Who is quiet is not ticked any more, so
// that it sends nothing and no timer of its fires. A host asks the hosts that lead its quiet groups
// whether they are there, once an interval; they answer.
//
// Safety does not rest on any of this. Agreement in either protocol holds whatever timers do, and to be
// quiet is only to have no timers. A lease rests on timers, in two places, and quiet moves neither: a
// leader's lasts from the beginning of the last round that a quorum confirmed, and Wake begins no round in
// the past; and those who confirmed it let nobody else lead for the lease's time after they heard the
// leader itself. Wake may lengthen that time and never shortens it. No replica acts on a clock that it was
// told before the quiet: Wake tells the time before anything else is done.
//
// Liveness rests on whoever is awake waking the others:
//
//   - Any message wakes its receiver, and so does any request. A leader that wakes sends heartbeats at once,
//     which wake all. A follower that wakes sends something to its leader at once. So if the leader
//     can be reached, one that is awake wakes the whole group, and if not, it times out and asks for votes.
//   - The leader's host dies, or comes back in another life, or stops the group, which it announces as
//     another life: each host wakes its quiet groups of that leader. Their timers go on as if the leader had been heard when its host
//     was heard last, so that they elect in the ordinary time; but at random times from now on, as after any
//     heartbeat, and not all at once.
//   - A follower's host comes back: the replica is awake, hears nothing, and asks for votes, or whether somebody
//     leads if it cannot be elected. That wakes all others. They refuse, as the leader's host is alive,
//     and the leader's heartbeats end it.
//   - A link is lost, in one direction or both: the host that no longer hears an answer wakes its groups, and
//     then they do what a group does that was never quiet.
//   - A heartbeat that asks for quiet is lost: the leader, which has no answer, asks again. One that is
//     delayed or doubled is agreed to only by a follower that sees the same log and commit index in the same term:
//     if the leader has moved on since, its next message wakes that follower; if it has died, its host
//     is lost; if it was deposed, whoever leads or wants to lead sends messages to all.
//   - An answer that agrees is delayed: it names its round, and counts for no other.
type Detector struct {
	id    NodeID
	life  uint64 // of which questions are
	shown uint64 // of which answers are: life, or what Renew made of it
	hosts []watched
}

// A watched is another host.
type watched struct {
	id       NodeID
	groups   int     // quiet ones that it leads; 0: it is not watched
	life     uint64  // as it said last; 0: it has never answered
	heard    Instant // it was alive then
	next     Instant // when to ask again
	interval Instant
	timeout  Instant
	renewed  bool // it is in another life than when it answered last

	ticked Instant // when Tick was called last, and
	lag    Instant // how much of the time between two calls was more than an interval
	since  Instant // heard, less the lag of then
}

// NewDetector returns the detector of the host id. A life is a number that no other life of it has.
func NewDetector(id NodeID, life uint64) *Detector { return &Detector{id: id, life: life, shown: life} }

// Renew has others see another life: the groups that this host leads and that are quiet elsewhere are woken there.
func (d *Detector) Renew() { d.shown++ }

func (d *Detector) find(id NodeID) *watched {
	for i := range d.hosts {
		if d.hosts[i].id == id {
			return &d.hosts[i]
		}
	}
	return nil
}

// Watch adds a quiet group that the host id leads. Of the groups of that host the shortest interval and
// timeout count: what a group's own heartbeats and elections take.
func (d *Detector) Watch(id NodeID, interval, timeout time.Duration, now Instant) {
	h := d.find(id)
	if h == nil {
		d.hosts = append(d.hosts, watched{id: id})
		h = &d.hosts[len(d.hosts)-1]
	}
	if h.groups == 0 {
		h.heard, h.next, h.renewed = now, now, false
		h.ticked, h.lag, h.since = now, 0, now
		h.interval, h.timeout = Instant(interval), Instant(timeout)
	}
	h.groups++
	h.interval, h.timeout = min(h.interval, Instant(interval)), min(h.timeout, Instant(timeout))
}

// Unwatch takes one away: it is awake, or gone.
func (d *Detector) Unwatch(id NodeID) { d.find(id).groups-- }

// Heard is when the host id was last known to be alive; 0 if it is not watched.
func (d *Detector) Heard(id NodeID) Instant {
	if h := d.find(id); h != nil && h.groups > 0 {
		return h.heard
	}
	return 0
}

// Tick appends to out the questions that are due. Of the time since the last call an interval counts at most, as for an
// engine: who was not asked was not silent.
func (d *Detector) Tick(now Instant, out []Message) []Message {
	for i := range d.hosts {
		h := &d.hosts[i]
		h.lag += max(0, now-h.ticked-h.interval)
		h.ticked = now
		if h.groups > 0 && now >= h.next {
			h.next = now + h.interval
			out = append(out, Message{Kind: KindHostHeartbeat, From: d.id, To: h.id, Session: d.life, Context: uint64(now)})
		}
	}
	return out
}

// Lost appends to ids the hosts whose quiet groups are to be woken. It names one that is silent until these are
// unwatched, and one in another life once: groups that go quiet later have nothing to do with that.
func (d *Detector) Lost(now Instant, ids []NodeID) []NodeID {
	for i := range d.hosts {
		if h := &d.hosts[i]; h.groups > 0 && (h.renewed || now-h.lag-h.since >= h.timeout) {
			ids, h.renewed = append(ids, h.id), false
		}
	}
	return ids
}

// Deliver takes a message of the two kinds, and appends the answer to out if it is a question. An answer
// proves that its sender was alive when it was asked, and not later: how long it took does not matter.
func (d *Detector) Deliver(m *Message, now Instant, out []Message) []Message {
	switch m.Kind {
	case KindHostHeartbeat:
		return append(out, Message{Kind: KindHostHeartbeatReply, From: d.id, To: m.From, Session: m.Session, Context: m.Context, Incarnation: d.shown})
	case KindHostHeartbeatReply:
		if h := d.find(m.From); h != nil && m.Session == d.life && Instant(m.Context) <= now {
			h.heard = max(h.heard, Instant(m.Context))
			h.since = max(h.since, Instant(m.Context)-h.lag)
			// The first answer of all is as good as another life: whether there was one since the group went quiet
			// nobody can say.
			h.renewed = h.renewed || h.life != m.Incarnation
			h.life = m.Incarnation
		}
	}
	return out
}

// Reset forgets everything and begins another life.
func (d *Detector) Reset(life uint64) {
	d.life, d.shown = life, life
	d.hosts = slices.Delete(d.hosts, 0, len(d.hosts))
}
