package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/consensus-go/consensus"
)

// version is that of the Redis whose words this program speaks.
const version = "7.0.15"

// sections are those of INFO, in order.
var sections = []struct {
	name  string
	lines func(*server) []string
}{
	{"Server", (*server).infoServer},
	{"Clients", (*server).infoClients},
	{"Replication", (*server).infoReplication},
	{"Keyspace", (*server).infoKeyspace},
}

// info is INFO [section ...].
func (c *client) info(args [][]byte) {
	var b strings.Builder
	wanted := args[1:]
	for _, section := range sections {
		if len(wanted) > 0 && !slices.ContainsFunc(wanted, func(arg []byte) bool { return includes(string(arg), section.name) }) {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString("# " + section.name + "\r\n")
		for _, line := range section.lines(c.server) {
			b.WriteString(line + "\r\n")
		}
	}
	c.conn.WriteBulkString(b.String())
}

func includes(wanted, section string) bool {
	switch wanted = strings.ToLower(wanted); wanted {
	case "all", "default", "everything":
		return true
	}
	return wanted == strings.ToLower(section)
}

func (s *server) infoServer() []string {
	return []string{
		"redis_version:" + version,
		"redis_mode:standalone",
		"os:" + runtime.GOOS + " " + runtime.GOARCH,
		"go_version:" + runtime.Version(),
		"consensus_protocol:" + s.node.cfg.protocol,
		fmt.Sprintf("uptime_in_seconds:%d", int(time.Since(s.node.started).Seconds())),
	}
}

func (s *server) infoClients() []string {
	return []string{fmt.Sprintf("connected_clients:%d", s.clients.Load()), fmt.Sprintf("maxclients:%d", maxClients)}
}

// infoReplication is how this node stands in the cluster, as far as it knows.
func (s *server) infoReplication() []string {
	st := s.node.group.Status()
	role := "slave"
	if st.Role == consensus.Leader {
		role = "master"
	}
	lines := []string{
		"role:" + role,
		fmt.Sprintf("node_id:%d", s.node.cfg.id),
		"node_kind:" + st.Kind.String(),
		"node_role:" + st.Role.String(),
		fmt.Sprintf("leader_id:%d", st.Leader),
		fmt.Sprintf("term:%d", st.Term),
		fmt.Sprintf("commit_index:%d", st.Commit),
		fmt.Sprintf("applied_index:%d", st.Applied),
		fmt.Sprintf("durable_index:%d", st.Durable),
		fmt.Sprintf("snapshot_index:%d", st.Snapshot),
		"members:" + st.Members.String(),
		fmt.Sprintf("members_index:%d", st.MembersIndex),
		fmt.Sprintf("members_changing:%t", st.Changing),
		fmt.Sprintf("store_refused:%t", st.Refused),
		fmt.Sprintf("log_damaged:%t", st.Damaged),
		fmt.Sprintf("contradictions:%d", st.Contradictions),
	}
	if err := s.node.group.Err(); err != nil {
		lines = append(lines, "stopped:"+firstLine(err))
	}
	return lines
}

func (s *server) infoKeyspace() []string {
	keys, expiring := s.node.store.size()
	if keys == 0 {
		return nil
	}
	return []string{fmt.Sprintf("db0:keys=%d,expires=%d,avg_ttl=0", keys, expiring)}
}

// command is COMMAND [COUNT | INFO [name ...] | DOCS [name ...]].
func (c *client) command(args [][]byte) {
	subcommand := "info"
	named := commands
	if len(args) > 1 {
		subcommand = strings.ToLower(string(args[1]))
	}
	if len(args) > 2 {
		named = nil
		for _, name := range args[2:] {
			named = append(named, byName[strings.ToLower(string(name))])
		}
	}
	r := &reply{limit: maxReply}
	switch subcommand {
	case "count":
		r.integer(int64(len(commands)))
	case "info":
		r.array(len(named))
		for _, x := range named {
			x.describe(r)
		}
	case "docs":
		r.array(0) // nothing that a client could not look up elsewhere
	default:
		r.error(fmt.Sprintf("ERR unknown subcommand '%.128s'. Try COMMAND HELP.", args[1]))
	}
	c.conn.WriteRaw(r.b)
}

// describe answers what COMMAND INFO does: name, arity, flags, and which arguments are keys.
func (c *command) describe(r *reply) {
	if c == nil {
		r.nullArray()
		return
	}
	flags := map[class][]string{local: {"fast"}, reads: {"readonly"}, writes: {"write"}}[c.class]
	r.array(6)
	r.bulk(c.name)
	r.integer(int64(c.arity))
	r.array(len(flags))
	for _, flag := range flags {
		r.simple(flag)
	}
	r.integer(int64(c.keys.first))
	r.integer(int64(c.keys.last))
	r.integer(int64(c.keys.step))
}
