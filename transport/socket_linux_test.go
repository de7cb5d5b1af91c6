package transport

import (
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sockets are the two ends of a connection of the system's.
func sockets(t *testing.T) (near *socket, far net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	far, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { far.Close() })
	conn, err := l.Accept()
	require.NoError(t, err)
	near = newSocket(conn).(*socket)
	t.Cleanup(func() { near.Close() })
	return near, far
}

func TestNoArrivalIsMissedWhileTheLastIsHandled(t *testing.T) {
	near, far := sockets(t)
	send := func(b byte) {
		_, err := far.Write([]byte{b})
		require.NoError(t, err)
	}
	send(0)
	var got []byte
	buf := make([]byte, 16)
	err := await(near, func() error {
		n, err := near.Read(buf)
		if err != nil {
			return err
		}
		got = append(got, buf[:n]...)
		if len(got) == 200 {
			return io.EOF
		}
		send(byte(len(got))) // after it was read, and before it is waited for
		_, err = near.Read(buf)
		require.Equal(t, errDrained, err, "the system is not asked what it has said")
		return err
	})
	require.Equal(t, io.EOF, err)
	for i, b := range got {
		require.Equal(t, byte(i), b)
	}
}

func TestASocketThatIsAwaitedIsReadToItsEnd(t *testing.T) {
	near, far := sockets(t)
	const total = 8 << 20
	go func() {
		for sent := 0; sent < total; sent += 1 << 10 {
			far.Write(make([]byte, 1<<10))
		}
		io.Copy(io.Discard, far) // until the other side has closed
	}()
	got, buf := 0, make([]byte, 4<<10)
	require.Equal(t, io.EOF, await(near, func() error {
		for {
			n, err := near.Read(buf)
			if got += n; got == total {
				return io.EOF
			}
			if err != nil {
				return err
			}
		}
	}))
	near.Close()
}

// closeWait is what TCP_INFO begins with once the other side has ended the stream.
const closeWait = 8

func TestTheWaitForASocketEnds(t *testing.T) {
	drain := func(c net.Conn) func() error {
		return func() error {
			_, err := io.Copy(io.Discard, struct{ io.Reader }{c})
			return err
		}
	}
	t.Run("with the stream", func(t *testing.T) {
		near, far := sockets(t)
		far.Close()
		require.NoError(t, await(near, drain(near))) // io.Copy returns nil for io.EOF
	})
	t.Run("with the stream, whose end came with its last bytes", func(t *testing.T) {
		near, far := sockets(t)
		far.Write(make([]byte, 5))
		far.Close()
		ended := func() (state int) {
			near.raw.Control(func(fd uintptr) { state, _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO) })
			return state & 0xff
		}
		for ended() != closeWait {
			runtime.Gosched()
		}
		require.NoError(t, await(near, func() error {
			n, err := io.Copy(io.Discard, struct{ io.Reader }{near})
			require.NoError(t, err, "were it drained, nothing would end the wait")
			require.Equal(t, int64(5), n)
			return nil
		}))
	})
	t.Run("when it is closed", func(t *testing.T) {
		near, _ := sockets(t)
		go near.Close()
		require.ErrorIs(t, await(near, drain(near)), net.ErrClosed)
	})
	t.Run("when it is closed, though there is always more", func(t *testing.T) {
		near, far := sockets(t)
		far.Write(make([]byte, 10))
		require.ErrorIs(t, await(near, func() error {
			_, err := io.ReadFull(near, make([]byte, 1))
			if err != nil {
				return err
			}
			go near.Close()
			for !near.closed.Load() {
				runtime.Gosched()
			}
			_, err = near.Read(make([]byte, 1))
			return err
		}), net.ErrClosed)
	})
	t.Run("at its deadline", func(t *testing.T) {
		near, _ := sockets(t)
		near.SetReadDeadline(time.Now())
		require.ErrorIs(t, await(near, drain(near)), os.ErrDeadlineExceeded)
	})
	t.Run("and then it waits by itself again", func(t *testing.T) {
		near, far := sockets(t)
		require.Equal(t, io.ErrNoProgress, await(near, func() error { return io.ErrNoProgress }))
		far.Write([]byte{1})
		n, err := near.Read(make([]byte, 2))
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
}

func TestOnlyASystemsConnectionIsASocket(t *testing.T) {
	one, two := net.Pipe()
	defer one.Close()
	defer two.Close()
	require.Equal(t, one, newSocket(one))
}

// The text of the error has the ports in it. A pipe's has not.
func TestAMachineThatResetsItsConnectionsIsLoggedOnceAMinute(t *testing.T) {
	var j journal
	one := listen(t, 1, j.logger)[0]
	start(t, one, new(keeper))
	for n := range uint64(10) {
		c, err := net.Dial("tcp", one.Addr().String())
		require.NoError(t, err)
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		for one.Stats().Refused == n {
			runtime.Gosched()
		}
	}
	one.Close()
	require.Equal(t, 1, j.count("refused a connection"))
}
