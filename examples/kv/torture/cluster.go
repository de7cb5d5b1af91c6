package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/transport"
)

// program is what is tortured, and binary what it is built into, under a name that suits Windows too.
const (
	program = "github.com/consensus-go/consensus/examples/kv"
	binary  = "kv.exe"
)

const (
	commandTimeout = 2 * time.Second        // of the nodes
	clientTimeout  = 3 * time.Second        // of who asks them
	election       = 500 * time.Millisecond // timeout
	diskSize       = 64 << 20               // bytes, of a mounted disk
	segmentSize    = 64 << 10               // bytes, so that the log has many
	snapshotSize   = 256 << 10              // bytes, so that there are many
	retention      = 64 << 10               // bytes, so that who was away for long is sent one
	certified      = 24 * time.Hour         // that certificates are good for
	patience       = time.Minute            // within which what must happen does
)

// A cluster is nodes, each a process with a folder. One of them at a time is the spare: it is down,
// has no data, and takes the place of the one that is replaced next.
type cluster struct {
	dir      string
	protocol string
	network  network
	health   *health
	mounted  bool // every node has a disk of its own
	report   func(format string, args ...any)
	log      func(format string, args ...any)

	mu    sync.Mutex
	nodes map[int]*node
	size  int // how many of them take part
	spare int
}

// A node is one process after the other.
type node struct {
	id     int
	dir    string // of its data, in the folder data
	joins  bool   // it was not there when the cluster was founded
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has; nil if it was never started
	wanted bool          // it is not to exit
}

// build builds the program that is tortured, into dir.
func build(ctx context.Context, dir string) error {
	out, err := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, binary), program).CombinedOutput()
	if err != nil {
		return fmt.Errorf("building %s: %w\n%s", program, err, out)
	}
	return nil
}

// found makes the nodes, of which none runs yet.
func (c *cluster) found() error {
	c.nodes, c.spare = make(map[int]*node), c.size+1
	authority := transport.NewDemoAuthority()
	for id := 1; id <= c.spare; id++ {
		n := &node{id: id, dir: c.file(id, ""), joins: id == c.spare}
		certificate, key := authority.Issue(consensus.NodeID(id), certified)
		err := errors.Join(os.MkdirAll(n.dir, 0o755), os.WriteFile(c.file(id, ".crt"), certificate, 0o600),
			os.WriteFile(c.file(id, ".key"), key, 0o600), os.WriteFile(c.file(id, ".ca"), authority.Certificate(), 0o600))
		if err != nil {
			return err
		}
		if c.mounted {
			if err := mount(n.dir, diskSize); err != nil {
				return err
			}
		}
		c.nodes[id] = n
		c.health.setDown(true, id)
	}
	return nil
}

