package main

import (
	"slices"
	"sync/atomic"
	"time"
)

// A wave is one thing that every stream is expected to hear of: its first answer, or one change.
// Each stream fills its own slot, so that ten thousand readers meet at one atomic counter only.
type wave struct {
	name      string
	need      int32 // messages that complete a stream
	skip      int   // streams below this index are paused and not counted
	begun     time.Time
	left      atomic.Int64
	lost      atomic.Int64 // streams that ended before they were complete
	messages  atomic.Int64
	bytes     atomic.Int64
	endpoints atomic.Int64 // in messages that were decoded
	at        []int64      // per stream: nanoseconds since begun, 0 if incomplete
	done      chan struct{}
}

func newWave(name string, need int32, skip int, streams, open int) *wave {
	w := &wave{name: name, need: need, skip: skip, at: make([]int64, streams), done: make(chan struct{})}
	w.left.Store(int64(open))
	w.begun = time.Now()
	if open <= 0 {
		close(w.done)
	}
	return w
}

// complete notes that a stream has all that it needs.
func (w *wave) complete(index int) {
	w.at[index] = int64(time.Since(w.begun))
	w.settle()
}

// lose notes that a stream ended and will never be complete.
func (w *wave) lose() {
	w.lost.Add(1)
	w.settle()
}

func (w *wave) settle() {
	if w.left.Add(-1) == 0 {
		close(w.done)
	}
}

// waveReport is what is printed once a wave is over.
type waveReport struct {
	Event       string  `json:"event"`
	Streams     int     `json:"streams"`
	Lost        int64   `json:"lost"`
	Messages    int64   `json:"messages"`
	Bytes       int64   `json:"bytes"`
	Endpoints   int64   `json:"endpoints"`
	BegunUnixNs int64   `json:"begun_unix_ns"`
	FirstMs     float64 `json:"first_ms"`
	MedianMs    float64 `json:"median_ms"`
	P99Ms       float64 `json:"p99_ms"`
	LastMs      float64 `json:"last_ms"`
	ClientCPUMs float64 `json:"client_cpu_ms"`
}

func (w *wave) report() waveReport {
	times := slices.DeleteFunc(slices.Clone(w.at), func(ns int64) bool { return ns == 0 })
	slices.Sort(times)
	report := waveReport{
		Event:       w.name,
		Streams:     len(times),
		Lost:        w.lost.Load(),
		Messages:    w.messages.Load(),
		Bytes:       w.bytes.Load(),
		Endpoints:   w.endpoints.Load(),
		BegunUnixNs: w.begun.UnixNano(),
	}
	if n := len(times); n > 0 {
		ms := func(index int) float64 { return float64(times[index]) / 1e6 }
		report.FirstMs, report.MedianMs = ms(0), ms(n/2)
		report.P99Ms, report.LastMs = ms((n-1)*99/100), ms(n-1)
	}
	return report
}
