package consensus_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// What an error says became of the request.
const (
	notApplied = iota // an ErrNotApplied
	unknown           // an ErrUnknown
	applied           // it was applied, at another time
	noRequest         // it is about something else
)

var allErrors = []struct {
	name string
	err  error
	says int
	wire consensus.Outcome // what an answer over the network makes of it
}{
	{"ErrNotApplied", consensus.ErrNotApplied, notApplied, consensus.OutcomeRefused},
	{"ErrUnknown", consensus.ErrUnknown, unknown, consensus.OutcomeUnknown},
	{"ErrNotLeader", consensus.ErrNotLeader, notApplied, consensus.OutcomeNotLeader},
	{"NotLeaderError", &consensus.NotLeaderError{Leader: 3}, notApplied, consensus.OutcomeNotLeader},
	{"ErrTransferring", consensus.ErrTransferring, notApplied, consensus.OutcomeRefused},
	{"ErrBusy", consensus.ErrBusy, notApplied, consensus.OutcomeBusy},
	{"ErrClosed", consensus.ErrClosed, notApplied, consensus.OutcomeRefused},
	{"ErrTooLarge", consensus.ErrTooLarge, notApplied, consensus.OutcomeTooLarge},
	{"ErrOverwritten", consensus.ErrOverwritten, notApplied, consensus.OutcomeOverwritten},
	{"ErrNoSession", consensus.ErrNoSession, notApplied, consensus.OutcomeNoSession},
	{"ErrStaleSequence", consensus.ErrStaleSequence, applied, consensus.OutcomeStaleSequence},
	{"ErrConfigIndex", consensus.ErrConfigIndex, notApplied, consensus.OutcomeConfigIndex},
	{"ErrChanging", consensus.ErrChanging, notApplied, consensus.OutcomeChanging},
	{"ConfigError", &consensus.ConfigError{Field: "ID", Value: "0", Reason: "0 is no node"}, notApplied, consensus.OutcomeRefused},
	{"ErrNoGroup", consensus.ErrNoGroup, noRequest, consensus.OutcomeUnknown},
	{"ErrGroupExists", consensus.ErrGroupExists, noRequest, consensus.OutcomeUnknown},
	{"ErrCompacted", consensus.ErrCompacted, noRequest, consensus.OutcomeUnknown},
	{"ErrMalformed", consensus.ErrMalformed, noRequest, consensus.OutcomeUnknown},
	{"ErrStopped", consensus.ErrStopped, noRequest, consensus.OutcomeUnknown},
	{"another", errors.New("another"), noRequest, consensus.OutcomeUnknown},
}

func TestEveryErrorSaysOneThingOfTheRequest(t *testing.T) {
	for _, e := range allErrors {
		for _, err := range []error{e.err, fmt.Errorf("propose: %w", e.err)} {
			require.Equal(t, e.says == notApplied, errors.Is(err, consensus.ErrNotApplied), e.name)
			require.Equal(t, e.says == unknown, errors.Is(err, consensus.ErrUnknown), e.name)
		}
	}
}

func TestNoErrorIsAnother(t *testing.T) {
	for _, a := range allErrors {
		for _, b := range allErrors {
			if a.name == b.name || b.err == consensus.ErrNotApplied || a.name == "NotLeaderError" && b.name == "ErrNotLeader" {
				continue
			}
			require.NotErrorIs(t, a.err, b.err, "%s is %s", a.name, b.name)
		}
	}
}

func TestANotLeaderErrorTellsWhoLeads(t *testing.T) {
	var told *consensus.NotLeaderError
	require.ErrorAs(t, fmt.Errorf("propose: %w", &consensus.NotLeaderError{Leader: 3}), &told)
	require.Equal(t, consensus.NodeID(3), told.Leader)
	require.ErrorContains(t, told, "node 3")
	require.ErrorContains(t, &consensus.NotLeaderError{}, "nobody")
}

func TestAnErrorTravelsAsAnOutcome(t *testing.T) {
	for _, e := range allErrors {
		for _, err := range []error{e.err, fmt.Errorf("propose: %w", e.err)} {
			require.Equal(t, e.wire, consensus.OutcomeOf(err), e.name)
		}
	}
}

func TestAnOutcomeNeverClaimsMoreThanItsError(t *testing.T) {
	for _, e := range allErrors {
		there := consensus.OutcomeOf(e.err).Err()
		require.Equal(t, e.says == notApplied, errors.Is(there, consensus.ErrNotApplied), e.name)
		require.Equal(t, e.says == unknown || e.says == noRequest, errors.Is(there, consensus.ErrUnknown), e.name)
	}
}

func TestAnErrorThatIsBothKindsTravelsAsUnknown(t *testing.T) {
	for _, e := range allErrors {
		require.Equal(t, consensus.OutcomeUnknown, consensus.OutcomeOf(errors.Join(e.err, consensus.ErrUnknown)), e.name)
	}
}

func TestEveryOutcomeReturnsAsItself(t *testing.T) {
	require.Equal(t, consensus.OutcomeOK, consensus.OutcomeOf(nil))
	require.NoError(t, consensus.OutcomeOK.Err())
	for o := consensus.OutcomeOK; o <= consensus.OutcomeRefused; o++ {
		require.Equal(t, o, consensus.OutcomeOf(o.Err()), "%v", o)
	}
}

func TestAnOutcomeOfALaterVersionIsUnknown(t *testing.T) {
	for o := consensus.OutcomeRefused; o < 255; {
		o++
		require.ErrorIs(t, o.Err(), consensus.ErrUnknown)
		require.Equal(t, fmt.Sprintf("Outcome(%d)", uint8(o)), o.String())
	}
	require.ErrorIs(t, consensus.OutcomeNone.Err(), consensus.ErrUnknown)
}

func TestOutcomesHaveDifferentNames(t *testing.T) {
	names := make(map[string]bool)
	for o := consensus.OutcomeNone; o <= consensus.OutcomeRefused; o++ {
		require.NotEmpty(t, o.String())
		require.False(t, names[o.String()], "%v", o)
		names[o.String()] = true
	}
}
