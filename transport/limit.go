package transport

import (
	"math/rand/v2"
	"sync"
	"time"
)

// A backoff spaces the tries to reach a peer: from 50 ms to 5 s, random so that nodes which lost
// the same peer at once do not come back at once.
type backoff struct{ bound time.Duration }

const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// next returns how long to wait before the next try: from half of a bound up to the bound, which
// doubles each time.
func (b *backoff) next() time.Duration {
	b.bound = min(max(2*b.bound, firstBackoff), lastBackoff)
	return b.bound/2 + rand.N(b.bound/2)
}

// reset starts again, after a success.
func (b *backoff) reset() { b.bound = 0 }

// A bucket shapes what passes to a rate in bytes per second; none if it is 0. What has begun to
// pass is paid for before the next may begin, so nothing is ever saved up.
type bucket struct {
	rate int

	mu   sync.Mutex
	paid time.Time // when all that has been taken will have been paid for
}

// take takes n bytes, and returns how long to wait until they may pass.
func (b *bucket) take(now time.Time, n int) time.Duration {
	if b.rate == 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.paid.Before(now) {
		b.paid = now
	}
	wait := b.paid.Sub(now)
	b.paid = b.paid.Add(time.Duration(float64(n) / float64(b.rate) * float64(time.Second)))
	return wait
}

// A throttle lets something be said once a minute, and not more than maxSayings different things.
// Whoever makes us say them may choose the words.
type throttle struct {
	mu   sync.Mutex
	said map[string]time.Time
}

const (
	throttleInterval = time.Minute
	maxSayings       = 256
)

// allows reports whether what may be said now, and notes that it is.
func (t *throttle) allows(now time.Time, what string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.said == nil {
		t.said = make(map[string]time.Time)
	}
	if last, ok := t.said[what]; ok && now.Sub(last) < throttleInterval {
		return false
	}
	if len(t.said) >= maxSayings {
		for w, last := range t.said {
			if now.Sub(last) >= throttleInterval {
				delete(t.said, w)
			}
		}
	}
	if len(t.said) >= maxSayings {
		return false
	}
	t.said[what] = now
	return true
}
