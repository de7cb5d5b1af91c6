package transport

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// The file pins the format, as wire.go draws it: to change a line is to make a new version.
func TestTheWireFormatIsThatOfTheGoldenFile(t *testing.T) {
	h := hello{1, 2, forSnapshot, 0x0807060504030201, 0x0d0c0b0a, 0x1d1c1b1a}
	heartbeat := note(1, 2, 300)
	several, n := appendMessages(nil, []consensus.Message{heartbeat, bulk(1, 3, 'x', 4)})
	require.Equal(t, 2, n)
	var got strings.Builder
	for _, x := range []struct {
		name  string
		bytes []byte
	}{
		{"hello", h.appendTo(nil)},
		{"answer", h.appendAnswer(nil, welcome)},
		{"refusal", h.appendAnswer(nil, refusedCluster)},
		{"empty", emptyFrame},
		{"message", messagesFrame(heartbeat)},
		{"messages", several},
		{"open", goldenOpen()},
		{"chunk", appendOffset(nil, frameChunk, 0x0807060504030201, []byte("chunk"))},
		{"end", appendOffset(nil, frameEnd, 300, nil)},
		{"abort", appendText(nil, frameAbort, "why")},
		{"resume", appendOffset(nil, frameResume, 300, nil)},
		{"credit", appendOffset(nil, frameCredit, 300, nil)},
		{"done", appendDone(nil, nil)},
		{"busy", appendDone(nil, fmt.Errorf("%w: later", consensus.ErrBusy))},
		{"failed", appendDone(nil, errors.New("disk"))},
	} {
		fmt.Fprintf(&got, "%s %s\n", x.name, hex.EncodeToString(x.bytes))
	}
	want, err := os.ReadFile("testdata/wire.golden")
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}

// goldenOpen is the opening of a snapshot, with a name that is not random.
func goldenOpen() []byte {
	m := note(1, 2, 300)
	o := newOutflow(nil, nil, &m, &consensus.SnapshotMeta{Index: 7, Term: 8, Config: []byte("config")})
	o.name = streamName([]byte("sixteen bytes :)"))
	o.window.lo = 9
	return o.open()
}

func TestAnOpeningIsReadAsItWasWritten(t *testing.T) {
	payload := goldenOpen()[headerSize:]
	got, err := parseOpening(payload)
	require.NoError(t, err)
	require.Equal(t, opening{
		streamName([]byte("sixteen bytes :)")), 9, note(1, 2, 300),
		consensus.SnapshotMeta{Index: 7, Term: 8, Config: []byte("config")},
	}, got)
	for n := range len(payload) - len("config") {
		_, err := parseOpening(payload[:n])
		require.ErrorIs(t, err, consensus.ErrMalformed, "%d bytes", n)
	}
	got, err = parseOpening(payload[:len(payload)-len("config")])
	require.NoError(t, err)
	require.Nil(t, got.meta.Config)
	payload[0] = frameChunk
	_, err = parseOpening(payload)
	require.ErrorIs(t, err, consensus.ErrMalformed)
}

func TestATextIsCutToWhatFits(t *testing.T) {
	frame := appendDone(nil, errors.New(strings.Repeat("long ", 1000)))
	require.Len(t, frame, headerSize+1+maxText)
	frames := frameReader{conn: readerConn{bytes.NewReader(frame)}, limit: maxText + 1, buf: make([]byte, 4<<10)}
	payload, _, err := frames.next()
	require.NoError(t, err)
	require.Equal(t, byte(frameDone), payload[0])
}
