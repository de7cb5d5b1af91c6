package transport_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/consensus-go/consensus"
)

// FuzzDecode is what a transport meets: any bytes. They are malformed, or the one encoding of a
// message. The corpus, real messages and broken ones, is in testdata.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		var m consensus.Message
		if err := m.DecodeFrom(b); err != nil {
			require.ErrorIs(t, err, consensus.ErrMalformed)
			return
		}
		require.Equal(t, b, m.AppendTo(nil))
		_ = m.String()
	})
}
