package main

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/consensus-go/consensus"
)

// A result is what is printed.
type result struct {
	System  string  `json:"system"`
	Op      string  `json:"op"`
	Clients int     `json:"clients"`
	Payload int     `json:"payload"`
	OpsPerS float64 `json:"ops_per_s"`
	P50us   float64 `json:"p50_us"`
	P99us   float64 `json:"p99_us"`
	CPUus   float64 `json:"cpu_us_per_op"`
	Allocs  float64 `json:"allocs_per_op"`
	Errors  int64   `json:"errors"`
}

// An operation is done by the member that leads a group.
type operation func(ctx context.Context, leader *consensus.Group, command []byte) error

func write(ctx context.Context, leader *consensus.Group, command []byte) error {
	_, err := leader.Propose(ctx, command)
	return err
}

func read(ctx context.Context, leader *consensus.Group, _ []byte) error { return leader.Read(ctx) }

// A load is clients at work.
type load struct {
	op      operation
	leaders []*consensus.Group // client i uses that of group i modulo their number
	payload int

	measuring, stopped atomic.Bool
	errors             atomic.Int64
}

// client works until the load is stopped, and returns how long each operation took that began while
// it was measured.
func (l *load) client(i int) (took []time.Duration) {
	command := make([]byte, l.payload) // the log keeps it, and nobody changes it
	for !l.stopped.Load() {
		measured, start := l.measuring.Load(), time.Now()
		if err := l.op(context.Background(), l.leaders[i%len(l.leaders)], command); err != nil {
			l.errors.Add(1)
			continue
		}
		if measured {
			took = append(took, time.Since(start))
		}
	}
	return took
}

// bench sets up the replicas, and has the clients work.
func bench(s settings) (result, error) {
	c, err := start(s)
	if err != nil {
		return result{}, err
	}
	defer c.close()
	leaders, err := c.leaders()
	if err != nil {
		return result{}, err
	}
	l := &load{op: operations[s.op], leaders: leaders, payload: s.payload}
	took := make([][]time.Duration, s.clients)
	var clients sync.WaitGroup
	for i := range took {
		clients.Go(func() { took[i] = l.client(i) })
	}
	time.Sleep(s.warmUp)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	l.errors.Store(0)
	cpu, begun := processorTime(), time.Now()
	l.measuring.Store(true)
	time.Sleep(s.duration)
	l.measuring.Store(false)
	elapsed, spent := time.Since(begun), processorTime()-cpu
	runtime.ReadMemStats(&after)
	r := result{System: "consensus-" + s.protocol, Op: s.op, Clients: s.clients, Payload: s.payload, Errors: l.errors.Load()}
	l.stopped.Store(true)
	clients.Wait()

	all := slices.Concat(took...)
	slices.Sort(all)
	if n := len(all); n > 0 {
		r.OpsPerS = float64(n) / elapsed.Seconds()
		r.P50us = micros(all[n/2])
		r.P99us = micros(all[n*99/100])
		r.CPUus = micros(spent) / float64(n)
		r.Allocs = float64(after.Mallocs-before.Mallocs) / float64(n)
	}
	return r, nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
