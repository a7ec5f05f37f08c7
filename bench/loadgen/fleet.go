package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"linkerd-py/bench/loadgen/raw"
)

// options are the shape of the load.
type options struct {
	target       string
	method       string
	streams      int
	connections  int
	requests     [][]byte // stream i sends requests[i % len]
	streamWindow int32
	connWindow   int32
	keepLast     bool
	decode       bool
}

// A fleet is a set of open streams, spread evenly over a few connections.
type fleet struct {
	options
	conns []*grpc.ClientConn
	group sync.WaitGroup

	current  atomic.Pointer[wave]
	messages atomic.Int64
	bytes    atomic.Int64

	mu       sync.Mutex // guards what follows, and the swap of current
	running  []bool
	open     int
	ended    map[string]int
	details  map[string]string // one example message for a status
	paused   int
	gate     chan struct{} // closed while nobody is paused
	slow     atomic.Int64  // messages to streams since they were paused
	slowBand atomic.Int64  // how many streams those are
	last     []atomic.Uint64
	counts   []atomic.Int64 // messages, by stream
}

func newFleet(o options) *fleet {
	gate := make(chan struct{})
	close(gate)
	return &fleet{
		options: o,
		running: make([]bool, o.streams),
		ended:   map[string]int{},
		details: map[string]string{},
		gate:    gate,
		last:    make([]atomic.Uint64, o.streams),
		counts:  make([]atomic.Int64, o.streams),
	}
}

// connect dials all connections and waits until each is ready.
func (f *fleet) connect(ctx context.Context) error {
	for i := range f.connections {
		conn, err := grpc.NewClient("passthrough:///"+f.target,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(
				grpc.ForceCodecV2(raw.Codec{}), grpc.MaxCallRecvMsgSize(64<<20), grpc.MaxCallSendMsgSize(64<<20)),
			grpc.WithInitialWindowSize(f.streamWindow),
			grpc.WithInitialConnWindowSize(f.connWindow),
			grpc.WithUserAgent("linkerd-py-loadgen"),
		)
		if err != nil {
			return err
		}
		f.conns = append(f.conns, conn)
		conn.Connect()
		for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
			if !conn.WaitForStateChange(ctx, state) {
				return fmt.Errorf("connection %d to %s is still %s: %w", i, f.target, state, ctx.Err())
			}
		}
	}
	return nil
}

// openAll starts every stream; the wave that it returns is over when each has its first message.
func (f *fleet) openAll(ctx context.Context) *wave {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = f.streams
	first := newWave("first", 1, 0, f.streams, f.open)
	f.current.Store(first)
	for i := range f.streams {
		f.running[i] = true
		f.group.Add(1)
		go f.follow(ctx, i)
	}
	return first
}

// begin starts a wave of `need` messages for every stream that is open and not paused.
func (f *fleet) begin(need int32) *wave {
	f.mu.Lock()
	defer f.mu.Unlock()
	open := 0
	for i := f.paused; i < f.streams; i++ {
		if f.running[i] {
			open++
		}
	}
	w := newWave("changed", need, f.paused, f.streams, open)
	f.current.Store(w)
	return w
}

// pause makes the first `count` streams stop reading. A reader that waits inside a receive
// takes one more message first; what follows stays in the transport's buffers and windows.
func (f *fleet) pause(count int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.paused == 0 && count > 0 {
		f.gate = make(chan struct{})
	}
	f.paused = count
	f.slow.Store(0)
	f.slowBand.Store(int64(count))
}

// resume lets all paused streams read again; their messages go on being counted from the pause,
// since one may be under way just now.
func (f *fleet) resume() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.paused > 0 {
		f.paused = 0
		close(f.gate)
	}
}

// hold blocks while the stream is paused.
func (f *fleet) hold(ctx context.Context, index int) {
	if int64(index) >= f.slowBand.Load() {
		return
	}
	f.mu.Lock()
	gate, paused := f.gate, index < f.paused
	f.mu.Unlock()
	if paused {
		select {
		case <-gate:
		case <-ctx.Done():
		}
	}
}

