package consensus_test

import (
	"bytes"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/transport"
)

// A scrape is what WriteMetrics wrote: the value of each series, by its name with the labels.
type scrape map[string]float64

var (
	metricName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-zA-Z_][a-zA-Z0-9_]*="[^"\\\n]*"\})? (\S+)$`)
)

// scrapeOf parses the text format 0.0.4, strictly: each family is one piece, with its HELP and
// its TYPE in front; no series comes twice; counters are named _total; the buckets of a histogram
// grow, by bounds that grow, and end at +Inf with the count.
func scrapeOf(t *testing.T, h *consensus.Host) scrape {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, h.WriteMetrics(&b))
	require.True(t, strings.HasSuffix(b.String(), "\n"))
	all, kinds := make(scrape), make(map[string]string)
	family, helped := "", ""
	var bound, below float64
	for line := range strings.Lines(b.String()) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, text, _ := strings.Cut(rest, " ")
			require.Regexp(t, metricName, name)
			require.NotEmpty(t, text)
			helped = name
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			require.Equal(t, helped, name)
			require.Contains(t, []string{"counter", "gauge", "histogram"}, kind)
			require.NotContains(t, kinds, name)
			require.Equal(t, kind == "counter", strings.HasSuffix(name, "_total"), name)
			kinds[name], family, bound, below = kind, name, -1, 0
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		require.NotNil(t, m, line)
		value, err := strconv.ParseFloat(m[3], 64)
		require.NoError(t, err, line)
		require.NotContains(t, all, m[1]+m[2])
		all[m[1]+m[2]] = value
		if kinds[family] != "histogram" {
			require.Equal(t, family, m[1])
			continue
		}
		switch strings.TrimPrefix(m[1], family) {
		case "_bucket":
			le, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimPrefix(m[2], `{le="`), `"}`), 64)
			require.NoError(t, err, line)
			require.Less(t, len(m[2]), len(`{le="1.34217728"}`)+1, "a bound is written as short as it is: %s", line)
			require.Greater(t, le, bound)
			require.GreaterOrEqual(t, value, below)
			bound, below = le, value
		case "_sum":
		case "_count":
			require.Equal(t, all[family+`_bucket{le="+Inf"}`], value)
		default:
			t.Errorf("%s is not of the histogram %s", m[1], family)
		}
	}
	return all
}

// sum adds up a series of all nodes.
func (c *cluster) sum(series string) (total float64) {
	c.t.Helper()
	for _, n := range c.nodes {
		value, ok := scrapeOf(c.t, n.host)[series]
		require.True(c.t, ok, series)
		total += value
	}
	return total
}

func TestTheMetricsOfAKnownRun(t *testing.T) {
	inBubble(t, consensus.GroupConfig{SnapshotSize: 2000}, func(c *cluster) {
		leader, n := c.leader(), c.follower()
		c.propose(leader, "a")
		const delay = 3 * time.Millisecond
		for _, n := range c.nodes {
			n.disk.delay.Store(int64(delay))
		}
		before := leader.host.Metrics()
		for range 10 {
			c.propose(leader, "b")
		}
		require.NoError(t, leader.group.Read(background))
		synctest.Wait()
		m := leader.host.Metrics()
		require.EqualValues(t, 11, m.Proposals.OK)
		require.EqualValues(t, 11, m.Proposals.Latency.Count())
		require.Equal(t, 10*delay, m.Proposals.Latency.Sum-before.Proposals.Latency.Sum, "each waits for one fsync on a quorum")
		require.EqualValues(t, 1, m.Reads.OK)
		require.Equal(t, 10*delay, m.Append.Sum-before.Append.Sum)
		require.EqualValues(t, m.Append.Count(), m.Writes, "of one group each")
		require.EqualValues(t, m.AppliedEntries, leader.group.Status().Applied)
		require.EqualValues(t, 1, m.Groups[consensus.Leader])
		require.EqualValues(t, leader.group.Status().LogBytes, m.LogBytes)
		require.Zero(t, m.UncommittedBytes)
		require.Zero(t, m.BacklogBytes)
		require.Positive(t, m.MessagesSent)
		require.Positive(t, m.MessagesReceived)

		all := scrapeOf(t, leader.host)
		require.Equal(t, 11.0, all[`consensus_proposals_total{outcome="ok"}`])
		require.Equal(t, 11.0, all["consensus_commit_seconds_count"])
		require.Equal(t, m.Append.Sum.Seconds(), all["consensus_append_seconds_sum"])
		require.Equal(t, 1.0, all[`consensus_groups{role="leader"}`])
		require.Zero(t, all[`consensus_groups{role="follower"}`])
		require.EqualValues(t, leader.id, all[`consensus_group_leader{group="7"}`])
		require.EqualValues(t, leader.group.Status().Applied, all[`consensus_group_applied_index{group="7"}`])
		require.EqualValues(t, consensus.Leader, all[`consensus_group_role{group="7"}`])
		require.Equal(t, 1.0, c.sum(`consensus_elections_total{event="elected"}`))
		require.Zero(t, c.sum(`consensus_elections_total{event="deposed"}`))

		c.isolate(n)
		for range 100 {
			c.propose(leader, "c")
		}
		time.Sleep(time.Second) // the log is shortened
		c.rejoin(n)
		require.NoError(t, n.group.Read(background))
		require.Equal(t, 1.0, scrapeOf(t, leader.host)[`consensus_snapshots_total{event="sent"}`])
		require.Positive(t, scrapeOf(t, leader.host)[`consensus_snapshots_total{event="taken"}`])
		require.Equal(t, 1.0, scrapeOf(t, n.host)[`consensus_snapshots_total{event="received"}`])
		require.Equal(t, 1.0, scrapeOf(t, n.host)[`consensus_snapshots_total{event="restored"}`])

		require.NoError(t, leader.group.Transfer(background, n.id))
		require.Equal(t, 2.0, c.sum(`consensus_elections_total{event="elected"}`))
		require.Equal(t, 1.0, c.sum(`consensus_elections_total{event="deposed"}`))

		require.NoError(t, leader.group.Close())
		_, err := leader.group.Propose(background, nil)
		require.ErrorIs(t, err, consensus.ErrNotApplied)
		all = scrapeOf(t, leader.host)
		require.Equal(t, 1.0, all[`consensus_proposals_total{outcome="not_applied"}`])
		require.Zero(t, all["consensus_log_bytes"], "what is closed holds nothing")
		require.NotContains(t, all, `consensus_group_term{group="7"}`)
	})
}

