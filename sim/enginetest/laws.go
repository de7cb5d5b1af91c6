package enginetest

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/consensus-go/consensus"
)

// Laws of every engine, as properties of what a Rig is given.

// Inputs draws up to most bytes, evenly distributed: of bytes that are mostly few and small, as a shrinker likes them, no engine
// is ever elected.
func Inputs(most int) *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		seed := [32]byte{rapid.Byte().Draw(t, "seed"), rapid.Byte().Draw(t, "more of it")}
		in := make([]byte, most-rapid.IntRange(0, most).Draw(t, "less"))
		_, _ = rand.NewChaCha8(seed).Read(in)
		return in
	})
}

// BeginsWhere checks that the inputs of a Speaker take an engine where they should.
func BeginsWhere(t *testing.T, s *Speaker) {
	for role, in := range map[consensus.Role][]byte{consensus.Leader: s.Lead, consensus.Follower: s.Follow} {
		g := NewRig(s, 0)
		require.NoError(t, g.Run(in))
		st := g.Engine.Status()
		require.Equal(t, role, st.Role)
		require.NotZero(t, st.Leader)
	}
}

// KeepsItsPromises is the law that the checks of a Rig hold.
func KeepsItsPromises(t *testing.T, s *Speaker) {
	rapid.Check(t, func(t *rapid.T) {
		require.NoError(t, NewRig(s, rapid.Byte().Draw(t, "kind")).Run(Inputs(2000).Draw(t, "inputs")))
	})
}

// IsDeterministic is the law that the same calls in the same order have the same results.
func IsDeterministic(t *testing.T, s *Speaker) {
	rapid.Check(t, func(t *rapid.T) {
		kind, in := rapid.Byte().Draw(t, "kind"), Inputs(1000).Draw(t, "inputs")
		a, b := NewRig(s, kind), NewRig(s, kind)
		require.NoError(t, a.Run(in))
		require.NoError(t, b.Run(in))
		a.mustBe(t, b)
	})
}

// mustBe requires that two rigs are in the same state.
func (g *Rig) mustBe(t require.TestingT, o *Rig) {
	require.Equal(t, g.Engine.AppendState(nil), o.Engine.AppendState(nil))
	require.Equal(t, g.Engine.Status(), o.Engine.Status())
	require.Equal(t, g.disk, o.disk)
}

// Clones is the law of CloneInto. A clone encodes as its original does; the same inputs take both to the same state and the same
// effects; other inputs of the one never show in the other.
func Clones(t *testing.T, s *Speaker) {
	rapid.Check(t, func(t *rapid.T) {
		a := NewRig(s, rapid.Byte().Draw(t, "kind"))
		require.NoError(t, a.Run(Inputs(600).Draw(t, "before")))
		b := a.Twin(Inputs(200).Draw(t, "dst"))
		state := a.Engine.AppendState(nil)
		require.Equal(t, state, b.Engine.AppendState(nil))
		require.NoError(t, b.Engine.Check())

		other := a.Twin(nil)
		require.NoError(t, other.Run(Inputs(400).Draw(t, "other")))
		require.Equal(t, state, a.Engine.AppendState(nil), "the clone's inputs show in the original")

		after := Inputs(400).Draw(t, "after")
		require.NoError(t, a.Run(after))
		require.Equal(t, state, b.Engine.AppendState(nil), "the original's inputs show in the clone")
		require.NoError(t, b.Run(after))
		a.mustBe(t, b)
	})
}
