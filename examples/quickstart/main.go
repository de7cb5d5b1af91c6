// Quickstart replicates the lines of a file over three replicas, each with a disk of its own, over TCP on
// loopback. Halfway it stops the leader, goes on, brings it back, and checks that all three hold the
// same lines. The disks are folders of a temporary one, which is removed at the end.
//
//	go run ./examples/quickstart [-protocol raft|paxos] [FILE]
//
// Without FILE it reads standard input or, if that is a terminal or empty, takes a text of its own.
// It exits with 1 if anything went wrong, the replicas' states differing among it, and with 2 if
// it was called wrongly.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/gob"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/consensus-go/consensus"
	"github.com/consensus-go/consensus/paxos"
	"github.com/consensus-go/consensus/raft"
	"github.com/consensus-go/consensus/storage"
	"github.com/consensus-go/consensus/transport"
)

// protocols are what -protocol may say.
var protocols = map[string]consensus.NewEngine{"raft": raft.New, "paxos": paxos.New}

const builtIn = `Arms and the man I sing, who forced by fate
And haughty Juno's unrelenting hate,
Expelled and exiled, left the Trojan shore.
Long labours, both by sea and land, he bore,
And in the doubtful war, before he won
The Latian realm, and built the destined town;
His banished gods restored to rites divine,
And settled sure succession in his line.
`

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is main, and returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: quickstart [-protocol NAME] [FILE]")
		flags.PrintDefaults()
	}
	names := strings.Join(slices.Sorted(maps.Keys(protocols)), ", ")
	protocol := flags.String("protocol", "raft", "the consensus protocol: "+names)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	engine := protocols[*protocol]
	if engine == nil {
		fmt.Fprintf(stderr, "quickstart: no protocol %q; there is: %s\n", *protocol, names)
		flags.Usage()
		return 2
	}
	lines, source, err := input(flags.Args(), stdin)
	if err != nil {
		fmt.Fprintln(stderr, "quickstart:", err)
		flags.Usage()
		return 2
	}
	fmt.Fprintf(stdout, "%s of %s, three replicas, %s\n", count(lines), source, *protocol)
	d := &demo{engine: engine, out: stdout, start: time.Now()}
	if err := d.run(lines); err != nil {
		fmt.Fprintln(stderr, "quickstart:", err)
		return 1
	}
	return 0
}

// input returns the lines to replicate, and where they are from.
func input(args []string, stdin io.Reader) (lines []string, source string, err error) {
	if len(args) > 1 {
		return nil, "", fmt.Errorf("one file at most, not %d", len(args))
	}
	var text []byte
	switch {
	case len(args) == 1:
		source = args[0]
		text, err = os.ReadFile(source)
	case !isTerminal(stdin):
		source = "standard input"
		text, err = io.ReadAll(stdin)
	}
	if len(args) == 0 && len(text) == 0 {
		source, text = "the built-in text", []byte(builtIn)
	}
	for line := range strings.Lines(string(text)) {
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	return lines, source, err
}

func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// A text is the state machine: it keeps the lines that it is given.
type text struct {
	mu    sync.Mutex
	lines []string
}

// Apply adds a line.
func (t *text) Apply(c consensus.Command) consensus.Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, string(c.Data))
	return consensus.Result{Value: uint64(len(t.lines))}
}

// Snapshot returns the lines up to now.
func (t *text) Snapshot() io.WriterTo {
	var b bytes.Buffer
	gob.NewEncoder(&b).Encode(t.lines) // into memory, so it cannot fail
	return &b
}

// Restore takes the lines of a snapshot.
func (t *text) Restore(r io.Reader) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = nil
	return gob.NewDecoder(r).Decode(&t.lines)
}

func (t *text) read() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.lines)
}

// A replica is one host with one group. Its disk outlives it.
type replica struct {
	id    consensus.NodeID
	dir   string
	disk  *storage.Disk
	net   *transport.TCP
	host  *consensus.Host // nil while it is down
	group *consensus.Group
	text  *text
}

// A demo is the three replicas and where it tells of them.
type demo struct {
	engine   consensus.NewEngine
	out      io.Writer
	start    time.Time
	replicas []*replica
}

