package sim

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/consensus-go/consensus"
)

// Options say what to simulate. Zero values take the default.
type Options struct {
	// Protocol makes the engines; Name is what the command line calls it.
	Protocol consensus.NewEngine
	Name     string
	// Rules say what the engine's writes and messages claim. Default RaftRules.
	Rules Rules
	// Profile says which faults there are, and how many. Default Swarm.
	Profile Profile
	// Seed is the first seed, and Seeds how many there are; default 1. The same seed and
	// options give the same run, event by event, on any machine.
	Seed  uint64
	Seeds int
	// Nodes is how many nodes found the group, 1 to 9; default: drawn by the seed.
	Nodes int
	// For is the simulated time with faults; what it takes to finish comes on top. Default: drawn
	// by the seed, at least 30 s.
	For time.Duration
	// Storage has the nodes keep their data in a storage.Disk, on a file system in memory that loses
	// what power cuts lose, instead of in a model of one.
	Storage bool
	// StateMachine makes the state machine of one replica. Default: a small map, whose clients'
	// histories are checked for linearizability.
	StateMachine func() consensus.StateMachine
	// Durable makes it a consensus.DurableStateMachine, with a disk of its own.
	Durable bool

	// Workers is how many seeds run at once; default one for each processor. It changes no result.
	Workers int
	// FirstOnly ends a campaign at the first seed that fails: later ones are left out.
	FirstOnly bool
	// Progress, if not nil, is told of every finished seed, one at a time and in no certain order.
	Progress func(Result)
	// Trace, if not nil, gets one line for each transition. For a single seed.
	Trace io.Writer
	// Chooser, if not nil, decides instead of the seed. For a single seed.
	Chooser Chooser

	setup   func(*World) // of Run
	command string       // that runs a seed again, but for the seed
}

// Rules are a protocol's: which claims the checks hold it to. What clients may see is the same.
type Rules uint8

const (
	RaftRules  Rules = iota // a log without holes, whose terms match
	PaxosRules              // slots that are chosen each by itself, at ballots
)

// A Profile is a named mixture of faults.
type Profile uint8

const (
	Swarm    Profile = iota // every seed draws its own faults, sizes, timings and engine constants
	Calm                    // no faults: delays, and leaders that hand over
	Cuts                    // links fail, in many shapes
	Hoarder                 // messages are held back until a later election
	Crashes                 // nodes crash, often just when it hurts most
	Churn                   // the membership changes all the time
	Storm                   // five nodes, short timeouts, many elections, few entries, many messages held back
	Leases                  // reads rest on leases, and leaders lose touch with some, and then with all
	Upheaval                // the membership changes while one leader after the other falls
	profiles
)

var profileNames = [profiles]string{"swarm", "calm", "cuts", "hoarder", "crashes", "churn", "storm", "leases", "upheaval"}

func (p Profile) String() string {
	if p < profiles {
		return profileNames[p]
	}
	return fmt.Sprintf("Profile(%d)", uint8(p))
}

// ParseProfile is the profile of that name. Its error lists the names there are.
func ParseProfile(name string) (Profile, error) {
	for p, n := range profileNames {
		if n == name {
			return Profile(p), nil
		}
	}
	return 0, fmt.Errorf("no profile %q: there are %s", name, strings.Join(profileNames[:], ", "))
}

// WithDefaults returns o with defaults for what is zero, or what is wrong with it: a
// *consensus.ConfigError.
func (o Options) WithDefaults() (Options, error) {
	bad := func(field string, value any, reason string) (Options, error) {
		return o, &consensus.ConfigError{Field: field, Value: fmt.Sprint(value), Reason: reason}
	}
	switch {
	case o.Protocol == nil:
		return bad("Protocol", "nil", "there is nothing to simulate")
	case o.Profile >= profiles:
		return bad("Profile", o.Profile, "there is no such profile")
	case o.Nodes < 0 || o.Nodes > maxFounders:
		return bad("Nodes", o.Nodes, "must be 1 to 9, or 0 for the seed to draw")
	case o.For < 0 || o.For > time.Hour:
		return bad("For", o.For, "must be positive and at most an hour")
	case o.Seeds < 0:
		return bad("Seeds", o.Seeds, "cannot be negative")
	case o.Workers < 0:
		return bad("Workers", o.Workers, "cannot be negative")
	}
	if o.Name == "" {
		o.Name = "raft"
	}
	if o.Seeds == 0 {
		o.Seeds = 1
	}
	return o, nil
}

// Replay is the command that runs one seed of o again, with a trace.
func (o Options) Replay(seed uint64) string {
	if o.command != "" {
		return fmt.Sprint(o.command, seed)
	}
	cmd := fmt.Sprintf("go run ./sim/cmd/simulate replay -protocol %s -profile %v -seed %d", o.Name, o.Profile, seed)
	if o.Nodes != 0 {
		cmd += fmt.Sprintf(" -nodes %d", o.Nodes)
	}
	if o.For != 0 {
		cmd += fmt.Sprintf(" -for %v", o.For)
	}
	if o.Durable {
		cmd += " -durable"
	}
	if o.Storage {
		cmd += " -storage"
	}
	return cmd + " -trace"
}
