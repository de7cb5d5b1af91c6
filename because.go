package consensus

import (
	"errors"
	"fmt"
)

// A becauseError is err, for a reason that comes from elsewhere: storage, a transport, the user's
// code. What became of the request err alone says. The reason is there to be found with errors.Is
// and errors.As, but for what it says of a request: that was another one, of another group perhaps.
type becauseError struct {
	err, reason error
	text        string
}

// because has the reason, whose Error may be the user's code, say now what it is, and survives a panic of that.
func because(err, reason error) error {
	return &becauseError{err, reason, fmt.Sprintf("%v: %v", err, reason)}
}

func (e *becauseError) Error() string { return e.text }

func (e *becauseError) Unwrap() error { return e.err }

func (e *becauseError) Is(target error) bool {
	return !isOutcome(target) && errors.Is(e.reason, target)
}

func (e *becauseError) As(target any) bool {
	switch target.(type) {
	case **NotLeaderError, **ConfigError:
		return false
	}
	return errors.As(e.reason, target)
}

// isOutcome reports whether err says what became of a request.
func isOutcome(err error) bool {
	return errors.Is(err, ErrNotApplied) || err == ErrUnknown || err == ErrStaleSequence
}
