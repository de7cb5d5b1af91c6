package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

func TestEveryNodeTakesCommandsAndReadsWhatWasWritten(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		for id := range consensus.NodeID(3) {
			require.Equal(t, fmt.Sprintf(":%d", id+1), c.dial(id+1).do("INCR n"))
			for other := range consensus.NodeID(3) {
				require.Equal(t, fmt.Sprintf(`"%d"`, id+1), c.dial(other+1).do("GET n"))
			}
		}
	})
}

func TestEveryIncrementCountsOnceWhenLeadersStop(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		const rounds, clients, each = 3, 4, 10
		for range rounds {
			leader := c.leader()
			var running sync.WaitGroup
			for range clients {
				client := c.dial(leader%3 + 1)
				running.Go(func() {
					for range each {
						client.do("INCR n")
					}
				})
			}
			c.stop(leader)
			running.Wait()
			c.start(leader)
		}
		require.Equal(t, fmt.Sprintf(`"%d"`, rounds*clients*each), c.dial(2).do("GET n"))
	})
}

func TestANodeComesBackWithWhatItHad(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		require.Equal(t, "+OK", c.dial(1).do("SET a 1"))
		for id := range c.machines {
			c.stop(id)
		}
		for id := range c.machines {
			c.start(id)
		}
		require.Equal(t, `"1"`, c.dial(2).do("GET a"))
	})
}

func TestAKeyIsGoneFromEveryNodeWithoutTraffic(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.leader()
		require.Equal(t, "+OK", c.dial(1).do("SET a 1 EX 10"))
		require.Equal(t, ":10", c.dial(2).do("TTL a"))
		time.Sleep(4 * time.Second)
		require.Equal(t, ":6", c.dial(2).do("TTL a"))
		require.Equal(t, `"1"`, c.dial(3).do("GET a"))
		time.Sleep(6 * time.Second)
		for id := range c.machines {
			require.Equal(t, "$-1", c.dial(id).do("GET a"))
			require.Equal(t, ":0", c.dial(id).do("DBSIZE"))
		}
	})
}

func TestWithoutAMajorityCommandsFailAndSayWhatIsKnown(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		follower := c.follower()
		require.Equal(t, "+OK", c.dial(follower).do("SET a 1"))
		c.machines[follower].node.cfg.timeout = 5 * time.Second
		for id := range c.machines {
			if id != follower {
				c.stop(id)
			}
		}
		client := c.dial(follower)
		require.Regexp(t, "^-TRYAGAIN ", client.do("GET a"))
		require.Regexp(t, "^-(UNKNOWN|TRYAGAIN) ", client.do("SET a 2"))
		c.stop(follower)
		c.timeout = 5 * time.Second
		c.start(follower)
		client = c.dial(follower)
		require.Regexp(t, "^-TRYAGAIN ", client.do("SET a 3"), "no leader is known, so it was sent to nobody")
		require.Regexp(t, "^-TRYAGAIN ", client.do("CONSENSUS ADD 4"))
		require.Regexp(t, "^-TRYAGAIN ", client.do("WATCH a"))
		require.Equal(t, "+PONG", client.do("PING"))
	})
}

func TestALeaderThatIsCutOffDoesNotKnowWhatBecomesOfItsCommands(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		leader := c.leader()
		require.Equal(t, "+OK", c.dial(leader).do("SET a 1"))
		c.machines[leader].node.cfg.timeout = 50 * time.Millisecond
		for id := range c.machines {
			c.network.Cut(leader, id)
		}
		client := c.dial(leader)
		client.send([]byte(strings.Repeat("INCR a\r\n", 3)))
		for range 3 {
			require.Regexp(t, "^-UNKNOWN ", client.receive(), "each command of the pipeline is answered")
		}
	})
}

func TestANodeThatIsNoMemberSaysSo(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.timeout = 50 * time.Millisecond
		c.start(4)
		require.Regexp(t, "^-READONLY ", c.dial(4).do("SET a 1"))
		require.Regexp(t, "^-READONLY ", c.dial(4).do("GET a"))
	})
}

func TestANodeThatHasStoppedSaysWhy(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		leader := c.leader()
		_, err := c.machines[leader].node.group.Propose(context.Background(), []byte{255})
		require.ErrorIs(t, err, consensus.ErrStopped, "an entry that this version does not know")
		client := c.dial(leader)
		require.Regexp(t, "^-ERR this node has stopped.* not an entry of this version", client.do("SET a 1"))
		require.Regexp(t, "^-ERR this node has stopped", client.do("GET a"))
		require.Contains(t, client.do("INFO replication"), "stopped:")
	})
}

