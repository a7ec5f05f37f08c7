// Peer is the yardstick of the fan-out bench: the least that a gRPC server in Go does to tell
// one thing to many streams. It serves any method: each stream gets one message of -first bytes,
// and then one of -delta bytes for every line on standard input. It keeps no state, watches
// nothing and encodes nothing, so a real server cannot be expected to be cheaper on grpc-go.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"sync"

	"google.golang.org/grpc"

	"linkerd-py/bench/loadgen/raw"
)

// topic lets every stream wait for the next change.
type topic struct {
	mu      sync.Mutex
	changed chan struct{}
}

func (t *topic) next() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed
}

func (t *topic) change() {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.changed)
	t.changed = make(chan struct{})
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run() error {
	first := flag.Int("first", 20_000, "size of the first message, in bytes")
	delta := flag.Int("delta", 150, "size of every later message, in bytes")
	flag.Parse()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	t := &topic{changed: make(chan struct{})}
	server := grpc.NewServer(
		grpc.ForceServerCodecV2(raw.Codec{}),
		grpc.UnknownServiceHandler(t.serve(make([]byte, *first), make([]byte, *delta))))
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"event": "serving", "address": listener.Addr().String()}); err != nil {
		return err
	}
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			t.change()
		}
		server.Stop()
	}()
	if err := server.Serve(listener); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

func (t *topic) serve(first, delta []byte) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		if err := stream.RecvMsg(&raw.Message{}); err != nil {
			return err
		}
		next := t.next()
		if err := stream.SendMsg(&raw.Message{Bytes: first}); err != nil {
			return err
		}
		for {
			select {
			case <-next:
			case <-stream.Context().Done():
				return stream.Context().Err()
			}
			next = t.next()
			if err := stream.SendMsg(&raw.Message{Bytes: delta}); err != nil {
				return err
			}
		}
	}
}