// follow opens one stream and reads it to its end.
func (f *fleet) follow(ctx context.Context, index int) {
	defer f.group.Done()
	progress := progress{fleet: f, index: index}
	err := f.read(ctx, &progress)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running[index] = false
	f.open--
	name := status.Code(err).String()
	if err == nil {
		name = codes.OK.String()
	}
	f.ended[name]++
	if err != nil {
		f.details[name] = status.Convert(err).Message()
	}
	progress.over()
}

func (f *fleet) read(ctx context.Context, p *progress) error {
	conn := f.conns[p.index%len(f.conns)]
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, f.method)
	if err != nil {
		return err
	}
	request := &raw.Message{Bytes: f.requests[p.index%len(f.requests)]}
	if err := stream.SendMsg(request); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	message := &raw.Message{Keep: f.keepLast || f.decode}
	for {
		f.hold(ctx, p.index)
		if err := stream.RecvMsg(message); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := p.received(message); err != nil {
			return err
		}
		message.Keep = f.keepLast
	}
}

// progress is one reader's place in the current wave; only its own goroutine touches it.
type progress struct {
	fleet *fleet
	index int
	wave  *wave
	have  int32
}

// received takes a message into account; with -decode, a stream's first is read in full before.
func (p *progress) received(message *raw.Message) error {
	f := p.fleet
	w := f.current.Load()
	if f.counts[p.index].Add(1) == 1 && f.decode {
		endpoints, err := decode(message.Bytes)
		if err != nil {
			return err
		}
		w.endpoints.Add(int64(len(endpoints)))
	}
	f.messages.Add(1)
	f.bytes.Add(int64(message.Size))
	if int64(p.index) < f.slowBand.Load() {
		f.slow.Add(1)
	}
	if f.keepLast {
		digest := fnv.New64a()
		digest.Write(message.Bytes)
		f.last[p.index].Store(digest.Sum64())
	}
	if p.wave != w {
		p.wave, p.have = w, 0
	}
	w.messages.Add(1)
	w.bytes.Add(int64(message.Size))
	p.have++
	if p.have == w.need && p.index >= w.skip {
		w.complete(p.index)
	}
	return nil
}

// over is called once the stream has ended, with the fleet's lock held.
func (p *progress) over() {
	w := p.fleet.current.Load()
	complete := p.wave == w && p.have >= w.need
	if !complete && p.index >= w.skip {
		w.lose()
	}
}

// statusReport is a view of the whole fleet.
type statusReport struct {
	Event        string            `json:"event"`
	Open         int               `json:"open"`
	Paused       int               `json:"paused"`
	Messages     int64             `json:"messages"`
	Bytes        int64             `json:"bytes"`
	SlowMessages int64             `json:"slow_messages"`
	Ended        map[string]int    `json:"ended"`
	Details      map[string]string `json:"details"`
	Distinct     int               `json:"distinct_last,omitempty"`
	Least        int64             `json:"least"` // messages of the stream that got fewest
	Most         int64             `json:"most"`
	UnixNs       int64             `json:"unix_ns"`
}

func (f *fleet) status() statusReport {
	f.mu.Lock()
	defer f.mu.Unlock()
	report := statusReport{
		Event: "status", Open: f.open, Paused: f.paused,
		Messages: f.messages.Load(), Bytes: f.bytes.Load(), SlowMessages: f.slow.Load(),
		Ended: map[string]int{}, Details: map[string]string{}, UnixNs: time.Now().UnixNano(),
	}
	report.Least, report.Most = f.counts[0].Load(), f.counts[0].Load()
	for i := range f.counts {
		report.Least = min(report.Least, f.counts[i].Load())
		report.Most = max(report.Most, f.counts[i].Load())
	}
	for name, count := range f.ended {
		report.Ended[name] = count
	}
	for name, detail := range f.details {
		report.Details[name] = detail
	}
	if f.keepLast {
		seen := map[uint64]struct{}{}
		for i := range f.last {
			seen[f.last[i].Load()] = struct{}{}
		}
		report.Distinct = len(seen)
	}
	return report
}

// close ends all streams and connections.
func (f *fleet) close(cancel context.CancelFunc) {
	cancel()
	f.group.Wait()
	for _, conn := range f.conns {
		conn.Close()
	}
}
