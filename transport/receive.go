package transport

import (
	"net"

	"github.com/consensus-go/consensus"
)

// maxBatch is how many messages one call of Deliver gets at most.
const maxBatch = 1024

// An inbox hands the messages of one connection to the handler: those of all frames that have
// arrived at once.
type inbox struct {
	server *server
	from   consensus.NodeID
	msgs   []consensus.Message
}

// receive delivers the messages of a connection until it breaks, or breaks a rule.
func (s *server) receive(conn net.Conn, from consensus.NodeID) error {
	in := inbox{server: s, from: from}
	frames := newFrameReader(conn, s.t.opt.Timeout, s.t.maxFrame(), readBuffer)
	var stall deadline
	frames.renewed = func() error { return s.t.write(conn, &stall, emptyFrame) } // says that this node is alive
	return await(conn, func() error { return in.receive(frames) })
}

// receive delivers what the frames bring until there are no more, or one breaks a rule.
func (in *inbox) receive(frames *frameReader) error {
	stats := &in.server.t.stats
	for {
		payload, apart, err := frames.next()
		if err != nil {
			return err
		}
		if err := in.unpack(payload, apart); err != nil {
			return err
		}
		stats.framesReceived.Add(1)
		stats.bytesReceived.Add(uint64(headerSize + len(payload)))
		if !frames.ready() {
			in.deliver()
		}
	}
}

// unpack takes the messages out of a frame. What a message is given to keep is its own: its entries
// and data are copied out of the frame, unless the frame is kept apart and they are more than half
// of it, so that no message keeps much more alive than it needs.
func (in *inbox) unpack(payload []byte, apart bool) error {
	for rest := payload; len(rest) > 0; {
		var b []byte
		var err error
		if b, rest, err = cutMessage(rest); err != nil {
			return err
		}
		in.msgs = append(in.msgs, consensus.Message{})
		m := &in.msgs[len(in.msgs)-1]
		if err = m.DecodeFrom(b); err != nil {
			return err
		}
		if m.From != in.from || m.To != in.server.t.opt.ID {
			return malformed("message from node %d to node %d on the connection from node %d", m.From, m.To, in.from)
		}
		if size := carried(m); !apart || 2*size < len(payload) {
			detach(m, size)
		}
		if len(in.msgs) == maxBatch {
			in.deliver()
		}
	}
	return nil
}

func (in *inbox) deliver() {
	if len(in.msgs) == 0 {
		return
	}
	in.server.t.stats.messagesReceived.Add(uint64(len(in.msgs)))
	in.server.handler.Deliver(in.msgs)
	clear(in.msgs) // keep the memory for the next batch, not what it points to
	in.msgs = in.msgs[:0]
}

// carried is how many bytes of entries and data m has.
func carried(m *consensus.Message) int {
	size := len(m.Data)
	for i := range m.Entries {
		size += len(m.Entries[i].Data)
	}
	return size
}

// detach gives m a copy of its entries' bytes and data, which are of that size.
func detach(m *consensus.Message, size int) {
	if size == 0 {
		return
	}
	own := make([]byte, 0, size)
	for i := range m.Entries {
		own, m.Entries[i].Data = move(own, m.Entries[i].Data)
	}
	_, m.Data = move(own, m.Data)
}

// move appends data to own, which has room for it, and returns both.
func move(own, data []byte) (grown, moved []byte) {
	if len(data) == 0 {
		return own, nil
	}
	n := len(own)
	own = append(own, data...)
	return own, own[n:len(own):len(own)]
}
