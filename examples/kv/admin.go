package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/consensus-go/consensus"
)

// admin is CONSENSUS, which runs the cluster:
//
//	CONSENSUS STATUS                    what INFO says of replication
//	CONSENSUS MEMBERS                   the members, each as "id kind"
//	CONSENSUS ADD id                    a node joins, and votes once it has caught up
//	CONSENSUS REMOVE id                 a member leaves
//	CONSENSUS TRANSFER id               a voter leads; ask the leader
func (c *client) admin(args [][]byte) {
	subcommand := strings.ToLower(string(args[1]))
	n := c.server.node
	switch {
	case subcommand == "status" && len(args) == 2:
		c.conn.WriteBulkString(strings.Join(c.server.infoReplication(), "\r\n") + "\r\n")
		return
	case subcommand == "members" && len(args) == 2:
		c.members()
		return
	}
	operation := map[string]func(*node, context.Context, consensus.NodeID) error{
		"add": (*node).add, "remove": (*node).removeMember, "transfer": (*node).transfer,
	}[subcommand]
	if operation == nil || len(args) != 3 {
		c.conn.WriteError(fmt.Sprintf("ERR unknown subcommand or wrong number of arguments for '%.128s'. Try STATUS, MEMBERS, ADD id, REMOVE id, TRANSFER id.", args[1]))
		return
	}
	id, err := strconv.ParseUint(string(args[2]), 10, 32)
	if err != nil || id == 0 {
		c.conn.WriteError("ERR a node's id is a number from 1 on")
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), n.cfg.timeout)
	defer cancel()
	if err := operation(n, ctx, consensus.NodeID(id)); err != nil {
		c.conn.WriteError(n.errorReply(err))
		return
	}
	c.conn.WriteString("OK")
}

func (c *client) members() {
	members := c.server.node.group.Status().Members
	var lines []string
	members.All(func(id consensus.NodeID) { lines = append(lines, fmt.Sprintf("%d %s", id, members.Kind(id))) })
	c.conn.WriteArray(len(lines))
	for _, line := range lines {
		c.conn.WriteBulkString(line)
	}
}

// change changes the membership that holds now, as this node knows it once it has read.
func (n *node) change(ctx context.Context, edit func(*consensus.Members) error) error {
	if err := n.group.Read(ctx); err != nil {
		return err
	}
	st := n.group.Status()
	members := st.Members.Clone()
	if err := edit(&members); err != nil {
		return err
	}
	members.Bound = nil
	_, err := n.group.Change(ctx, members, st.MembersIndex)
	return err
}

func (n *node) add(ctx context.Context, id consensus.NodeID) error {
	return n.change(ctx, func(m *consensus.Members) error {
		m.Joining = append(m.Joining, id)
		return nil
	})
}

func (n *node) removeMember(ctx context.Context, id consensus.NodeID) error {
	return n.change(ctx, func(m *consensus.Members) error {
		for _, ids := range []*[]consensus.NodeID{&m.Voters, &m.Witnesses, &m.Learners, &m.Joining} {
			*ids = slices.DeleteFunc(*ids, func(other consensus.NodeID) bool { return other == id })
		}
		return nil
	})
}

func (n *node) transfer(ctx context.Context, id consensus.NodeID) error {
	return n.group.Transfer(ctx, id)
}