// members are the ids of the nodes that take part, in order.
func (c *cluster) members() (ids []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.nodes {
		if id != c.spare {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (c *cluster) data(id int) string { return filepath.Join(c.nodes[id].dir, "data") }

// file is one of a node's, beside its disk.
func (c *cluster) file(id int, suffix string) string {
	return filepath.Join(c.dir, fmt.Sprintf("node-%d%s", id, suffix))
}

func (c *cluster) logFile(id int) string { return c.file(id, ".log") }

// start starts a node that is down, and is to run until it is stopped.
func (c *cluster) start(id int) error { return c.try(id, true) }

// try starts a node that is down. Unless it is wanted it may end by itself.
func (c *cluster) try(id int, wanted bool) error {
	n := c.nodes[id]
	out, err := os.OpenFile(c.logFile(id), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	fmt.Fprintf(out, "--- started at %s\n", time.Now().Format(time.StampMilli))
	cmd := c.network.command(id, filepath.Join(c.dir, binary), c.arguments(id)...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = out, out, apart()
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	c.mu.Lock()
	n.cmd, n.exited, n.wanted = cmd, exited, wanted
	c.mu.Unlock()
	go func() {
		err := cmd.Wait()
		c.mu.Lock()
		wanted := n.wanted && n.cmd == cmd
		c.mu.Unlock()
		if wanted {
			c.report("node %d has ended by itself (%v): see %s", id, err, c.logFile(id))
		}
		close(exited)
	}()
	return nil
}

// arguments are those of a node's command line.
func (c *cluster) arguments(id int) []string {
	var peers, founders []string
	for other := range c.nodes {
		address := c.network.peers(id)
		if other != id {
			address = c.network.route(id, other)
		}
		peers = append(peers, fmt.Sprintf("%d=%s", other, address))
	}
	for founder := range c.size {
		founders = append(founders, strconv.Itoa(founder+1))
	}
	args := []string{
		"-id", strconv.Itoa(id), "-peers", strings.Join(peers, ","), "-members", strings.Join(founders, ","), "-listen", c.network.clients(id),
		"-data", c.data(id), "-tls-cert", c.file(id, ".crt"), "-tls-key", c.file(id, ".key"), "-tls-ca", c.file(id, ".ca"),
		"-protocol", c.protocol, "-timeout", commandTimeout.String(), "-election-timeout", election.String(),
		"-segment-size", strconv.Itoa(segmentSize), "-snapshot-size", strconv.Itoa(snapshotSize), "-retention", strconv.Itoa(retention),
	}
	if c.nodes[id].joins {
		args = append(args, "-join")
	}
	return args
}

// unwant has the end of a process be nobody's surprise, and returns it; nil: there was never one.
func (c *cluster) unwant(id int) (*os.Process, chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.nodes[id]
	n.wanted = false
	if n.cmd == nil {
		return nil, nil
	}
	return n.cmd.Process, n.exited
}

// kill ends nodes at once, as kill -9 does.
func (c *cluster) kill(ids ...int) {
	c.health.setDown(true, ids...)
	var all []chan struct{}
	for _, id := range ids {
		if p, exited := c.unwant(id); p != nil {
			p.Kill()
			all = append(all, exited)
		}
	}
	for _, exited := range all {
		<-exited
	}
}

// stop asks a node to end, which it must do soon.
func (c *cluster) stop(id int) {
	c.health.setDown(true, id)
	p, exited := c.unwant(id)
	terminate(p)
	select {
	case <-exited:
	case <-time.After(patience):
		c.report("node %d does not end when it is asked to", id)
		p.Kill()
		<-exited
	}
	if code := c.nodes[id].cmd.ProcessState.ExitCode(); code != 0 {
		c.report("node %d was asked to end, and did so with %d: see %s", id, code, c.logFile(id))
	}
}

// restart starts nodes that are down, and returns when they answer.
func (c *cluster) restart(ctx context.Context, ids ...int) {
	for _, id := range ids {
		if err := c.start(id); err != nil {
			c.report("starting node %d: %v", id, err)
			return
		}
	}
	for _, id := range ids {
		c.await(ctx, id, "PING")
		c.health.setDown(false, id)
	}
}

// await returns when a node answers a command.
func (c *cluster) await(ctx context.Context, id int, args ...string) {
	last := errors.New("it was not asked")
	for end := time.Now().Add(patience); time.Now().Before(end); sleep(ctx, 10*time.Millisecond) {
		if ctx.Err() != nil {
			return
		}
		if _, last = c.ask(id, args...); last == nil {
			return
		}
	}
	c.report("node %d has not answered %v since %v: %v; see %s", id, args, patience, last, c.logFile(id))
}

// ask sends one command to a node. An error that it answers is one.
func (c *cluster) ask(id int, args ...string) (reply, error) {
	conn, err := dial(c.network.clients(id))
	if err != nil {
		return reply{}, err
	}
	defer conn.Close()
	r, err := conn.do(clientTimeout, args...)
	if err == nil && r.kind == '-' {
		err = errors.New(r.text)
	}
	return r, err
}

// status is one line of what a node says of itself, "" if it says nothing of the kind.
func (c *cluster) status(id int, name string) string {
	r, _ := c.ask(id, "CONSENSUS", "STATUS")
	for line := range strings.SplitSeq(r.text, "\r\n") {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return value
		}
	}
	return ""
}

// leader is the node that leads, as one of them says; 0: nobody knows.
func (c *cluster) leader() int {
	for _, id := range c.members() {
		if n, _ := strconv.Atoi(c.status(id, "leader_id")); n != 0 {
			return n
		}
	}
	return 0
}

// contradicted reports what no node may ever see: a message that contradicts what it knows to be chosen.
func (c *cluster) contradicted() {
	for _, id := range c.members() {
		if n := c.status(id, "contradictions"); n != "" && n != "0" {
			c.report("node %d has dropped %s messages that contradict what is chosen", id, n)
		}
	}
}

// close kills all nodes, and gives back their disks. What is on these is kept as a copy, if wanted.
func (c *cluster) close(keep bool) error {
	var errs []error
	for id, n := range c.nodes {
		c.kill(id)
		if !c.mounted {
			continue
		}
		if keep {
			errs = append(errs, os.CopyFS(n.dir+"-data", os.DirFS(n.dir)))
		}
		errs = append(errs, unmount(n.dir))
	}
	return errors.Join(errs...)
}

// sleep waits, but not longer than ctx.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
