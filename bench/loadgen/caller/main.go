// Caller makes unary calls, a fixed number in flight, and reports how long they took.
//
// It knows no message type: requests are read from standard input, one a line in hexadecimal, and
// given out in turn. With -rate it begins that many calls a second, however long they take, up to
// -in-flight. At the end it prints one JSON object and ends; with -progress it prints one every so
// often as well, so that memory can be read beside it.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"linkerd-py/bench/loadgen/raw"
)

type options struct {
	target      string
	method      string
	inFlight    int
	connections int
	calls       int
	rate        float64
	progress    int
}

// A report covers all calls; times are in milliseconds, of calls that ended well.
type report struct {
	Event       string            `json:"event"`
	Calls       int               `json:"calls"`
	Seconds     float64           `json:"seconds"`
	P50Ms       float64           `json:"p50_ms"`
	P99Ms       float64           `json:"p99_ms"`
	MaxMs       float64           `json:"max_ms"`
	Failed      map[string]int    `json:"failed"`
	Details     map[string]string `json:"details"`
	ClientCPUMs float64           `json:"client_cpu_ms"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "caller:", err)
		os.Exit(1)
	}
}

func run() error {
	var o options
	flag.StringVar(&o.target, "target", "127.0.0.1:8080", "host:port of the server")
	flag.StringVar(&o.method, "method", "", "full method name")
	flag.IntVar(&o.inFlight, "in-flight", 32, "calls in flight")
	flag.IntVar(&o.connections, "connections", 4, "connections to spread them over")
	flag.IntVar(&o.calls, "calls", 1000, "calls in all")
	flag.Float64Var(&o.rate, "rate", 0, "calls to begin a second; 0: as many as there can be")
	flag.IntVar(&o.progress, "progress", 0, "print after every so many calls; 0: never")
	flag.Parse()
	requests, err := readRequests()
	if err != nil {
		return err
	}
	connections, err := dial(o)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(newCaller(o, requests, connections).all())
}

func readRequests() ([][]byte, error) {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 4<<20)
	var requests [][]byte
	for lines.Scan() {
		request, err := hex.DecodeString(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("request %d: %w", len(requests)+1, err)
		}
		requests = append(requests, request)
	}
	if len(requests) == 0 {
		return nil, fmt.Errorf("no requests on standard input")
	}
	return requests, lines.Err()
}

func dial(o options) ([]*grpc.ClientConn, error) {
	connections := make([]*grpc.ClientConn, o.connections)
	for i := range connections {
		connection, err := grpc.NewClient(o.target,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw.Codec{})))
		if err != nil {
			return nil, err
		}
		connections[i] = connection
	}
	return connections, nil
}

type caller struct {
	options
	requests    [][]byte
	connections []*grpc.ClientConn
	next        atomic.Int64
	mu          sync.Mutex // guards what is below
	took        []time.Duration
	done        int
	failed      map[string]int
	details     map[string]string
}

func newCaller(o options, requests [][]byte, connections []*grpc.ClientConn) *caller {
	return &caller{
		options: o, requests: requests, connections: connections,
		failed: map[string]int{}, details: map[string]string{},
	}
}

func (c *caller) all() report {
	began, cpu := time.Now(), cpuTime()
	var workers sync.WaitGroup
	for i := range c.inFlight {
		workers.Go(func() { c.work(c.connections[i%len(c.connections)], began) })
	}
	workers.Wait()
	return c.report(time.Since(began), cpuTime()-cpu)
}

func (c *caller) work(connection *grpc.ClientConn, began time.Time) {
	for {
		number := int(c.next.Add(1)) - 1
		if number >= c.calls {
			return
		}
		if c.rate > 0 {
			due := began.Add(time.Duration(float64(number) / c.rate * float64(time.Second)))
			time.Sleep(time.Until(due))
		}
		request := &raw.Message{Bytes: c.requests[number%len(c.requests)]}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		start := time.Now()
		err := connection.Invoke(ctx, c.method, request, &raw.Message{})
		c.ended(time.Since(start), err)
		cancel()
	}
}

func (c *caller) ended(took time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done++
	if err == nil {
		c.took = append(c.took, took)
	} else {
		state := status.Convert(err)
		c.failed[state.Code().String()]++
		c.details[state.Code().String()] = state.Message()
	}
	if c.progress > 0 && c.done%c.progress == 0 {
		fmt.Printf("{\"event\": \"progress\", \"calls\": %d}\n", c.done)
	}
}

func (c *caller) report(elapsed, cpu time.Duration) report {
	slices.Sort(c.took)
	return report{
		Event: "done", Calls: c.done, Seconds: elapsed.Seconds(),
		P50Ms: quantile(c.took, 0.50), P99Ms: quantile(c.took, 0.99), MaxMs: quantile(c.took, 1),
		Failed: c.failed, Details: c.details, ClientCPUMs: float64(cpu) / 1e6,
	}
}

func quantile(sorted []time.Duration, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[int(share*float64(len(sorted)-1))]) / 1e6
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
