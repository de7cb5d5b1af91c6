package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/consensus-go/consensus"
)

// administration is what CONSENSUS does: it runs the cluster.
//
//	CONSENSUS STATUS                 what INFO says of replication
//	CONSENSUS MEMBERS                the members, each as "id kind"
//	CONSENSUS ADD id                 a node joins, and becomes a voter once it has caught up
//	CONSENSUS REMOVE id              a member leaves
//	CONSENSUS TRANSFER id            a voter takes over; only the leader can do that
//	CONSENSUS ADDRESS id host:port   where this node finds another from now on, until it restarts
var administration = map[string]struct {
	arguments int
	run       func(n *node, ctx context.Context, id consensus.NodeID, args [][]byte) error
}{
	"add":      {1, (*node).add},
	"remove":   {1, (*node).remove},
	"transfer": {1, (*node).transfer},
	"address":  {2, (*node).address},
}

// admin is CONSENSUS.
func (c *client) admin(args [][]byte) {
	subcommand := strings.ToLower(string(args[1]))
	operation := administration[subcommand]
	switch args = args[2:]; {
	case subcommand == "status" && len(args) == 0:
		c.conn.WriteBulkString(strings.Join(c.server.infoReplication(), "\r\n") + "\r\n")
	case subcommand == "members" && len(args) == 0:
		c.members()
	case operation.run == nil || operation.arguments != len(args):
		c.conn.WriteError("ERR unknown subcommand or wrong number of arguments. Try CONSENSUS STATUS | MEMBERS | ADD id | REMOVE id | TRANSFER id | ADDRESS id host:port.")
	default:
		n := c.server.node
		ctx, cancel := context.WithTimeout(context.Background(), n.cfg.timeout)
		defer cancel()
		id, err := parseID(string(args[0]))
		if err == nil {
			err = operation.run(n, ctx, id, args[1:])
		}
		if err != nil {
			c.conn.WriteError(n.errorReply(err))
			return
		}
		c.conn.WriteString("OK")
	}
}

// parseID returns the id of a node.
func parseID(s string) (consensus.NodeID, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == 0 {
		return 0, &consensus.ConfigError{Field: "the id of a node", Value: strconv.Quote(s), Reason: "it is a number from 1 on"}
	}
	return consensus.NodeID(n), nil
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

// change changes the membership that holds now.
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

func (n *node) add(ctx context.Context, id consensus.NodeID, _ [][]byte) error {
	return n.change(ctx, func(m *consensus.Members) error {
		m.Joining = append(m.Joining, id)
		return nil
	})
}

func (n *node) remove(ctx context.Context, id consensus.NodeID, _ [][]byte) error {
	return n.change(ctx, func(m *consensus.Members) error {
		if m.Kind(id) == consensus.NotMember {
			return &consensus.ConfigError{Field: "the node", Value: fmt.Sprint(id), Reason: "it is not a member"}
		}
		for _, ids := range []*[]consensus.NodeID{&m.Voters, &m.Witnesses, &m.Learners, &m.Joining} {
			*ids = slices.DeleteFunc(*ids, func(other consensus.NodeID) bool { return other == id })
		}
		return nil
	})
}

func (n *node) transfer(ctx context.Context, id consensus.NodeID, _ [][]byte) error {
	return n.group.Transfer(ctx, id)
}

func (n *node) address(_ context.Context, id consensus.NodeID, args [][]byte) error {
	if n.cfg.setAddress == nil {
		return &consensus.ConfigError{Field: "the transport", Value: fmt.Sprintf("%T", n.cfg.transport), Reason: "it has no addresses"}
	}
	n.cfg.setAddress(id, string(args[0]))
	return nil
}
