package consensus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/paxos"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/storage"
)

// A relic is what a member has left: nobody may write to it, and it may be damaged.
type relic struct {
	consensus.Storage
	edit     func(*consensus.Recovered)
	failure  error // of Recover
	snapshot error // of reading one
}

func (r *relic) Recover(id consensus.GroupID) (consensus.Recovered, error) {
	rec, err := r.Storage.Recover(id)
	rec.Entries = slices.Clone(rec.Entries)
	if r.edit != nil {
		r.edit(&rec)
	}
	return rec, errors.Join(err, r.failure)
}

func (r *relic) Open(id consensus.GroupID) (consensus.SnapshotMeta, io.ReadCloser, error) {
	meta, s, err := r.Storage.Open(id)
	if err == nil && r.snapshot != nil {
		s = io.NopCloser(io.MultiReader(io.LimitReader(s, 5), broken{r.snapshot}))
	}
	return meta, s, err
}

func (r *relic) Append([]consensus.Write) error { panic("a survivor is written to") }

func (r *relic) Create(consensus.GroupID, consensus.SnapshotMeta) (consensus.SnapshotWriter, error) {
	panic("a survivor is written to")
}

// A broken reader fails.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// survivors are the stores of nodes, each as edit says.
func survivors(edit func(id consensus.NodeID, r *relic), nodes ...*node) (ss []consensus.Survivor) {
	for _, n := range nodes {
		r := &relic{Storage: n.disk.Memory}
		if edit != nil {
			edit(n.id, r)
		}
		ss = append(ss, consensus.Survivor{ID: n.id, Storage: r})
	}
	return ss
}

// recover recovers what survivors have, as a state machine and a report.
func (c *cluster) recover(ss []consensus.Survivor) ([]string, *consensus.Recovery) {
	c.t.Helper()
	j := &journal{}
	r, err := consensus.Recover(consensus.RecoverConfig{Group: theGroup, Protocol: c.config.Protocol, StateMachine: j, Survivors: ss})
	require.NoError(c.t, err)
	return j.all(), r
}

func TestTheSurvivorOfALostQuorumFoundsANewCluster(t *testing.T) {
	withBoth(t, consensus.GroupConfig{}, func(c *cluster) {
		c.propose(c.nodes[0], "a", "b", "c")
		for _, n := range c.nodes {
			c.applied(n, "a", "b", "c")
		}
		c.stopAll()
		before, err := c.nodes[2].disk.Recover(theGroup)
		require.NoError(c.t, err)

		state, r := c.recover(survivors(nil, c.nodes[2]))
		require.Equal(c.t, []string{"a", "b", "c"}, state)
		require.Equal(c.t, consensus.NodeID(3), r.Best)
		require.Equal(c.t, three.Voters, r.Members.Voters)
		require.False(c.t, r.Complete)
		require.False(c.t, r.Quorum)
		require.NotZero(c.t, r.ClusterID)
		after, err := c.nodes[2].disk.Recover(theGroup)
		require.NoError(c.t, err)
		require.Equal(c.t, before, after)

		var b bytes.Buffer
		meta, err := r.Backup(&b)
		require.NoError(c.t, err)
		require.Equal(c.t, r.Last, meta.Index)
		o := c.another()
		defer o.stopAll()
		o.restore(b.Bytes())
		o.propose(o.nodes[1], "d")
		o.applied(o.nodes[0], "a", "b", "c", "d")
	})
}

// The leader is cut off with a command that only it has, and the others go on without it.
func split(c *cluster) (old, new *node) {
	c.propose(c.nodes[0], "a")
	old = c.leader()
	c.isolate(old)
	ctx, cancel := context.WithTimeout(background, 100*time.Millisecond)
	defer cancel()
	_, err := old.group.Propose(ctx, []byte("unknown"))
	require.ErrorIs(c.t, err, consensus.ErrUnknown)
	for new = c.leader(); new == old; new = c.leader() {
		time.Sleep(50 * time.Millisecond)
	}
	c.propose(new, "b", "c")
	c.stopAll()
	return old, new
}

