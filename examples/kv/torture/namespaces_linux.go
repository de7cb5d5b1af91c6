package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Namespaces are a network in which every node has one of its own: a namespace with an address,
// at a bridge. A link is cut by a rule of iptables that drops what comes from there.
type namespaces struct {
	subnet string // the first three numbers of the addresses
	bridge string
	ids    []int
}

// canNamespaces says why there can be no namespaces here, or nil. A root whose powers are limited
// finds out by trying.
func canNamespaces() error {
	n := &namespaces{bridge: fmt.Sprintf("tt%d", os.Getpid())}
	if err := n.run(0, "ip netns add $bridge"); err != nil {
		return err
	}
	return errors.Join(n.run(0, "ip netns exec $bridge iptables -w -S"), n.run(0, "ip netns del $bridge"))
}

func newNamespaces(ids []int) (_ network, err error) {
	pid := os.Getpid()
	n := &namespaces{subnet: fmt.Sprintf("10.%d.%d", 100+pid>>8%100, pid%256), bridge: fmt.Sprintf("tt%d", pid), ids: ids}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	err = n.run(0, `
ip link add $bridge type bridge
ip addr add $subnet.254/24 dev $bridge
ip link set $bridge up`)
	for _, id := range ids {
		if err != nil {
			return nil, err
		}
		err = n.run(id, `
ip netns add ${bridge}-$id
ip link add $bridge.$id type veth peer name eth0 netns ${bridge}-$id
ip link set $bridge.$id master $bridge up
ip -n ${bridge}-$id addr add $subnet.$id/24 dev eth0
ip -n ${bridge}-$id link set eth0 up
ip -n ${bridge}-$id link set lo up`)
	}
	return n, err
}

// run runs commands, one a line, for a node or, with 0, for all, until one fails.
func (n *namespaces) run(id int, commands string) error {
	commands = os.Expand(commands, func(name string) string {
		return map[string]string{"bridge": n.bridge, "subnet": n.subnet, "id": fmt.Sprint(id)}[name]
	})
	for line := range strings.Lines(commands) {
		args := strings.Fields(line)
		if len(args) == 0 {
			continue
		}
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.TrimSpace(line), err, out)
		}
	}
	return nil
}

func (n *namespaces) clients(id int) string { return fmt.Sprintf("%s.%d:6379", n.subnet, id) }

func (n *namespaces) peers(id int) string { return fmt.Sprintf("%s.%d:7000", n.subnet, id) }

func (n *namespaces) route(_, to int) string { return n.peers(to) }

// command runs a program in the namespace of a node. What ip starts takes its own place, and so
// signals reach it.
func (n *namespaces) command(id int, name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", fmt.Sprintf("%s-%d", n.bridge, id), name}, args...)...)
}

func (n *namespaces) slows() bool { return false }

func (n *namespaces) set(from, to int, c condition) error {
	do := "-D"
	if c.cut {
		do = "-A"
	}
	return n.run(to, fmt.Sprintf("ip netns exec ${bridge}-$id iptables -w %s INPUT -s $subnet.%d -j DROP", do, from))
}

// close removes everything. With a namespace goes the link to it.
func (n *namespaces) close() error {
	var errs []error
	for _, id := range n.ids {
		errs = append(errs, n.run(id, "ip netns del ${bridge}-$id"))
	}
	return errors.Join(append(errs, n.run(0, "ip link del $bridge"))...)
}
