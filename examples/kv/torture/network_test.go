package main

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAMajorityIsUpAndHearsEachOther(t *testing.T) {
	for name, c := range map[string]struct {
		down []int
		cut  []direction
		want bool
	}{
		"all":                            {nil, nil, true},
		"one is down":                    {[]int{1}, nil, true},
		"two are down":                   {[]int{1, 2}, nil, false},
		"one is alone":                   {nil, both([]int{1}, []int{2, 3}), true},
		"one is alone, and another down": {[]int{2}, both([]int{1}, []int{2, 3}), false},
		"two do not hear each other":     {nil, both([]int{1}, []int{2}), true},
		"one does not hear the other":    {[]int{3}, oneWay([]int{1}, []int{2}), false},
		"nobody hears anybody":           {nil, oneWay([]int{1, 2, 3}, []int{1, 2, 3}), false},
	} {
		h := newHealth(3, func() int64 { return 0 })
		h.setDown(false, 1, 2, 3)
		h.setDown(true, 4)
		h.setDown(true, c.down...)
		h.setCut(true, c.cut)
		require.Equal(t, c.want, h.majority(), name)
		h.setCut(false, c.cut)
		h.setDown(false, c.down...)
		require.True(t, h.majority(), name)
	}
}

// nodes are two ends of a proxied network. What node 1 sends, node 2 gets, and the other way round.
func nodes(t *testing.T) (p *proxied, one, two net.Conn) {
	network, err := newProxied([]int{1, 2})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, network.close()) })
	ln, err := net.Listen("tcp", network.peers(2))
	require.NoError(t, err)
	defer ln.Close()
	one, err = net.Dial("tcp", network.route(1, 2))
	require.NoError(t, err)
	two, err = ln.Accept()
	require.NoError(t, err)
	t.Cleanup(func() {
		one.Close()
		two.Close()
	})
	return network.(*proxied), one, two
}

func requireArrives(t *testing.T, to net.Conn, what string) {
	b := make([]byte, len(what))
	_, err := io.ReadFull(to, b)
	require.NoError(t, err)
	require.Equal(t, what, string(b))
}

func TestWhatIsSentOverALinkThatIsCutArrivesOnceItIsNot(t *testing.T) {
	p, one, two := nodes(t)
	io.WriteString(one, "a")
	requireArrives(t, two, "a")
	require.NoError(t, p.set(1, 2, condition{cut: true}))
	io.WriteString(one, "b")
	io.WriteString(two, "c")
	requireArrives(t, one, "c") // the other direction is not
	two.SetReadDeadline(time.Now())
	_, err := two.Read(make([]byte, 1))
	require.Error(t, err)
	two.SetReadDeadline(time.Time{})
	require.NoError(t, p.set(1, 2, condition{delay: time.Millisecond}))
	requireArrives(t, two, "b")
	require.NoError(t, p.set(1, 2, condition{}))
}

func TestOneEndOfAProxiedConnectionClosesTheOther(t *testing.T) {
	_, one, two := nodes(t)
	two.Close()
	_, err := one.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

func TestSilencesCountOnlyWhileThereIsAMajority(t *testing.T) {
	ms := int64(time.Millisecond)
	events := []event{{0, false}, {10 * ms, true}, {100 * ms, true}, {200 * ms, false}, {1000 * ms, true}}
	for name, c := range map[string]struct {
		acknowledged []int64
		want         time.Duration
	}{
		"none":                                 {nil, 100 * time.Millisecond},
		"a silence goes on over a fault":       {[]int64{20 * ms, 170 * ms, 190 * ms}, 150 * time.Millisecond},
		"none without a majority counts":       {[]int64{50 * ms, 100 * ms, 150 * ms, 199 * ms, 1010 * ms}, 50 * time.Millisecond},
		"one begins when there is a majority":  {[]int64{50 * ms, 100 * ms, 150 * ms, 199 * ms, 1300 * ms}, 300 * time.Millisecond},
		"writes without a majority, in flight": {[]int64{50 * ms, 100 * ms, 150 * ms, 199 * ms, 999 * ms, 1001 * ms}, 50 * time.Millisecond},
	} {
		if name == "none" {
			events := []event{{0, false}, {100 * ms, true}, {200 * ms, false}}
			require.Equal(t, c.want, unavailable(events, c.acknowledged))
			continue
		}
		require.Equal(t, c.want, unavailable(events, c.acknowledged), name)
	}
	require.Zero(t, unavailable([]event{{0, false}}, nil))
}