func TestWhatWasNotKnownToBeChosenIsKeptAndReported(t *testing.T) {
	withBoth(t, consensus.GroupConfig{}, func(c *cluster) {
		old, _ := split(c)
		state, r := c.recover(survivors(nil, old))
		require.Equal(c.t, []string{"a", "unknown"}, state)
		require.Greater(c.t, r.Last, r.Chosen)
		require.Contains(c.t, r.String(), "not known to be chosen")
		require.Contains(c.t, r.String(), "That is lost, and nobody knows how much it is.")
	})
}

func TestTheMostCompleteSurvivorDecides(t *testing.T) {
	withBoth(t, consensus.GroupConfig{}, func(c *cluster) {
		old, new := split(c)
		for _, ss := range [][]consensus.Survivor{survivors(nil, old, new), survivors(nil, new, old)} {
			state, r := c.recover(ss)
			require.Equal(c.t, []string{"a", "b", "c"}, state)
			require.Equal(c.t, new.id, r.Best)
			require.True(c.t, r.Complete)
			require.True(c.t, r.Quorum)
			require.Contains(c.t, r.String(), "Start them")
		}
	})
}

// Whoever survives of a group that was partitioned and stopped at random: what it had applied is recovered, in that
// order, and with a quorum everything that was acknowledged is.
func TestWhatWasAppliedAnywhereAmongTheSurvivorsIsRecovered(t *testing.T) {
	for seed := range uint64(4) {
		withBoth(t, consensus.GroupConfig{SnapshotSize: 3000}, func(c *cluster) {
			dice := rand.New(rand.NewPCG(seed, 1))
			var stops []func() []string
			for k, n := range c.nodes {
				stops = append(stops, c.load(n, fmt.Sprint("client", k, "-")))
			}
			for range 4 {
				n := c.nodes[dice.IntN(3)]
				c.isolate(n)
				time.Sleep(time.Duration(dice.IntN(3000)) * time.Millisecond)
				c.rejoin(n)
				time.Sleep(time.Duration(dice.IntN(1000)) * time.Millisecond)
			}
			var acknowledged []string
			for _, stop := range stops {
				acknowledged = append(acknowledged, stop()...)
			}
			c.stopAll()
			require.NotEmpty(c.t, acknowledged)
			for subset := 1; subset < 8; subset++ {
				var nodes []*node
				for k, n := range c.nodes {
					if subset>>k&1 == 1 {
						nodes = append(nodes, n)
					}
				}
				state, r := c.recover(survivors(nil, nodes...))
				for _, n := range nodes {
					applied := n.journal.all()
					require.GreaterOrEqual(c.t, len(state), len(applied), "%v", r)
					require.Equal(c.t, applied, state[:len(applied)], "%v", r)
				}
				require.Equal(c.t, len(nodes) > 1, r.Quorum, "%v", r)
				if r.Complete {
					slices.Sort(state)
					for _, command := range acknowledged {
						_, found := slices.BinarySearch(state, command)
						require.True(c.t, found, "%s: %v", command, r)
					}
				}
			}
		})
	}
}

func TestEverythingIsThereIfEveryCommitQuorumHasASurvivor(t *testing.T) {
	withBoth(t, consensus.GroupConfig{}, func(c *cluster) {
		n := c.newNode(4)
		cfg := c.groupConfig(n)
		cfg.Members = consensus.Members{}
		var err error
		n.group, err = n.host.Join(cfg)
		require.NoError(c.t, err)
		c.propose(c.nodes[0], "a")
		at := c.nodes[0].group.Status().MembersIndex
		at, err = c.nodes[0].group.Change(background, consensus.Members{Voters: three.Voters, Joining: []consensus.NodeID{4}}, at)
		require.NoError(c.t, err)
		st, err := n.group.Settled(background, at)
		require.NoError(c.t, err)
		require.Equal(c.t, consensus.Voter, st.Kind)
		c.propose(c.nodes[0], "b")
		c.applied(n, "a", "b")
		c.stopAll()
		state, r := c.recover(survivors(nil, c.nodes[1], n))
		require.Equal(c.t, []string{"a", "b"}, state)
		require.True(c.t, r.Complete, "%v", r)
		require.False(c.t, r.Quorum)
		require.Contains(c.t, r.String(), "Nothing that was acknowledged is missing")
	})
}