// run plays the story in a folder of its own.
func (d *demo) run(lines []string) error {
	dir, err := os.MkdirTemp("", "quickstart-")
	if err != nil {
		return err
	}
	for id := consensus.NodeID(1); id <= 3; id++ {
		d.replicas = append(d.replicas, &replica{id: id, dir: filepath.Join(dir, fmt.Sprint(id))})
	}
	err = d.play(context.Background(), lines)
	for _, r := range d.replicas {
		err = errors.Join(err, d.down(r))
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// play is the whole story.
func (d *demo) play(ctx context.Context, lines []string) error {
	for _, r := range d.replicas {
		if err := d.up(r, (*consensus.Host).Create); err != nil {
			return err
		}
	}
	leader := d.awaitLeader()
	d.say("replica %d leads", leader.id)

	// Any replica takes commands. The session sees to it that each is applied exactly once, though
	// nobody can tell what became of one that was under way when a leader stopped.
	client := d.replicas[leader.id%3]
	session, err := client.group.OpenSession(ctx)
	if err != nil {
		return err
	}
	half := len(lines) / 2
	if err := replicate(ctx, session, lines[:half]); err != nil {
		return err
	}
	d.say("%s replicated, through replica %d", count(lines[:half]), client.id)
	if err := d.down(leader); err != nil {
		return err
	}
	d.say("replica %d stopped", leader.id)
	if err := replicate(ctx, session, lines[half:]); err != nil {
		return err
	}
	d.say("%s more replicated; replica %d leads", count(lines[half:]), d.awaitLeader().id)
	if err := d.up(leader, (*consensus.Host).Open); err != nil {
		return err
	}
	d.say("replica %d is back with what its disk had", leader.id)
	return d.compare(ctx, lines)
}

// up starts a replica that is down: enter is Create or Open.
func (d *demo) up(r *replica, enter func(*consensus.Host, consensus.GroupConfig) (*consensus.Group, error)) (err error) {
	if r.disk, err = storage.Open(r.dir, storage.Options{Node: r.id, Cluster: cluster}); err != nil {
		return err
	}
	// A real cluster would name the addresses of all nodes in TCPOptions.Peers, and authenticate them.
	if r.net, err = transport.Listen("127.0.0.1:0", transport.TCPOptions{ID: r.id, Cluster: cluster, Plaintext: true}); err != nil {
		return errors.Join(err, r.disk.Close())
	}
	for _, other := range d.replicas {
		if other != r && other.host != nil {
			other.net.SetAddress(r.id, r.net.Addr().String())
			r.net.SetAddress(other.id, other.net.Addr().String())
		}
	}
	r.text = new(text)
	r.host, err = consensus.Start(consensus.HostConfig{ID: r.id, Storage: r.disk, Transport: r.net, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return errors.Join(err, r.net.Close(), r.disk.Close())
	}
	r.group, err = enter(r.host, consensus.GroupConfig{
		ID:              1,
		Protocol:        d.engine,
		Members:         consensus.Members{Voters: []consensus.NodeID{1, 2, 3}},
		StateMachine:    r.text,
		ElectionTimeout: 200 * time.Millisecond,
	})
	return err
}

// cluster is a number that tells these replicas from those of other clusters.
const cluster = 2026

// down stops a replica, if it is not down.
func (d *demo) down(r *replica) error {
	if r.host == nil {
		return nil
	}
	host := r.host
	r.host = nil
	return errors.Join(host.Close(), r.net.Close(), r.disk.Close())
}

// awaitLeader returns the replica that leads and runs, as another that runs sees it.
func (d *demo) awaitLeader() *replica {
	up := d.replicas[slices.IndexFunc(d.replicas, func(r *replica) bool { return r.host != nil })]
	for {
		now, changed := up.group.Leadership()
		if now.Leader != 0 && d.replicas[now.Leader-1].host != nil {
			return d.replicas[now.Leader-1]
		}
		<-changed
	}
}

func replicate(ctx context.Context, s *consensus.Session, lines []string) error {
	for _, line := range lines {
		if _, err := s.Propose(ctx, []byte(line)); err != nil {
			return fmt.Errorf("replicating %q: %w", line, err)
		}
	}
	return nil
}

// compare reads every replica linearizably: each must hold exactly the lines.
func (d *demo) compare(ctx context.Context, lines []string) error {
	for _, r := range d.replicas {
		if err := r.group.Read(ctx); err != nil {
			return fmt.Errorf("reading replica %d: %w", r.id, err)
		}
		if err := same(r.text.read(), lines); err != nil {
			return fmt.Errorf("the state of replica %d differs: %w", r.id, err)
		}
	}
	digest := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	d.say("all three, read linearizably, hold the same %s (sha256 %x...)", count(lines), digest[:6])
	return nil
}

func same(got, want []string) error {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Errorf("it ends before line %d", i+1)
		case i >= len(want):
			return fmt.Errorf("line %d is one too many: %q", i+1, got[i])
		case got[i] != want[i]:
			return fmt.Errorf("line %d is %q, not %q", i+1, got[i], want[i])
		}
	}
	return nil
}

func count(lines []string) string {
	if len(lines) == 1 {
		return "1 line"
	}
	return fmt.Sprintf("%d lines", len(lines))
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "%7.3fs  %s\n", time.Since(d.start).Seconds(), fmt.Sprintf(format, args...))
}