func TestAStuckDiskShowsWhileItIsStuck(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		leader := c.leader()
		c.propose(leader, "a")
		time.Sleep(time.Second)
		require.Zero(t, leader.host.Metrics().AppendFor)
		leader.disk.delay.Store(int64(time.Minute))
		go leader.group.Propose(background, []byte("b"))
		time.Sleep(20 * time.Second)
		require.Equal(t, 20*time.Second, leader.host.Metrics().AppendFor)
		require.Equal(t, 20.0, scrapeOf(t, leader.host)["consensus_append_running_seconds"])
	})
}

func TestTheBacklogOfAStuckStateMachineShows(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		n, stuck := c.follower(), make(chan struct{})
		n.journal.before = func(string) { <-stuck }
		for range 10 {
			c.propose(c.leader(), "a")
		}
		time.Sleep(time.Second)
		m := n.host.Metrics()
		require.Greater(t, m.BacklogBytes, uint64(9*64))
		require.LessOrEqual(t, m.BacklogBytes, m.LogBytes)
		close(stuck)
		time.Sleep(time.Second)
		require.Zero(t, n.host.Metrics().BacklogBytes)
		require.EqualValues(t, n.group.Status().Applied, n.host.Metrics().AppliedEntries)
	})
}

func TestTheNumberOfSeriesIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, err := consensus.Start(consensus.HostConfig{ID: 1, Storage: storage.NewMemory(), Transport: transport.NewNetwork().Node(1), Logger: silent})
		require.NoError(t, err)
		defer host.Close()
		cfg := consensus.GroupConfig{Protocol: raft.New, Members: consensus.Members{Voters: []consensus.NodeID{1}}, StateMachine: &journal{}}
		series := func(groups consensus.GroupID) int {
			for cfg.ID < groups {
				cfg.ID++
				_, err := host.Create(cfg)
				require.NoError(t, err)
			}
			all := scrapeOf(t, host)
			roles := slices.Collect(maps.Keys(all))
			roles = slices.DeleteFunc(roles, func(s string) bool { return !strings.HasPrefix(s, "consensus_groups{") })
			total := 0.0
			for _, s := range roles {
				total += all[s]
			}
			require.EqualValues(t, groups, total)
			return len(all)
		}
		of0, of1, of100, of101 := series(0), series(1), series(100), series(101)
		require.Equal(t, of0+100*(of1-of0), of100)
		require.Equal(t, of0, of101, "of more than a hundred groups there are only sums")
	})
}

// A failingWriter has no room.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestWriteMetricsReturnsTheErrorOfItsWriter(t *testing.T) {
	inBubble(t, consensus.GroupConfig{}, func(c *cluster) {
		require.Equal(t, io.ErrShortWrite, c.nodes[0].host.WriteMetrics(failingWriter{}))
	})
}