func TestRecoveryBeginsWithTheLatestSnapshotThatCanBeRead(t *testing.T) {
	withBoth(t, consensus.GroupConfig{SnapshotSize: 1000}, func(c *cluster) {
		var all []string
		for k := range 40 {
			all = append(all, fmt.Sprint(k))
		}
		c.propose(c.nodes[0], all...)
		for _, n := range c.nodes {
			c.applied(n, all...)
		}
		time.Sleep(time.Second) // what is being stored, is
		c.stopAll()
		at := func(n *node) consensus.Index {
			meta, _, err := n.disk.Open(theGroup)
			require.NoError(c.t, err)
			return meta.Index
		}
		latest, other := c.nodes[1], c.nodes[2]
		if at(latest) < at(other) {
			latest, other = other, latest
		}
		state, r := c.recover(survivors(nil, latest, other))
		require.Equal(c.t, all, state)
		require.Equal(c.t, at(latest), r.Snapshot)
		require.Contains(c.t, r.String(), "beginning with a snapshot")

		broken := func(id consensus.NodeID, r *relic) {
			if id == latest.id {
				r.snapshot = errDisk
			}
		}
		state, r = c.recover(survivors(broken, latest, other))
		require.Equal(c.t, all, state)
		require.Equal(c.t, at(other), r.Snapshot)
		require.ErrorIs(c.t, r.Survivors[0].Err, errDisk)
		require.False(c.t, r.Quorum, "one of the two is damaged")

		r, err := consensus.Recover(consensus.RecoverConfig{Group: theGroup, Protocol: c.config.Protocol, StateMachine: &journal{}, Survivors: survivors(broken, latest)})
		require.ErrorIs(c.t, err, consensus.ErrMalformed)
		require.Contains(c.t, r.String(), "Nothing can be recovered")
	})
}

// damagedAt has an entry at i that cannot be read.
func damagedAt(i consensus.Index) func(*consensus.Recovered) {
	return func(rec *consensus.Recovered) {
		rec.Entries = slices.DeleteFunc(rec.Entries, func(e consensus.Entry) bool { return e.Index == i })
		rec.Damaged = append(rec.Damaged, consensus.Range{First: i, Last: i})
	}
}

func TestWhatWasChosenAndCannotBeReadIsTakenFromAnotherSurvivorOrLost(t *testing.T) {
	withBoth(t, consensus.GroupConfig{}, func(c *cluster) {
		c.propose(c.nodes[0], "a", "b", "c", "d", "e")
		for _, n := range c.nodes {
			c.applied(n, "a", "b", "c", "d", "e")
		}
		c.stopAll()
		rec, err := c.nodes[1].disk.Recover(theGroup)
		require.NoError(c.t, err)
		at := slices.IndexFunc(rec.Entries, func(e consensus.Entry) bool { return string(e.Data) == "c" })
		hole := rec.Entries[at].Index
		damage := func(id consensus.NodeID, r *relic) {
			if id == 2 {
				r.edit = damagedAt(hole)
			}
		}
		state, r := c.recover(survivors(damage, c.nodes[1], c.nodes[2]))
		require.Equal(c.t, []string{"a", "b", "c", "d", "e"}, state)
		require.Equal(c.t, []consensus.Range{{First: hole, Last: hole}}, r.Survivors[0].Damaged)
		require.False(c.t, r.Quorum)
		require.Contains(c.t, r.String(), "damaged")

		state, r = c.recover(survivors(damage, c.nodes[1]))
		require.Equal(c.t, []string{"a", "b"}, state)
		require.Equal(c.t, consensus.Range{First: hole, Last: r.Chosen}, r.Lost)
		require.Contains(c.t, r.String(), "It is lost")
	})
}

