package consensus

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxGroupSeries is up to how many groups WriteMetrics writes numbers of each.
const maxGroupSeries = 100

// A family is a metric of Prometheus: one name, and one or more series with different labels.
type family struct {
	name, kind, help string
	series           []series
}

// A series is one number of Metrics, or one of its histograms.
type series struct {
	labels string
	number func(*Metrics) *uint64
	times  func(*Metrics) *Histogram
}

// families are what is written, in this order, and what Metrics are summed by.
var families = []family{
	requests("proposals", "Proposals made on this host", func(m *Metrics) *Requests { return &m.Proposals }),
	latency("commit_seconds", "Time from a proposal's arrival in its group to its answer, of those that succeeded.", func(m *Metrics) *Histogram { return &m.Proposals.Latency }),
	requests("reads", "Linearizable reads made on this host", func(m *Metrics) *Requests { return &m.Reads }),
	latency("read_seconds", "Time from a read's arrival in its group to its answer, of those that succeeded.", func(m *Metrics) *Histogram { return &m.Reads.Latency }),

	latency("append_seconds", "Time of one call of Storage.Append: one fsync for all groups.", func(m *Metrics) *Histogram { return &m.Append }),
	counter("writes_total", "Writes of groups that are durable.", func(m *Metrics) *uint64 { return &m.Writes }),
	counter("written_bytes_total", "Bytes of entries that are durable.", func(m *Metrics) *uint64 { return &m.WrittenBytes }),
	latency("apply_seconds", "Time of a state machine for up to 64 entries at a time.", func(m *Metrics) *Histogram { return &m.Apply }),
	counter("applied_entries_total", "Entries applied.", func(m *Metrics) *uint64 { return &m.AppliedEntries }),

	counter("messages_sent_total", "Messages given to the transport.", func(m *Metrics) *uint64 { return &m.MessagesSent }),
	counter("messages_received_total", "Messages taken from the transport.", func(m *Metrics) *uint64 { return &m.MessagesReceived }),
	{"consensus_messages_discarded_total", "counter", "Messages received and not used, by why.", []series{
		{`reason="dropped"`, func(m *Metrics) *uint64 { return &m.MessagesDropped }, nil},
		{`reason="malformed"`, func(m *Metrics) *uint64 { return &m.MessagesIgnored }, nil},
		{`reason="contradiction"`, func(m *Metrics) *uint64 { return &m.Contradictions }, nil},
	}},
	{"consensus_snapshots_total", "counter", "Snapshots, by what was done with them.", []series{
		{`event="taken"`, func(m *Metrics) *uint64 { return &m.SnapshotsTaken }, nil},
		{`event="failed"`, func(m *Metrics) *uint64 { return &m.SnapshotsFailed }, nil},
		{`event="sent"`, func(m *Metrics) *uint64 { return &m.SnapshotsSent }, nil},
		{`event="unsent"`, func(m *Metrics) *uint64 { return &m.SnapshotsUnsent }, nil},
		{`event="received"`, func(m *Metrics) *uint64 { return &m.SnapshotsReceived }, nil},
		{`event="unreceived"`, func(m *Metrics) *uint64 { return &m.SnapshotsUnreceived }, nil},
		{`event="restored"`, func(m *Metrics) *uint64 { return &m.SnapshotsRestored }, nil},
	}},
	{"consensus_elections_total", "counter", "Elections of members on this host, by how far they came.", []series{
		{`event="campaign"`, func(m *Metrics) *uint64 { return &m.Campaigns }, nil},
		{`event="elected"`, func(m *Metrics) *uint64 { return &m.Elected }, nil},
		{`event="deposed"`, func(m *Metrics) *uint64 { return &m.Deposed }, nil},
	}},
	counter("log_records_lost_total", "Log records for which the logger was too slow.", func(m *Metrics) *uint64 { return &m.LogRecordsLost }),

	{"consensus_groups", "gauge", "Groups open on this host, by the role of the member.", []series{
		{`role="follower"`, func(m *Metrics) *uint64 { return &m.Groups[Follower] }, nil},
		{`role="pre-candidate"`, func(m *Metrics) *uint64 { return &m.Groups[PreCandidate] }, nil},
		{`role="candidate"`, func(m *Metrics) *uint64 { return &m.Groups[Candidate] }, nil},
		{`role="leader"`, func(m *Metrics) *uint64 { return &m.Groups[Leader] }, nil},
	}},
	gauge("groups_refused", "Groups whose membership is bound to another store than the one here.", func(m *Metrics) *uint64 { return &m.Refused }),
	gauge("groups_damaged", "Groups whose member here has lost what it acknowledged, and waits for its peers to repair it.", func(m *Metrics) *uint64 { return &m.Damaged }),
	gauge("log_bytes", "Log in memory.", func(m *Metrics) *uint64 { return &m.LogBytes }),
	gauge("uncommitted_bytes", "Log that is proposed here, and not yet committed and durable.", func(m *Metrics) *uint64 { return &m.UncommittedBytes }),
	gauge("backlog_bytes", "Entries that are committed, and not yet applied.", func(m *Metrics) *uint64 { return &m.BacklogBytes }),
	gauge("held_bytes", "What groups hold in memory, of the host's budget.", func(m *Metrics) *uint64 { return &m.HeldBytes }),
}

