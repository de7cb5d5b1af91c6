package consensus

import "encoding/binary"

// A StateEncoder appends to B what Engine.AppendState is made of: a part that engines are built with.
type StateEncoder struct{ B []byte }

// Put appends numbers.
func (e *StateEncoder) Put(vs ...uint64) {
	for _, v := range vs {
		e.B = binary.AppendUvarint(e.B, v)
	}
}

// Flag appends what is so, or not.
func (e *StateEncoder) Flag(vs ...bool) {
	for _, v := range vs {
		if v {
			e.B = append(e.B, 1)
		} else {
			e.B = append(e.B, 0)
		}
	}
}

// Bytes appends a string of bytes, and where it ends.
func (e *StateEncoder) Bytes(b []byte) {
	e.Put(uint64(len(b)))
	e.B = append(e.B, b...)
}

// Entry appends one entry.
func (e *StateEncoder) Entry(x *Entry) {
	e.Put(uint64(x.Index), uint64(x.Term), uint64(x.From), x.ID, uint64(x.Kind))
	e.Bytes(x.Data)
}

// Effects appends what waits to be done.
func (e *StateEncoder) Effects(reads []Read, fetches []Fetch, queues ...[]Message) {
	e.Put(uint64(len(reads)))
	for _, x := range reads {
		e.Put(x.ID, uint64(x.Index))
		e.Flag(x.Err != nil, x.Until != 0)
	}
	e.Put(uint64(len(fetches)))
	for _, f := range fetches {
		e.Put(uint64(f.To), uint64(f.Lo), uint64(f.Hi))
	}
	for _, q := range queues {
		e.Put(uint64(len(q)))
		for i := range q {
			e.B = q[i].AppendTo(e.B)
		}
	}
}