func TestMembersAreReplaced(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		require.Equal(t, "+OK", c.dial(1).do("SET a 1"))
		c.start(4)
		require.Equal(t, "+OK", c.dial(1).do("CONSENSUS ADD 4"))
		require.Equal(t, `"1"`, c.dial(1).do("GET a"))
		for c.dial(1).do("CONSENSUS MEMBERS") != `["1 voter" "2 voter" "3 voter" "4 voter"]` {
			time.Sleep(time.Second)
		}
		leave := c.follower()
		require.Equal(t, "+OK", c.dial(4).do("CONSENSUS REMOVE %d", leave))
		c.stop(leave)
		require.Equal(t, `"1"`, c.dial(4).do("GET a"))
		require.NotContains(t, c.dial(4).do("CONSENSUS MEMBERS"), fmt.Sprintf("%d voter", leave))
	})
}

func TestLeadershipIsHandedOver(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		leader, to := c.leader(), c.follower()
		require.Regexp(t, "^-TRYAGAIN .*not the leader", c.dial(to).do("CONSENSUS TRANSFER %d", leader), "only the leader can")
		require.Equal(t, "+OK", c.dial(leader).do("CONSENSUS TRANSFER %d", to))
		require.Contains(t, c.dial(to).do("CONSENSUS STATUS"), "role:master")
		require.Contains(t, c.dial(leader).do("INFO replication"), "role:slave")
	})
}

func TestAdministrationIsToldWhatItGotWrong(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		client := c.dial(1)
		require.Regexp(t, "^-ERR unknown subcommand", client.do("CONSENSUS DANCE"))
		require.Regexp(t, "^-ERR unknown subcommand", client.do("CONSENSUS ADD"))
		require.Regexp(t, "^-ERR .*it is a number from 1 on", client.do("CONSENSUS ADD x"))
		require.Regexp(t, "^-ERR .*it is a number from 1 on", client.do("CONSENSUS ADD 0"))
		require.Regexp(t, "^-ERR .*may be named once", client.do("CONSENSUS ADD 2"))
		require.Regexp(t, "^-ERR .*it is not a member", client.do("CONSENSUS REMOVE 9"))
		require.Regexp(t, "^-ERR .*it has no addresses", client.do("CONSENSUS ADDRESS 2 localhost:1"))
	})
}

func TestASessionThatWasEvictedIsReplaced(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		client := c.dial(1)
		require.Equal(t, ":1", client.do("INCR n"))
		first := c.machines[1].node.session
		var others sync.WaitGroup
		for range 64 {
			others.Go(func() {
				for range consensus.MaxSessions / 64 {
					_, err := c.machines[1].node.group.OpenSession(context.Background())
					require.NoError(t, err)
				}
			})
		}
		others.Wait()
		require.Equal(t, ":2", client.do("INCR n"))
		require.NotSame(t, first, c.machines[1].node.session)
	})
}

func TestMoreClientsThanASessionHasRoomForAreServed(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		var clients sync.WaitGroup
		for range consensus.MaxAnswers + 100 {
			client := c.dial(1)
			clients.Go(func() {
				for range 3 {
					client.do("INCR n")
				}
			})
		}
		clients.Wait()
		require.Equal(t, fmt.Sprintf(`"%d"`, 3*(consensus.MaxAnswers+100)), c.dial(2).do("GET n"))
	})
}

func TestATransactionThatIsTooLargeIsNotExecuted(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		client := c.dial(1)
		require.Equal(t, "+OK", client.do("MULTI"))
		value := strings.Repeat("x", maxBulk-1000)
		for range 3 {
			require.Equal(t, "+QUEUED", client.do("APPEND a %s", value))
		}
		require.Equal(t, "-"+errTransaction, client.do("APPEND a %s", value))
		require.Regexp(t, "^-EXECABORT ", client.do("EXEC"))
		require.Equal(t, ":0", client.do("EXISTS a"))
	})
}

func TestAValueGrowsNoLargerThanARequestMayBe(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		client := c.dial(1)
		value := strings.Repeat("x", maxBulk)
		require.Equal(t, "+OK", client.do("SET a %s", value))
		require.Equal(t, "-"+errTooLong, client.do("APPEND a x"))
		require.Equal(t, fmt.Sprintf("%q", value), c.dial(2).do("GET a"))
	})
}

func TestAnEntryIsAnsweredNoMoreThanAMessageHolds(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		client := c.dial(c.follower())
		value := strings.Repeat("x", maxBulk)
		require.Equal(t, "+OK", client.do("SET a %s", value))
		require.Equal(t, fmt.Sprintf("[%[1]q %[1]q %[1]q %[1]q %[1]q]", value), client.do("MGET a a a a a"), "a read is no entry")
		require.Equal(t, "+OK", client.do("MULTI"))
		require.Equal(t, "+QUEUED", client.do("INCR n"))
		require.Equal(t, "+QUEUED", client.do("MGET a a a a"))
		require.Equal(t, "+QUEUED", client.do("STRLEN a"))
		require.Equal(t, fmt.Sprintf("[:1 -ERR the reply is too large :%d]", maxBulk), client.do("EXEC"))
	})
}