func counter(name, help string, number func(*Metrics) *uint64) family {
	return family{"consensus_" + name, "counter", help, []series{{"", number, nil}}}
}

func gauge(name, help string, number func(*Metrics) *uint64) family {
	return family{"consensus_" + name, "gauge", help, []series{{"", number, nil}}}
}

func latency(name, help string, times func(*Metrics) *Histogram) family {
	return family{"consensus_" + name, "histogram", help, []series{{"", nil, times}}}
}

func requests(name, help string, of func(*Metrics) *Requests) family {
	return family{"consensus_" + name + "_total", "counter", help + ", by what became of them.", []series{
		{`outcome="ok"`, func(m *Metrics) *uint64 { return &of(m).OK }, nil},
		{`outcome="busy"`, func(m *Metrics) *uint64 { return &of(m).Busy }, nil},
		{`outcome="not_applied"`, func(m *Metrics) *uint64 { return &of(m).NotApplied }, nil},
		{`outcome="unknown"`, func(m *Metrics) *uint64 { return &of(m).Unknown }, nil},
	}}
}

// WriteMetrics writes Metrics in the text format of Prometheus, version 0.0.4, whose content type
// is "text/plain; version=0.0.4". As long as at most 100 groups are open here, some numbers of each
// follow, labelled with its id; of more there are only the sums, so that ten thousand groups do not
// become as many series. The error is that of w.
func (h *Host) WriteMetrics(w io.Writer) error {
	m := h.Metrics()
	var x exposition
	for i := range families {
		f := &families[i]
		x.family(f.name, f.kind, f.help)
		for _, s := range f.series {
			if s.number != nil {
				x.sample(f.name, s.labels, strconv.FormatUint(*s.number(&m), 10))
			} else {
				x.histogram(f.name, s.times(&m))
			}
		}
	}
	x.family("consensus_append_running_seconds", "gauge", "Age of the call of Storage.Append that is under way; 0 if none is.")
	x.sample("consensus_append_running_seconds", "", seconds(m.AppendFor))
	if gs := h.members(); len(gs) <= maxGroupSeries {
		x.groups(gs)
	}
	_, err := w.Write(x.b)
	return err
}

// An exposition is text in the making.
type exposition struct{ b []byte }

func (x *exposition) family(name, kind, help string) {
	x.b = fmt.Appendf(x.b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func (x *exposition) sample(name, labels, value string) {
	x.b = append(x.b, name...)
	if labels != "" {
		x.b = fmt.Appendf(x.b, "{%s}", labels)
	}
	x.b = fmt.Appendf(x.b, " %s\n", value)
}

// histogram writes a histogram, whose buckets count all that is up to their bound.
func (x *exposition) histogram(name string, h *Histogram) {
	n := uint64(0)
	for i, c := range h.Counts {
		n += c
		bound := "+Inf"
		if i < HistogramBuckets {
			bound = seconds(HistogramBound(i))
		}
		x.sample(name+"_bucket", `le="`+bound+`"`, strconv.FormatUint(n, 10))
	}
	x.sample(name+"_sum", "", seconds(h.Sum))
	x.sample(name+"_count", "", strconv.FormatUint(n, 10))
}

func seconds(d time.Duration) string { return strconv.FormatFloat(float64(d)/1e9, 'g', -1, 64) }

// groups writes what is of interest of each group.
func (x *exposition) groups(gs []*Group) {
	slices.SortFunc(gs, func(a, b *Group) int { return cmp.Compare(a.id, b.id) })
	var all []GroupStatus
	for _, g := range gs {
		all = append(all, g.Status())
	}
	for _, f := range []struct {
		name, help string
		of         func(*GroupStatus) uint64
	}{
		{"role", "Role of the member here: " + roles(), func(s *GroupStatus) uint64 { return uint64(s.Role) }},
		{"leader", "Node that leads; 0 if unknown.", func(s *GroupStatus) uint64 { return uint64(s.Leader) }},
		{"term", "Term, or ballot.", func(s *GroupStatus) uint64 { return uint64(s.Term) }},
		{"last_index", "Last position of the log.", func(s *GroupStatus) uint64 { return uint64(s.Last) }},
		{"commit_index", "Position up to which the log is known to be chosen.", func(s *GroupStatus) uint64 { return uint64(s.Commit) }},
		{"applied_index", "Position up to which the log is applied.", func(s *GroupStatus) uint64 { return uint64(s.Applied) }},
	} {
		name := "consensus_group_" + f.name
		x.family(name, "gauge", f.help)
		for i, g := range gs {
			x.sample(name, fmt.Sprintf("group=%q", strconv.FormatUint(uint64(g.id), 10)), strconv.FormatUint(f.of(&all[i]), 10))
		}
	}
}

// roles says which number is which role.
func roles() string {
	var names []string
	for r := Follower; r <= Leader; r++ {
		names = append(names, fmt.Sprintf("%d %v", uint8(r), r))
	}
	return strings.Join(names, ", ") + "."
}
