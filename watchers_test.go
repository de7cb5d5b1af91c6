package consensus

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// A slyContext calls something whenever it is asked.
type slyContext struct {
	context.Context
	call func()
}

func (c slyContext) Done() <-chan struct{} { c.call(); return c.Context.Done() }
func (c slyContext) Err() error            { c.call(); return c.Context.Err() }
func (c slyContext) Value(key any) any     { c.call(); return c.Context.Value(key) }

func TestNoContextOfAWatcherIsAskedWhileLoopsWait(t *testing.T) {
	ws, asked := newWatchers(), 0
	ctx, cancel := context.WithCancel(context.Background())
	ask := func() {
		require.True(t, ws.mu.TryLock())
		ws.mu.Unlock()
		asked++
	}
	events := ws.add(slyContext{ctx, ask}, 1)
	require.Positive(t, asked)
	cancel()
	_, open := <-events
	require.False(t, open)
	ws.add(slyContext{context.Background(), ask}, 1)
	ws.close()
}
