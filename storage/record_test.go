package storage

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestARecordOfLostEntriesIsWhole: what rewriting says of a group with damage, its snapshot included, is no
// damage itself.
func TestARecordOfLostEntriesIsWhole(t *testing.T) {
	const seed, offset = 7, headSize
	r := record{group: 1, number: 3, first: 5, last: 9, end: 9, index: 4, term: 2, flags: flagAdopts | flagLost}
	b := r.appendTo(nil, func(b []byte) []byte { return appendBody(b, &r, []byte("config"), nil) })
	seal(b, seed, offset, offset)
	var read record
	require.True(t, read.decode(b, seed, offset))
	es, whole := read.entries(nil)
	require.True(t, whole)
	require.Empty(t, es)
	config, _, whole := read.config()
	require.True(t, whole)
	require.Equal(t, "config", string(config))
}
