package consensus

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestACommandOfASessionIsAppliedOnce(t *testing.T) {
	h := newHistory(t)
	id := h.apply(EntrySessionOpen, nil).Result.Value
	require.Equal(t, uint64(1), id, "a session is named by its index")
	first, err := h.session(id, 1, 1, "a")
	require.NoError(t, err)
	_, err = h.session(id, 2, 1, "b")
	require.NoError(t, err)
	again, err := h.session(id, 1, 1, "a")
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, []string{"a", "b"}, h.state.commands)

	_, err = h.session(id, 3, 2, "c")
	require.NoError(t, err)
	_, err = h.session(id, 1, 1, "a")
	require.Equal(t, ErrStaleSequence, err, "the client waits for 2 and above")
	_, err = h.session(id, 0, math.MaxUint64, "d")
	require.Equal(t, ErrStaleSequence, err)
	require.Equal(t, []string{"a", "b", "c"}, h.state.commands)
}

func TestAStoredAnswerIsSharedWithNobody(t *testing.T) {
	h := newHistory(t)
	id := h.apply(EntrySessionOpen, nil).Result.Value
	for range 3 {
		answer, err := h.session(id, 1, 1, "a")
		require.NoError(t, err)
		require.Equal(t, "did a", string(answer.Data))
		answer.Data[0] = 'D'
	}
}

func TestACommandOfAnUnknownSessionHasNoEffect(t *testing.T) {
	h := newHistory(t)
	id := h.apply(EntrySessionOpen, nil).Result.Value
	_, err := h.session(id+1, 1, 1, "a")
	require.Equal(t, ErrNoSession, err)
	require.Equal(t, ErrNoSession, h.apply(EntrySessionCommand, []byte{0x80}).Err, "malformed")
	require.Equal(t, ErrNoSession, h.apply(EntrySessionClose, []byte{0x80}).Err)
	require.Equal(t, ErrNoSession, h.apply(EntrySessionClose, append(AppendSessionClose(nil, id), 0)).Err)
	require.NoError(t, h.apply(EntrySessionClose, AppendSessionClose(nil, id)).Err)
	require.Equal(t, ErrNoSession, h.apply(EntrySessionClose, AppendSessionClose(nil, id)).Err)
	_, err = h.session(id, 1, 1, "a")
	require.Equal(t, ErrNoSession, err)
	require.Empty(t, h.state.commands)
}

func TestTheLeastRecentlyUsedSessionIsEvicted(t *testing.T) {
	h := newHistory(t)
	var ids []uint64
	for range MaxSessions {
		ids = append(ids, h.apply(EntrySessionOpen, nil).Result.Value)
	}
	_, err := h.session(ids[0], 1, 1, "a")
	require.NoError(t, err)
	h = h.restored() // the order of use survives
	h.apply(EntrySessionOpen, nil)
	_, err = h.session(ids[1], 1, 1, "b")
	require.Equal(t, ErrNoSession, err)
	_, err = h.session(ids[0], 2, 1, "c")
	require.NoError(t, err)
	h.apply(EntrySessionOpen, nil)
	_, err = h.session(ids[2], 1, 1, "d")
	require.Equal(t, ErrNoSession, err)
	_, err = h.session(ids[3], 1, 1, "e")
	require.NoError(t, err)
	require.Len(t, h.machine.sessions.byID, MaxSessions)
}

func TestTheAnswersOfASessionAreBounded(t *testing.T) {
	h := newHistory(t)
	id := h.apply(EntrySessionOpen, nil).Result.Value
	for i := range uint64(MaxAnswers) {
		_, err := h.session(id, i, 0, "a")
		require.NoError(t, err)
	}
	_, err := h.session(id, MaxAnswers, 0, "b")
	require.Equal(t, ErrBusy, err)
	_, err = h.session(id, 7, 0, "a")
	require.NoError(t, err, "an answer that is kept")
	_, err = h.session(id, MaxAnswers, 1, "b")
	require.NoError(t, err, "the client waits for one less")
	require.Len(t, h.state.commands, MaxAnswers+1)
}

