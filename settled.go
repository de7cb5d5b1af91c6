package consensus

import (
	"context"
	"fmt"
)

// Settled waits until this member knows of the membership that was set at index at, or of a later one, and nobody
// in it is still joining: a change with Members.Joining is over then, and may be followed by another. It returns
// the status of that moment. It asks ten times in an election timeout.
func (g *Group) Settled(ctx context.Context, at Index) (GroupStatus, error) {
	for {
		s := g.Status()
		switch {
		case g.Err() != nil:
			return s, g.end.refusal
		case s.MembersIndex >= at && !s.Changing && len(s.Members.Joining) == 0:
			return s, nil
		case ctx.Err() != nil:
			return s, fmt.Errorf("%w: %w", ErrNotApplied, ctx.Err())
		}
		g.rest(ctx)
	}
}
