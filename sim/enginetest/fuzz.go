package enginetest

import "testing"

// Fuzz drives a rig by bytes: whatever the engine is sent, and in whatever state, it does not panic, keeps its own invariants,
// and keeps what it promises to its host.
func Fuzz(f *testing.F, s *Speaker) {
	for kind := range byte(3) {
		f.Add(kind, []byte{})
		f.Add(kind, s.Lead)
	}
	f.Fuzz(func(t *testing.T, kind byte, bytes []byte) {
		if err := NewRig(s, kind).Run(bytes); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzMessage delivers one message, as bytes off the wire, to an engine that leads, one that follows, and one that has just
// begun.
func FuzzMessage(f *testing.F, s *Speaker, examples ...Message) {
	for i := range examples {
		f.Add(examples[i].AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		var m Message
		if m.DecodeFrom(wire) != nil {
			return
		}
		for _, before := range [][]byte{nil, s.Lead, s.Follow} {
			g := NewRig(s, 0)
			if err := g.Run(before); err != nil {
				t.Fatal(err)
			}
			g.Engine.Step(&m)
			if err := g.Run([]byte{9, 0, 1, 0, 9, 0}); err != nil {
				t.Fatalf("%v: %v", &m, err)
			}
		}
	})
}
