// Package enginetest drives consensus engines by hand, whatever the protocol. Nothing is delivered, written or ticked but by a
// call, so that a test is a schedule, move by move: the ones in which protocols go wrong are too rare for dice.
package enginetest
