// Package enginetest drives consensus engines by hand, whatever the protocol. Nothing is delivered, written or ticked but by a
// call, so that a test is a schedule, move by move: the ones in which protocols go wrong are too rare for dice.
//
//	protocol.go    what must be told of an engine, by a test inside of its package
//	cluster.go     a few engines
//	network.go     what is in flight between them
//	node.go        one engine, and the smallest host that keeps the rules of Effects, or breaks one
//	machine.go     its state machine
//	disk.go        its disk, with unfinished writes
//	safety.go      what is checked after every input
//	script.go      data-driven files of moves and traces; commands.go, arguments.go, show.go: their language
//	rig.go         one engine that is driven by bytes, whatever its peers send; laws.go, fuzz.go: what must hold of it
//	trio.go        three engines in one goroutine: what an entry costs
//
// The scripts of package raft and package paxos are in their testdata.
package enginetest