func TestNobodyWatchesMoreThanATransactionTakes(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		client := c.dial(1)
		key := strings.Repeat("x", maxBulk)
		require.Equal(t, "+OK", client.do("WATCH %s", key))
		require.Equal(t, "+OK", client.do("WATCH %s b", key))
		require.Equal(t, "+OK", client.do("MULTI"))
		require.Equal(t, "-"+errTransaction, client.do("SET c %s", key))
		require.Equal(t, "+OK", client.do("DISCARD"))
		require.Equal(t, "+OK", client.do("WATCH %s", key))
		require.Equal(t, "+OK", client.do("WATCH %s", key))
		require.Equal(t, "-"+errTransaction, client.do("WATCH %s", key))
		require.Equal(t, "+OK", client.do("UNWATCH"))
		require.Equal(t, "+OK", client.do("WATCH %s", key))
	})
}

func TestAnInterruptedTransactionLeavesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, two := c.dial(1), c.dial(2)
		require.Equal(t, "+OK", one.do("MULTI"))
		require.Equal(t, "+QUEUED", one.do("SET a 1"))
		require.NoError(t, one.conn.Close())
		require.Equal(t, "$-1", two.do("GET a"))
	})
}

func TestAWatchSeesWhatOthersChange(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, two := c.dial(1), c.dial(2)
		require.Equal(t, "+OK", one.do("SET a 1 EX 10"))
		for change, aborts := range map[string]bool{"SET a 1": true, "SET b 1": false, "DEL a": true, "FLUSHALL": true, "": true} {
			require.Equal(t, "+OK", two.do("SET a 1 EX 10"))
			require.Equal(t, "+OK", one.do("WATCH a"))
			if change == "" {
				time.Sleep(10 * time.Second)
			} else {
				two.do("%s", change)
			}
			require.Equal(t, "+OK", one.do("MULTI"))
			require.Equal(t, "+QUEUED", one.do("SET c 1"))
			require.Equal(t, map[bool]string{true: "*-1", false: "[+OK]"}[aborts], one.do("EXEC"), change)
		}
	})
}

func TestCommandsAreDescribed(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		client := c.dial(1)
		require.Equal(t, fmt.Sprintf(":%d", len(commands)), client.do("COMMAND COUNT"))
		require.Equal(t, `[["get" :2 [+readonly] :1 :1 :1] *-1]`, client.do("COMMAND INFO GET nothing"))
		require.Equal(t, "[]", client.do("COMMAND DOCS"))
		require.Contains(t, client.do("COMMAND"), `["mset" :-3 [+write] :1 :-1 :2]`)
	})
}

func TestInfoHasTheSectionsThatWereAskedFor(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		client := c.dial(1)
		require.Equal(t, "+OK", client.do("MSET a 1 b 2"))
		require.Equal(t, ":1", client.do("EXPIRE b 10"))
		require.Equal(t, `"1"`, client.do("GET a"), "so this node has them by now")
		all := client.do("INFO")
		for _, line := range []string{"# Server", "consensus_protocol:" + c.protocol, "# Clients", "connected_clients:1", "# Replication", "node_id:1", "members:voters [1 2 3]", "# Keyspace"} {
			require.Contains(t, all, line+`\r\n`)
		}
		require.Equal(t, `"# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=0\r\n"`, client.do("INFO keyspace"))
	})
}

func TestWhatIsBeingExecutedIsAnsweredBeforeTheServerStops(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		follower := c.follower()
		client := c.dial(follower)
		c.stop(c.leader()) // so that a command takes until there is another
		client.send(encode([]string{"INCR", "n"}))
		synctest.Wait()
		var stopping sync.WaitGroup
		stopping.Go(func() { c.stop(follower) })
		require.Equal(t, ":1", client.receive())
		_, err := client.in.ReadByte()
		require.Error(t, err)
		stopping.Wait()
	})
}

func TestAClientThatTakesNoAnswersHoldsUpNoStop(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.dial(1).send(encode([]string{"PING"}))
		synctest.Wait()
		start := time.Now()
		c.stop(1)
		require.Equal(t, c.timeout+time.Second, time.Since(start))
	})
}

func TestOneConnectionTooManyIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		first := c.dial(1)
		for range maxClients - 1 {
			c.dial(1)
		}
		require.Equal(t, "-ERR max number of clients reached", c.dial(1).receive())
		require.Equal(t, "+PONG", first.do("PING"))
		require.NoError(t, first.conn.Close())
		synctest.Wait()
		require.Equal(t, "+PONG", c.dial(1).do("PING"))
	})
}

func TestQuitIsAnsweredAndNothingAfterIt(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		client := c.dial(1)
		client.send([]byte("SET a 1\r\nQUIT\r\nSET a 2\r\n"))
		require.Equal(t, "+OK", client.receive())
		require.Equal(t, "+OK", client.receive())
		_, err := client.in.ReadByte()
		require.Error(t, err)
		require.Equal(t, `"1"`, c.dial(2).do("GET a"))
	})
}