func TestTheBytesOfAllAnswersAreBounded(t *testing.T) {
	const weight = answerOverhead + len("did a")
	h := newLimitedHistory(t, SessionLimits{SessionBytes: 3 * weight})
	var ids []uint64
	for i := range 4 {
		ids = append(ids, h.apply(EntrySessionOpen, nil).Result.Value)
		if i == 3 {
			break
		}
		_, err := h.session(ids[i], 1, 1, "a")
		require.NoError(t, err)
	}
	h = h.restored() // their weight survives
	_, err := h.session(ids[0], 1, 1, "a")
	require.NoError(t, err, "there is room for three")
	_, err = h.session(ids[3], 1, 1, "a")
	require.NoError(t, err)
	_, err = h.session(ids[1], 1, 1, "a")
	require.Equal(t, ErrNoSession, err, "the least recently used")
	_, err = h.session(ids[0], 2, 2, "a")
	require.NoError(t, err, "in the place of the one before")
	_, err = h.session(ids[2], 1, 1, "a")
	require.NoError(t, err)
	require.Equal(t, 3*weight, h.machine.sessions.bytes)
	require.NoError(t, h.apply(EntrySessionClose, AppendSessionClose(nil, ids[2])).Err)
	require.Equal(t, 2*weight, h.machine.sessions.bytes)

	_, err = h.session(ids[0], 3, 3, strings.Repeat("a", 3*weight))
	require.NoError(t, err)
	_, err = h.session(ids[0], 3, 3, "")
	require.NoError(t, err, "an answer that is too large makes room for itself, if it is the only one")
	require.Len(t, h.machine.sessions.byID, 1)
	_, err = h.session(ids[0], 4, 3, "a")
	require.NoError(t, err)
	require.Empty(t, h.machine.sessions.byID)
	require.Zero(t, h.machine.sessions.bytes)
	_, err = h.session(ids[0], 4, 3, "a")
	require.Equal(t, ErrNoSession, err)
}

func TestASessionCommandHasOneEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := SessionCommand{rapid.Uint64().Draw(t, "session"), rapid.Uint64().Draw(t, "sequence"), rapid.Uint64().Draw(t, "oldest"),
			append([]byte{}, rapid.SliceOf(rapid.Byte()).Draw(t, "data")...)}
		b := c.AppendTo(nil)
		back, err := DecodeSessionCommand(b)
		require.NoError(t, err)
		require.Equal(t, c, back)
		require.Equal(t, b, back.AppendTo(nil))
		_, err = DecodeSessionCommand(b[:rapid.IntRange(0, 2).Draw(t, "cut")])
		require.ErrorIs(t, err, ErrMalformed)
	})
}

// A sessionModel says in the plainest way what sessions do.
type sessionModel struct {
	order   []uint64 // those that were opened
	answers map[[2]uint64]Result
	oldest  map[uint64]uint64
}

func TestSessionsDoWhatTheModelSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		m := sessionModel{answers: map[[2]uint64]Result{}, oldest: map[uint64]uint64{}}
		for range rapid.IntRange(1, 100).Draw(t, "entries") {
			if rapid.IntRange(0, 5).Draw(t, "open") == 0 {
				m.order = append(m.order, h.apply(EntrySessionOpen, nil).Result.Value)
				continue
			}
			id := rapid.Uint64Range(1, uint64(h.at)+1).Draw(t, "session")
			if len(m.order) > 0 && rapid.Bool().Draw(t, "known") {
				id = rapid.SampledFrom(m.order).Draw(t, "session")
			}
			sequence, oldest := rapid.Uint64Range(0, 5).Draw(t, "sequence"), rapid.Uint64Range(0, 5).Draw(t, "oldest")
			before := len(h.state.commands)
			result, err := h.session(id, sequence, oldest, "x")
			m.check(t, id, sequence, oldest, result, err, len(h.state.commands)-before)
		}
	})
}

func (m *sessionModel) check(t *rapid.T, id, sequence, oldest uint64, result Result, err error, applied int) {
	known := false
	for _, s := range m.order {
		known = known || s == id
	}
	if !known {
		require.Equal(t, ErrNoSession, err)
		require.Zero(t, applied)
		return
	}
	m.oldest[id] = max(m.oldest[id], oldest)
	at := [2]uint64{id, sequence}
	stored, had := m.answers[at]
	switch {
	case sequence < m.oldest[id]:
		require.Equal(t, ErrStaleSequence, err)
		require.Zero(t, applied)
	case had:
		require.NoError(t, err)
		require.Equal(t, stored, result)
		require.Zero(t, applied)
	default:
		require.NoError(t, err)
		require.Equal(t, 1, applied)
		m.answers[at] = result
	}
}