func TestAHoleOfUnknownFateIsPassedOverAndReported(t *testing.T) {
	inBubble(t, consensus.GroupConfig{Protocol: paxos.New}, func(c *cluster) {
		c.settle()
		c.propose(c.nodes[0], "a", "b", "c")
		c.applied(c.nodes[1], "a", "b", "c")
		c.stopAll()
		var hole consensus.Index
		state, r := c.recover(survivors(func(_ consensus.NodeID, r *relic) {
			r.edit = func(rec *consensus.Recovered) { // it votes on "c" alone, and knows nothing of "b"
				k := slices.IndexFunc(rec.Entries, func(e consensus.Entry) bool { return string(e.Data) == "b" })
				hole = rec.Entries[k].Index
				rec.State.Commit = hole - 1
				rec.Entries = slices.Delete(rec.Entries, k, k+1)
				if k < len(rec.Entries) {
					rec.Entries[k].Term = rec.State.Term
				}
			}
		}, c.nodes[1]))
		require.Equal(t, []string{"a", "c"}, state)
		require.Equal(t, []consensus.Range{{First: hole, Last: hole}}, r.Holes)
		require.Contains(t, r.String(), "passed over")
	})
}

func TestSurvivorsThatAreOfNoUseAreReported(t *testing.T) {
	withBoth(t, consensus.GroupConfig{}, func(c *cluster) {
		c.propose(c.nodes[0], "a")
		c.applied(c.nodes[1], "a")
		c.stopAll()
		fail := func(id consensus.NodeID, r *relic) {
			if id == 1 {
				r.failure = errDisk
			}
		}
		ss := append(survivors(fail, c.nodes[0], c.nodes[1]), consensus.Survivor{ID: 9, Storage: storage.NewMemory()})
		state, r := c.recover(ss)
		require.Equal(c.t, []string{"a"}, state)
		require.ErrorIs(c.t, r.Survivors[0].Err, errDisk)
		require.ErrorIs(c.t, r.Survivors[2].Err, consensus.ErrNoGroup)

		_, err := consensus.Recover(consensus.RecoverConfig{Group: theGroup, Protocol: c.config.Protocol, StateMachine: &journal{}, Survivors: survivors(fail, c.nodes[0])})
		require.ErrorIs(c.t, err, errDisk)
		require.ErrorIs(c.t, err, consensus.ErrNoGroup)
	})
}

func TestSurvivorsOfTwoGroupsAreRefused(t *testing.T) {
	withBoth(t, consensus.GroupConfig{}, func(c *cluster) {
		c.propose(c.nodes[0], "a", "b")
		c.applied(c.nodes[1], "a", "b")
		o := c.another()
		defer o.stopAll()
		for _, n := range o.nodes {
			o.create(n)
		}
		o.settle()
		o.propose(o.nodes[0], "x", "y")
		o.applied(o.nodes[1], "x", "y")
		c.stopAll()
		o.stopAll()
		_, err := consensus.Recover(consensus.RecoverConfig{Group: theGroup, Protocol: c.config.Protocol, StateMachine: &journal{}, Survivors: survivors(nil, c.nodes[1], o.nodes[1])})
		require.ErrorIs(c.t, err, consensus.ErrMalformed)
		require.ErrorContains(c.t, err, "not of one group")
	})
}

func TestRecoverSaysWhatIsWrongWithItsConfiguration(t *testing.T) {
	engine := func(consensus.EngineConfig, consensus.Recovered) (consensus.Engine, error) { return nil, nil }
	m := storage.NewMemory()
	require.NoError(t, m.Append([]consensus.Write{{Group: theGroup, Seq: 1, State: consensus.State{Term: 1}}}))
	ss := []consensus.Survivor{{ID: 1, Storage: m}}
	for field, cfg := range map[string]consensus.RecoverConfig{
		"Protocol":     {Group: theGroup, StateMachine: &journal{}, Survivors: ss},
		"StateMachine": {Group: theGroup, Protocol: raft.New, Survivors: ss},
		"Salvager":     {Group: theGroup, Protocol: engine, StateMachine: &journal{}, Survivors: ss},
	} {
		_, err := consensus.Recover(cfg)
		require.ErrorContains(t, err, field)
		require.ErrorAs(t, err, new(*consensus.ConfigError))
	}
	_, err := consensus.Recover(consensus.RecoverConfig{Group: theGroup, Protocol: raft.New, StateMachine: &journal{}})
	require.ErrorIs(t, err, consensus.ErrNoGroup)
}
